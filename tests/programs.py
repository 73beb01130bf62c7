"""Programs of the system that tests run.

python -m tests.programs     # installs what is missing, where this is root on a Debian
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGES = {"git": "git", "nginx": "nginx-light"}
"""The Debian package of each."""
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


class Missing(AssertionError):
    """A program is not there; the text is one sentence that says what to install."""


def find(name: str) -> Path:
    """Raises Missing."""
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise Missing(f"{name} is not installed: apt-get install {PACKAGES[name]} (make test does so when it is root)")
    return Path(found)


def _install(packages: list[str]) -> None:
    # In runlevel 1 a package does not start its service.
    environment = dict(os.environ) | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        subprocess.run(["apt-get", "-qq", *command], env=environment, stdout=subprocess.DEVNULL, check=True)


def main() -> int:
    """Always 0: a test that needs a missing program says so itself."""
    missing = [package for name, package in PACKAGES.items() if shutil.which(name, path=_PATH) is None]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        sys.stderr.write(f"installing {' '.join(missing)}\n")
        try:
            _install(missing)
        except subprocess.CalledProcessError as failure:
            sys.stderr.write(f"{' '.join(missing)} could not be installed: {failure}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
