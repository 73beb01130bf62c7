"""What the Website controller does, in a small cluster held in memory."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from apiserver.client import ClientError
from apiserver.kinds.website import KIND
from apiserver.machinery.errors import Object
from apiserver.registry.store import Store
from apiserver.registry.threads import LARGE
from reconciler.leader import Fence
from reconciler.metrics import Instruments
from reconciler.website.children import MANAGER, desired_deployment
from reconciler.website.loop import World, reconcile, run
from storage.sqlite import MEMORY, SQLiteStorage
from tests.unit.reconciling import (
    CHOSEN,
    DEPLOYMENT,
    KEY,
    LATER,
    SERVICE,
    MemoryCluster,
    MemoryRecorder,
    MemoryWebsites,
    condition,
    merged,
    website,
    world,
)
from tests.unit.virtual_time import run as run_virtually

NEXT_TURN, SETTLES = 0.0, 0.25


async def settled(cluster: MemoryCluster, store: MemoryWebsites) -> float | None:
    """Reconciles again as long as the Deployment or the status is to follow; the answer of the last time."""
    while (after := await reconcile("ns/kubia", world(cluster, store))) in (NEXT_TURN, SETTLES):
        pass
    return after


def progressed(cluster: MemoryCluster, store: MemoryWebsites) -> World:
    """The world in which a Pod has come up since the status was written."""
    cluster.objects[DEPLOYMENT] = merged(cluster.objects[DEPLOYMENT], {"status": {"replicas": 1}})
    return world(cluster, store)


async def made(**spec: object) -> tuple[MemoryCluster, MemoryWebsites]:
    """A Website with its children and its status, and counters at zero."""
    cluster, store = MemoryCluster(), MemoryWebsites(website(**spec))
    await settled(cluster, store)
    cluster.applied.clear()
    store.writes.clear()
    return cluster, store


def status(store: MemoryWebsites) -> Object:
    return dict(store.items["kubia"]["status"])


async def test_new_website_gets_its_children_and_status() -> None:
    """The Service in one turn, the Deployment in the next, with one request each; a third, soon after, writes the first
    status."""
    cluster, store = MemoryCluster(), MemoryWebsites(website())

    assert await reconcile("ns/kubia", world(cluster, store)) == NEXT_TURN
    assert (cluster.applied, cluster.asked, store.writes) == ([SERVICE], [], [])
    assert await reconcile("ns/kubia", world(cluster, store)) == SETTLES
    assert (cluster.applied, cluster.asked, store.writes) == ([SERVICE, DEPLOYMENT], [], [])
    assert await reconcile("ns/kubia", world(cluster, store)) is None
    assert (cluster.applied, cluster.asked) == ([SERVICE, DEPLOYMENT], [])
    assert condition(status(store))["reason"] == "RolloutInProgress"
    assert status(store)["url"] == "http://kubia-website.ns.svc"


@pytest.mark.parametrize(("failing", "other"), [(DEPLOYMENT, SERVICE), (SERVICE, DEPLOYMENT)])
async def test_child_that_fails_does_not_hold_up_the_other(failing: str, other: str) -> None:
    """A child that the cluster fails to take is tried again, and the other one is made."""
    cluster, store, begun = MemoryCluster(), MemoryWebsites(website()), dict[str, set[str]]()
    cluster.refusals[failing] = ClientError(503, "ServiceUnavailable", "no")
    for _ in range(2):
        with contextlib.suppress(ClientError):
            await reconcile("ns/kubia", replace(world(cluster, store), begun=begun))

    assert set(cluster.objects) == {other}


async def test_steady_state_costs_nothing() -> None:
    """When all is as it should be, nothing is asked, applied or written."""
    cluster, store = await made()
    await reconcile("ns/kubia", world(cluster, store, LATER))

    assert (cluster.applied, cluster.asked, store.writes) == ([], [], [])


async def test_drift_is_repaired() -> None:
    """A child that somebody edited is applied again, and only that."""
    cluster, store = await made()
    cluster.objects[DEPLOYMENT] = merged(cluster.objects[DEPLOYMENT], {"spec": {"replicas": 9}})
    await reconcile("ns/kubia", world(cluster, store))

    assert cluster.applied == [DEPLOYMENT]
    assert cluster.objects[DEPLOYMENT]["spec"]["replicas"] == 2


async def test_autoscaled_replicas_are_left_alone() -> None:
    """What an autoscaler says of the Deployment's replicas stays, also when something else is rolled out."""
    cluster, store = await made()
    fields: Object = {"f:spec": {"f:replicas": {}}}
    entry = {"manager": "kube-controller-manager", "operation": "Update", "subresource": "scale", "fieldsV1": fields}
    scaled = {"metadata": {"managedFields": [entry]}, "spec": {"replicas": 9}}
    cluster.objects[DEPLOYMENT] = merged(cluster.objects[DEPLOYMENT], scaled)
    await reconcile("ns/kubia", world(cluster, store))
    assert cluster.applied == []

    store.items["kubia"] = merged(store.items["kubia"], {"spec": {"branch": "dev"}})
    await reconcile("ns/kubia", world(cluster, store))
    assert cluster.applied == [DEPLOYMENT]
    assert cluster.objects[DEPLOYMENT]["spec"]["replicas"] == 9


def test_contested_child_is_repaired_in_its_time() -> None:
    """Somebody else who changes a child back each time does not keep the loop busy: twenty repairs, then one in five
    seconds, and an Event that says so."""

    async def fight() -> tuple[int, list[float], set[str]]:
        cluster, store = await made()
        recorder, waits = MemoryRecorder(), list[float]()
        seen = world(cluster, store, recorder=recorder)
        while asyncio.get_running_loop().time() < 100:
            broken = merged(cluster.objects[DEPLOYMENT], {"spec": {"replicas": 9}})
            cluster.objects[DEPLOYMENT] = broken
            caches = replace(seen.deployments, cache={KEY: broken})
            wait = await reconcile("ns/kubia", replace(seen, deployments=caches)) or 0.0
            waits.append(wait)
            await asyncio.sleep(wait or 0.001)
        return len(cluster.applied), waits, {reason for _, reason, _ in recorder.events}

    repairs, waits, reasons = run_virtually(fight())
    assert 35 <= repairs <= 41
    assert set(waits) == {SETTLES, 5.0}
    assert reasons == {"Updated", "Contested"}


def test_child_that_is_always_deleted_comes_back_in_its_time() -> None:
    """Somebody else who deletes a child each time does not keep the loop busy either: twenty times it is made again at
    once, then once in five seconds, and until then the condition says why it is missing."""

    async def fight() -> tuple[int, set[str]]:
        cluster, store = await made()
        seen = world(cluster, store)
        while asyncio.get_running_loop().time() < 100:
            cluster.objects.pop(SERVICE, None)
            caches = replace(seen.services, cache={})
            wait = await reconcile("ns/kubia", replace(seen, services=caches)) or 0.0
            await asyncio.sleep(wait)
        return cluster.applied.count(SERVICE), {
            condition(item["status"], "Degraded")["reason"] for item in store.writes
        }

    repairs, reasons = run_virtually(fight())
    assert 35 <= repairs <= 41
    assert reasons == {"Contested"}


async def test_a_cluster_that_is_away_is_no_contest() -> None:
    """However often a child could not be made, it is no quarrel with anybody: it is made when the cluster answers."""
    cluster, store = MemoryCluster(), MemoryWebsites(website())
    seen = world(cluster, store)
    cluster.refusals = {path: ClientError(503, "ServiceUnavailable", "later") for path in (DEPLOYMENT, SERVICE)}
    for _ in range(30):
        with pytest.raises(ClientError):
            await reconcile("ns/kubia", seen)
    cluster.refusals.clear()

    assert await reconcile("ns/kubia", seen) == SETTLES
    assert set(cluster.objects) == {DEPLOYMENT, SERVICE}


async def test_changes_of_the_website_are_no_contest() -> None:
    """However many there are in however short a time, each is applied at once, and no Event says otherwise."""
    cluster, store = await made()
    recorder = MemoryRecorder()
    seen = world(cluster, store, recorder=recorder)
    for number in range(30):
        item = merged(website(replicas=number), {"metadata": {"generation": 3 + number}})
        caches = replace(seen.deployments, cache={KEY: cluster.objects[DEPLOYMENT]})
        await reconcile("ns/kubia", replace(seen, websites={"ns/kubia": item}, deployments=caches))
        assert cluster.objects[DEPLOYMENT]["spec"]["replicas"] == number

    assert {reason for _, reason, _ in recorder.events} == {"Updated"}


async def test_deleted_child_comes_back() -> None:
    """A child that somebody deleted is created again."""
    cluster, store = await made()
    del cluster.objects[SERVICE]
    await reconcile("ns/kubia", world(cluster, store))

    assert cluster.applied == [SERVICE]


async def test_changed_spec_is_rolled_out() -> None:
    """Another branch changes the Deployment and leaves the Service alone."""
    cluster, store = await made()
    store.items["kubia"] = merged(store.items["kubia"], {"spec": {"branch": "dev"}})
    await reconcile("ns/kubia", world(cluster, store))

    assert cluster.applied == [DEPLOYMENT]
    _, git_sync = cluster.objects[DEPLOYMENT]["spec"]["template"]["spec"]["containers"]
    assert "--ref=dev" in git_sync["args"]


async def test_foreign_child_is_left_alone() -> None:
    """A Deployment of that name that somebody else has made is not changed; it is looked at again later, and when it
    has gone the Website gets its own."""
    foreign: Object = {
        "kind": "Deployment",
        "metadata": {"name": "kubia-website", "namespace": "ns", "uid": "f1", "generation": 1},
        "spec": {},
    }
    cluster, store = MemoryCluster(deployment=foreign), MemoryWebsites(website())

    assert await settled(cluster, store) == 10.0
    assert cluster.objects[DEPLOYMENT] is foreign
    assert condition(status(store), "Degraded")["reason"] == "NameConflict"
    assert condition(status(store))["message"].startswith("Deployment kubia-website exists")

    del cluster.objects[DEPLOYMENT]
    assert await settled(cluster, store) is None
    assert condition(status(store), "Degraded")["status"] == "False"


async def test_foreign_child_is_no_contest() -> None:
    """However often it is looked at, as while the other child rolls out, nobody is said to change ours."""
    cluster, store = await made()
    meta = {"name": "kubia-website", "namespace": "ns", "uid": "f1"}
    cluster.objects[SERVICE] = {"kind": "Service", "metadata": meta, "spec": {}}
    recorder = MemoryRecorder()
    seen = world(cluster, store, recorder=recorder)
    for _ in range(30):
        await reconcile("ns/kubia", seen)

    assert {reason for _, reason, _ in recorder.events} == {"NameConflict"}
    assert condition(status(store), "Degraded")["reason"] == "NameConflict"


async def test_child_of_another_controller_is_left_alone() -> None:
    """A child with our labels that another controller owns is somebody else's."""
    cluster, store = await made()
    other = {"apiVersion": "v1", "kind": "Blog", "name": "x", "uid": "u9", "controller": True}
    cluster.objects[SERVICE]["metadata"]["ownerReferences"] = [other]

    assert await reconcile("ns/kubia", world(cluster, store)) == 10.0
    assert (cluster.applied, cluster.deleted) == ([], [])
    assert condition(status(store))["message"].startswith("Service kubia-website exists")


async def test_orphan_is_adopted() -> None:
    """Children that an earlier Website of this name left behind on purpose belong to the new one, and stay up."""
    cluster, store = await made()
    for path in (DEPLOYMENT, SERVICE):
        del cluster.objects[path]["metadata"]["ownerReferences"]
    store.items["kubia"] = merged(website(), {"metadata": {"uid": "u2"}})

    assert await settled(cluster, store) is None
    assert cluster.applied == [DEPLOYMENT, SERVICE]
    assert cluster.deleted == []
    assert cluster.objects[DEPLOYMENT]["metadata"]["ownerReferences"][0]["uid"] == "u2"


@pytest.mark.parametrize("stored", ["going", "gone", "another"])
async def test_orphan_is_not_adopted_by_a_website_that_is_going(stored: str) -> None:
    """A deletion with --cascade=orphan may be known to the garbage collector sooner than to an old cache of Websites.
    What was released is not taken again, or it would be deleted with its owner."""
    cluster, store = await made()
    for path in (DEPLOYMENT, SERVICE):
        del cluster.objects[path]["metadata"]["ownerReferences"]
    behind = world(cluster, store)
    change = {"uid": "u2"} if stored == "another" else {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    store.items["kubia"] = merged(store.items["kubia"], {"metadata": change})
    if stored == "gone":
        store.items.clear()

    assert await reconcile("ns/kubia", behind) is None
    assert (cluster.applied, store.writes) == ([], [])


async def test_children_of_a_website_that_vanished_are_removed() -> None:
    """A key without an object: children whose owner is not in storage are deleted, as they are and no other way."""
    cluster, store = await made()
    store.items.clear()
    await reconcile("ns/kubia", world(cluster, store))

    assert [path for path, _ in cluster.deleted] == [DEPLOYMENT, SERVICE]
    preconditions = {"uid": f"uid of {DEPLOYMENT}", "resourceVersion": "102"}
    assert cluster.deleted[0][1]["preconditions"] == preconditions
    assert cluster.deleted[0][1]["propagationPolicy"] == "Background"


async def test_children_of_an_earlier_namesake_are_replaced() -> None:
    """A Website that was deleted and created anew does not inherit the old one's children: they go, then come new."""
    cluster, store = await made()
    store.items["kubia"] = merged(website(), {"metadata": {"uid": "u2"}})
    await reconcile("ns/kubia", world(cluster, store))
    assert [path for path, _ in cluster.deleted] == [DEPLOYMENT, SERVICE]
    assert condition(status(store))["reason"] == "Replacing"

    await settled(cluster, store)
    assert cluster.applied == [SERVICE, DEPLOYMENT]


async def test_children_that_may_not_be_removed_are_told() -> None:
    """Those of an earlier namesake that the cluster does not let go are tried again, and the status says what for."""

    class Keeping(MemoryCluster):
        async def delete(self, path: str, body: Object | None = None) -> Object:
            raise ClientError(403, "Forbidden", "no")

    made_before, store = await made()
    cluster = Keeping()
    cluster.objects = made_before.objects
    store.items["kubia"] = merged(website(), {"metadata": {"uid": "u2"}})
    with pytest.raises(ClientError, match="no"):
        await reconcile("ns/kubia", world(cluster, store))

    assert condition(status(store))["reason"] == "Replacing"


async def test_children_of_a_website_that_is_not_known_yet_stay() -> None:
    """The cache of Websites may be behind: storage decides whether an owner is there."""
    cluster, store = await made()
    await reconcile("ns/kubia", replace(world(cluster, store), websites={}))

    assert cluster.deleted == []


async def test_orphans_of_a_website_that_is_gone_stay() -> None:
    """A child without a controller is nobody's to delete."""
    cluster, store = await made()
    store.items.clear()
    for path in (DEPLOYMENT, SERVICE):
        del cluster.objects[path]["metadata"]["ownerReferences"]
    await reconcile("ns/kubia", world(cluster, store))

    assert cluster.deleted == []


@pytest.mark.parametrize("code", [403, 500])
async def test_refused_child_is_reported_and_tried_again(code: int) -> None:
    """What the cluster does not accept is in the conditions, the other child is made, and the queue comes back."""
    cluster, store = MemoryCluster(), MemoryWebsites(website())
    cluster.refusals[DEPLOYMENT] = ClientError(code, "", "exceeded quota")

    with pytest.raises(ClientError, match="exceeded quota"):
        await settled(cluster, store)
    assert cluster.applied == [SERVICE, DEPLOYMENT]
    assert condition(status(store), "Degraded")["reason"] == "ApplyFailed"
    assert condition(status(store), "Degraded")["message"] == "The Deployment is refused: exceeded quota"


@pytest.mark.parametrize("code", [0, 409, 429, 503])
async def test_trouble_that_passes_is_not_reported(code: int) -> None:
    """An apiserver that does not answer or is busy is tried again, without a word in the status."""
    cluster, store = await made()
    store.items["kubia"] = merged(store.items["kubia"], {"spec": {"branch": "dev"}})
    cluster.refusals[DEPLOYMENT] = ClientError(code, "", "later")

    with pytest.raises(ClientError, match="later"):
        await reconcile("ns/kubia", world(cluster, store))
    assert store.writes == []


async def test_events_tell_the_story() -> None:
    """Made, changed, ready, degraded: each once; what cannot be done is said each time it is tried."""
    cluster, store, recorder = MemoryCluster(), MemoryWebsites(website()), MemoryRecorder()
    begun: dict[str, set[str]] = {}

    async def told() -> list[tuple[str, str, str]]:
        recorder.events.clear()
        with contextlib.suppress(ClientError):
            await reconcile("ns/kubia", replace(world(cluster, store, recorder=recorder), begun=begun))
        return list(recorder.events)

    def deployed(ready: int) -> None:
        counts = {"observedGeneration": 1, "replicas": 2, "readyReplicas": ready, "updatedReplicas": 2}
        cluster.objects[DEPLOYMENT] = merged(cluster.objects[DEPLOYMENT], {"status": counts})

    cluster.refusals[DEPLOYMENT] = ClientError(503, "ServiceUnavailable", "later")
    assert (await told(), await told()) == ([], [])
    cluster.refusals.clear()
    both = "Created Deployment kubia-website and Service kubia-website."
    assert await told() == [("Normal", "Created", both)]
    assert await told() == []
    deployed(2)
    assert await told() == [("Normal", "Ready", "2 of 2 replicas are ready, 2 are up to date.")]
    deployed(1)
    assert await told() == [("Warning", "ReplicasUnavailable", "1 of 2 replicas are ready, 2 are up to date.")]
    cluster.objects[SERVICE] = merged(cluster.objects[SERVICE], {"spec": {"type": "ClusterIP"}})
    assert await told() == [("Normal", "Updated", "Updated Service kubia-website.")]
    cluster.objects[SERVICE] = merged(cluster.objects[SERVICE], {"spec": {"type": "ClusterIP"}})
    cluster.refusals[SERVICE] = ClientError(403, "Forbidden", "no")
    for _ in range(2):
        assert await told() == [("Warning", "ApplyFailed", "The Service is refused: no")]


async def test_namespace_that_is_being_deleted() -> None:
    """Children cannot come back there, and the Website goes soon: nothing is said, and nothing tried again."""
    cluster, store = await made()
    del cluster.objects[SERVICE]
    causes = frozenset({"NamespaceTerminating"})
    cluster.refusals[SERVICE] = ClientError(403, "Forbidden", "it is being terminated", causes=causes)

    assert await reconcile("ns/kubia", world(cluster, store)) is None
    assert store.writes == []


async def test_website_that_is_going_is_left_alone() -> None:
    """A Website with a deletionTimestamp gets nothing any more: the garbage collector removes its children."""
    going = merged(website(), {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})
    cluster, store = MemoryCluster(), MemoryWebsites(going)

    assert await reconcile("ns/kubia", world(cluster, store)) is None
    assert (cluster.applied, store.writes) == ([], [])


async def test_website_that_is_gone() -> None:
    """A key without an object and without children is nothing to do."""
    cluster = MemoryCluster()

    assert await reconcile("ns/kubia", world(cluster, MemoryWebsites())) is None
    assert (cluster.applied, cluster.asked) == ([], [])


async def test_website_that_goes_meanwhile() -> None:
    """A Website that is deleted before its status is written is no error."""
    cluster, store = await made()
    seen = progressed(cluster, store)
    store.items.clear()

    assert await reconcile("ns/kubia", seen) is None


async def test_status_of_a_namesake_is_not_written() -> None:
    """A Website that was deleted and created anew under the same name does not get the old one's status."""
    cluster, store = await made()
    seen = progressed(cluster, store)
    store.items["kubia"] = merged(store.items["kubia"], {"metadata": {"uid": "u2"}})
    await reconcile("ns/kubia", seen)

    assert store.writes == []


async def test_who_does_not_lead_any_more_writes_no_status() -> None:
    """What may not be written is not written, although the storage would take it."""
    cluster, store = await made()
    fence = Fence()
    seen = replace(progressed(cluster, store), permit=fence.check)
    with pytest.raises(ClientError):
        await reconcile("ns/kubia", seen)

    assert store.writes == []
    fence.open_until = math.inf
    await reconcile("ns/kubia", seen)
    assert len(store.writes) == 1


async def test_status_of_a_large_website_is_written() -> None:
    """The Store changes what is large in a thread: there the fence is asked, too."""
    storage = await SQLiteStorage.open(MEMORY)
    store, cluster, fence = Store(KIND, storage), MemoryCluster(), Fence()
    fence.open_until = math.inf
    meta = {"name": "kubia", "namespace": "ns", "annotations": {"a": "x" * LARGE}}
    large = {"apiVersion": KIND.api_version, "kind": KIND.kind, "metadata": meta, "spec": website()["spec"]}
    stored = MemoryWebsites((await store.create(large)).object)
    while await reconcile("ns/kubia", replace(world(cluster, stored), store=store, permit=fence.check)) is not None:
        pass

    written = await store.get("ns", "kubia")
    await storage.close()
    assert condition(written.object["status"])["reason"] == "RolloutInProgress"


async def test_stale_cache_keeps_the_stored_transition_time() -> None:
    """A reconcile that has not seen its own last status yet writes nothing new."""
    cluster, store = await made()
    seen = progressed(cluster, store)
    await reconcile("ns/kubia", seen)
    assert len(store.writes) == 1
    store.writes.clear()
    later: World = replace(seen, now=lambda: LATER)
    await reconcile("ns/kubia", later)

    assert store.writes == []


class MemorySource:
    """What a collection holds, then events as they are put."""

    def __init__(self, *items: Object) -> None:
        self.items = list(items)
        self.events: asyncio.Queue[tuple[str, Object]] = asyncio.Queue()

    async def list(self) -> tuple[list[Object], str]:
        return self.items, "1"

    async def watch(self, resource_version: str) -> AsyncIterator[tuple[str, Object]]:
        while True:
            yield await self.events.get()


async def test_run_reacts_to_websites_and_their_children() -> None:
    """A created Website is reconciled; so is the owner of a child that changes. What a write returned is known before
    the stream says it: the second reconcile asks and applies nothing."""
    websites, deployments, services = MemorySource(), MemorySource(), MemorySource()
    cluster, store = MemoryCluster(), MemoryWebsites(website())
    work = run(websites, deployments, services, cluster, store, lambda: None, CHOSEN, Instruments())
    running = asyncio.create_task(work)
    websites.events.put_nowait(("ADDED", website()))
    await store.written.wait()

    assert cluster.applied == [SERVICE, DEPLOYMENT]
    store.written.clear()
    counts = {"observedGeneration": 1, "replicas": 2, "readyReplicas": 2, "updatedReplicas": 2}
    changed = {"metadata": {"resourceVersion": "200"}, "status": counts}
    deployments.events.put_nowait(("ADDED", merged(cluster.objects[DEPLOYMENT], changed)))
    await store.written.wait()

    assert condition(status(store))["status"] == "True"
    assert cluster.applied == [SERVICE, DEPLOYMENT]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_orphan_that_is_refused_is_replaced_when_it_goes() -> None:
    """Nobody controls it, but it has our labels and the child's name: its going is news for the Website, which does not
    wait until the next try."""
    orphan = desired_deployment(website(), CHOSEN)
    orphan["metadata"] |= {"ownerReferences": [], "uid": "d0", "resourceVersion": "1"}
    deployments, cluster, store = MemorySource(orphan), MemoryCluster(deployment=orphan), MemoryWebsites(website())
    cluster.refusals[DEPLOYMENT] = ClientError(422, "Invalid", "field is immutable", retry_after=1e6)
    sources = MemorySource(website()), deployments, MemorySource()
    running = asyncio.create_task(run(*sources, cluster, store, lambda: None, CHOSEN, Instruments()))
    await store.written.wait()
    assert condition(status(store))["reason"] == "ApplyFailed"

    store.written.clear()
    cluster.refusals.clear()
    del cluster.objects[DEPLOYMENT]
    deployments.events.put_nowait(("DELETED", merged(orphan, {"metadata": {"resourceVersion": "2"}})))
    await store.written.wait()
    assert condition(status(store))["reason"] == "RolloutInProgress"
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


class SlowCluster(MemoryCluster):
    """Each write takes 10 ms. `begun`: what was applied, in the order of asking; `told`: the children that there were
    at each Event."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[str] = []
        self.told: list[int] = []

    async def apply(self, path: str, body: Object, field_manager: str) -> Object:
        self.begun.append(path)
        await asyncio.sleep(0.01)
        return await super().apply(path, body, field_manager)

    async def post(self, path: str, body: Object) -> Object:
        self.told.append(len(self.applied))
        return await super().post(path, body)


def test_many_websites_at_once() -> None:
    """Of Websites that wait together all get their Services before the first gets its Deployment, and Events come when
    all is made."""

    async def burst() -> SlowCluster:
        sites = [merged(website(), {"metadata": {"name": f"site-{each}", "uid": f"u{each}"}}) for each in range(100)]
        cluster, store = SlowCluster(), MemoryWebsites(*sites)
        watched = MemorySource(*sites), MemorySource(), MemorySource()
        running = asyncio.create_task(run(*watched, cluster, store, lambda: None, CHOSEN, Instruments()))
        await asyncio.sleep(2)
        running.cancel()
        await asyncio.wait([running])
        return cluster

    cluster = run_virtually(burst())
    assert [path.split("/")[-2] for path in cluster.begun] == ["services"] * 100 + ["deployments"] * 100
    assert cluster.told == [200] * 100


async def test_service_that_does_not_stay_does_not_keep_the_deployment_waiting() -> None:
    """A Website begins with its Service once: where it is not seen afterwards, its Deployment is made all the same."""
    cluster, store = MemoryCluster(), MemoryWebsites(website())
    blind = world(cluster, store)

    assert await reconcile("ns/kubia", blind) == NEXT_TURN
    assert await reconcile("ns/kubia", blind) == SETTLES
    assert set(cluster.objects) == {SERVICE, DEPLOYMENT}


def test_news_of_a_status_is_gathered() -> None:
    """A rollout that changes the Deployment's status a hundred times in a second is told in a few writes, the last of
    which has the last of it."""

    async def rollout() -> list[int]:
        websites, deployments, services = MemorySource(website()), MemorySource(), MemorySource()
        cluster, store = MemoryCluster(), MemoryWebsites(website())
        work = run(websites, deployments, services, cluster, store, lambda: None, CHOSEN, Instruments())
        running = asyncio.create_task(work)
        await store.written.wait()
        store.writes.clear()
        for number in range(1, 101):
            changed = {"metadata": {"resourceVersion": str(200 + number)}, "status": {"replicas": number}}
            deployments.events.put_nowait(("MODIFIED", merged(cluster.objects[DEPLOYMENT], changed)))
            await asyncio.sleep(0.01)
        await asyncio.sleep(1)
        running.cancel()
        await asyncio.wait([running])
        return [item["status"]["replicas"] for item in store.writes]

    told = run_virtually(rollout())
    assert 2 <= len(told) <= 5
    assert told[-1] == 100


async def test_nothing_waits_where_nobody_leads() -> None:
    """A replica that loses its Lease before it has seen the children leaves no keys in its metrics."""

    class Silent(MemorySource):
        async def list(self) -> tuple[list[Object], str]:
            asked.set()
            await asyncio.Event().wait()
            return [], ""

    def depth() -> float | None:
        return registry.get_sample_value("workqueue_depth", {"name": MANAGER})

    registry, asked = CollectorRegistry(), asyncio.Event()
    cluster, store = MemoryCluster(), MemoryWebsites(website())
    work = run(MemorySource(website()), Silent(), Silent(), cluster, store, lambda: None, CHOSEN, Instruments(registry))
    running = asyncio.create_task(work)
    await asked.wait()
    assert depth() == 1
    running.cancel()
    await asyncio.wait([running])

    assert depth() == 0
