"""Garbage collection and namespaces of standalone mode, over real Stores on an SQLite storage in memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from apiserver.machinery.errors import NotFound, Object
from apiserver.machinery.strategy import DeleteOptions
from apiserver.registry.options import WatchOptions, WriteOptions
from apiserver.registry.store import Store
from apiserver.standalone import namespaces
from apiserver.standalone.garbage_collector import GarbageCollector
from apiserver.standalone.kinds import DEPLOYMENTS, EVENTS, EVENTS_V1, HOST_KINDS, LEASES, NAMESPACES, SERVICES
from apiserver.standalone.namespaces import NamespaceController
from storage.sqlite import SQLiteStorage

WRITE = WriteOptions(field_manager="test")


@dataclass
class World:
    """Every host kind's Store over one storage."""

    stores: dict[str, Store]

    @property
    def all(self) -> Sequence[Store]:
        return tuple(self.stores.values())

    async def create(self, kind: str, name: str, **metadata: Any) -> Object:
        store = self.stores[kind]
        meta: Object = {"name": name, **metadata}
        if store.kind.namespaced:
            meta.setdefault("namespace", "ns")
        obj = {"apiVersion": store.kind.api_version, "kind": store.kind.kind, "metadata": meta}
        return (await store.create(obj, WRITE)).object

    async def get(self, kind: str, name: str, namespace: str = "ns") -> Object:
        store = self.stores[kind]
        return (await store.get(namespace if store.kind.namespaced else "", name)).object

    async def until(self, kind: str, accept: Callable[[dict[str, Object]], bool]) -> dict[str, Object]:
        """Follows a kind's watch until its objects, by name, are accepted."""
        current: dict[str, Object] = {}
        async for batch in self.stores[kind].watch_batches(options=WatchOptions()):
            for event in batch.events:
                name = event.item.object["metadata"]["name"]
                if event.type == "DELETED":
                    current.pop(name, None)
                else:
                    current[name] = event.item.object
            if accept(current):
                break
        return current

    async def gone(self, kind: str, *names: str) -> None:
        await self.until(kind, lambda objects: not set(names) & set(objects))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    storage = await SQLiteStorage.open(":memory:")
    yield World({kind.plural: Store(kind, storage) for kind in HOST_KINDS if kind is not EVENTS_V1})
    await storage.close()


@pytest.fixture
async def start() -> AsyncIterator[Callable[[Awaitable[None]], None]]:
    """Starts a controller's `run` and ends it with the test."""
    tasks: list[asyncio.Future[None]] = []
    yield lambda work: tasks.append(asyncio.ensure_future(work))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


Start = Callable[[Awaitable[None]], None]


def owned_by(*owners: Object, block: bool = False) -> list[Object]:
    return [
        {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "blockOwnerDeletion": block,
        }
        for owner in owners
    ]


async def test_dependents_of_a_deleted_owner_are_deleted(world: World, start: Start) -> None:
    """Background deletion: the owner goes at once, then what it owned, all the way down; the rest stays."""
    start(GarbageCollector(world.all).run())
    owner = await world.create("deployments", "owner")
    child = await world.create("services", "child", ownerReferences=owned_by(owner))
    await world.create("events", "grandchild", ownerReferences=owned_by(child))
    await world.create("services", "other")

    await world.stores["deployments"].delete("ns", "owner")
    await world.gone("events", "grandchild")

    assert list(await world.until("services", lambda objects: "child" not in objects)) == ["other"]


async def test_what_happened_while_it_did_not_run_is_made_up_for(world: World, start: Start) -> None:
    """A restart loses nothing: dependents whose owner went meanwhile are found by the first list."""
    owner = await world.create("deployments", "owner")
    await world.create("services", "child", ownerReferences=owned_by(owner))
    await world.stores["deployments"].delete("ns", "owner")

    start(GarbageCollector(world.all).run())

    await world.gone("services", "child")


async def test_little_is_kept_of_objects(world: World, start: Start) -> None:
    """Of an object the collector keeps the metadata that decides about it, and nothing else of it stays in memory."""
    made = (await world.create("services", "child", labels={"color": "red"}, finalizers=["a/b"]))["metadata"]
    collector = GarbageCollector(world.all)
    start(collector.run())
    services = collector._informers["services"]
    await services.has_synced.wait()

    members = ("name", "namespace", "uid", "resourceVersion", "finalizers")
    assert services.cache == {"ns/child": {"metadata": {name: made[name] for name in members}}}


async def test_an_owner_that_was_recreated_does_not_count(world: World, start: Start) -> None:
    """The uid decides, not the name."""
    owner = await world.create("deployments", "owner")
    await world.create("services", "child", ownerReferences=owned_by(owner))
    await world.stores["deployments"].delete("ns", "owner")
    await world.create("deployments", "owner")

    start(GarbageCollector(world.all).run())

    await world.gone("services", "child")


async def test_one_of_two_owners_keeps_a_dependent(world: World, start: Start) -> None:
    """The reference to the owner that is gone is dropped, the other one keeps the object."""
    start(GarbageCollector(world.all).run())
    one, two = await world.create("deployments", "one"), await world.create("deployments", "two")
    await world.create("services", "child", ownerReferences=owned_by(one, two))

    await world.stores["deployments"].delete("ns", "one")
    objects = await world.until("services", lambda found: len(found["child"]["metadata"]["ownerReferences"]) == 1)

    assert objects["child"]["metadata"]["ownerReferences"] == owned_by(two)


async def test_foreground_deletion_waits_for_blocking_dependents(world: World, start: Start) -> None:
    """The owner is still there, being deleted, until its dependents are gone, theirs before them."""
    owner = await world.create("deployments", "owner")
    child = await world.create("services", "child", ownerReferences=owned_by(owner, block=True))
    grandchild = owned_by(child, block=True)
    await world.create("leases", "grandchild", ownerReferences=grandchild, finalizers=["example.com/hold"])
    await world.stores["deployments"].delete("ns", "owner", DeleteOptions(propagation_policy="Foreground"))

    start(GarbageCollector(world.all).run())
    await world.until("leases", lambda found: "deletionTimestamp" in found["grandchild"]["metadata"])
    middle = await world.get("services", "child")

    assert middle["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert (await world.get("deployments", "owner"))["metadata"]["finalizers"] == ["foregroundDeletion"]

    await world.stores["leases"].update("ns", "grandchild", without_finalizers, WRITE)
    await world.gone("deployments", "owner")

    for kind, name in (("services", "child"), ("leases", "grandchild")):
        with pytest.raises(NotFound):
            await world.get(kind, name)


def without_finalizers(live: Object) -> Object:
    return {**live, "metadata": {**live["metadata"], "finalizers": []}}


async def test_foreground_deletion_without_dependents_ends_at_once(world: World, start: Start) -> None:
    """Nobody to wait for: the finalizer goes."""
    start(GarbageCollector(world.all).run())
    await world.create("deployments", "owner")
    await world.stores["deployments"].delete("ns", "owner", DeleteOptions(propagation_policy="Foreground"))

    await world.gone("deployments", "owner")


async def test_orphan_deletion_leaves_the_dependents(world: World, start: Start) -> None:
    """The dependents stay, without the reference, and the owner goes."""
    owner = await world.create("deployments", "owner")
    await world.create("services", "child", ownerReferences=owned_by(owner, block=True))
    await world.stores["deployments"].delete("ns", "owner", DeleteOptions(propagation_policy="Orphan"))

    start(GarbageCollector(world.all).run())
    await world.gone("deployments", "owner")

    assert "ownerReferences" not in (await world.get("services", "child"))["metadata"]


async def test_owners_of_unknown_kinds_keep_their_dependents(world: World) -> None:
    """What cannot be looked up is not known to be gone."""
    reference = {"apiVersion": "example.com/v1", "kind": "Gadget", "name": "gone", "uid": "1"}
    await world.create("services", "child", ownerReferences=[reference])

    await GarbageCollector(world.all).reconcile("services:ns/child")

    assert await world.get("services", "child")


async def test_an_owner_elsewhere_does_not_count(world: World) -> None:
    """Owners are looked up in the dependent's own namespace; across namespaces there are none."""
    owner = await world.create("deployments", "owner", namespace="other")
    await world.create("services", "child", ownerReferences=owned_by(owner))

    await GarbageCollector(world.all).reconcile("services:ns/child")

    with pytest.raises(NotFound):
        await world.get("services", "child")


async def test_a_cluster_scoped_owner_counts(world: World) -> None:
    """A Namespace can own what is in a namespace."""
    owner = await world.create("namespaces", "ns")
    await world.create("services", "child", ownerReferences=owned_by(owner))

    await GarbageCollector(world.all).reconcile("services:ns/child")

    assert await world.get("services", "child")


def test_a_namespace_is_prepared() -> None:
    """Phase, label and finalizer are added to what was sent; the argument stays as it was."""
    sent: Object = {"metadata": {"name": "a", "labels": {"x": "y"}, "finalizers": ["example.com/hold"]}}
    made = namespaces.prepared(sent)

    assert made["status"] == {"phase": "Active"}
    assert made["metadata"]["labels"] == {"x": "y", "kubernetes.io/metadata.name": "a"}
    assert made["metadata"]["finalizers"] == ["example.com/hold", "kubernetes"]
    assert "status" not in sent
    assert namespaces.prepared(made) == made


async def test_admission_prepares_a_namespace(world: World) -> None:
    """A Store with this admission answers a create with the prepared Namespace."""
    storage = await SQLiteStorage.open(":memory:")
    store = Store(NAMESPACES, storage, admit_create=namespaces.admit)
    item = await store.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}, WRITE)
    await storage.close()

    assert item.object["status"] == {"phase": "Active"}
    assert item.object["metadata"]["finalizers"] == ["kubernetes"]


async def test_initial_namespaces_are_made_once(world: World) -> None:
    """A second start finds them."""
    store = world.stores["namespaces"]
    await namespaces.ensure_initial(store)
    first = (await store.list()).items
    await namespaces.ensure_initial(store)

    assert [item.meta["name"] for item in first] == ["default", "kube-system"]
    assert [item.object for item in (await store.list()).items] == [item.object for item in first]


async def test_a_namespace_that_nobody_prepared_is_prepared(world: World, start: Start) -> None:
    """However it came to be: the controller makes up for it."""
    await world.create("namespaces", "ns")

    start(NamespaceController(world.stores["namespaces"], world.all).run())
    objects = await world.until("namespaces", lambda found: "status" in found["ns"])

    assert objects["ns"]["metadata"]["finalizers"] == ["kubernetes"]


async def test_a_deleted_namespace_takes_its_content_with_it(world: World, start: Start) -> None:
    """Its content is deleted, that of others is not; then the Namespace itself is gone."""
    await namespaces.ensure_initial(world.stores["namespaces"])
    for kind in (DEPLOYMENTS, SERVICES, EVENTS, LEASES):
        await world.create(kind.plural, "mine", namespace="default")
        await world.create(kind.plural, "others", namespace="kube-system")
    start(NamespaceController(world.stores["namespaces"], world.all).run())

    await world.stores["namespaces"].delete("", "default")
    await world.gone("namespaces", "default")

    for kind in (DEPLOYMENTS, SERVICES, EVENTS, LEASES):
        left = [item.meta["name"] for item in (await world.stores[kind.plural].list()).items]
        assert left == ["others"]


async def test_a_namespace_is_terminating_while_content_is_held(world: World) -> None:
    """A finalizer in the content holds the Namespace, which says Terminating, until the finalizer is taken off."""
    await namespaces.ensure_initial(world.stores["namespaces"])
    await world.create("services", "held", namespace="default", finalizers=["example.com/hold"])
    controller = NamespaceController(world.stores["namespaces"], world.all)
    await world.stores["namespaces"].delete("", "default")

    again = await controller.reconcile("default")
    assert (await world.get("namespaces", "default"))["status"] == {"phase": "Terminating"}
    assert "deletionTimestamp" in (await world.get("services", "held", "default"))["metadata"]
    assert again is not None

    await world.stores["services"].update("default", "held", without_finalizers, WRITE)
    assert await controller.reconcile("default") is None
    with pytest.raises(NotFound):
        await world.get("namespaces", "default")


async def test_leftovers_of_a_removed_namespace_are_deleted(world: World) -> None:
    """What was being created while the Namespace went is not left behind."""
    await world.create("services", "late", namespace="gone")

    assert await NamespaceController(world.stores["namespaces"], world.all).reconcile("gone") is None
    with pytest.raises(NotFound):
        await world.get("services", "late", "gone")
