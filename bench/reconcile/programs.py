"""The peers' programs, made once into the cache folder of the tests' programs."""

import re
import subprocess
import sys
from pathlib import Path

from tests.controlplane import golang
from tests.controlplane.golang import MODULES, Report, Unavailable, runnable

HERE = Path(__file__).resolve().parent
OPERATOR = HERE / "kopf" / "operator.py"
_REQUIREMENTS = HERE / "kopf" / "requirements.lock"


def runtime(say: Report) -> Path:
    """The controller-runtime controller. Raises Unavailable."""
    return golang.program("reconcile", "website-controller", say)


def kopf(say: Report) -> Path:
    """Kopf's command, in a virtual environment that has exactly requirements.lock. Raises Unavailable."""
    folder = golang.cache_folder([_REQUIREMENTS])
    with golang.lock(say):
        if not runnable(folder / "complete"):
            say("installing Kopf")
            _install(folder)
    return folder / "bin" / "kopf"


def versions() -> dict[str, str]:
    """Name -> version of what the peers are made with."""
    required = _REQUIREMENTS.read_text() + (MODULES["reconcile"] / "go.mod").read_text()
    names = {"Kopf": r"^kopf==(\S+)", "controller-runtime": r"sigs\.k8s\.io/controller-runtime (v\S+)"}
    found = {name: re.search(pattern, required, re.MULTILINE) for name, pattern in names.items()}
    return {name: match[1] for name, match in found.items() if match}


def _install(folder: Path) -> None:
    pip: list[str | Path] = [
        folder / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    venv: list[str | Path] = [sys.executable, "-m", "venv", "--clear", folder]
    for command in (venv, [*pip, "--require-hashes", "-r", _REQUIREMENTS]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"Kopf cannot be installed: {done.stderr.strip()[-500:]}")
    (folder / "complete").touch(mode=0o755)
