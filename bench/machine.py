"""The machine that was measured on, and how much of it a process takes."""

import os
import platform
from collections.abc import Iterator
from importlib.metadata import version as installed
from pathlib import Path

from apiserver.settings import VERSION
from bench import programs
from tests.controlplane import binaries


def facts() -> dict[str, str]:
    """What a reader must know to judge figures: name -> value."""
    cores, memory = os.cpu_count(), os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    libraries = [f"{name} {installed(name)}" for name in ("uvicorn", "uvloop", "orjson")]
    system = f"{platform.system()} {platform.release()}"
    return {
        "machine": f"{cores} cores ({_processor()}), {memory / 2**30:.0f} GiB, {system}",
        "kube-apiserver": binaries.version(),
        "sample-apiserver": programs.sample_apiserver_version(),
        "this server": ", ".join([VERSION, f"Python {platform.python_version()}", *libraries]),
        "load average before": " ".join(f"{value:.2f}" for value in os.getloadavg()),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def resident_mib(pid: int) -> float:
    """Resident memory of a process and of all below it, in MiB; pages that they share count for each."""
    return sum(_status_kib(each, "VmRSS:") for each in _tree(pid)) / 1024


def _status_kib(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    return 0


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _tree(int(child))


def peak_mib(pid: int) -> float:
    """Resident memory of a process and of all below it, each at its highest, in MiB."""
    return sum(_status_kib(each, "VmHWM:") for each in _tree(pid)) / 1024


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, of the children it has waited for, and of all that run below it."""
    return sum(map(_ticks, _tree(pid))) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    # What follows the name, which is in parentheses; utime, stime, cutime and cstime are fields 14 to 17 of proc(5).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15]))
