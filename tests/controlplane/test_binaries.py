"""Where the binaries come from; nothing is built here."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.controlplane.binaries import KUBECTLS, TOOLS, version
from tests.controlplane.golang import HERE


def _run(tmp_path: Path, assets: Path) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ) | {"KUBEBUILDER_ASSETS": str(assets), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "tests.controlplane.binaries"]
    return subprocess.run(command, cwd=HERE.parents[1], env=environment, capture_output=True, text=True, check=False)


def test_assets_are_used_first(tmp_path: Path) -> None:
    """A complete KUBEBUILDER_ASSETS is the folder, and nothing is built or said."""
    for tool in TOOLS:
        (tmp_path / tool.name).touch(mode=0o755)
    done = _run(tmp_path, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{tmp_path}\n", "")
    assert not (tmp_path / "cache").exists()


def test_assets_that_are_no_folder(tmp_path: Path) -> None:
    """One sentence says what to correct."""
    done = _run(tmp_path, tmp_path / "nowhere")
    assert done.returncode == 1
    assert (
        done.stderr
        == f"KUBEBUILDER_ASSETS names {tmp_path / 'nowhere'}, which is not a folder: correct it or unset it.\n"
    )


@pytest.mark.parametrize("module", ["kubernetes", "kubectl-1.32", "kubectl-latest"])
def test_version_is_read_from_go_mod(module: str) -> None:
    """The version that is stamped into the binaries is the one that go.mod requires, in all its modules."""
    go_mod = (HERE / module / "go.mod").read_text()
    assert f"k8s.io/kubernetes {version(module)}\n" in go_mod.replace(" // indirect", "")
    replaced = re.findall(r"=> k8s\.io/\S+ v0\.(\S+)", go_mod)
    assert set(replaced) == {version(module).removeprefix("v1.")}


def test_tested_kubectls_are_tools() -> None:
    """The oldest is older and the newest is newer than the control plane's."""
    assert set(KUBECTLS) <= {tool.name for tool in TOOLS}
    versions = [
        tuple(map(int, version(module)[1:].split("."))) for module in ("kubectl-1.32", "kubernetes", "kubectl-latest")
    ]
    assert versions == sorted(versions)
