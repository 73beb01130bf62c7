"""Where the binaries of a real control plane come from.

`KUBEBUILDER_ASSETS`, when set, names a folder that is used first (the convention of setup-envtest, whose folders have
no kube-controller-manager). Whatever is missing is built once from the go.mod files beside this module, into a cache
folder that is named after those files: a new version is a new folder.

    python -m tests.controlplane.binaries     # makes sure of them, prints the folder
"""

import hashlib
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
    Tool("kubectl", "kubernetes", "k8s.io/kubernetes/cmd/kubectl"),
)


def ensure(say: Report = to_stderr) -> Path:
    """The folder that holds every one of TOOLS, built if needed; `say` is told of progress. Raises Unavailable."""
    assets = os.environ.get("KUBEBUILDER_ASSETS", "")
    if not assets:
        return _built(TOOLS, say)
    folder = Path(assets).resolve()
    if not folder.is_dir():
        raise Unavailable(f"KUBEBUILDER_ASSETS names {assets}, which is not a folder: correct it or unset it.")
    missing = tuple(tool for tool in TOOLS if not runnable(folder / tool.name))
    return _joined(folder, _built(missing, say), missing) if missing else folder


def cache_folder() -> Path:
    """The folder for binaries of exactly the versions in the go.mod and go.sum files."""
    modules = (MODULES["etcd"], MODULES["kubernetes"])
    return golang.cache_folder(folder / name for folder in modules for name in ("go.mod", "go.sum"))


def version() -> str:
    """The Kubernetes version that go.mod asks for, such as v1.36.3."""
    go_mod = MODULES["kubernetes"] / "go.mod"
    found = re.search(r"^(?:require )?\s*k8s\.io/kubernetes (v\S+)", go_mod.read_text(), re.MULTILINE)
    if not found:
        raise Unavailable(f"{go_mod} does not require k8s.io/kubernetes.")
    return found[1]


def _built(tools: tuple[Tool, ...], say: Report) -> Path:
    folder = cache_folder()
    with golang.lock(say):
        missing = [tool for tool in tools if not runnable(folder / tool.name)]
        if missing:
            say(f"building {', '.join(tool.name for tool in missing)} once: minutes the first time")
        for tool in missing:
            flags = [f"-ldflags={_linker_flags(tool)}"]
            golang.build("build", tool.module, tool.package, folder / tool.name, flags, say)
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
