"""Children of tests: their ends are noticed, and nothing outlives us."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.controlplane.process import (
    SOON,
    NotInTime,
    Process,
    ProcessDied,
    Stream,
    eventually,
    free_port,
    in_time,
)

ROOT = Path(__file__).resolve().parents[2]


def test_an_early_end_is_reported_with_the_log(tmp_path: Path) -> None:
    """Waiting for a process that dies fails at once, with the end of its log."""
    process = Process("child", [sys.executable, "-c", "print('no such flag')"], tmp_path / "log")
    with pytest.raises(ProcessDied, match="no such flag"):
        process.wait_ready(lambda: False, SOON)
    assert process.kill() == 0


def test_stop_escalates(tmp_path: Path) -> None:
    """A child that ignores SIGTERM is killed after the grace period."""
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
    process = Process("child", [sys.executable, "-c", code], tmp_path / "log")
    process.wait_ready(lambda: "up" in process.text(), SOON)
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
    eventually(lambda: not _runs(pid), SOON, "the child is gone")


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


def test_a_free_port_is_nobody_elses() -> None:
    """Who connects to it is refused, who listens there must name it and say that it may be shared, as servers do."""
    place = "127.0.0.1", free_port()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(place)
    with socket.socket() as other, pytest.raises(OSError, match="Address already in use"):
        other.bind(place)
    for _ in range(2):
        with socket.create_server(place), socket.create_connection(place) as client:
            assert client.getpeername() == place


def test_a_claim_about_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    """It is true if it is true once, and is not tried again then; it is false if it never is. What failed before is
    told."""
    times = iter([1.0, 3.0, 2.5, 2.0])
    in_time(lambda: next(times), 2.0)
    assert capsys.readouterr().err == ""
    in_time(lambda: next(times), 2.0)
    assert list(times) == []
    assert "[3.0, 2.5, 2.0]" in capsys.readouterr().err
    with pytest.raises(NotInTime, match="never in"):
        in_time(lambda: 2.1, 2.0)


def test_lines_are_whole(tmp_path: Path) -> None:
    """What a command has begun to write is no line yet."""
    code = "import signal; print('one\\ntw', end='', flush=True); signal.pause()"
    with Stream("child", [sys.executable, "-c", code], tmp_path / "log") as stream:
        eventually(lambda: stream.process.text().endswith("tw"), SOON)
        assert stream.lines() == ["one"]
