"""A real kube-apiserver and this server, both with the kind Rack."""

from collections.abc import Iterator

import httpx
import pytest

from tests.controlplane import reference as custom
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.server import ROOT, Standalone, with_kinds
from tests.kinds.rack import KIND


@pytest.fixture(scope="package")
def reference(control_plane: ControlPlane) -> Iterator[httpx.Client]:
    """kube-apiserver with Racks as custom resources."""
    custom.install(control_plane, KIND, KIND.group)
    with control_plane.http() as client:
        yield client


@pytest.fixture(scope="package")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """This server with one more file in its folder of kinds."""
    directory = tmp_path_factory.mktemp("ownership")
    server = Standalone(directory / "run", "--controllers=false")
    server.root = with_kinds(directory, {"rack": (ROOT / "tests" / "kinds" / "rack.py").read_text()})
    with server, server.http() as client:
        yield client
