"""Children of tests: their ends are noticed, and nothing outlives us."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.controlplane.process import NotInTime, Process, ProcessDied, eventually

ROOT = Path(__file__).resolve().parents[2]


def test_an_early_end_is_reported_with_the_log(tmp_path: Path) -> None:
    """Waiting for a process that dies fails at once, with the end of its log."""
    process = Process("child", [sys.executable, "-c", "print('no such flag')"], tmp_path / "log")
    with pytest.raises(ProcessDied, match="no such flag"):
        process.wait_ready(lambda: False, within=30)
    assert process.kill() == 0


def test_stop_escalates(tmp_path: Path) -> None:
    """A child that ignores SIGTERM is killed after the grace period."""
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
    process = Process("child", [sys.executable, "-c", code], tmp_path / "log")
    process.wait_ready(lambda: "up" in process.text(), within=30)
    assert process.stop(grace=0.1) == -signal.SIGKILL


def test_nothing_outlives_a_killed_parent(tmp_path: Path) -> None:
    """kill -9 of the test process ends its children too."""
    child = f"Process('child', ['sleep', '600'], Path({str(tmp_path / 'log')!r}))"
    code = f"from pathlib import Path; from tests.controlplane.process import Process; print({child}.pid, flush=True)"
    command = [sys.executable, "-c", f"{code}; import signal; signal.pause()"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert _runs(pid)
        parent.kill()
    eventually(lambda: not _runs(pid), 30.0, "the child is gone")


def test_eventually_reports_why_not() -> None:
    """The last failed assertion is the cause of NotInTime."""

    def never() -> bool:
        raise AssertionError("two is missing")

    with pytest.raises(NotInTime, match="both") as failure:
        eventually(never, 0.0, "both")
    assert str(failure.value.__cause__) == "two is missing"


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # An orphan that nobody has waited for yet is dead all the same.
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(state.stdout.strip()) and not state.stdout.startswith("Z")
