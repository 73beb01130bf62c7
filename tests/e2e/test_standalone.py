"""The newcomer's first run: a server without a cluster."""

import os
import signal
import stat
import subprocess
import time
from itertools import count
from pathlib import Path

import pytest

from tests.controlplane.process import SOON, eventually, in_time
from tests.controlplane.server import ROOT, Standalone
from tests.e2e.conftest import new_namespace
from tests.e2e.websites import GROUP, create

READY_WITHIN = 5.0
"""Seconds from the start to /readyz: a requirement."""


def test_ready_in_five_seconds(tmp_path: Path) -> None:
    """In a folder that holds nothing, and in one that it knows."""
    servers = (Standalone(tmp_path / str(number)) for number in count())
    in_time(lambda: _start_time(next(servers)), READY_WITHIN)
    again = Standalone(tmp_path / "0")
    in_time(lambda: _start_time(again), READY_WITHIN)


def _start_time(server: Standalone) -> float:
    """Seconds, but for those in which others had the processors: a start has hardly anything else to wait for."""
    started = time.monotonic()
    with server:
        return time.monotonic() - started - server.running.queued()


def test_first_and_second_start(binaries: Path, tmp_path: Path) -> None:
    """Ctrl-C ends it cleanly; a second start finds data, certificates and kubeconfig again."""
    server = Standalone(tmp_path)
    with server:
        kubectl = server.kubectl(binaries)
        uid = create(kubectl)["metadata"]["uid"]
        server.running.signal(signal.SIGINT)
        assert server.running.wait(SOON) == 0
        assert "Traceback" not in server.running.text()
        server.start()
        assert kubectl.get("website", "kubia")["metadata"]["uid"] == uid


def test_keys_are_private(standalone: Standalone) -> None:
    """What holds a private key is readable by its owner only."""
    secrets = [standalone.data / "kubeconfig", *(standalone.data / "certificates").glob("*.key")]
    assert len(secrets) > 1
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in secrets} == {0}


def test_it_says_what_to_try_next(standalone: Standalone, binaries: Path) -> None:
    """It prints three commands to try, and they work as they stand."""
    commands = [line.strip() for line in standalone.running.text().splitlines() if line.startswith("    ")]
    assert len(commands) == 3
    environment = {"PATH": f"{binaries}:{os.environ['PATH']}", "HOME": str(standalone.directory)}
    shell = ["sh", "-e", "-c", "\n".join(commands)]
    done = subprocess.run(shell, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"website.{GROUP}/" in done.stdout
    standalone.kubectl(binaries)("delete", "website", "kubia")


def test_one_command_shows_everything(standalone: Standalone, binaries: Path) -> None:
    """`kubectl get websites,deployments,services` works a few seconds after the start."""
    kubectl = standalone.kubectl(binaries)
    inside = new_namespace(kubectl)
    create(inside)

    def all_three() -> bool:
        names = inside("get", "websites,deployments,services", "-o", "name").split()
        wanted = {f"website.{GROUP}/kubia", "deployment.apps/kubia-website", "service/kubia-website"}
        return wanted <= set(names)

    eventually(all_three, SOON, "Website, Deployment and Service are listed")


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
def test_health(standalone: Standalone, path: str) -> None:
    """The health paths answer anybody."""
    assert standalone.status(path) == 200
