"""The servers that are compared. Each is asked all selected cases at once, and the tests look at the answers.

The control plane is quiet: nobody writes but the cases.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.process import SOON, eventually
from tests.controlplane.secure_etcd import SecureEtcd
from tests.controlplane.server import APIServerProcess, SQLiteFile, Standalone
from tests.e2e.conformance.exchange import Answers, Server
from tests.e2e.conformance.record import kube_apiserver, quiet
from tests.e2e.websites import COLLECTION, GROUP, website

REFERENCE = "kube-apiserver"
TARGETS = ("standalone", "sqlite", "sqlite-aggregated", "etcd", "etcd-aggregated")
"""Where this server keeps its objects and who is in between; `standalone` is SQLite without a cluster."""


@pytest.fixture(scope="package")
def quiet_cluster(binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with quiet(tmp_path_factory.mktemp("conformance"), binaries) as cluster:
        yield cluster


@pytest.fixture(scope="package")
def selected(request: pytest.FixtureRequest) -> Callable[[str], list[str]]:
    """The cases that this run of pytest compares of a target."""
    functions = [item for item in request.session.items if isinstance(item, pytest.Function)]
    chosen = [item.callspec.params for item in functions if hasattr(item, "callspec")]
    asked = [(each.get("target", REFERENCE), str(each["case"])) for each in chosen if "case" in each]
    return lambda target: [case for whom, case in asked if whom == target]


@pytest.fixture(scope="package")
def reference(quiet_cluster: ControlPlane, selected: Callable[[str], list[str]]) -> Iterator[Answers]:
    """kube-apiserver's answers."""
    with kube_apiserver(quiet_cluster) as server, server.ask(selected(REFERENCE)) as answers:
        yield answers


@pytest.fixture(scope="package", params=TARGETS)
def target(request: pytest.FixtureRequest) -> str:
    """Each of them, one after the other."""
    name: str = request.param
    return name


@pytest.fixture(scope="package")
def server(target: str, quiet_cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """This server, without its controllers, which would write status between two requests."""
    served = _standalone if target == "standalone" else _in_cluster
    with served(target, tmp_path_factory.mktemp(target), quiet_cluster) as running:
        yield running


@pytest.fixture(scope="package")
def answers(server: Server, target: str, selected: Callable[[str], list[str]]) -> Iterator[Answers]:
    """This server's answers."""
    with server.ask(selected(target)) as answers:
        yield answers


@contextmanager
def _standalone(_target: str, directory: Path, _cluster: ControlPlane) -> Iterator[Server]:
    with Standalone(directory, "--controllers=false") as server, server.http() as client:
        yield Server(client, client, GROUP)


@contextmanager
def _in_cluster(target: str, directory: Path, cluster: ControlPlane) -> Iterator[Server]:
    with ExitStack() as running:
        enter = running.enter_context
        etcd = target.startswith("etcd")
        storage = enter(SecureEtcd(directory / "etcd")) if etcd else SQLiteFile(directory / "storage.db")
        server = APIServerProcess("server", directory, cluster, storage, "--controllers=false")
        enter(server)
        host, direct = enter(cluster.http()), enter(server.http())
        if not target.endswith("aggregated"):
            yield Server(direct, host, GROUP)
            return
        server.register()
        server.wait_available()
        _wait_routed(host, direct, target)
        yield Server(host, host, GROUP)


def _wait_routed(host: httpx.Client, direct: httpx.Client, name: str) -> None:
    """Until the aggregator asks this server and not the one that was registered before it."""

    def routed() -> bool:
        host.post(COLLECTION, json=website(name))
        return direct.delete(f"{COLLECTION}/{name}").status_code == httpx.codes.OK

    eventually(routed, SOON, "the aggregator's requests arrive")
