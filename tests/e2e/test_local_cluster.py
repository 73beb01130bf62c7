"""`make cluster`: what it says works."""

import signal
import sys
from pathlib import Path

from tests.controlplane.kubectl import UNTIL_SOON, Kubectl
from tests.controlplane.process import SOON, Stream
from tests.controlplane.server import ROOT


def test_website_becomes_ready_on_a_local_cluster(binaries: Path, tmp_path: Path) -> None:
    """It prints a kubeconfig when all is there; the example becomes Ready; Ctrl-C ends everything."""
    command = [sys.executable, "-m", "tests.controlplane", "run", str(tmp_path / "cluster")]
    with Stream("cluster", command, tmp_path / "cluster.log") as running:
        running.wait_for("ready; logs are below", SOON)
        kubectl = Kubectl(binaries / "kubectl", tmp_path / "cluster" / "kubeconfig", tmp_path / "home")
        kubectl("create", "-f", str(ROOT / "examples" / "website.yaml"))
        kubectl("wait", "websites", "--all", "--for=condition=Ready", UNTIL_SOON)
        running.process.signal(signal.SIGINT)
        assert running.process.wait(SOON) == 0
    assert "Traceback" not in running.process.text()
