"""The servers that are measured, started on one machine and ended together."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from apiserver.kinds.website import KIND
from bench import sample_apiserver
from bench.sample_apiserver import SampleAPIServer
from tests.controlplane import binaries, reference
from tests.controlplane.cluster import TOKENS, ControlPlane
from tests.controlplane.secure_etcd import SecureEtcd
from tests.controlplane.server import APIServerProcess, Server, Standalone

KUBE, SAMPLE, ETCD, SQLITE = "kube-apiserver, CRD", "sample-apiserver", "this, etcd", "this, SQLite"
TOKEN = TOKENS["admin"][0]
USER_AGENT = "load"
"""The load generator's: it is the name of a field manager, and as long in every object."""
KEPT, MADE = "bench", "bench-made"
"""Namespaces: of the objects that are read, and of those that a job creates and that are deleted after it."""
SERVER, AGGREGATOR = "server", "aggregator"
"""The names of processes in figures: the one that keeps the objects, and kube-apiserver when it is in between."""

_SPEC = {"gitRepo": "https://example.com/site.git"}
_FLUNDER_SPEC = {"reference": "example.com.site", "referenceType": "Flunder"}


@dataclass(frozen=True)
class Target:
    """One server with its kind; `processes` are the ids of those whose CPU counts."""

    name: str
    url: str
    ca_file: Path
    processes: Mapping[str, int]
    group: str = KIND.group
    version: str = KIND.version
    kind: str = KIND.kind
    plural: str = KIND.plural
    spec: Mapping[str, Any] = field(default_factory=lambda: _SPEC)

    def collection(self, namespace: str) -> str:
        """The URL of the kind in a namespace."""
        return f"{self.url}/apis/{self.group}/{self.version}/namespaces/{namespace}/{self.plural}"

    def http(self) -> httpx.Client:
        """An HTTP client that is admin."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        headers = {"Authorization": f"Bearer {TOKEN}", "User-Agent": USER_AGENT}
        return httpx.Client(base_url=self.url, verify=context, headers=headers, timeout=120.0)


@dataclass(frozen=True)
class Targets:
    """`direct` are asked without the aggregator between; `aggregated` are some of the same, by way of it."""

    direct: tuple[Target, ...]
    aggregated: tuple[Target, ...]


def make_namespaces(client: httpx.Client) -> None:
    """KEPT and MADE, by a client of where namespaces are. Raises httpx.HTTPError."""
    for name in (KEPT, MADE):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        client.post("/api/v1/namespaces", json=namespace).raise_for_status()


@contextmanager
def started(directory: Path) -> Iterator[Targets]:
    """All of them, empty. Raises golang.Unavailable, ProcessDied or NotInTime."""
    tools = binaries.ensure()
    with ExitStack() as running:
        cluster = running.enter_context(ControlPlane(directory / "cluster", tools))
        kube = _custom_resource(cluster)
        sample = running.enter_context(_sample(directory / "sample", cluster))
        ours = running.enter_context(_ours(directory / "ours", cluster))
        alone = running.enter_context(Standalone(directory / "alone", "--controllers=false"))
        for where in (cluster, alone):
            with where.http() as client:
                make_namespaces(client)
        # It has done its part: namespaces have their ServiceAccounts. From here on only what is measured runs.
        cluster.processes["kube-controller-manager"].kill()
        flunders = _target(SAMPLE, sample)
        flunders = replace(
            flunders,
            group=sample_apiserver.GROUP,
            version=sample_apiserver.VERSION,
            kind=sample_apiserver.KIND,
            plural=sample_apiserver.PLURAL,
            spec=_FLUNDER_SPEC,
        )
        websites = _target(ETCD, ours)
        direct = (kube, flunders, websites, _target(SQLITE, alone))
        yield Targets(direct, tuple(_through(cluster, target) for target in (flunders, websites)))


def _custom_resource(cluster: ControlPlane) -> Target:
    reference.install(cluster)
    pid = cluster.processes["kube-apiserver"].pid
    return Target(KUBE, cluster.url, _ca_file(cluster), {SERVER: pid}, group=reference.GROUP)


@contextmanager
def _sample(directory: Path, cluster: ControlPlane) -> Iterator[Server]:
    with SecureEtcd(directory / "etcd") as etcd:
        server = SampleAPIServer(directory, cluster, etcd)
        with server:
            server.register()
            yield server


@contextmanager
def _ours(directory: Path, cluster: ControlPlane) -> Iterator[Server]:
    """Without controllers: the others have none, and ten thousand Websites would become as many Deployments."""
    with SecureEtcd(directory / "etcd") as etcd:
        server = APIServerProcess("server", directory, cluster, etcd, "--controllers=false")
        with server:
            server.register()
            server.wait_available()
            yield server


def _target(name: str, server: Server) -> Target:
    return Target(name, server.url, server.ca_file, {SERVER: server.running.pid})


def _through(cluster: ControlPlane, target: Target) -> Target:
    processes = {**target.processes, AGGREGATOR: cluster.processes["kube-apiserver"].pid}
    return replace(target, url=cluster.url, ca_file=_ca_file(cluster), processes=processes)


def _ca_file(cluster: ControlPlane) -> Path:
    return cluster.directory / "pki" / "ca.crt"
