"""Where the binaries of a real control plane come from.

`KUBEBUILDER_ASSETS`, when set, names a folder that is used first (the convention of setup-envtest, whose folders have
no kube-controller-manager). Whatever is missing is built once from the go.mod files beside this module, each module's
into a cache folder that is named after these files' content: a new version is a new folder.

    python -m tests.controlplane.binaries     # makes sure of them, prints the folder
"""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane import golang
from tests.controlplane.golang import MODULES, Report, Unavailable, runnable, to_stderr


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
    Tool("kube-scheduler", "kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler"),
    Tool("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok"),
    Tool("kubectl", "kubernetes", "k8s.io/kubernetes/cmd/kubectl"),
    Tool("kubectl-1.32", "kubectl-1.32", "k8s.io/kubernetes/cmd/kubectl"),
    Tool("kubectl-latest", "kubectl-latest", "k8s.io/kubernetes/cmd/kubectl"),
)
KUBECTLS = ("kubectl", "kubectl-1.32", "kubectl-latest")
"""The control plane's own version, the oldest that is tested, and the newest there is."""


def ensure(say: Report = to_stderr) -> Path:
    """A folder that holds every one of TOOLS, built if needed; `say` is told of progress. Raises Unavailable."""
    named = os.environ.get("KUBEBUILDER_ASSETS", "")
    assets = Path(named).resolve()
    if named and not assets.is_dir():
        raise Unavailable(f"KUBEBUILDER_ASSETS names {named}, which is not a folder: correct it or unset it.")
    found = [assets / tool.name for tool in TOOLS if named and runnable(assets / tool.name)]
    missing = [tool for tool in TOOLS if assets / tool.name not in found]
    return _joined([*found, *_built(missing, say)]) if missing else assets


def version(module: str = "kubernetes") -> str:
    """The Kubernetes version that the module's go.mod asks for, such as v1.36.3. Raises Unavailable."""
    go_mod = MODULES[module] / "go.mod"
    found = re.search(r"^(?:require )?\s*k8s\.io/kubernetes (v\S+)", go_mod.read_text(), re.MULTILINE)
    if not found:
        raise Unavailable(f"{go_mod} does not require k8s.io/kubernetes.")
    return found[1]


def _built(tools: list[Tool], say: Report) -> list[Path]:
    """Where each of them is."""
    with golang.lock(say):
        missing = [tool for tool in tools if not runnable(_cached(tool))]
        if missing:
            say(f"building {', '.join(tool.name for tool in missing)} once: minutes the first time")
        for tool in missing:
            golang.build("build", tool.module, tool.package, _cached(tool), [f"-ldflags={_linker_flags(tool)}"], say)
    return [_cached(tool) for tool in tools]


def _cached(tool: Tool) -> Path:
    folder = MODULES[tool.module]
    return golang.cache_folder((folder / "go.mod", folder / "go.sum")) / tool.name


def _joined(programs: list[Path]) -> Path:
    """A folder of links to them."""
    folder = golang.links_folder(programs)
    folder.mkdir(parents=True, exist_ok=True)
    for program in programs:
        link = folder / f".{program.name}.{os.getpid()}"
        link.symlink_to(program)
        link.replace(folder / program.name)
    return folder


def _linker_flags(tool: Tool) -> str:
    if not tool.package.startswith("k8s.io/kubernetes/"):
        return "-s -w"
    git_version = version(tool.module)
    major, minor = git_version.removeprefix("v").split(".")[:2]
    component = "k8s.io/component-base/version"
    values = {
        f"{component}.gitVersion": git_version,
        f"{component}.gitMajor": major,
        f"{component}.gitMinor": minor,
        "k8s.io/client-go/pkg/version.gitVersion": git_version,
    }
    return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in values.items())])


def main() -> int:
    """Prints the folder, or says why there is none."""
    try:
        sys.stdout.write(f"{ensure()}\n")
    except Unavailable as failure:
        to_stderr(str(failure))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
