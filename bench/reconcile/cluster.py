"""The control plane that a contender works in: nothing in it holds back, and it writes down what the contender asks."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import yaml

from apiserver.kinds.website import KIND
from apiserver.machinery.errors import Object
from tests.controlplane import binaries
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.nodes import Nodes
from tests.controlplane.process import eventually
from tests.controlplane.reference import GROUP

_UNLIMITED = ("--kube-api-qps=5000", "--kube-api-burst=10000")
"""With their defaults the cluster's own controllers would take minutes for a thousand Deployments."""


GROUPS = (KIND.group, GROUP)
COLLECTOR = "system:kube-controller-manager"
"""Its informers are those of the whole process."""
_SOON = 120.0


@dataclass(frozen=True)
class Audit:
    """What kube-apiserver writes down: all that `user` asks, and the garbage collector's watches of `plural`."""

    directory: Path
    user: str
    plural: str

    @property
    def flags(self) -> tuple[str, ...]:
        """Of kube-apiserver; writes the policy."""
        watched = {"verbs": ["watch"], "resources": [{"group": group, "resources": [self.plural]} for group in GROUPS]}
        rules = [
            {"level": "Metadata", "users": [self.user], "omitStages": ["RequestReceived", "ResponseStarted"]},
            {"level": "Metadata", "users": [COLLECTOR], **watched},
            {"level": "None"},
        ]
        self.directory.mkdir(parents=True)
        policy = self.directory / "audit-policy.yaml"
        policy.write_text(yaml.safe_dump({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules}))
        return f"--audit-policy-file={policy}", f"--audit-log-path={self._log}"

    @property
    def _log(self) -> Path:
        return self.directory / "audit.log"

    def _events(self, user: str) -> Iterator[Object]:
        for line in self._log.read_bytes().splitlines():
            event = orjson.loads(line)
            if event["user"]["username"] == user:
                yield event

    def requests(self, since: str) -> Counter[str]:
        """What the user asked from then (RFC 3339) on, watches excepted: verb and resource -> how often."""
        asked: Counter[str] = Counter()
        for event in self._events(self.user):
            if event["requestReceivedTimestamp"] >= since and event["verb"] != "watch":
                subject = event.get("objectRef", {})
                parts = (subject.get("resource") or event["requestURI"], subject.get("subresource", ""))
                asked[f"{event['verb']} {'/'.join(filter(None, parts))}"] += 1
        return asked

    def wait_quiet(self, seconds: float = 5.0) -> None:
        """Until nothing was asked for so long: what the user does beside its work, such as Events, counts too."""
        before, size = -1, 0
        while size != before:
            time.sleep(seconds)
            before, size = size, self._log.stat().st_size

    def wait_collected(self) -> None:
        """Until the garbage collector follows the kind. Before that it asks for every owner that a child names.

        Raises NotInTime.
        """
        eventually(lambda: any(self._events(COLLECTOR)), _SOON, "the garbage collector watches the kind")


@contextmanager
def started(directory: Path, audit: Audit) -> Iterator[ControlPlane]:
    """etcd, kube-apiserver, kube-controller-manager, kube-scheduler, and a node that kwok plays.

    Raises golang.Unavailable, ProcessDied or NotInTime.
    """
    flags = {
        "kube-apiserver": (*audit.flags, "--service-cluster-ip-range=10.0.0.0/16"),
        "kube-controller-manager": _UNLIMITED,
        "kube-scheduler": _UNLIMITED,
    }
    with ControlPlane(directory, binaries.ensure(), flags=flags) as cluster, Nodes(cluster):
        yield cluster
