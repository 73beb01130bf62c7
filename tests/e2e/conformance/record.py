"""Records what kube-apiserver answers: `make golden`, or `make golden CASES="create lists/pages"`.

    python -m tests.e2e.conformance.record [MODULE | MODULE/CASE ...]

Everything is asked twice: answers that differ from one time to the next prove nothing about a server and are refused.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.controlplane import binaries, reference
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.golang import Unavailable
from tests.controlplane.process import NotInTime, ProcessDied
from tests.e2e.conformance import golden
from tests.e2e.conformance.cases import CASES
from tests.e2e.conformance.exchange import Answer, Server
from tests.e2e.conformance.golden import VersionsDiffer


def quiet(directory: Path, programs: Path) -> ControlPlane:
    """A control plane where nobody writes but who is asked to, and whose first revisions are there however long ago it
    was started."""
    flags = {"kube-apiserver": ["--etcd-compaction-interval=0"]}
    return ControlPlane(directory, programs, controllers=False, flags=flags)


@contextmanager
def kube_apiserver(cluster: ControlPlane) -> Iterator[Server]:
    """With the kind as a custom resource."""
    reference.install(cluster)
    with cluster.http() as client:
        yield Server(client, client, reference.GROUP)


def record(names: Sequence[str]) -> tuple[str, list[str]]:
    """Writes the golden answers of these cases; returns the version of Kubernetes that answered, and the names of those
    whose answers are not reproducible.

    Raises Unavailable, ProcessDied, NotInTime, httpx.HTTPError, VersionsDiffer."""
    with tempfile.TemporaryDirectory() as directory, _answering(Path(directory)) as server:
        version, once, again = server.kubernetes(), _answers(server, names), _answers(server, names)
    stable = {name: answers for name, answers in once.items() if answers == again[name]}
    golden.save(version, stable)
    return version, sorted(once.keys() - stable.keys())


@contextmanager
def _answering(directory: Path) -> Iterator[Server]:
    with quiet(directory, binaries.ensure()) as cluster, kube_apiserver(cluster) as server:
        yield server


def _answers(server: Server, names: Sequence[str]) -> dict[str, list[Answer]]:
    with server.ask(names) as answers:
        return {name: future.result() for name, future in answers.items()}


def _chosen(arguments: Sequence[str]) -> list[str]:
    return [name for name in CASES if not arguments or name in arguments or name.split("/")[0] in arguments]


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0, 1 after a sentence that says what went wrong, 2 for names that nothing has."""
    modules = {name.split("/")[0] for name in CASES}
    if unknown := [name for name in arguments if name not in CASES and name not in modules]:
        sys.stderr.write(f"no such module or case: {' '.join(unknown)}\n")
        return 2
    names = _chosen(arguments)
    try:
        version, unstable = record(names)
    except (Unavailable, ProcessDied, NotInTime, httpx.HTTPError, VersionsDiffer) as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    sys.stdout.write(f"{len(names) - len(unstable)} cases recorded from Kubernetes {version}\n")
    if unstable:
        sys.stderr.write(f"answered differently the second time, not recorded: {' '.join(unstable)}\n")
    return 1 if unstable else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
