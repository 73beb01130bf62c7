"""This project's server as its users run it: a process with flags, beside a test control plane or without a cluster."""

import os
import shutil
import ssl
import sys
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

from apiserver import certificates
from apiserver.certificates import KeyPair
from tests.controlplane.cluster import TOKENS, ControlPlane
from tests.controlplane.kubectl import UNTIL_SOON, Kubectl, Object
from tests.controlplane.process import SOON, Process, eventually, free_port
from tests.controlplane.secure_etcd import SecureEtcd

ROOT = Path(__file__).resolve().parents[2]
LEASE = ("--leader-elect-lease-duration=4s", "--leader-elect-renew-deadline=3s", "--leader-elect-retry-period=500ms")
DEFAULTS = ("--leader-elect-lease-duration=12s", "--leader-elect-renew-deadline=8s", "--leader-elect-retry-period=2s")
"""The server's own times of the election, where requests or Events are counted: a leader that is slow for some seconds
must not be deposed there."""


def command(*flags: str) -> list[str]:
    """The command line of the server."""
    return [sys.executable, "-m", "apiserver", *flags]


def environment() -> Mapping[str, str]:
    """Ours, without the server's variables: tests say everything with flags."""
    return {name: value for name, value in os.environ.items() if not name.startswith("APISERVER_")}


class Server:
    """One server; `flags` are all but the port and the log level. Also a context manager, which starts it."""

    def __init__(self, name: str, directory: Path, flags: Sequence[str], ca_file: Path) -> None:
        self.name = name
        self.directory = directory
        self.root = ROOT
        """The folder with the packages that run."""
        self.flags = tuple(flags)
        self.ca_file = ca_file
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.process: Process | None = None
        self._log = directory / f"{name}.log"

    def start(self, within: float = SOON) -> "Server":
        """Returns when /readyz says ok. Raises ProcessDied or NotInTime; it is not running then."""
        self.launch()
        try:
            self.running.wait_ready(self.ready, within)
        except BaseException:
            self.kill()
            raise
        return self

    def launch(self) -> Process:
        """Starts it and waits for nothing."""
        flags = (*self.flags, f"--secure-port={self.port}")
        self.process = Process(self.name, command(*flags), self._log, environment(), cwd=self.root)
        return self.process

    @property
    def running(self) -> Process:
        assert self.process is not None, f"{self.name} has not been started"
        return self.process

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None:
            self.process.kill()

    def stop(self, grace: float = 30.0) -> int:
        """SIGTERM; its exit code."""
        return self.running.stop(grace)

    def restart(self) -> None:
        """kill -9, and the same again."""
        self.kill()
        self.start()

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    def status(self, path: str) -> int:
        """The HTTP code that anybody gets there; 0 when nobody answers."""
        try:
            with self.http(token="") as client:
                return client.get(path).status_code
        except (httpx.HTTPError, OSError):
            return 0

    def ready(self) -> bool:
        return self.status("/readyz") == httpx.codes.OK

    def http(
        self, token: str = TOKENS["admin"][0], pair: KeyPair | None = None, timeout: float = 30.0, http2: bool = False
    ) -> httpx.Client:
        """A client without the aggregator between; as admin unless another token or a client certificate is given."""
        headers = {"Authorization": f"Bearer {token}"} if token and pair is None else {}
        return httpx.Client(base_url=self.url, verify=self._tls(pair), headers=headers, timeout=timeout, http2=http2)

    def _tls(self, pair: KeyPair | None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.ca_file))
        if pair is not None:
            certificates.store(self.directory / "client", "pair", pair)
            context.load_cert_chain(self.directory / "client" / "pair.crt", self.directory / "client" / "pair.key")
        return context


class Standalone(Server):
    """`--standalone`: no cluster; everything it keeps is below `directory`."""

    def __init__(self, directory: Path, *flags: str) -> None:
        tokens = directory / "tokens.csv"
        lines = [f"{token},{user},{user},{group}\n" for user, (token, group) in TOKENS.items()]
        certificates.write(tokens, "".join(lines).encode(), private=True)
        self.data = directory / "data"
        own = ["--standalone", f"--data-dir={self.data}", f"--token-auth-file={tokens}", *flags]
        super().__init__("standalone", directory, own, self.data / "certificates" / "ca.crt")

    def kubectl(self, binaries: Path) -> Kubectl:
        """As the administrator whose kubeconfig it has written."""
        return Kubectl(binaries / "kubectl", self.data / "kubeconfig", self.directory / "kubectl")


def with_kinds(directory: Path, files: Mapping[str, str]) -> Path:
    """A copy of the server's packages, below `directory`, that serves more kinds: name of the module -> its text."""
    for package in ("apiserver", "http2", "storage", "reconciler"):
        shutil.copytree(ROOT / package, directory / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in files.items():
        (directory / "apiserver" / "kinds" / f"{name}.py").write_text(text)
    return directory


@dataclass(frozen=True)
class Manifests:
    """What the server's place in a cluster is called, as deploy/ says it."""

    rbac: list[Object]
    namespace: Object
    api_services: list[Object]

    @property
    def api_service(self) -> Object:
        """That of the kind that comes with the server."""
        return self.api_services[0]

    @property
    def namespace_name(self) -> str:
        return str(self.namespace["metadata"]["name"])

    @property
    def service_name(self) -> str:
        return str(self.api_service["spec"]["service"]["name"])

    @property
    def account(self) -> str:
        return next(str(item["metadata"]["name"]) for item in self.rbac if item["kind"] == "ServiceAccount")

    @property
    def host(self) -> str:
        """The name that the aggregator checks the serving certificate for."""
        return f"{self.service_name}.{self.namespace_name}.svc"


def manifests(folder: Path = ROOT / "deploy") -> Manifests:
    """Reads namespace.yaml, rbac.yaml and apiservice.yaml."""
    documents = {name: _documents(folder / f"{name}.yaml") for name in ("namespace", "rbac", "apiservice")}
    return Manifests(documents["rbac"], documents["namespace"][0], documents["apiservice"])


def service_account_token(cluster: ControlPlane, here: Manifests) -> str:
    """Installs the namespace and the RBAC objects of deploy/; a token of the ServiceAccount among them."""
    kubectl = cluster.kubectl()
    kubectl.apply(here.namespace, *here.rbac)
    return kubectl("create", "token", here.account, f"--namespace={here.namespace_name}", "--duration=24h").strip()


def _documents(path: Path) -> list[Object]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


@dataclass(frozen=True)
class SQLiteFile:
    """Storage of a server of one replica."""

    path: Path

    @property
    def flags(self) -> tuple[str, ...]:
        return (f"--storage=sqlite:///{self.path}",)


class APIServerProcess(Server):
    """The server beside a control plane, with the rights of deploy/rbac.yaml and nothing more (a token of its real
    ServiceAccount), a serving certificate of its own authority, and as storage etcd over TLS or a file."""

    def __init__(
        self, name: str, directory: Path, cluster: ControlPlane, storage: SecureEtcd | SQLiteFile, *flags: str
    ) -> None:
        self.cluster = cluster
        self.storage = storage
        self.manifests = manifests()
        self._ca = certificates.make_ca("serving-ca")
        self._pki = directory / name / "pki"
        names = ("localhost", self.manifests.host)
        serving = certificates.issue(self._ca, "apiserver", dns=names, ips=("127.0.0.1",), server=True)
        certificates.store(self._pki, "serving", serving)
        certificates.write(self._pki / "ca.crt", self._ca.cert_pem)
        own = [*self._cluster_flags(self._kubeconfig()), *storage.flags, *self._tls_flags(), *flags]
        super().__init__(name, directory / name, own, self._pki / "ca.crt")

    def register(self) -> None:
        """Makes it the server of its groups in the cluster: APIServices through a Service of type ExternalName."""
        here = self.manifests
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": here.service_name, "namespace": here.namespace_name},
            "spec": {"type": "ExternalName", "externalName": "localhost"},
        }
        self.cluster.kubectl().apply(service, *map(self._registration, here.api_services))

    def _registration(self, api_service: Object) -> Object:
        """As deploy/ has it, but for where this server is and whom to trust."""
        reference = api_service["spec"]["service"] | {"port": self.port}
        ca_bundle = b64encode(self._ca.cert_pem).decode()
        return api_service | {"spec": api_service["spec"] | {"service": reference, "caBundle": ca_bundle}}

    def wait_available(self) -> None:
        """Until the aggregator has found it, and its discovery reaches clients."""
        kubectl, name = self.cluster.kubectl(), self.manifests.api_service["metadata"]["name"]
        kubectl("wait", "--for=condition=Available", f"apiservice/{name}", UNTIL_SOON)
        version, _, group = name.partition(".")

        def discovered() -> bool:
            resources = kubectl.run("get", "--raw", f"/apis/{group}/{version}")
            listed = kubectl.run("api-resources", f"--api-group={group}", "--cached=false", "--no-headers")
            # Until the aggregator has our schema, kubectl validates by itself, in other words.
            schemas = kubectl.run("get", "--raw", "/openapi/v3")
            described = f"/apis/{group}/{version}?" in schemas.out
            return resources.code == 0 and listed.code == 0 and bool(listed.out.strip()) and described

        eventually(discovered, SOON, "the group is in the cluster's discovery and OpenAPI")

    def _kubeconfig(self) -> Path:
        """All servers of a cluster are one ServiceAccount, as replicas are."""
        account = self.manifests.account
        path = self.cluster.kubeconfig(account)
        if not path.exists():
            self.cluster.add_user(account, service_account_token(self.cluster, self.manifests))
        return path

    def _cluster_flags(self, config: Path) -> list[str]:
        flags = [f"--{prefix}kubeconfig={config}" for prefix in ("", "authentication-", "authorization-")]
        return [*flags, f"--leader-elect-resource-namespace={self.manifests.namespace_name}", *LEASE]

    def _tls_flags(self) -> list[str]:
        pair = (f"--tls-cert-file={self._pki / 'serving.crt'}", f"--tls-private-key-file={self._pki / 'serving.key'}")
        return ["--bind-address=127.0.0.1", *pair]
