"""A real Kubernetes control plane on loopback: etcd, kube-apiserver (aggregation layer on), kube-controller-manager.

Nothing runs Pods: there is no scheduler and no kubelet. RBAC is on. Ports are free ones, everything else lies in one
folder. The front proxy's certificate authority is another than the cluster's, as it must be for X-Remote-* to mean
anything.
"""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import httpx

from apiserver import certificates
from apiserver.certificates import KeyPair, Profile
from tests.controlplane import kubeconfig
from tests.controlplane.kubectl import Kubectl
from tests.controlplane.process import SOON, Process, free_port

FRONT_PROXY_NAME = "front-proxy-client"
SERVER = Profile(
    "kube-apiserver",
    dns=("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"),
    ips=("127.0.0.1", "10.0.0.1"),
    server=True,
)
TOKENS = {"admin": ("admintoken", "system:masters"), "alice": ("usertoken", "")}
"""Static bearer tokens: user -> (token, group). alice has no rights."""


@dataclass(frozen=True)
class Authorities:
    """The two authorities: `cluster` signs kube-apiserver and users, `front_proxy` only the aggregator's client."""

    cluster: KeyPair = field(default_factory=lambda: certificates.make_ca("cluster-ca"))
    front_proxy: KeyPair = field(default_factory=lambda: certificates.make_ca("front-proxy-ca"))


class ControlPlane:
    """Started by `start`, ended by `stop`; also a context manager."""

    def __init__(
        self,
        directory: Path,
        binaries: Path,
        controllers: bool = True,
        flags: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        """`controllers`: whether kube-controller-manager runs; without it nobody writes but who is asked to. `flags`:
        component -> what it gets beyond its own."""
        self.directory = directory
        self.binaries = binaries
        self.authorities = Authorities()
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.processes: dict[str, Process] = {}
        self._controllers = controllers
        self.flags = flags
        self._etcd_port, self._etcd_peer_port = free_port(), free_port()

    def start(self) -> "ControlPlane":
        """Returns when kube-apiserver's /readyz is ok. Raises ProcessDied or NotInTime, and leaves nothing running."""
        try:
            self._write_credentials()
            self._start_etcd()
            self._start_apiserver()
            if self._controllers:
                self._start_controller_manager()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Ends everything, the last started first."""
        for process in reversed(self.processes.values()):
            process.kill()

    def __enter__(self) -> "ControlPlane":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def kubectl(self, user: str = "admin") -> Kubectl:
        """kubectl as admin (system:masters), as alice (no rights), or as whoever has a kubeconfig here."""
        return Kubectl(self.binaries / "kubectl", self.kubeconfig(user), self.directory / "kubectl" / user)

    def kubeconfig(self, user: str = "admin") -> Path:
        return self.directory / f"{user}.kubeconfig"

    def add_user(self, user: str, identity: KeyPair | str) -> Path:
        """Writes a kubeconfig for a client certificate or a bearer token; returns its path."""
        return kubeconfig.write(self.kubeconfig(user), self.url, self.authorities.cluster.cert_pem, identity)

    def client_pair(self, user: str, *groups: str) -> KeyPair:
        """A client certificate that the cluster's authority has signed."""
        return certificates.issue(self.authorities.cluster, user, organizations=groups, client=True)

    def http(self) -> httpx.Client:
        """An HTTP client that is admin."""
        context = ssl.create_default_context(cadata=self.authorities.cluster.cert_pem.decode())
        headers = {"Authorization": f"Bearer {TOKENS['admin'][0]}"}
        return httpx.Client(base_url=self.url, verify=context, headers=headers, timeout=30.0)

    def _pki(self, name: str) -> Path:
        return self.directory / "pki" / name

    def _write_credentials(self) -> None:
        cluster, front_proxy = self.authorities.cluster, self.authorities.front_proxy
        pairs = {
            "ca": cluster,
            "front-proxy-ca": front_proxy,
            "apiserver": certificates.issue_profile(cluster, SERVER),
            "front-proxy-client": certificates.issue(front_proxy, FRONT_PROXY_NAME, client=True),
            "service-account": certificates.issue(cluster, "service-account"),
        }
        for name, pair in pairs.items():
            certificates.store(self.directory / "pki", name, pair)
        users = {"admin": "system:masters", "alice": "", "kcm": ""}
        names = {"kcm": "system:kube-controller-manager"}
        for user, group in users.items():
            self.add_user(user, self.client_pair(names.get(user, user), *([group] if group else [])))
        lines = [f"{token},{user},{user},{group}" for user, (token, group) in TOKENS.items()]
        certificates.write(self.directory / "tokens.csv", "\n".join(lines).encode() + b"\n", private=True)

    def _run(self, name: str, *flags: str) -> Process:
        command: list[str | Path] = [self.binaries / name, *flags, *self.flags.get(name, ())]
        process = Process(name, command, self.directory / "log" / f"{name}.log")
        self.processes[name] = process
        return process

    def _start_etcd(self) -> None:
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{self._etcd_peer_port}"
        process = self._run(
            "etcd",
            f"--data-dir={self.directory / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        )
        process.wait_ready(lambda: _answers(f"{client}/readyz"), SOON)

    def _start_apiserver(self) -> None:
        process = self._run(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            f"--secure-port={self.port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--tls-cert-file={self._pki('apiserver.crt')}",
            f"--tls-private-key-file={self._pki('apiserver.key')}",
            f"--client-ca-file={self._pki('ca.crt')}",
            f"--token-auth-file={self.directory / 'tokens.csv'}",
            f"--service-account-key-file={self._pki('service-account.crt')}",
            f"--service-account-signing-key-file={self._pki('service-account.key')}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/16",
            "--allow-privileged",
            *self._front_proxy_flags(),
        )
        context = ssl.create_default_context(cadata=self.authorities.cluster.cert_pem.decode())
        process.wait_ready(lambda: _answers(f"{self.url}/readyz", context), SOON)

    def _front_proxy_flags(self) -> list[str]:
        return [
            f"--requestheader-client-ca-file={self._pki('front-proxy-ca.crt')}",
            f"--requestheader-allowed-names={FRONT_PROXY_NAME}",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-uid-headers=X-Remote-Uid",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={self._pki('front-proxy-client.crt')}",
            f"--proxy-client-key-file={self._pki('front-proxy-client.key')}",
        ]

    def _start_controller_manager(self) -> None:
        """Nobody waits for it here: what it does is waited for where it matters."""
        config = self.kubeconfig("kcm")
        self._run(
            "kube-controller-manager",
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            f"--service-account-private-key-file={self._pki('service-account.key')}",
            f"--root-ca-file={self._pki('ca.crt')}",
            "--use-service-account-credentials",
            "--leader-elect=false",
            "--secure-port=0",
            "--horizontal-pod-autoscaler-sync-period=1s",
        )


def _answers(url: str, context: ssl.SSLContext | None = None) -> bool:
    try:
        return httpx.get(url, verify=context or True, timeout=5.0).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
