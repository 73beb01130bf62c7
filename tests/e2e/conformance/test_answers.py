"""Answers are those of a real kube-apiserver: code, media type, warnings and every member of the body."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from apiserver.kinds.website import KIND
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.process import eventually
from tests.controlplane.reference import GROUP as REFERENCE
from tests.controlplane.reference import custom_resource
from tests.controlplane.server import Standalone
from tests.e2e.conformance.cases import CASES
from tests.e2e.conformance.differences import accepted
from tests.e2e.conformance.exchange import GROUP, Run

SOON = 30.0


@pytest.fixture(scope="module")
def reference(control_plane: ControlPlane) -> Iterator[httpx.Client]:
    """kube-apiserver with the custom resource."""
    control_plane.kubectl().apply(custom_resource())
    with control_plane.http() as client:
        path = f"/apis/{REFERENCE}/{KIND.version}/{KIND.plural}"
        eventually(lambda: client.get(path).status_code == 200, SOON, "the custom resource is served")
        yield client


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """This server, without controllers: they would write status between two requests."""
    with Standalone(tmp_path_factory.mktemp("conformance"), "--controllers=false") as server, server.http() as client:
        yield client


@pytest.mark.parametrize("name", CASES)
def test_answers(name: str, reference: httpx.Client, ours: httpx.Client, tmp_path: Path) -> None:
    """Each request of the case is answered as kube-apiserver answers it."""
    namespace = f"case-{name}"
    expected = Run(reference, REFERENCE, namespace).answers(CASES[name])
    actual = Run(ours, GROUP, namespace).answers(CASES[name])
    for number, (wanted, got) in enumerate(zip(expected, actual, strict=True)):
        if accepted(name, number):
            continue
        assert (got.code, got.media_type, got.warnings) == (wanted.code, wanted.media_type, wanted.warnings), got
        assert got.body == wanted.body, f"step {number}: {got.request}"
