"""A node for a test control plane: Pods are scheduled by a real kube-scheduler and played by kwok, so that Deployments
become available without a container being run."""

from contextlib import AbstractContextManager
from pathlib import Path

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.kubectl import UNTIL_SOON
from tests.controlplane.process import Process

STAGES = Path(__file__).parent / "kwok" / "stages.yaml"
NAME = "played"


class Nodes(AbstractContextManager["Nodes"]):
    """One node, ready while the context lasts."""

    def __init__(self, cluster: ControlPlane) -> None:
        self._cluster = cluster
        self._kubectl = cluster.kubectl()
        self._processes: list[Process] = []

    def __enter__(self) -> "Nodes":
        try:
            scheduler = self._cluster.client_pair("system:kube-scheduler")
            config = self._cluster.add_user("kube-scheduler", scheduler)
            self._run("kube-scheduler", f"--kubeconfig={config}", "--leader-elect=false", "--secure-port=0")
            admin = f"--kubeconfig={self._cluster.kubeconfig()}"
            self._run("kwok", admin, "--manage-all-nodes", "--node-lease-duration-seconds=40", f"--config={STAGES}")
            self._kubectl.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NAME}})
            self._kubectl("wait", f"node/{NAME}", "--for=condition=Ready", UNTIL_SOON)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Pods that the node had go with it."""
        self._kubectl.run("delete", "node", NAME, "--ignore-not-found")
        for process in self._processes:
            process.kill()

    def _run(self, name: str, *flags: str) -> None:
        log = self._cluster.directory / "log" / f"{name}.log"
        command: list[str | Path] = [self._cluster.binaries / name, *flags, *self._cluster.flags.get(name, ())]
        self._processes.append(Process(name, command, log))
