"""The Go programs of a benchmark, built once: the load generator beside this module, and sample-apiserver."""

import re
from pathlib import Path

from tests.controlplane import golang
from tests.controlplane.golang import MODULES, Report, to_stderr


def load(say: Report = to_stderr) -> Path:
    """The load generator. Raises golang.Unavailable."""
    return golang.program("load", "load", say)


def sample_apiserver(say: Report = to_stderr) -> Path:
    """Kubernetes' own example of an aggregated server. Raises golang.Unavailable."""
    return golang.program("peer", "sample-apiserver", say, "k8s.io/sample-apiserver")


def sample_apiserver_version() -> str:
    """Such as v0.36.3."""
    found = re.search(r"k8s\.io/sample-apiserver (v\S+)", (MODULES["peer"] / "go.mod").read_text())
    return found[1] if found else "unknown"
