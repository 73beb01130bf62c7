"""`make cluster`: what it says works."""

import signal
import sys
from pathlib import Path

from tests.controlplane.kubectl import Kubectl
from tests.controlplane.process import Stream
from tests.controlplane.server import ROOT

STARTED_WITHIN = 240.0
SOON = 60.0


def test_website_becomes_ready_on_a_local_cluster(binaries: Path, tmp_path: Path) -> None:
    """It prints a kubeconfig when all is there; the example becomes Ready; Ctrl-C ends everything."""
    command = [sys.executable, "-m", "tests.controlplane", "run", str(tmp_path / "cluster")]
    with Stream("cluster", command, tmp_path / "cluster.log") as running:
        running.wait_for("ready; logs are below", STARTED_WITHIN)
        kubectl = Kubectl(binaries / "kubectl", tmp_path / "cluster" / "kubeconfig", tmp_path / "home")
        kubectl("create", "-f", str(ROOT / "examples" / "website.yaml"))
        limit = f"--timeout={SOON:.0f}s"
        kubectl("wait", "websites", "--all", "--for=condition=Ready", limit, timeout=SOON + 5)
        running.process.signal(signal.SIGINT)
        assert running.process.wait(SOON) == 0
    assert "Traceback" not in running.process.text()
