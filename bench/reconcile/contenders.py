"""Who is measured: each reconciles Websites in a cluster of its own, with the same children."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from apiserver.kinds.website import KIND
from apiserver.machinery.errors import Object
from apiserver.settings import Settings
from bench.reconcile import programs
from bench.targets import SERVER, Target
from reconciler.website.children import MANAGED, desired_deployment, desired_service, options
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.golang import to_stderr
from tests.controlplane.process import Process, eventually
from tests.controlplane.reference import GROUP as REFERENCE
from tests.controlplane.reference import custom_resource
from tests.controlplane.secure_etcd import SecureEtcd
from tests.controlplane.server import APIServerProcess

OURS, KOPF, RUNTIME = "this server", "Kopf", "controller-runtime"
SELECTOR = ",".join(f"{label}={value}" for label, value in MANAGED.items())
RUNTIME_WORKERS = 8
_ACCOUNT = "contender"
_USER = f"system:serviceaccount:default:{_ACCOUNT}"
_SOON = 60.0


@dataclass(frozen=True)
class Contender:
    """`user` is its name in the cluster; `start` runs it in a cluster, in a folder of its own, until the context ends:
    where its Websites are, with the ids of its processes."""

    name: str
    user: str
    start: Callable[[ControlPlane, Path], AbstractContextManager[Target]]


@contextmanager
def _ours(cluster: ControlPlane, directory: Path) -> Iterator[Target]:
    with SecureEtcd(directory / "etcd") as etcd:
        server = APIServerProcess("server", directory, cluster, etcd)
        with server:
            server.register()
            server.wait_available()
            yield _target(cluster, {SERVER: server.running.pid}, KIND.group)


@contextmanager
def _kopf(cluster: ControlPlane, directory: Path) -> Iterator[Target]:
    command: list[str | Path] = [programs.kopf(to_stderr), "run", "--standalone", "--namespace=default"]
    with _peer(cluster, directory, [*command, programs.OPERATOR], "Initial authentication has finished") as target:
        yield target


@contextmanager
def _runtime(cluster: ControlPlane, directory: Path) -> Iterator[Target]:
    flags = [f"-template={directory / 'children.json'}", f"-selector={SELECTOR}", f"-workers={RUNTIME_WORKERS}"]
    with _peer(cluster, directory, [programs.runtime(to_stderr), *flags], "Starting workers") as target:
        yield target


@contextmanager
def _peer(cluster: ControlPlane, directory: Path, command: list[str | Path], ready: str) -> Iterator[Target]:
    """A controller of the custom resource, which writes `ready` into its log when it works."""
    cluster.kubectl().apply(custom_resource())
    config = cluster.add_user(_ACCOUNT, _token(cluster))
    directory.mkdir(parents=True)
    (directory / "children.json").write_bytes(orjson.dumps(children()))
    variables = {"KUBECONFIG": str(config), "TEMPLATE": str(directory / "children.json"), "SELECTOR": SELECTOR}
    target = _target(cluster, {}, REFERENCE)
    with target.http() as client:
        eventually(lambda: client.get(target.collection("default")).is_success, _SOON, "the custom resource is served")
    process = Process("peer", command, directory / "peer.log", dict(os.environ) | variables)
    try:
        process.wait_ready(lambda: ready in process.text(), _SOON)
        yield _target(cluster, {SERVER: process.pid}, REFERENCE)
    finally:
        process.kill()


def _token(cluster: ControlPlane) -> str:
    """Of a ServiceAccount, as operators have it, and as this server does. It may do everything."""
    kubectl, account = cluster.kubectl(), f"--serviceaccount=default:{_ACCOUNT}"
    kubectl("create", "serviceaccount", _ACCOUNT)
    kubectl("create", "clusterrolebinding", _ACCOUNT, "--clusterrole=cluster-admin", account)
    return kubectl("create", "token", _ACCOUNT, "--duration=24h").strip()


def _target(cluster: ControlPlane, processes: Mapping[str, int], group: str) -> Target:
    return Target(group, cluster.url, cluster.directory / "pki" / "ca.crt", processes, group=group)


def children() -> dict[str, Object]:
    """What this reconciler would apply for any Website, as a template; the ownerReference is for the peer to add."""
    metadata = {"name": "@NAME@", "namespace": "@NAMESPACE@", "uid": ""}
    site = {"metadata": metadata, "spec": {"gitRepo": "@REPO@", "replicas": 1}}
    deployment = desired_deployment(site, options(Settings.load(["--standalone"])))
    service = desired_service(site)
    for child in (deployment, service):
        del child["metadata"]["ownerReferences"]
    return {"deployment": deployment, "service": service}


CONTENDERS = (
    Contender(OURS, "system:serviceaccount:website-system:website-api", _ours),
    Contender(KOPF, _USER, _kopf),
    Contender(RUNTIME, _USER, _runtime),
)
