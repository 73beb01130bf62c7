"""docs/operations.md keeps up with the program: it explains what there is, and nothing else."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

from apiserver.client import ClientError
from apiserver.http.metrics import Metrics
from apiserver.machinery.errors import Object
from reconciler.metrics import Instruments
from reconciler.ratelimit import Buckets
from reconciler.website.loop import World, reconcile
from tests.unit.reconciling import (
    DEPLOYMENT,
    MemoryCluster,
    MemoryRecorder,
    MemoryWebsites,
    deployment,
    merged,
    service,
    website,
    world,
)

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "operations.md").read_text()
KUBERNETES = {"aggregator_unavailable_apiservice"}
STUCK = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}
QUOTA = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}


def explained(head: str) -> list[str]:
    """The first cells of the table whose first column is called so."""
    lines = TEXT.partition(f"| {head} | ")[2].partition("\n\n")[0].splitlines()[2:]
    return [line.split("|")[1].strip() for line in lines]


def words(cells: list[str]) -> set[str]:
    """What is quoted in them, without a metric's labels."""
    return {word.partition("{")[0] for cell in cells for word in re.findall("`([^`]+)`", cell)}


def metrics() -> set[str]:
    """The names under which /metrics shows what the server and its controllers count."""
    registry = Metrics().registry
    Instruments(registry)
    return {family.name + ("_total" if family.type == "counter" else "") for family in registry.collect()}


def test_metrics_are_explained() -> None:
    """Each metric has a line; those of the process, which every program has, have one together."""
    found = words(explained("metric"))

    assert {name for name in metrics() - found if not name.startswith("process_")} == set()
    assert found - metrics() == set()


def test_metrics_that_are_named_exist() -> None:
    """Also those in alerts and advice."""
    families = "controller_runtime|workqueue|leader_election|rest_client|apiserver|aggregator|process"
    named = set(re.findall(rf"\b(?:{families})_\w+", TEXT)) - KUBERNETES

    assert named - metrics() == set()


def test_what_is_restored_is_the_member_that_runs() -> None:
    """etcdutl is told the names that etcd has in deploy/etcd.yaml."""
    text = (ROOT / "deploy" / "etcd.yaml").read_text().replace("$(POD_NAME)", "website-etcd-0")
    told = re.findall(r"--(?:name|initial-[a-z-]+)=[^ \n]+", TEXT)

    assert len(told) == 4
    assert [flag for flag in told if f"- {flag}\n" not in text] == []


class Story:
    """What a reconcile says of one Website, whatever happens to its children: (type, reason) of conditions and (type,
    reason) of Events."""

    def __init__(self) -> None:
        self.cluster, self.store, self.recorder = MemoryCluster(), MemoryWebsites(website()), MemoryRecorder()
        self.conditions: set[tuple[str, str]] = set()

    async def goes_on(self, patience: int = 20, **children: Object) -> None:
        """With these instead of the children that there were, if any are given. `patience`: repairs of a child."""
        if children:
            self.cluster.objects = MemoryCluster(**children).objects
        now = self._impatient(world(self.cluster, self.store, recorder=self.recorder), patience)
        with contextlib.suppress(ClientError):
            await reconcile("ns/kubia", now)
        said = self.store.items["kubia"].get("status", {}).get("conditions", [])
        self.conditions |= {(entry["type"], entry["reason"]) for entry in said}

    def _impatient(self, now: World, patience: int) -> World:
        both = (replace(each, repairs=Buckets(1.0, patience)) for each in (now.deployments, now.services))
        return replace(now, deployments=next(both), services=next(both), begun={"ns/kubia": set()})

    async def of_a_child_that_is_refused(self) -> None:
        self.cluster.objects.clear()
        self.cluster.refusals[DEPLOYMENT] = ClientError(403, "Forbidden", "no")
        await self.goes_on()
        self.cluster.refusals.clear()

    async def of_a_child_that_others_want(self) -> None:
        foreign = kept(deployment())
        del foreign["metadata"]["labels"], foreign["metadata"]["ownerReferences"]
        await self.goes_on(deployment=foreign)
        self.cluster.objects.clear()
        await self.goes_on(patience=0)
        edited = kept(service(), spec={"type": "ClusterIP"})
        for patience in (0, 1):
            await self.goes_on(patience, deployment=kept(deployment()), service=edited)

    async def of_children_of_an_earlier_website(self) -> None:
        owner = service()["metadata"]["ownerReferences"][0] | {"uid": "earlier"}
        left = kept(service(), metadata={"ownerReferences": [owner]})
        await self.goes_on(deployment=kept(deployment()), service=left)

    async def of_a_rollout(self) -> None:
        for live in rollouts():
            await self.goes_on(deployment=kept(live), service=kept(service()))


def kept(child: Object, **changes: Object) -> Object:
    """A child as the cluster has it."""
    there: Object = merged(child, {"metadata": {"uid": "c0", "resourceVersion": "1"}})
    return dict(merged(there, changes))


def rollouts() -> Iterator[Object]:
    """Deployments in all states that their counts can have, and in some that they say themselves."""
    complete = {"observedGeneration": 1, "replicas": 2, "readyReplicas": 2, "updatedReplicas": 2}
    for replicas, ready, current, observed in product((0, 2, 3), (0, 1, 2), (0, 2), (0, 1)):
        yield deployment(replicas=replicas, readyReplicas=ready, updatedReplicas=current, observedGeneration=observed)
        yield deployment(**complete)
    for trouble in (STUCK, QUOTA):
        yield deployment(**complete | {"readyReplicas": 1, "conditions": [trouble]})
    yield merged(deployment(**complete | {"updatedReplicas": 0}), {"spec": {"paused": True}})


async def test_conditions_reasons_and_events_are_explained() -> None:
    """Each condition, reason and Event that a Website can have has a line, and no other has one."""
    story = Story()
    await story.goes_on()
    await story.of_a_child_that_is_refused()
    await story.of_a_child_that_others_want()
    await story.of_children_of_an_earlier_website()
    await story.of_a_rollout()

    assert words(explained("condition")) == {kind for kind, _ in story.conditions}
    assert words(explained("reason")) == {reason for _, reason in story.conditions}
    told = {kind: {reason for of, reason, _ in story.recorder.events if of == kind} for kind in ("Normal", "Warning")}
    for kind, reasons in told.items():
        assert words([cell for cell in explained("event") if cell.startswith(kind)]) == reasons
