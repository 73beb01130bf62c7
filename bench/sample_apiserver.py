"""sample-apiserver beside a test control plane: what an aggregated server is in Go."""

from base64 import b64encode
from pathlib import Path

from apiserver import certificates
from bench import programs
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.kubectl import UNTIL_SOON
from tests.controlplane.process import Process
from tests.controlplane.secure_etcd import SecureEtcd
from tests.controlplane.server import Server

GROUP, VERSION, KIND, PLURAL = "wardle.example.com", "v1alpha1", "Flunder", "flunders"
_NAMESPACE, _SERVICE = "wardle", "api"


class SampleAPIServer(Server):
    """On an etcd of its own, with every flag that concerns load at its default."""

    def __init__(self, directory: Path, cluster: ControlPlane, etcd: SecureEtcd) -> None:
        self._cluster = cluster
        self._ca = certificates.make_ca("sample-ca")
        names = ("localhost", f"{_SERVICE}.{_NAMESPACE}.svc")
        serving = certificates.issue(self._ca, "sample-apiserver", dns=names, ips=("127.0.0.1",), server=True)
        certificates.store(directory / "pki", "serving", serving)
        ca_file = directory / "pki" / "ca.crt"
        certificates.write(ca_file, self._ca.cert_pem)
        config = cluster.add_user("sample-apiserver", cluster.client_pair("sample-apiserver", "system:masters"))
        own = [f"--{prefix}kubeconfig={config}" for prefix in ("", "authentication-", "authorization-")]
        tls = [f"--tls-cert-file={directory}/pki/serving.crt", f"--tls-private-key-file={directory}/pki/serving.key"]
        super().__init__("sample-apiserver", directory, [*own, *tls, *etcd.flags, "--bind-address=127.0.0.1"], ca_file)

    def launch(self) -> Process:
        command: list[str | Path] = [programs.sample_apiserver(), *self.flags, f"--secure-port={self.port}"]
        self.process = Process(self.name, command, self.directory / f"{self.name}.log")
        return self.process

    def register(self) -> None:
        """Makes it the server of its group in the cluster; returns when the aggregator has found it."""
        name = f"{VERSION}.{GROUP}"
        service = {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": self.port}]}
        registration = {
            "group": GROUP,
            "version": VERSION,
            "groupPriorityMinimum": 1000,
            "versionPriority": 15,
            "caBundle": b64encode(self._ca.cert_pem).decode(),
            "service": {"name": _SERVICE, "namespace": _NAMESPACE, "port": self.port},
        }
        kubectl = self._cluster.kubectl()
        kubectl.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _NAMESPACE}},
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": _SERVICE, "namespace": _NAMESPACE},
                "spec": service,
            },
            {
                "apiVersion": "apiregistration.k8s.io/v1",
                "kind": "APIService",
                "metadata": {"name": name},
                "spec": registration,
            },
        )
        kubectl("wait", "--for=condition=Available", f"apiservice/{name}", UNTIL_SOON)
