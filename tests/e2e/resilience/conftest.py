"""A control plane of its own: what is broken here would break other tests, and two clusters' worth of servers in one
cluster would take each other's children for leftovers."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.kubectl import Kubectl, Object
from tests.controlplane.process import SOON, eventually
from tests.controlplane.proxy import Proxy, Seen
from tests.controlplane.secure_etcd import SecureEtcd
from tests.controlplane.server import APIServerProcess, manifests, service_account_token
from tests.e2e.conftest import new_namespace

LEASE = "apiserver-controllers"


@dataclass(frozen=True)
class Replica:
    """A server that reaches the cluster by way of a proxy of its own; `namespace` is the test's."""

    server: APIServerProcess
    proxy: Proxy
    namespace: str

    def writes(self, kind: str = "") -> list[Seen]:
        """Those that it sent for objects of the namespace, all kinds but Leases, or one plural."""
        mine = [seen for seen in self.proxy.seen if seen.writes and f"/namespaces/{self.namespace}/" in seen.path]
        return [seen for seen in mine if "/leases" not in seen.path and f"/{kind}" in seen.path]

    @property
    def collection(self) -> str:
        """The path of the test's Websites."""
        return f"/apis/extensions.example.com/v1alpha1/namespaces/{self.namespace}/websites"


StartReplica = Callable[..., Replica]


@pytest.fixture(scope="package")
def control_plane(binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """etcd, kube-apiserver, kube-controller-manager."""
    with ControlPlane(tmp_path_factory.mktemp("cluster"), binaries) as running:
        yield running


@pytest.fixture
def kubectl(control_plane: ControlPlane) -> Kubectl:
    """kubectl of the cluster, in a fresh namespace."""
    return new_namespace(control_plane.kubectl())


@contextmanager
def replicas(cluster: ControlPlane, namespace: str, etcd: SecureEtcd, directory: Path) -> Iterator[StartReplica]:
    """Starts replicas on one etcd that elect a leader by a Lease in the namespace; they end with the context."""
    token = service_account_token(cluster, manifests())
    cluster.kubectl().apply(*election_rights(namespace))
    with ExitStack() as running:

        def start(name: str, *flags: str) -> Replica:
            proxy = running.enter_context(Proxy(cluster, directory / name))
            config = proxy.kubeconfig(token)
            by_proxy = [f"--{prefix}kubeconfig={config}" for prefix in ("", "authentication-", "authorization-")]
            election = ("--leader-elect", f"--leader-elect-resource-namespace={namespace}")
            server = APIServerProcess(name, directory, cluster, etcd, *by_proxy, *election, *flags)
            running.callback(server.kill)
            server.start()
            return Replica(server, proxy, namespace)

        yield start


@pytest.fixture
def start_replica(
    control_plane: ControlPlane, kubectl: Kubectl, own_etcd: SecureEtcd, tmp_path: Path
) -> Iterator[StartReplica]:
    """Starts replicas for one test."""
    with replicas(control_plane, kubectl.namespace, own_etcd, tmp_path) as start:
        yield start


@contextmanager
def registered(replica: Replica, kubectl: Kubectl) -> Iterator[None]:
    """The garbage collector finds owners by way of the aggregator. Where a kind that it knows from an earlier test is
    not served any more, it takes all owners for gone, and their children with them."""
    replica.server.register()
    replica.server.wait_available()
    try:
        yield
    finally:
        kubectl("delete", "apiservice", "v1alpha1.extensions.example.com")


def election_rights(namespace: str) -> list[Object]:
    """deploy/'s Role and RoleBinding for the Lease, for a Lease in another namespace."""
    found = [item for item in manifests().rbac if item["metadata"]["name"].endswith(":leader-election")]
    return [item | {"metadata": item["metadata"] | {"namespace": namespace}} for item in found]


def lease(kubectl: Kubectl) -> Object:
    """The Lease's spec."""
    spec: Object = kubectl.get("lease", LEASE)["spec"]
    return spec


def holder_after(kubectl: Kubectl, before: Object, within: float) -> Object:
    """The Lease's spec as soon as somebody else than in `before` holds it."""

    def taken() -> Object | None:
        spec = lease(kubectl)
        return spec if spec.get("holderIdentity") not in ("", None, before["holderIdentity"]) else None

    return eventually(taken, within, f"somebody else than {before['holderIdentity']} holds the Lease")


def led(kubectl: Kubectl) -> Object:
    """The Lease's spec as soon as somebody holds it."""
    return eventually(
        lambda: lease(kubectl) if kubectl.run("get", "lease", LEASE).code == 0 else None, SOON, "somebody leads"
    )
