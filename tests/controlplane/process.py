"""Child processes for tests: a log file, an end that never leaves one behind, and waiting for real conditions.

Rules: every child has a session of its own, so that its whole process group can be ended and Ctrl-C reaches only us;
a reaper process kills what is left when this process ends in whatever way, kill -9 included.
"""

import atexit
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TypeVar

POLL = 0.05
"""Seconds between two looks at a condition."""
SOON = 240.0
"""Seconds after which something that happens by itself is taken for broken: many times what it takes on a busy machine,
and less than a test may take (pyproject.toml)."""

TRIES = 5
"""Of what a claim about seconds is made of."""

_T = TypeVar("_T")
_reserved: list[socket.socket] = []
"""What `free_port` has given away."""
_REAPER = """
import os, signal, sys
groups = set()
for line in sys.stdin:
    (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
"""


class ProcessDied(AssertionError):
    """A process that should run has ended; the text holds the end of its log."""


class NotInTime(AssertionError):
    """A condition did not become true before its deadline."""


def eventually(condition: Callable[[], _T | None], within: float, what: str = "") -> _T:
    """The first true answer of `condition`, asked again and again; its AssertionErrors count as "not yet".

    Raises NotInTime after `within` seconds, ProcessDied at once.
    """
    deadline = time.monotonic() + within
    while True:
        failure: AssertionError | None = None
        try:
            if answer := condition():
                return answer
        except ProcessDied:
            raise
        except AssertionError as error:
            failure = error
        if time.monotonic() >= deadline:
            raise NotInTime(f"not within {within} s: {what or condition}") from failure
        time.sleep(POLL)


def in_time(measure: Callable[[], float], within: float) -> None:
    """A claim about seconds, of a machine that others use, too: it is true of what happens if it is true of one of some
    tries. Raises NotInTime. What more than one try took is written to stderr: pytest shows it with -rP."""
    times: list[float] = []
    while not times or times[-1] > within:
        if len(times) == TRIES:
            raise NotInTime(f"within {within} s never in {TRIES} tries: {times}")
        times.append(measure())
    if len(times) > 1:
        sys.stderr.write(f"within {within} s in try {len(times)} of {TRIES}: {times}\n")


def free_port() -> int:
    """A TCP port of 127.0.0.1 where nobody listens, and that nobody but us is given until this process ends.

    The system gives a port that a socket is bound to neither to who asks for any nor to a client's end of a connection;
    who names it may listen there by SO_REUSEADDR, which servers set."""
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    _reserved.append(reserved)
    return int(reserved.getsockname()[1])


class Process:
    """One running child; its stdout and stderr are appended to `log`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                cwd=cwd,
                start_new_session=True,
            )
        _tell_reaper(f"+{self._child.pid}\n")

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._child.poll()

    def queued(self) -> float:
        """Seconds for which its first thread was ready to run, and others had the processors: the second field of
        Linux's /proc/PID/schedstat; 0 where there is none."""
        try:
            return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[1]) / 1e9
        except FileNotFoundError:
            return 0.0

    def text(self) -> str:
        """The whole log."""
        return self.log.read_text(errors="replace")

    def check(self) -> None:
        """Raises ProcessDied, with the end of the log, unless it runs."""
        if self.exit_code is not None:
            tail = "\n".join(self.text().splitlines()[-30:])
            raise ProcessDied(f"{self.name} ended with code {self.exit_code}; the end of {self.log}:\n{tail}")

    def wait_ready(self, ready: Callable[[], bool], within: float) -> None:
        """Returns when `ready()`. Raises ProcessDied, or NotInTime."""

        def checked() -> bool:
            self.check()
            return ready()

        eventually(checked, within, f"{self.name} ready; see {self.log}")

    def signal(self, number: signal.Signals) -> None:
        """Sends it to the process alone."""
        if self.exit_code is None:
            self._child.send_signal(number)

    def freeze(self) -> None:
        """Returns when it stands still: SIGSTOP alone takes effect when one of its threads has its turn, and until then
        the others go on."""
        self.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def thaw(self) -> None:
        """The end of `freeze`."""
        self.signal(signal.SIGCONT)

    def wait(self, within: float) -> int:
        """Its exit code. Raises NotInTime."""
        try:
            return self._child.wait(within)
        except subprocess.TimeoutExpired:
            raise NotInTime(f"{self.name} still runs after {within} s; see {self.log}") from None

    def stop(self, grace: float = 10.0) -> int:
        """SIGTERM, SIGKILL after `grace` seconds; its exit code. Fine on a process that has ended."""
        self.signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(grace)
        return self.kill()

    def kill(self) -> int:
        """SIGKILL to the whole process group; its exit code."""
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        code = self._child.wait()
        _tell_reaper(f"-{self._child.pid}\n")
        return code


class Stream:
    """The lines that a command writes while it runs, such as those of `kubectl get -w`."""

    def __init__(
        self, name: str, command: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        log.unlink(missing_ok=True)
        self.process = Process(name, command, log, env)

    def lines(self) -> list[str]:
        """All complete lines so far."""
        return self.process.text().rpartition("\n")[0].splitlines()

    def wait_for(self, text: str, within: float) -> str:
        """The first line that holds `text`."""
        what = f"a line with {text!r} from {self.process.name}; see {self.process.log}"
        return eventually(lambda: next((line for line in self.lines() if text in line), None), within, what)

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()


@cache
def _reaper() -> subprocess.Popen[str]:
    """Sees the end of its input when we are gone, in whatever way, and then ends what is left."""
    command = [sys.executable, "-c", _REAPER]
    reaper = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True)
    atexit.register(reaper.communicate)
    return reaper


def _tell_reaper(line: str) -> None:
    pipe = _reaper().stdin
    assert pipe is not None
    pipe.write(line)
    pipe.flush()
