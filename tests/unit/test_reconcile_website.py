"""The Website controller: what it wants, what it says, and what it does in a small cluster held in memory."""

import asyncio
import copy
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.client import ClientError
from apiserver.machinery.errors import NotFound, Object, Resource
from apiserver.registry.options import WriteOptions
from reconciler.website import (
    MANAGER,
    World,
    covers,
    desired_deployment,
    desired_service,
    desired_status,
    is_controlled_by,
    owner_key,
    reconcile,
    run,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = datetime(2026, 1, 2, 4, 0, 0, tzinfo=UTC)
DEPLOYMENT = "/apis/apps/v1/namespaces/ns/deployments/kubia-website"
SERVICE = "/api/v1/namespaces/ns/services/kubia-website"
LABELS = {"app.kubernetes.io/instance": "kubia", "app.kubernetes.io/name": "website"}


def website(**spec: Any) -> Object:
    meta = {"name": "kubia", "namespace": "ns", "uid": "u1", "generation": 2, "resourceVersion": "5"}
    return {"metadata": meta, "spec": {"gitRepo": "https://example.com/repo.git", "replicas": 2, **spec}}


def deployment(**status: Any) -> Object:
    live = desired_deployment(website())
    return {**live, "metadata": {**live["metadata"], "generation": 1}, "status": status}


def service() -> Object:
    return desired_service(website())


def merged(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: merged(old.get(key), value) for key, value in new.items()}}
    return copy.deepcopy(new)


class MemoryCluster:
    """Objects by path; an apply merges, and counts as a write when it changes something."""

    def __init__(self, *objects: tuple[str, Object]) -> None:
        self.objects = dict(objects)
        self.applied: list[str] = []
        self.asked: list[str] = []

    async def get(self, path: str) -> Object:
        self.asked.append(path)
        if path not in self.objects:
            raise ClientError(404, "NotFound", "not found")
        return self.objects[path]

    async def apply(self, path: str, body: Object, field_manager: str) -> Object:
        assert field_manager == MANAGER
        self.applied.append(path)
        live: Object = merged(self.objects.get(path, {}), body)
        live["metadata"].setdefault("generation", 1)
        live["metadata"]["resourceVersion"] = str(len(self.applied))
        self.objects[path] = live
        return live


class MemoryWebsites:
    """The stored Websites; `update` writes only what changes."""

    def __init__(self, *items: Object) -> None:
        self.items = {item["metadata"]["name"]: item for item in items}
        self.writes: list[Object] = []
        self.written = asyncio.Event()

    async def update(
        self,
        namespace: str,
        name: str,
        change: Callable[[Object], Object],
        options: WriteOptions | None = None,
        subresource: str = "",
    ) -> None:
        assert subresource == "status"
        if name not in self.items:
            raise NotFound.of(Resource("extensions.example.com", "websites"), name)
        changed = change(self.items[name])
        if changed != self.items[name]:
            self.items[name] = changed
            self.writes.append(changed)
            self.written.set()


def world(cluster: MemoryCluster, store: MemoryWebsites, now: datetime = NOW) -> World:
    """The caches hold what the cluster and the store hold now."""
    deployments = {"ns/kubia-website": cluster.objects[DEPLOYMENT]} if DEPLOYMENT in cluster.objects else {}
    services = {"ns/kubia-website": cluster.objects[SERVICE]} if SERVICE in cluster.objects else {}
    websites = {f"ns/{name}": item for name, item in store.items.items()}
    return World(websites, deployments, services, cluster, store, lambda: now)


def ready(obj: Object) -> Object:
    (condition,) = obj["status"]["conditions"]
    return dict(condition)


# What is wanted


def test_children_are_named_labelled_and_owned() -> None:
    """Both children are called NAME-website, carry the labels and name the Website as their controller."""
    for child in (desired_deployment(website()), desired_service(website())):
        meta = child["metadata"]
        assert (meta["name"], meta["namespace"]) == ("kubia-website", "ns")
        assert meta["labels"] == {**LABELS, "app.kubernetes.io/managed-by": "website-controller"}
        assert meta["ownerReferences"] == [
            {
                "apiVersion": "extensions.example.com/v1alpha1",
                "kind": "Website",
                "name": "kubia",
                "uid": "u1",
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]


def test_selector_selects_the_pods() -> None:
    """Deployment, Pod template and Service agree on the labels, which do not depend on the spec."""
    wanted = desired_deployment(website(branch="dev", replicas=7))

    assert wanted["spec"]["selector"]["matchLabels"] == LABELS
    assert wanted["spec"]["template"]["metadata"]["labels"] == LABELS
    assert desired_service(website())["spec"]["selector"] == LABELS


def containers(wanted: Object) -> dict[str, Object]:
    return {container["name"]: container for container in wanted["spec"]["template"]["spec"]["containers"]}


def test_git_sync_and_nginx_share_the_content() -> None:
    """git-sync publishes a link named html in the volume that nginx has below /usr/share/nginx, read only."""
    found = containers(desired_deployment(website()))
    mounts = {name: container["volumeMounts"][0] for name, container in found.items()}

    assert mounts["git-sync"] == {"name": "content", "mountPath": "/git"}
    assert mounts["nginx"] == {"name": "content", "mountPath": "/usr/share/nginx", "readOnly": True}
    assert {"--root=/git", "--link=html"} <= set(found["git-sync"]["args"])


def test_repository_and_branch_become_arguments() -> None:
    """The spec's repository and branch go to git-sync; without a branch it follows the repository's default."""
    with_branch = containers(desired_deployment(website(branch="dev")))["git-sync"]["args"]
    without = containers(desired_deployment(website()))["git-sync"]["args"]

    assert with_branch[:2] == ["--repo=https://example.com/repo.git", "--ref=dev"]
    assert not any(argument.startswith("--ref") for argument in without)


def test_dollar_signs_are_not_expanded() -> None:
    """$(NAME) in a repository's URL stays as it is: the kubelet turns $$ into $ and expands nothing."""
    arguments = containers(desired_deployment(website(gitRepo="https://example.com/$(HOME)")))["git-sync"]["args"]

    assert arguments[0] == "--repo=https://example.com/$$(HOME)"


def test_pods_are_restricted() -> None:
    """Every container satisfies the Pod Security Standards' profile "restricted" and has a read-only root."""
    wanted = desired_deployment(website())
    pod = wanted["spec"]["template"]["spec"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in containers(wanted).values():
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert security["readOnlyRootFilesystem"] is True
        assert set(container["resources"]) == {"requests", "limits"}
        assert "readinessProbe" in container


def test_service_is_a_node_port_to_nginx() -> None:
    """Port 80 of the Service is nginx' port; the cluster chooses the node port."""
    wanted = desired_service(website())["spec"]
    (port,) = wanted["ports"]

    assert wanted["type"] == "NodePort"
    assert (port["port"], port["targetPort"], port.get("nodePort")) == (80, "http", None)
    assert containers(desired_deployment(website()))["nginx"]["ports"][0]["name"] == "http"


# What is said


def test_status_of_a_ready_website() -> None:
    """All wanted replicas are ready and up to date: Ready is True, and the rest is what HPA and people need."""
    live = deployment(observedGeneration=1, replicas=2, readyReplicas=2, updatedReplicas=2)

    assert desired_status(website(), live, service(), NOW) == {
        "replicas": 2,
        "readyReplicas": 2,
        "selector": "app.kubernetes.io/instance=kubia,app.kubernetes.io/name=website",
        "url": "http://kubia-website.ns.svc",
        "observedGeneration": 2,
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "ReplicasReady",
                "message": "2 of 2 replicas are ready, 2 are up to date",
                "lastTransitionTime": "2026-01-02T03:04:05Z",
                "observedGeneration": 2,
            }
        ],
    }


STUCK = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}
QUOTA = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
FINE = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "message": "progressing"}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({}, "Progressing"),
        ({"observedGeneration": 0, "readyReplicas": 2, "updatedReplicas": 2}, "Progressing"),
        ({"observedGeneration": 1, "readyReplicas": 1, "updatedReplicas": 2}, "ReplicasNotReady"),
        ({"observedGeneration": 1, "readyReplicas": 2, "updatedReplicas": 1}, "ReplicasNotReady"),
        ({"observedGeneration": 1, "conditions": [FINE]}, "ReplicasNotReady"),
        ({"observedGeneration": 1, "conditions": [FINE, QUOTA]}, "FailedCreate"),
        ({"observedGeneration": 1, "conditions": [STUCK]}, "ProgressDeadlineExceeded"),
    ],
)
def test_reason_of_a_website_that_is_not_ready(status: Object, reason: str) -> None:
    """Not processed yet, replicas missing or old, or the Deployment's own reason."""
    condition = ready({"status": desired_status(website(), deployment(**status), service(), NOW)})

    assert (condition["status"], condition["reason"]) == ("False", reason)
    assert condition["message"]


def test_no_replicas_wanted_is_ready() -> None:
    """A Website scaled to zero has what it wants."""
    status = desired_status(website(replicas=0), deployment(observedGeneration=1), service(), NOW)

    assert ready({"status": status})["status"] == "True"


@pytest.mark.parametrize(("readiness", "time"), [(1, "2026-01-02T03:04:05Z"), (2, "2026-01-02T04:00:00Z")])
def test_transition_time_moves_with_the_status_only(readiness: int, time: str) -> None:
    """Another message keeps lastTransitionTime, another status sets it."""
    before = website()
    before["status"] = desired_status(before, deployment(observedGeneration=1), service(), NOW)
    live = deployment(observedGeneration=1, readyReplicas=readiness, updatedReplicas=2)

    assert ready({"status": desired_status(before, live, service(), LATER)})["lastTransitionTime"] == time


def test_other_conditions_are_kept() -> None:
    """A condition that somebody else reports stays."""
    other = {"type": "Paid", "status": "True"}
    before = {**website(), "status": {"conditions": [other]}}

    assert desired_status(before, deployment(), service(), NOW)["conditions"][0] == other


@pytest.mark.parametrize("taken", ["Deployment", "Service"])
def test_conflicting_child_is_named(taken: str) -> None:
    """A child of that name that is not ours makes Ready False with reason NameConflict, and counts for nothing."""
    live, exposed = deployment(observedGeneration=1, readyReplicas=2, replicas=2, updatedReplicas=2), service()
    (live if taken == "Deployment" else exposed)["metadata"]["ownerReferences"] = []
    status = desired_status(website(), live, exposed, NOW)

    assert ready({"status": status})["reason"] == "NameConflict"
    assert ready({"status": status})["message"].startswith(f"{taken} kubia-website exists")
    assert status["replicas"] == (0 if taken == "Deployment" else 2)
    assert ("url" in status) is (taken == "Deployment")


# Comparing and finding


@pytest.mark.parametrize(
    ("live", "desired", "covered"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({}, {"a": 1}, False),
        (None, {"a": 1}, False),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, True),
        ([{"name": "x", "v": 1}, {"name": "y"}], [{"name": "x"}], True),
        ([{"name": "y"}, {"name": "x", "v": 1}], [{"name": "x", "v": 1}], True),
        ([{"name": "y"}], [{"name": "x"}], False),
        (None, [{"name": "x"}], False),
        (["a", "b"], ["a"], False),
        (["a"], ["a"], True),
    ],
)
def test_covers(live: Any, desired: Any, covered: bool) -> None:
    """Fields that others own do not matter, ours must be as wanted; lists of plain values must be equal."""
    assert covers(live, desired) is covered


def test_owner_key() -> None:
    """A child leads to its Website; one of another controller, or of none, leads nowhere."""
    child = service()
    other = copy.deepcopy(child)
    other["metadata"]["ownerReferences"][0]["kind"] = "Blog"
    orphan = copy.deepcopy(child)
    orphan["metadata"]["ownerReferences"][0]["controller"] = False

    assert owner_key(child) == "ns/kubia"
    assert owner_key(other) is owner_key(orphan) is owner_key({"metadata": {"name": "x"}}) is None
    assert not is_controlled_by(orphan, website())


# What is done


async def test_new_website_gets_its_children_and_status() -> None:
    """One reconcile creates both children and writes the first status."""
    cluster, store = MemoryCluster(), MemoryWebsites(website())

    assert await reconcile("ns/kubia", world(cluster, store)) is None
    assert cluster.applied == [DEPLOYMENT, SERVICE]
    assert ready(store.items["kubia"])["reason"] == "Progressing"
    assert store.items["kubia"]["status"]["url"] == "http://kubia-website.ns.svc"


async def test_steady_state_costs_nothing() -> None:
    """When all is as it should be, nothing is asked, applied or written."""
    cluster, store = MemoryCluster(), MemoryWebsites(website())
    await reconcile("ns/kubia", world(cluster, store))
    cluster.applied.clear()
    cluster.asked.clear()
    store.writes.clear()
    await reconcile("ns/kubia", world(cluster, store, LATER))

    assert (cluster.applied, cluster.asked, store.writes) == ([], [], [])


async def test_drift_is_repaired() -> None:
    """A child that somebody edited is applied again, and only that."""
    cluster, store = MemoryCluster(), MemoryWebsites(website())
    await reconcile("ns/kubia", world(cluster, store))
    cluster.applied.clear()
    cluster.objects[DEPLOYMENT] = merged(cluster.objects[DEPLOYMENT], {"spec": {"replicas": 9}})
    await reconcile("ns/kubia", world(cluster, store))

    assert cluster.applied == [DEPLOYMENT]
    assert cluster.objects[DEPLOYMENT]["spec"]["replicas"] == 2


async def test_deleted_child_comes_back() -> None:
    """A child that somebody deleted is created again."""
    cluster, store = MemoryCluster(), MemoryWebsites(website())
    await reconcile("ns/kubia", world(cluster, store))
    cluster.applied.clear()
    del cluster.objects[SERVICE]
    await reconcile("ns/kubia", world(cluster, store))

    assert cluster.applied == [SERVICE]


async def test_changed_spec_is_rolled_out() -> None:
    """Another branch changes the Deployment and leaves the Service alone."""
    cluster, store = MemoryCluster(), MemoryWebsites(website())
    await reconcile("ns/kubia", world(cluster, store))
    cluster.applied.clear()
    store.items["kubia"] = merged(store.items["kubia"], {"spec": {"branch": "dev"}})
    await reconcile("ns/kubia", world(cluster, store))

    assert cluster.applied == [DEPLOYMENT]
    assert "--ref=dev" in containers(cluster.objects[DEPLOYMENT])["git-sync"]["args"]


async def test_foreign_child_is_left_alone() -> None:
    """A Deployment of that name without our controller reference is not taken over; it is looked at again later."""
    foreign: Object = {"metadata": {"name": "kubia-website", "namespace": "ns", "generation": 1}, "spec": {}}
    cluster, store = MemoryCluster((DEPLOYMENT, foreign)), MemoryWebsites(website())
    seen = world(cluster, store)
    # The informers select our own label, so they do not have it.
    seen = World(seen.websites, {}, {}, cluster, store, seen.now)

    assert await reconcile("ns/kubia", seen) == 30.0
    assert cluster.applied == [SERVICE]
    assert ready(store.items["kubia"])["reason"] == "NameConflict"


async def test_website_that_is_going_is_left_alone() -> None:
    """A Website with a deletionTimestamp gets nothing any more: the garbage collector removes its children."""
    going = website()
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    cluster, store = MemoryCluster(), MemoryWebsites(going)

    assert await reconcile("ns/kubia", world(cluster, store)) is None
    assert (cluster.applied, store.writes) == ([], [])


async def test_website_that_is_gone() -> None:
    """A key without an object is nothing to do."""
    cluster = MemoryCluster()

    assert await reconcile("ns/kubia", world(cluster, MemoryWebsites())) is None
    assert cluster.applied == []


async def test_website_that_goes_meanwhile() -> None:
    """A Website that is deleted while its children are applied is no error."""
    cluster, store = MemoryCluster(), MemoryWebsites(website())
    seen = world(cluster, store)
    store.items.clear()

    assert await reconcile("ns/kubia", seen) is None


async def test_status_of_a_namesake_is_not_written() -> None:
    """A Website that was deleted and created anew under the same name does not get the old one's status."""
    cluster, store = MemoryCluster(), MemoryWebsites(website())
    seen = world(cluster, store)
    store.items["kubia"] = merged(store.items["kubia"], {"metadata": {"uid": "u2"}})
    await reconcile("ns/kubia", seen)

    assert store.writes == []


async def test_stale_cache_keeps_the_stored_transition_time() -> None:
    """A reconcile that has not seen its own last status yet writes nothing new."""
    cluster, store = MemoryCluster(), MemoryWebsites(website())
    seen = world(cluster, store)
    await reconcile("ns/kubia", seen)
    store.writes.clear()
    await reconcile("ns/kubia", World(seen.websites, {}, {}, cluster, store, lambda: LATER))

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
    """A created Website is reconciled; so is the owner of a child that changes."""
    websites, deployments, services = MemorySource(), MemorySource(), MemorySource()
    cluster, store = MemoryCluster(), MemoryWebsites(website())
    running = asyncio.create_task(run(websites, deployments, services, cluster, store))
    websites.events.put_nowait(("ADDED", website()))
    await store.written.wait()

    assert cluster.applied == [DEPLOYMENT, SERVICE]
    store.written.clear()
    services.events.put_nowait(("ADDED", cluster.objects[SERVICE]))
    counts = {"observedGeneration": 1, "replicas": 2, "readyReplicas": 2, "updatedReplicas": 2}
    deployments.events.put_nowait(("ADDED", merged(cluster.objects[DEPLOYMENT], {"status": counts})))
    await store.written.wait()

    assert ready(store.items["kubia"])["status"] == "True"
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
