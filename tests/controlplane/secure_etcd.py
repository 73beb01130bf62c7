"""etcd as production has it: TLS, and a client certificate of its own authority or nobody gets in."""

import ssl
from pathlib import Path

import httpx

from apiserver import certificates
from tests.controlplane.etcd_process import Etcd, ServingCertificates


class SecureEtcd:
    """A context manager that runs it; `flags` are the server's, with a client certificate."""

    def __init__(self, directory: Path) -> None:
        pki = self._pki = directory / "pki"
        authority = certificates.make_ca("etcd-ca")
        # etcd's own gateway is a client of its client port, with the server's certificate.
        serving = certificates.Profile("etcd", dns=("localhost",), ips=("127.0.0.1",), server=True, client=True)
        certificates.store(pki, "ca", authority)
        certificates.store(pki, "server", certificates.issue_profile(authority, serving))
        certificates.store(pki, "client", certificates.issue(authority, "apiserver", client=True))
        self.etcd = Etcd(directory, ServingCertificates(pki / "server.crt", pki / "server.key", pki / "ca.crt"))
        self.flags = (
            f"--etcd-servers={self.etcd.endpoint}",
            f"--etcd-cafile={pki / 'ca.crt'}",
            f"--etcd-certfile={pki / 'client.crt'}",
            f"--etcd-keyfile={pki / 'client.key'}",
        )

    def __enter__(self) -> "SecureEtcd":
        self.etcd.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.etcd.kill()

    def start(self) -> None:
        """Again, on the same port and data."""
        self.etcd.start()

    def kill(self) -> None:
        """kill -9."""
        self.etcd.kill()

    def compact(self) -> None:
        """Forgets every revision before the current one."""
        context = ssl.create_default_context(cafile=str(self._pki / "ca.crt"))
        context.load_cert_chain(self._pki / "client.crt", self._pki / "client.key")
        with httpx.Client(base_url=self.etcd.endpoint, verify=context, timeout=30.0) as gateway:
            status = gateway.post("/v3/maintenance/status", json={}).raise_for_status().json()
            request = {"revision": status["header"]["revision"], "physical": True}
            gateway.post("/v3/kv/compaction", json=request).raise_for_status()
