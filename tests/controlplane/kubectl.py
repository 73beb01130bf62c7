"""The real kubectl, run as a user runs it."""

import os
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import yaml

from tests.controlplane.process import SOON, Stream

Object = dict[str, Any]

UNTIL_SOON = f"--timeout={SOON:.0f}s"
"""For commands that wait."""
GIVEN_UP = SOON + 60.0
"""Seconds for one command, which may wait and then say why in vain."""


class KubectlFailed(AssertionError):
    """kubectl ended with another code than 0; the text is what it wrote."""


@dataclass(frozen=True)
class Result:
    """What one run left behind."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Kubectl:
    """kubectl with one kubeconfig. `home` keeps its discovery cache: servers on reused ports must not share one."""

    binary: Path
    kubeconfig: Path
    home: Path
    namespace: str = ""

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        """What it writes to stdout. Raises KubectlFailed with stderr."""
        result = self.run(*arguments, stdin=stdin)
        if result.code:
            raise KubectlFailed(f"kubectl {' '.join(arguments)}: code {result.code}\n{result.out}{result.err}")
        return result.out

    def run(self, *arguments: str, stdin: str = "") -> Result:
        """One run, whatever its exit code."""
        done = subprocess.run(
            self.command(*arguments),
            input=stdin,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=GIVEN_UP,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def refused(self, *arguments: str, stdin: str = "") -> str:
        """What it writes to stderr when it must fail."""
        result = self.run(*arguments, stdin=stdin)
        assert result.code != 0, f"kubectl {' '.join(arguments)} was not refused: {result.out}"
        return result.err

    def get(self, *arguments: str) -> Object:
        """`kubectl get ... -o json`, decoded."""
        answer: Object = orjson.loads(self("get", *arguments, "-o", "json"))
        return answer

    def apply(self, *documents: Object) -> None:
        """`kubectl apply -f -` of these objects."""
        self("apply", "-f", "-", stdin=yaml.safe_dump_all(documents))

    def stream(self, *arguments: str) -> Stream:
        """The command left running; a context manager."""
        log = self.home / f"stream-{'-'.join(arguments)[:80].replace('/', '_')}.log"
        return Stream("kubectl", self.command(*arguments), log, self.environment)

    def within(self, namespace: str) -> "Kubectl":
        """The same in a namespace, which becomes the default of every command."""
        return replace(self, namespace=namespace)

    def named(self, name: str) -> "Kubectl":
        """The same with another binary of the same folder, and a discovery cache of its own."""
        return replace(self, binary=self.binary.with_name(name), home=self.home.with_name(f"{self.home.name}-{name}"))

    def command(self, *arguments: str) -> list[str]:
        flags = [f"--kubeconfig={self.kubeconfig}", *([f"--namespace={self.namespace}"] if self.namespace else [])]
        return [str(self.binary), *flags, *arguments]

    @property
    def environment(self) -> dict[str, str]:
        self.home.mkdir(parents=True, exist_ok=True)
        return dict(os.environ) | {"HOME": str(self.home), "KUBECACHEDIR": str(self.home / "cache")}
