"""A real etcd for tests, which can be killed and started again on the same ports and data."""

import http.client
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane import binaries
from tests.controlplane.process import SOON, Process, free_port


@dataclass(frozen=True)
class ServingCertificates:
    """Files for an etcd that serves TLS and asks its clients for certificates of `client_ca`."""

    certificate: Path
    key: Path
    client_ca: Path


class Etcd:
    """One member, its data under `directory`; without fsync, so killing it is safe but a loss of power is not."""

    def __init__(
        self,
        directory: Path,
        certificates: ServingCertificates | None = None,
        flags: Sequence[str] = (),
        name: str = "default",
    ) -> None:
        self._name = name
        self._directory = directory
        self._flags = flags
        self._certificates = certificates
        self._client_port, self._peer_port, self._health_port = free_port(), free_port(), free_port()
        self._process: Process | None = None
        self._members = self._member

    @classmethod
    def cluster(cls, directory: Path, size: int) -> "list[Etcd]":
        """Members of one cluster, to be launched first: most of them must run before any is healthy."""
        members = [cls(directory / name, name=name) for name in (f"member-{number}" for number in range(size))]
        for member in members:
            member._directory.mkdir()
            member._members = ",".join(other._member for other in members)
        return members

    @property
    def _peer(self) -> str:
        return f"http://127.0.0.1:{self._peer_port}"

    @property
    def _member(self) -> str:
        return f"{self._name}={self._peer}"

    @property
    def endpoint(self) -> str:
        """For clients, such as http://127.0.0.1:2379."""
        return f"{'https' if self._certificates else 'http'}://127.0.0.1:{self._client_port}"

    def start(self) -> None:
        """Returns when it is healthy. Raises ProcessDied, NotInTime."""
        self.launch().wait_ready(self._healthy, SOON)

    def launch(self) -> Process:
        """Starts it and waits for nothing."""
        self._process = Process("etcd", self._command(), self._directory / "etcd.log")
        return self._process

    def kill(self) -> None:
        """As by kill -9; fine when it does not run."""
        if self._process:
            self._process.kill()
            self._process = None

    def freeze(self) -> None:
        """It keeps its connections and answers nothing, as behind a broken network."""
        if self._process:
            self._process.freeze()

    def thaw(self) -> None:
        """The end of `freeze`."""
        if self._process:
            self._process.thaw()

    def restart(self) -> None:
        """Kills it and starts it again."""
        self.kill()
        self.start()

    def _command(self) -> list[str | Path]:
        command: list[str | Path] = [
            binaries.ensure() / "etcd",
            f"--data-dir={self._directory / 'data'}",
            f"--listen-client-urls={self.endpoint}",
            f"--advertise-client-urls={self.endpoint}",
            f"--name={self._name}",
            f"--listen-peer-urls={self._peer}",
            f"--initial-advertise-peer-urls={self._peer}",
            f"--initial-cluster={self._members}",
            f"--listen-metrics-urls=http://127.0.0.1:{self._health_port}",
            "--unsafe-no-fsync",
            "--log-level=warn",
            *self._flags,
        ]
        if self._certificates:
            command += [
                f"--cert-file={self._certificates.certificate}",
                f"--key-file={self._certificates.key}",
                f"--trusted-ca-file={self._certificates.client_ca}",
                "--client-cert-auth",
            ]
        return command

    def _healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._health_port, timeout=1)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()
