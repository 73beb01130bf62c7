"""A local control plane with this checkout's server registered, in the foreground: `make cluster`.

    python -m tests.controlplane run DIR     # prints DIR/kubeconfig when everything is ready; Ctrl-C ends it

Every run starts empty: what an earlier one kept in DIR is removed.
"""

import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.controlplane import binaries
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.golang import Unavailable
from tests.controlplane.nodes import Nodes
from tests.controlplane.process import NotInTime, ProcessDied
from tests.controlplane.secure_etcd import SecureEtcd
from tests.controlplane.server import APIServerProcess


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def run(directory: Path) -> None:
    """Never returns. Raises KeyboardInterrupt on SIGINT and SIGTERM; golang.Unavailable, ProcessDied or NotInTime."""
    tools = binaries.ensure(_say)
    state = directory / "state"
    shutil.rmtree(state, ignore_errors=True)
    with ExitStack() as running:
        _say("starting etcd, kube-apiserver, kube-controller-manager, kube-scheduler and a node that kwok plays ...")
        cluster = running.enter_context(ControlPlane(state / "cluster", tools))
        running.enter_context(Nodes(cluster))
        _say("starting the server ...")
        etcd = running.enter_context(SecureEtcd(state / "etcd"))
        server = APIServerProcess("server", state, cluster, etcd, "--leader-elect")
        running.enter_context(server)
        server.register()
        server.wait_available()
        config = directory / "kubeconfig"
        shutil.copy2(cluster.kubeconfig(), config)
        _say(f"ready; logs are below {state}. Try:\n\n  {tools / 'kubectl'} --kubeconfig {config} get websites -A\n")
        sys.stdout.write(f"{config}\n")
        sys.stdout.flush()
        signal.pause()


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0, 1 after a sentence that says what went wrong, 2 for a wrong command line."""
    if len(arguments) != 2 or arguments[0] != "run":
        _say("usage: python -m tests.controlplane run DIR")
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run(Path(arguments[1]).resolve())
    except KeyboardInterrupt:
        _say("stopped")
        return 0
    except (Unavailable, ProcessDied, NotInTime) as failure:
        _say(str(failure))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
