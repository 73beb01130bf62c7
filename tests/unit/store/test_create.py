"""Create and get: what the server sets, and what speaks against it."""

import pytest

from apiserver.machinery import errors
from apiserver.machinery.errors import Object
from apiserver.machinery.kind import Kind
from apiserver.machinery.strategy import GENERATED_SUFFIX
from apiserver.registry.options import WriteOptions
from apiserver.registry.store import Store
from storage.cacher import Cacher
from storage.interface import Storage
from storage.sqlite import SQLiteStorage
from tests.unit.store.widgets import WIDGET, WidgetSpec, names, widget

CLUSTER_WIDGET = Kind("example.com", "v1", "ClusterWidget", "clusterwidgets", WidgetSpec, namespaced=False)


async def test_create(store: Store) -> None:
    """A new object has what the server sets, its manager's fields among it, and can be read."""
    item = await store.create(widget(), WriteOptions(field_manager="me"))
    meta = item.meta

    assert (meta["creationTimestamp"], meta["generation"]) == ("2026-01-02T03:04:05Z", 1)
    assert int(meta["resourceVersion"]) > 0
    assert len(meta["uid"]) == 36
    assert meta["managedFields"] == [
        {
            "apiVersion": "example.com/v1",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {".": {}, "f:color": {}, "f:size": {}}},
            "manager": "me",
            "operation": "Update",
            "time": "2026-01-02T03:04:05Z",
        }
    ]
    assert (await store.get("ns", "a")).wire == item.wire


async def test_create_twice(store: Store) -> None:
    """A name is taken once."""
    await store.create(widget())
    with pytest.raises(errors.AlreadyExists) as caught:
        await store.create(widget())

    assert caught.value.message == 'widgets.example.com "a" already exists'


async def test_create_while_deleting(store: Store) -> None:
    """A name is taken until the last finalizer is gone; the error says why."""
    await store.create(widget(finalizers=["x/hold"]))
    await store.delete("ns", "a")
    with pytest.raises(errors.AlreadyExists) as caught:
        await store.create(widget())

    assert caught.value.message == 'object is being deleted: widgets.example.com "a" already exists'


async def test_create_with_resource_version(store: Store) -> None:
    """A resourceVersion makes no sense for a new object; the recorded answer is a plain 500."""
    with pytest.raises(errors.Plain) as caught:
        await store.create(widget(resourceVersion="1"))

    assert caught.value.message == "resourceVersion should not be set on objects to be created"


async def test_create_invalid(store: Store) -> None:
    """What is not valid is not stored."""
    with pytest.raises(errors.Invalid):
        await store.create(widget(color="RED"))

    assert (await store.list()).items == []


async def test_create_dry_run(store: Store) -> None:
    """A dry run answers what would be stored, without a revision, and notices that a name is taken."""
    item = await store.create(widget(), WriteOptions(dry_run=True))

    assert "resourceVersion" not in item.meta
    assert item.meta["generation"] == 1
    with pytest.raises(errors.NotFound):
        await store.get("ns", "a")

    await store.create(widget())
    with pytest.raises(errors.AlreadyExists):
        await store.create(widget(), WriteOptions(dry_run=True))


async def test_generated_name(store: Store) -> None:
    """The server appends five characters that spell no words."""
    items = [await store.create({**widget(), "metadata": {"generateName": "gen-", "namespace": "ns"}}) for _ in "ab"]

    assert len(set(names(items))) == 2
    for name in names(items):
        assert name.startswith("gen-")
        assert len(name) == len("gen-") + 5
        assert set(name.removeprefix("gen-")) <= set(GENERATED_SUFFIX)


async def test_admission(backend: Storage) -> None:
    """Whoever speaks against an object is heard before anything is stored."""

    async def admit(obj: Object) -> None:
        if obj["metadata"]["name"] == "bad":
            raise errors.Forbidden("no")

    store = Store(WIDGET, backend, admit_create=admit)
    await store.create(widget("good"))
    with pytest.raises(errors.Forbidden):
        await store.create(widget("bad"))

    assert names((await store.list()).items) == ["good"]


async def test_get_missing(store: Store) -> None:
    """There is nothing under another name or namespace."""
    await store.create(widget())
    for namespace, name in (("ns", "b"), ("other", "a")):
        with pytest.raises(errors.NotFound) as caught:
            await store.get(namespace, name)
        assert caught.value.message == f'widgets.example.com "{name}" not found'


async def test_get_at_least_as_new(store: Store) -> None:
    """A revision asks for no older state; 0 for any."""
    version = (await store.create(widget())).meta["resourceVersion"]

    assert (await store.get("ns", "a", version)).meta["resourceVersion"] == version
    assert (await store.get("ns", "a", "0")).meta["name"] == "a"


async def test_get_with_bad_revision(store: Store) -> None:
    """The recorded answer to a revision that is no number is a plain 500."""
    with pytest.raises(errors.Plain) as caught:
        await store.get("ns", "a", "x")

    assert caught.value.message == (
        'resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax'
    )


async def test_get_from_the_future(sqlite: SQLiteStorage) -> None:
    """A revision that does not exist yet is a timeout."""
    with pytest.raises(errors.Timeout, match="Too large resource version: 99999, current: 1"):
        await Store(WIDGET, sqlite).get("ns", "a", "99999")


async def test_items_are_shared(cacher: Cacher) -> None:
    """Readers of a cached revision share one object."""
    store = Store(WIDGET, cacher)
    await store.create(widget())

    assert await store.get("ns", "a") is await store.get("ns", "a")
    assert (await store.list()).items[0] is await store.get("ns", "a")


async def test_cluster_scoped_kind(backend: Storage) -> None:
    """Objects of a cluster-scoped kind have no namespace."""
    store = Store(CLUSTER_WIDGET, backend)
    obj = widget()
    obj["kind"] = "ClusterWidget"
    del obj["metadata"]["namespace"]
    await store.create(obj)

    assert "namespace" not in (await store.get("", "a")).meta
    assert names((await store.list()).items) == ["a"]


async def test_kinds_and_namespaces_do_not_mix(backend: Storage) -> None:
    """A list finds its own kind and namespace only, whatever the others' names begin with."""
    store, other = Store(WIDGET, backend), Store(Kind("example.com", "v1", "WidgetsX", "widgetsx"), backend)
    await store.create(widget(namespace="n"))
    await store.create(widget(namespace="nn"))
    await other.create({**widget(namespace="n"), "kind": "WidgetsX"})

    assert [item.meta["namespace"] for item in (await store.list()).items] == ["n", "nn"]
    assert [item.meta["namespace"] for item in (await store.list("n")).items] == ["n"]
