"""One kind's verbs over SQLite in memory, with and without the watch cache."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from apiserver.machinery import errors
from apiserver.machinery.continuation import Continuation, decode_continue, encode_continue
from apiserver.machinery.errors import Object
from apiserver.machinery.kind import Kind
from apiserver.machinery.selectors import parse_fields, parse_labels
from apiserver.machinery.strategy import GENERATED_SUFFIX, DeleteOptions
from apiserver.registry.item import Item, WatchEvent
from apiserver.registry.options import ListOptions, WatchOptions, WriteOptions
from apiserver.registry.store import Store
from storage.cacher import Cacher
from storage.interface import KeyValue, Storage
from storage.sqlite import MEMORY, SQLiteStorage


class WidgetSpec(BaseModel):
    color: Annotated[str, Field(pattern="^[a-z]+$")]
    size: int = 1


class WidgetStatus(BaseModel):
    seen: int | None = None


WIDGET = Kind("example.com", "v1", "Widget", "widgets", WidgetSpec, WidgetStatus)
CLUSTER_WIDGET = Kind("example.com", "v1", "ClusterWidget", "clusterwidgets", WidgetSpec, namespaced=False)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
async def sqlite() -> AsyncIterator[SQLiteStorage]:
    storage = await SQLiteStorage.open(MEMORY)
    yield storage
    await storage.close()


@pytest.fixture(params=["sqlite", "cacher"])
async def backend(request: pytest.FixtureRequest, sqlite: SQLiteStorage) -> AsyncIterator[Storage]:
    if request.param == "sqlite":
        yield sqlite
        return
    cacher = Cacher(sqlite, "/registry/")
    running = asyncio.create_task(cacher.run())
    await cacher.wait_ready()
    yield cacher
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await cacher.close()


@pytest.fixture
def store(backend: Storage) -> Store:
    return Store(WIDGET, backend, clock=lambda: NOW)


def widget(name: str = "a", color: str = "red", namespace: str = "ns", **meta: Any) -> Object:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": name, "namespace": namespace, **meta},
        "spec": {"color": color, "size": 1},
    }


async def fill(store: Store, *names: str) -> list[Item]:
    """Widgets with their name as label `n`; all but the first in every second place are red."""
    return [await store.create(widget(name, labels={"n": name})) for name in names]


def names(items: list[Item]) -> list[str]:
    return [item.meta["name"] for item in items]


def paint(color: str) -> Callable[[Object], Object]:
    return lambda live: {**live, "spec": {**live["spec"], "color": color}}


def relabel(**labels: str) -> Callable[[Object], Object]:
    return lambda live: {**live, "metadata": {**live["metadata"], "labels": labels}}


def without_finalizers(live: Object) -> Object:
    return {**live, "metadata": {key: value for key, value in live["metadata"].items() if key != "finalizers"}}


# -- create and get


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


async def test_items_are_shared(backend: Storage) -> None:
    """Readers of a cached revision share one object."""
    if not isinstance(backend, Cacher):
        pytest.skip("nothing is kept in memory")
    store = Store(WIDGET, backend)
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


# -- list


async def test_list(store: Store) -> None:
    """Items come in the order of their keys, at the newest revision."""
    await fill(store, "b", "c", "a")
    found = await store.list("ns")

    assert names(found.items) == ["a", "b", "c"]
    assert found.resource_version == (await store.get("ns", "a")).meta["resourceVersion"]
    assert (found.continue_, found.remaining) == ("", None)


async def test_empty_list(store: Store) -> None:
    """An empty list has a revision too."""
    found = await store.list("ns")

    assert found.items == []
    assert int(found.resource_version) > 0


async def test_pages(store: Store) -> None:
    """A limited list says how many remain and how to go on; all pages are of one revision."""
    await fill(store, "a", "b", "c", "d", "e")
    first = await store.list("ns", ListOptions(limit=2))
    await store.create(widget("bb"))
    await store.delete("ns", "d")
    second = await store.list("ns", ListOptions(limit=2, continue_=first.continue_))
    third = await store.list("ns", ListOptions(limit=2, continue_=second.continue_))

    assert [names(page.items) for page in (first, second, third)] == [["a", "b"], ["c", "d"], ["e"]]
    assert [page.remaining for page in (first, second, third)] == [3, 1, None]
    assert first.resource_version == second.resource_version == third.resource_version
    assert third.continue_ == ""


async def test_token(store: Store) -> None:
    """A token's key is relative to what is listed: the namespace, or everything."""
    await fill(store, "a", "b")
    one = decode_continue((await store.list("ns", ListOptions(limit=1))).continue_)
    everywhere = decode_continue((await store.list("", ListOptions(limit=1))).continue_)

    assert (one.start, everywhere.start) == ("a\0", "ns/a\0")


async def test_page_that_is_just_full(store: Store) -> None:
    """When nothing remains there is no token."""
    await fill(store, "a", "b")
    found = await store.list("ns", ListOptions(limit=2))

    assert (names(found.items), found.continue_, found.remaining) == (["a", "b"], "", None)


async def test_inconsistent_continue(store: Store) -> None:
    """A token of the latest revision goes on with what there is now; the pages after it are of one revision again."""
    await fill(store, "a", "b", "d", "e")
    await store.create(widget("c"))
    page = await store.list("ns", ListOptions(limit=1, continue_=encode_continue(-1, "b")))

    assert names(page.items) == ["c"]
    assert decode_continue(page.continue_) == Continuation(int(page.resource_version), "c\0")


@pytest.mark.parametrize("limit", [-5, 0])
async def test_no_limit(store: Store, limit: int) -> None:
    """Zero and negative limits mean none."""
    await fill(store, "a", "b")

    assert len((await store.list("ns", ListOptions(limit=limit))).items) == 2


async def test_label_selector(store: Store) -> None:
    """A selector picks items by their labels; objects without labels have none of them."""
    await fill(store, "a", "b", "c")
    await store.create(widget("bare"))

    async def selected(text: str) -> list[str]:
        return names((await store.list("ns", ListOptions(parse_labels(text)))).items)

    assert await selected("n in (a,c)") == ["a", "c"]
    assert await selected("n!=a") == ["b", "bare", "c"]
    assert await selected("!n") == ["bare"]


async def test_field_selector(store: Store) -> None:
    """Name and namespace can always be selected."""
    await store.create(widget("a", namespace="x"))
    await store.create(widget("a", namespace="y"))
    await store.create(widget("b", namespace="y"))

    async def selected(text: str, namespace: str = "") -> list[tuple[str, str]]:
        found = await store.list(namespace, ListOptions(field_selector=parse_fields(text, ())))
        return [(item.meta["namespace"], item.meta["name"]) for item in found.items]

    assert await selected("metadata.name=a") == [("x", "a"), ("y", "a")]
    assert await selected("metadata.namespace=y") == [("y", "a"), ("y", "b")]
    assert await selected("metadata.name!=a", "y") == [("y", "b")]
    assert await selected("metadata.name=a,metadata.name=b") == []
    assert await selected("metadata.namespace=x", "y") == []


async def test_selected_pages(store: Store) -> None:
    """With a selector pages are as full as without; how many remain is not known."""
    await fill(store, "a", "b", "c", "d", "e")
    selector = parse_labels("n in (b,c,e)")
    first = await store.list("ns", ListOptions(selector, limit=2))
    await store.delete("ns", "e")
    second = await store.list("ns", ListOptions(selector, limit=2, continue_=first.continue_))

    assert (names(first.items), names(second.items)) == (["b", "c"], ["e"])
    assert (first.remaining, second.remaining, second.continue_) == (None, None, "")
    assert second.resource_version == first.resource_version


async def test_selected_page_without_match(store: Store) -> None:
    """Nothing matches: an empty page and no token."""
    await fill(store, "a", "b", "c")
    found = await store.list("ns", ListOptions(parse_labels("n=z"), limit=1))

    assert (found.items, found.continue_) == ([], "")


async def test_selection_over_many_objects(store: Store) -> None:
    """A page is put together from more than one read, all of the first read's revision."""
    await asyncio.gather(*(store.create(widget(f"w{n:04}", labels={"m": str(n % 400)})) for n in range(1001)))
    found = await store.list("ns", ListOptions(parse_labels("m=7"), limit=2))
    rest = await store.list("ns", ListOptions(parse_labels("m=7"), limit=2, continue_=found.continue_))

    assert names(found.items) == ["w0007", "w0407"]
    assert names(rest.items) == ["w0807"]
    assert rest.continue_ == ""


async def test_list_of_an_exact_revision(store: Store) -> None:
    """Exact is the state at that revision, also with a limit and no match."""
    items = await fill(store, "a", "b")
    version = items[-1].meta["resourceVersion"]
    await fill(store, "c")
    exact = await store.list("ns", ListOptions(resource_version=version, resource_version_match="Exact"))
    legacy = await store.list("ns", ListOptions(resource_version=version, limit=10))

    assert names(exact.items) == names(legacy.items) == ["a", "b"]
    assert exact.resource_version == legacy.resource_version == version


async def test_list_not_older_than(store: Store) -> None:
    """A revision alone, or NotOlderThan, is a lower bound."""
    version = (await fill(store, "a"))[0].meta["resourceVersion"]
    await fill(store, "b")
    for match in ("", "NotOlderThan"):
        found = await store.list("ns", ListOptions(resource_version=version, resource_version_match=match))
        assert names(found.items)[0] == "a"
        assert int(found.resource_version) >= int(version)


async def test_any_revision_ignores_the_limit(store: Store) -> None:
    """A list of any cached state is not paged."""
    await fill(store, "a", "b", "c")
    await store.list("ns")

    assert len((await store.list("ns", ListOptions(resource_version="0", limit=1))).items) == 3


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            ListOptions(resource_version="x"),
            'invalid resource version: resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": '
            "invalid syntax",
        ),
        (
            ListOptions(resource_version="99999999999999999999"),
            'invalid resource version: resourceVersion: Invalid value: "99999999999999999999": '
            'strconv.ParseUint: parsing "99999999999999999999": value out of range',
        ),
        (
            ListOptions(resource_version="1", continue_=encode_continue(1, "a")),
            "specifying resource version is not allowed when using continue",
        ),
        (
            ListOptions(continue_="!"),
            "invalid continue token: continue key is not valid: illegal base64 data at input byte 0",
        ),
    ],
)
async def test_bad_list_options(store: Store, options: ListOptions, text: str) -> None:
    """Bad revisions and tokens are a 400."""
    with pytest.raises(errors.BadRequest) as caught:
        await store.list("ns", options)

    assert caught.value.message == text


@pytest.mark.parametrize("revision", [str(2**63 - 1), str(2**64 - 1)])
async def test_list_of_the_future(store: Store, revision: str) -> None:
    """A revision that does not exist yet is a timeout, however large."""
    with pytest.raises(errors.Timeout, match=f"Too large resource version: {revision}, current: 1"):
        await store.list("ns", ListOptions(resource_version=revision, resource_version_match="Exact"))


async def test_continue_after_compaction(backend: Storage, sqlite: SQLiteStorage) -> None:
    """A token whose revision is gone is answered with one that goes on at the latest state."""
    store = Store(WIDGET, backend)
    await fill(store, "a", "b", "c")
    first = await store.list("ns", ListOptions(limit=1))
    await fill(store, "bb", "d")
    await sqlite.compact(await sqlite.current_revision())
    await store.list("ns")
    with pytest.raises(errors.Expired) as caught:
        await store.list("ns", ListOptions(limit=1, continue_=first.continue_))

    token = caught.value.to_status()["metadata"]["continue"]
    assert caught.value.message.startswith("The provided continue parameter is too old")
    assert names((await store.list("ns", ListOptions(limit=2, continue_=token))).items) == ["b", "bb"]


async def test_exact_revision_after_compaction(backend: Storage, sqlite: SQLiteStorage) -> None:
    """A revision whose history is gone is a 410."""
    store = Store(WIDGET, backend)
    version = (await fill(store, "a"))[0].meta["resourceVersion"]
    await fill(store, "b", "c")
    await sqlite.compact(await sqlite.current_revision())
    with pytest.raises(errors.Expired) as caught:
        await store.list("ns", ListOptions(resource_version=version, resource_version_match="Exact"))

    assert caught.value.message == "The resourceVersion for the provided list is too old."


# -- update


async def test_update(store: Store) -> None:
    """A change of spec is a new revision and generation; the old item stays what it was."""
    old = await store.create(widget(), WriteOptions(field_manager="m1"))
    new = await store.update("ns", "a", paint("blue"), WriteOptions(field_manager="m2"))

    assert (new.object["spec"]["color"], new.meta["generation"]) == ("blue", 2)
    assert int(new.meta["resourceVersion"]) > int(old.meta["resourceVersion"])
    assert [entry["manager"] for entry in new.meta["managedFields"]] == ["m1", "m2"]
    assert old.object["spec"]["color"] == "red"
    assert (await store.get("ns", "a")).wire == new.wire


async def test_update_that_changes_nothing(store: Store) -> None:
    """The same bytes are not written: the revision stays, whoever sends them."""
    old = await store.create(widget())
    same = await store.update("ns", "a", lambda live: live, WriteOptions(field_manager="other"))

    assert same.wire == old.wire
    assert (await store.list("ns")).resource_version == old.meta["resourceVersion"]


async def test_update_of_a_missing_object(store: Store) -> None:
    """There is no create on update."""
    with pytest.raises(errors.NotFound):
        await store.update("ns", "a", paint("blue"))


async def test_update_of_an_old_revision(store: Store) -> None:
    """A change based on an older revision is a conflict."""
    old = await store.create(widget())
    await store.update("ns", "a", paint("blue"))
    with pytest.raises(errors.Conflict) as caught:
        await store.update("ns", "a", lambda _: old.object)

    assert caught.value.message == (
        'Operation cannot be fulfilled on widgets.example.com "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )


async def test_invalid_update(store: Store) -> None:
    """What is not valid is not stored."""
    await store.create(widget())
    with pytest.raises(errors.Invalid, match="in body should match"):
        await store.update("ns", "a", paint("BLUE"))

    assert (await store.get("ns", "a")).object["spec"]["color"] == "red"


async def test_concurrent_updates(store: Store) -> None:
    """Both of two racing changes are made: the one that lost is made again on the other's result."""
    await store.create(widget())
    seen: list[int] = []

    def grow(live: Object) -> Object:
        seen.append(live["spec"]["size"])
        return {**live, "spec": {**live["spec"], "size": live["spec"]["size"] + 1}}

    await asyncio.gather(store.update("ns", "a", grow), store.update("ns", "a", grow))

    assert (await store.get("ns", "a")).object["spec"]["size"] == 3
    assert sorted(seen)[-1] == 2
    assert len(seen) >= 3


async def test_update_races_with_delete(store: Store) -> None:
    """An object that is deleted under an update is not found; it does not come back."""
    await store.create(widget())
    results = await asyncio.gather(
        store.delete("ns", "a"), store.update("ns", "a", paint("blue")), return_exceptions=True
    )

    assert not isinstance(results[0], BaseException)
    assert isinstance(results[1], Item | errors.NotFound)
    with pytest.raises(errors.NotFound):
        await store.get("ns", "a")


async def test_update_dry_run(store: Store) -> None:
    """A dry run answers the result and writes nothing."""
    old = await store.create(widget())
    new = await store.update("ns", "a", paint("blue"), WriteOptions(dry_run=True))

    assert (new.object["spec"]["color"], new.meta["generation"]) == ("blue", 2)
    assert new.meta["resourceVersion"] == old.meta["resourceVersion"]
    assert (await store.get("ns", "a")).wire == old.wire


async def test_status(store: Store) -> None:
    """Status is written through its endpoint only, and is no new generation."""
    await store.create(widget())
    await store.update("ns", "a", lambda live: {**live, "status": {"seen": 1}})
    assert "status" not in (await store.get("ns", "a")).object

    def report(live: Object) -> Object:
        return {**live, "status": {"seen": 1}, "spec": {"color": "blue"}}

    item = await store.update("ns", "a", report, WriteOptions(field_manager="m"), "status")
    assert (item.object["status"], item.object["spec"]["color"], item.meta["generation"]) == ({"seen": 1}, "red", 1)
    assert {entry["manager"]: entry.get("subresource") for entry in item.meta["managedFields"]} == {
        "m": "status",
        "unknown": None,
    }


async def test_check_uid(store: Store) -> None:
    """A PUT for another uid is a conflict that names the key, as recorded."""
    live = (await store.create(widget())).object
    other = {**live, "metadata": {**live["metadata"], "uid": "x"}}
    with pytest.raises(errors.Conflict) as caught:
        store.check_uid(other, live)

    assert caught.value.message == (
        'Operation cannot be fulfilled on widgets.example.com "a": StorageError: invalid object, Code: 4, '
        "Key: /registry/example.com/widgets/ns/a, ResourceVersion: 0, AdditionalErrorMsg: "
        f"Precondition failed: UID in precondition: x, UID in object meta: {live['metadata']['uid']}"
    )
    store.check_uid(live, live)


class StaleReads(SQLiteStorage):
    """A storage whose reads of any state show `old`, as a cache that lags behind does."""

    old: KeyValue | None = None
    lagging = False

    async def get(self, key: str, *, not_older_than: int | None = None) -> tuple[KeyValue | None, int]:
        if self.lagging and not_older_than == 0:
            return self.old, 1
        return await super().get(key, not_older_than=not_older_than)


@pytest.fixture
async def stale() -> AsyncIterator[StaleReads]:
    storage = await StaleReads.open(MEMORY)
    assert isinstance(storage, StaleReads)
    yield storage
    await storage.close()


async def lag(storage: StaleReads) -> None:
    """From now on the object as it is now is what reads of any state show."""
    storage.old, _ = await storage.get("/registry/example.com/widgets/ns/a")
    storage.lagging = True


async def test_stale_copy_that_seems_unchanged(stale: StaleReads) -> None:
    """That a change changes nothing is believed of the newest state only."""
    store = Store(WIDGET, stale)
    await store.create(widget(color="red"))
    await lag(stale)
    await stale_write(store, "blue")
    item = await store.update("ns", "a", paint("red"))

    assert item.object["spec"]["color"] == "red"
    assert (await store.get("ns", "a")).object["spec"]["color"] == "red"


async def stale_write(store: Store, color: str) -> None:
    """A write that is not seen by a lagging cache."""
    await store.update("ns", "a", paint(color))


async def test_stale_copy_that_seems_to_conflict(stale: StaleReads) -> None:
    """A change based on the newest revision succeeds though the cache has an older one."""
    store = Store(WIDGET, stale)
    await store.create(widget())
    await lag(stale)
    await stale_write(store, "blue")
    newest = (await store.get("ns", "a")).object
    item = await store.update("ns", "a", lambda _: {**newest, "spec": {"color": "green"}})

    assert item.object["spec"]["color"] == "green"


async def test_stale_copy_that_is_missing(stale: StaleReads) -> None:
    """An object that the cache has not seen yet can be updated."""
    store = Store(WIDGET, stale)
    await lag(stale)
    await store.create(widget())

    assert (await store.update("ns", "a", paint("blue"))).object["spec"]["color"] == "blue"


# -- apply


def config(**spec: Any) -> Object:
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": spec}


def applier(name: str, *, force: bool = False, dry_run: bool = False) -> WriteOptions:
    return WriteOptions(field_manager=name, force=force, dry_run=dry_run)


async def test_apply_creates(store: Store) -> None:
    """What is not there is created, with defaults that nobody owns."""
    item, created = await store.apply("ns", "a", config(color="red"), applier("one"))

    assert created
    assert item.object["spec"] == {"color": "red", "size": 1}
    assert (item.meta["namespace"], item.meta["generation"]) == ("ns", 1)
    (entry,) = item.meta["managedFields"]
    assert (entry["operation"], entry["fieldsV1"]) == ("Apply", {"f:spec": {"f:color": {}}})


async def test_apply_again(store: Store) -> None:
    """The same configuration is not written twice."""
    first, _ = await store.apply("ns", "a", config(color="red"), applier("one"))
    second, created = await store.apply("ns", "a", config(color="red"), applier("one"))

    assert not created
    assert second.wire == first.wire


async def test_apply_conflict(store: Store) -> None:
    """Another's field is not taken without force, as recorded."""
    await store.apply("ns", "a", config(color="red"), applier("one"))
    with pytest.raises(errors.Conflict) as caught:
        await store.apply("ns", "a", config(color="blue"), applier("two"))
    assert caught.value.message == 'Apply failed with 1 conflict: conflict with "one": .spec.color'

    item, _ = await store.apply("ns", "a", config(color="blue"), applier("two", force=True))
    assert (item.object["spec"]["color"], item.meta["generation"]) == ("blue", 2)
    assert [entry["manager"] for entry in item.meta["managedFields"]] == ["two"]


async def test_apply_asks_before_it_creates(store: Store) -> None:
    """Creating by apply needs a permission of its own; updating does not."""
    asked = []

    async def authorize() -> None:
        asked.append("create")

    options = WriteOptions(field_manager="one", authorize_create=authorize)
    await store.apply("ns", "a", config(color="red"), options)
    await store.apply("ns", "a", config(color="blue"), options)

    assert asked == ["create"]


async def test_apply_that_may_not_create(store: Store) -> None:
    """Who may not create creates nothing."""

    async def refuse() -> None:
        raise errors.Forbidden("no")

    with pytest.raises(errors.Forbidden):
        await store.apply("ns", "a", config(color="red"), WriteOptions(field_manager="one", authorize_create=refuse))

    assert (await store.list()).items == []


async def test_apply_of_another_uid(store: Store) -> None:
    """A configuration with a uid is about an object that exists."""
    named = {**config(color="red"), "metadata": {"name": "a", "uid": "x"}}
    with pytest.raises(errors.Conflict, match="uid mismatch: the provided object specified uid x"):
        await store.apply("ns", "a", named, applier("one"))


async def test_apply_to_a_subresource_of_nothing(store: Store) -> None:
    """A subresource is not created."""
    with pytest.raises(errors.NotFound):
        await store.apply("ns", "a", {**config(), "status": {"seen": 1}}, applier("one"), "status")


async def test_apply_dry_run(store: Store) -> None:
    """A dry run creates nothing."""
    _, created = await store.apply("ns", "a", config(color="red"), applier("one", dry_run=True))

    assert created
    with pytest.raises(errors.NotFound):
        await store.get("ns", "a")


async def test_invalid_apply(store: Store) -> None:
    """The result is validated."""
    with pytest.raises(errors.Invalid, match=r"spec\.color: Required value"):
        await store.apply("ns", "a", config(size=1), applier("one"))


# -- delete


async def test_delete(store: Store) -> None:
    """Without finalizers the object is gone at once; its last state has the revision of the deletion."""
    created = await store.create(widget())
    item, gone = await store.delete("ns", "a")

    assert gone
    assert item.meta["uid"] == created.meta["uid"]
    assert int(item.meta["resourceVersion"]) > int(created.meta["resourceVersion"])
    with pytest.raises(errors.NotFound):
        await store.get("ns", "a")
    with pytest.raises(errors.NotFound):
        await store.delete("ns", "a")


async def test_delete_with_finalizers(store: Store) -> None:
    """A held object is marked; a second deletion changes nothing; losing the last finalizer removes it."""
    await store.create(widget(finalizers=["x/hold"]))
    marked, gone = await store.delete("ns", "a")
    again, _ = await store.delete("ns", "a")

    assert not gone
    assert (marked.meta["deletionTimestamp"], marked.meta["generation"]) == ("2026-01-02T03:04:05Z", 2)
    assert again.wire == marked.wire

    last = await store.update("ns", "a", without_finalizers)
    assert "finalizers" not in last.meta
    assert int(last.meta["resourceVersion"]) > int(marked.meta["resourceVersion"])
    with pytest.raises(errors.NotFound):
        await store.get("ns", "a")


async def test_delete_with_policy(store: Store) -> None:
    """A propagation policy other than Background leaves the object to the garbage collector."""
    await store.create(widget())
    item, gone = await store.delete("ns", "a", DeleteOptions(propagation_policy="Foreground"))

    assert (gone, item.meta["finalizers"]) == (False, ["foregroundDeletion"])


async def test_delete_with_preconditions(store: Store) -> None:
    """Only the object that is meant is deleted."""
    uid = (await store.create(widget())).meta["uid"]
    for options in (DeleteOptions(uid="x"), DeleteOptions(uid, "1")):
        with pytest.raises(errors.Conflict):
            await store.delete("ns", "a", options)

    _, gone = await store.delete("ns", "a", DeleteOptions(uid))
    assert gone


@pytest.mark.parametrize("finalizers", [[], ["x/hold"]])
async def test_delete_dry_run(store: Store, finalizers: list[str]) -> None:
    """A dry run answers the same and deletes nothing."""
    created = await store.create(widget(finalizers=finalizers))
    _, gone = await store.delete("ns", "a", DeleteOptions(dry_run=True))

    assert gone is not bool(finalizers)
    assert (await store.get("ns", "a")).wire == created.wire


async def test_concurrent_deletes(store: Store) -> None:
    """Of two deletions one finds nothing."""
    await store.create(widget())
    results = await asyncio.gather(store.delete("ns", "a"), store.delete("ns", "a"), return_exceptions=True)

    assert sorted(type(result).__name__ for result in results) == ["NotFound", "tuple"]


async def test_delete_collection(store: Store) -> None:
    """What the selector finds is deleted, and returned as it was listed."""
    await fill(store, "a", "b", "c")
    listed = await store.delete_collection("ns", ListOptions(parse_labels("n in (a,b)")))

    assert names(listed.items) == ["a", "b"]
    assert all("deletionTimestamp" not in item.meta for item in listed.items)
    assert names((await store.list("ns")).items) == ["c"]


async def test_delete_collection_with_options(store: Store) -> None:
    """Finalizers hold, a dry run and a limit spare."""
    await fill(store, "a", "b")
    await store.create(widget("held", finalizers=["x/hold"]))

    await store.delete_collection("ns", options=DeleteOptions(dry_run=True))
    assert len((await store.list("ns")).items) == 3

    page = await store.delete_collection("ns", ListOptions(limit=1))
    assert (names(page.items), page.remaining) == (["a"], 2)
    await store.delete_collection("ns")
    (held,) = (await store.list("ns")).items
    assert held.meta["deletionTimestamp"]


# -- watch


async def take(events: AsyncIterator[WatchEvent], count: int) -> list[tuple[str, str, str]]:
    """(type, name, resourceVersion) of the next events."""
    taken = [await anext(events) for _ in range(count)]
    return [(event.type, event.item.meta.get("name", ""), event.item.meta["resourceVersion"]) for event in taken]


def summary(event_type: str, item: Item) -> tuple[str, str, str]:
    return event_type, item.meta["name"], item.meta["resourceVersion"]


@pytest.mark.parametrize("version", ["", "0"])
async def test_watch_begins_with_what_is_there(store: Store, version: str) -> None:
    """Without a revision the current objects come first, as ADDED and in order, then every write."""
    b, a = await fill(store, "b", "a")
    await store.list("ns")
    async with aclosing(store.watch("ns", WatchOptions(resource_version=version))) as events:
        assert await take(events, 2) == [summary("ADDED", a), summary("ADDED", b)]
        c = await store.create(widget("c"))
        assert await take(events, 1) == [summary("ADDED", c)]


async def test_watch_from_a_revision(store: Store) -> None:
    """Every write after a revision is replayed in order; a deletion's object has its revision."""
    a = await store.create(widget("a"))
    changed = await store.update("ns", "a", paint("blue"))
    b = await store.create(widget("b"))
    last, _ = await store.delete("ns", "a")
    async with aclosing(store.watch("ns", WatchOptions(resource_version=a.meta["resourceVersion"]))) as events:
        assert await take(events, 3) == [
            summary("MODIFIED", changed),
            summary("ADDED", b),
            summary("DELETED", last),
        ]


async def test_removal_of_the_last_finalizer_is_a_deletion(store: Store) -> None:
    """Watchers see the mark as MODIFIED and the end as DELETED."""
    a = await store.create(widget(finalizers=["x/hold"]))
    await store.delete("ns", "a")
    await store.update("ns", "a", without_finalizers)
    async with aclosing(store.watch("ns", WatchOptions(resource_version=a.meta["resourceVersion"]))) as events:
        assert [kind for kind, _, _ in await take(events, 2)] == ["MODIFIED", "DELETED"]


async def test_watch_with_bookmarks(store: Store) -> None:
    """Initial events that were asked for are closed by a marked bookmark of the kind, if bookmarks are allowed."""
    (a,) = await fill(store, "a")
    options = WatchOptions(initial_events=True, bookmarks=True)
    async with aclosing(store.watch("ns", options)) as events:
        assert await take(events, 1) == [summary("ADDED", a)]
        bookmark = await anext(events)

    assert bookmark.type == "BOOKMARK"
    assert bookmark.item.object == {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {
            "resourceVersion": a.meta["resourceVersion"],
            "annotations": {"k8s.io/initial-events-end": "true"},
        },
    }


async def test_watch_without_bookmarks(store: Store) -> None:
    """A client that does not allow bookmarks gets none."""
    await fill(store, "a")
    async with aclosing(store.watch("ns", WatchOptions(initial_events=True))) as events:
        await take(events, 1)
        b = await store.create(widget("b"))
        assert await take(events, 1) == [summary("ADDED", b)]


async def test_initial_events_of_a_revision(store: Store) -> None:
    """With a revision the initial state is at least as new, not the events since."""
    (a,) = await fill(store, "a")
    changed = await store.update("ns", "a", paint("blue"))
    await store.list("ns")
    options = WatchOptions(resource_version=a.meta["resourceVersion"], initial_events=True, bookmarks=True)
    async with aclosing(store.watch("ns", options)) as events:
        assert await take(events, 1) == [summary("ADDED", changed)]
        assert (await anext(events)).type == "BOOKMARK"


async def test_watch_from_now(store: Store) -> None:
    """Initial events that are declined are left out."""
    await fill(store, "a")
    async with aclosing(store.watch_batches("ns", WatchOptions(initial_events=False))) as batches:
        events, revision = await anext(batches)
        assert events == []
        assert str(revision) == (await store.list("ns")).resource_version


async def test_watch_with_selector(store: Store) -> None:
    """Starting to match is ADDED, ceasing is DELETED with the last matching state at the write's revision."""
    created = await store.create(widget(labels={"t": "x"}))
    left = await store.update("ns", "a", relabel(t="y"))
    back = await store.update("ns", "a", relabel(t="x"))
    await store.create(widget("other"))
    changed = await store.update("ns", "a", paint("blue"))
    options = WatchOptions(parse_labels("t=x"), resource_version=created.meta["resourceVersion"])
    async with aclosing(store.watch("ns", options)) as events:
        deleted = await anext(events)
        assert (deleted.type, deleted.item.meta["labels"]) == ("DELETED", {"t": "x"})
        assert deleted.item.meta["resourceVersion"] == left.meta["resourceVersion"]
        assert await take(events, 2) == [summary("ADDED", back), summary("MODIFIED", changed)]


async def test_watch_of_a_name(store: Store) -> None:
    """A field selector narrows a watch to one object."""
    await fill(store, "a", "b")
    options = WatchOptions(field_selector=parse_fields("metadata.name=b", ()))
    async with aclosing(store.watch("ns", options)) as events:
        assert [name for _, name, _ in await take(events, 1)] == ["b"]
        await store.update("ns", "a", paint("blue"))
        changed = await store.update("ns", "b", paint("blue"))
        assert await take(events, 1) == [summary("MODIFIED", changed)]


async def test_watch_of_one_namespace(store: Store) -> None:
    """Other namespaces' writes are not seen."""
    async with aclosing(store.watch("ns")) as events:
        pending = asyncio.ensure_future(anext(events))
        await store.create(widget("a", namespace="other"))
        mine = await store.create(widget("b"))
        event = await pending

    assert summary(event.type, event.item) == summary("ADDED", mine)


async def test_batches_tell_the_revision(store: Store) -> None:
    """Where no event matches, the watcher still learns how far it is."""
    options = WatchOptions(parse_labels("t=x"), initial_events=False)
    async with aclosing(store.watch_batches("ns", options)) as batches:
        await anext(batches)
        item = await store.create(widget())
        events, revision = await anext(batches)

    assert (events, str(revision)) == ([], item.meta["resourceVersion"])


async def test_watchers_share_events(backend: Storage) -> None:
    """All watchers of the cache are handed the same event, and its line is made once."""
    if not isinstance(backend, Cacher):
        pytest.skip("nothing is kept in memory")
    store = Store(WIDGET, backend)
    async with aclosing(store.watch("ns")) as one, aclosing(store.watch("")) as two:
        waiting = [asyncio.ensure_future(anext(events)) for events in (one, two)]
        await store.create(widget())
        first, second = await asyncio.gather(*waiting)

    assert first is second
    assert first.line is second.line


async def test_watch_of_an_old_revision(sqlite: SQLiteStorage) -> None:
    """A revision whose history is gone ends the watch with 410 and both revisions, after an empty start."""
    store = Store(WIDGET, sqlite)
    await fill(store, "a", "b", "c")
    newest = await sqlite.current_revision()
    await sqlite.compact(newest)
    async with aclosing(store.watch_batches("ns", WatchOptions(resource_version="1"))) as batches:
        assert await anext(batches) == ([], 1)
        with pytest.raises(errors.Expired) as caught:
            await anext(batches)

    assert caught.value.message == f"too old resource version: 1 ({newest})"
    assert caught.value.to_status()["code"] == 410


async def test_watch_from_before_the_cache(sqlite: SQLiteStorage) -> None:
    """The cache remembers what happened since it started."""
    await fill(Store(WIDGET, sqlite), "a", "b")
    cacher = Cacher(sqlite, "/registry/")
    running = asyncio.create_task(cacher.run())
    await cacher.wait_ready()
    with pytest.raises(errors.Expired, match=r"too old resource version: 1 \(3\)"):
        await anext(Store(WIDGET, cacher).watch("ns", WatchOptions(resource_version="1")))
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_watch_with_bad_revision(store: Store) -> None:
    """The recorded answer to a revision that is no number is a plain 500."""
    with pytest.raises(errors.Plain, match=r"strconv\.ParseUint: parsing"):
        await anext(store.watch("ns", WatchOptions(resource_version="bogus")))


async def test_lost_storage_ends_watches(sqlite: SQLiteStorage) -> None:
    """A watch whose storage goes away ends with ServiceUnavailable."""
    store = Store(WIDGET, sqlite)
    async with aclosing(store.watch_batches("ns")) as batches:
        await anext(batches)
        waiting = asyncio.ensure_future(anext(batches))
        await sqlite.close()
        with pytest.raises(errors.ServiceUnavailable):
            await waiting


async def test_lost_storage(sqlite: SQLiteStorage) -> None:
    """Reads and writes without a storage are a 503."""
    store = Store(WIDGET, sqlite)
    await sqlite.close()
    for call in (store.get("ns", "a"), store.list("ns"), store.create(widget()), store.delete("ns", "a")):
        with pytest.raises(errors.ServiceUnavailable):
            await call
