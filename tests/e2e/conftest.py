"""What the end-to-end tests run against: one control plane with the server registered, one server in standalone mode.

Both are started once and shared; whoever breaks one on purpose brings one of its own (`own_server`).
"""

import itertools
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.controlplane import binaries as controlplane_binaries
from tests.controlplane.cluster import TOKENS, ControlPlane
from tests.controlplane.kubectl import Kubectl
from tests.controlplane.secure_etcd import SecureEtcd
from tests.controlplane.server import DEFAULTS, APIServerProcess, Server, Standalone
from tests.e2e.websites import COLLECTION

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Target:
    """Where the same kubectl steps are run: through the aggregator of a cluster, or in standalone mode."""

    name: str
    url: str
    ca_file: Path
    kubectl: Kubectl

    def http(self, user: str = "admin") -> httpx.Client:
        """HTTPS as a user with a static token."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        headers = {"Authorization": f"Bearer {TOKENS[user][0]}"}
        return httpx.Client(base_url=self.url, verify=context, headers=headers, timeout=30.0)


@pytest.fixture(scope="session")
def binaries(pytestconfig: pytest.Config) -> Path:
    """The folder of the control plane's binaries; building them shows its progress in spite of output capture."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else ExitStack():
        return controlplane_binaries.ensure()


@pytest.fixture(scope="session")
def control_plane(binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """etcd, kube-apiserver, kube-controller-manager."""
    with ControlPlane(tmp_path_factory.mktemp("cluster"), binaries) as running:
        yield running


@pytest.fixture(scope="session")
def registered(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[APIServerProcess]:
    """The server, Available in the cluster."""
    with SecureEtcd(tmp_path_factory.mktemp("etcd")) as etcd:
        directory = tmp_path_factory.mktemp("server")
        server = APIServerProcess("registered", directory, control_plane, etcd, "--leader-elect", *DEFAULTS)
        with server:
            server.register()
            server.wait_available()
            yield server


@pytest.fixture(scope="session")
def standalone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    """The server without a cluster."""
    with Standalone(tmp_path_factory.mktemp("standalone")) as server:
        assert isinstance(server, Standalone)
        yield server


@pytest.fixture(scope="session")
def cluster_target(control_plane: ControlPlane, registered: APIServerProcess) -> Target:
    ca_file = control_plane.directory / "pki" / "ca.crt"
    return Target("cluster", control_plane.url, ca_file, control_plane.kubectl())


@pytest.fixture(scope="session")
def standalone_target(standalone: Standalone, binaries: Path) -> Target:
    return Target("standalone", standalone.url, standalone.ca_file, standalone.kubectl(binaries))


@pytest.fixture(params=["cluster", "standalone"])
def target(request: pytest.FixtureRequest) -> Target:
    """Each of the two, one after the other."""
    chosen = request.getfixturevalue(f"{request.param}_target")
    assert isinstance(chosen, Target)
    return chosen


def new_namespace(kubectl: Kubectl) -> Kubectl:
    """kubectl in a namespace that nobody has used."""
    name = f"e2e-{next(_numbers)}"
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return kubectl.within(name)


@pytest.fixture(scope="session")
def kubectl_binary() -> str:
    """Which kubectl the tests run; a module that claims something of all its versions overrides this."""
    return "kubectl"


@pytest.fixture
def kubectl(target: Target, kubectl_binary: str) -> Kubectl:
    """kubectl against each target, in a fresh namespace."""
    return new_namespace(target.kubectl.named(kubectl_binary))


@pytest.fixture
def cluster(cluster_target: Target) -> Kubectl:
    """kubectl against the cluster only, in a fresh namespace."""
    return new_namespace(cluster_target.kubectl)


StartServer = Callable[..., APIServerProcess]


@pytest.fixture
def own_etcd(tmp_path: Path) -> Iterator[SecureEtcd]:
    """An etcd for one test, with client certificates."""
    with SecureEtcd(tmp_path / "etcd") as etcd:
        yield etcd


@pytest.fixture
def start_server(control_plane: ControlPlane, own_etcd: SecureEtcd, tmp_path: Path) -> Iterator[StartServer]:
    """Starts servers beside the same cluster on an etcd of their own, to be broken at will: the aggregator knows
    nothing of them, and they run no controllers."""
    with ExitStack() as running:

        def start(name: str = "own", *flags: str, wait: bool = True) -> APIServerProcess:
            server = APIServerProcess(name, tmp_path, control_plane, own_etcd, "--controllers=false", *flags)
            running.callback(server.kill)
            if wait:
                server.start()
            else:
                server.launch()
            return server

        yield start


@pytest.fixture
def own_server(start_server: StartServer) -> Server:
    """One such server."""
    return start_server()


@pytest.fixture
def own_websites(own_server: Server) -> Iterator[httpx.Client]:
    """An HTTP client of it, as admin; paths are relative to the collection in namespace default."""
    with own_server.http() as client:
        client.base_url = httpx.URL(own_server.url + COLLECTION)
        yield client
