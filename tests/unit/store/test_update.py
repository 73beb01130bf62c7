"""Updates: races, conflicts, no-ops and the status endpoint."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from apiserver.machinery import errors
from apiserver.machinery.errors import Object
from apiserver.registry.item import Item
from apiserver.registry.options import WriteOptions
from apiserver.registry.store import Store
from storage.interface import KeyValue
from storage.sqlite import MEMORY, SQLiteStorage
from tests.unit.store.widgets import WIDGET, paint, widget


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
        store.check_uid(other, live, dry_run=False)

    assert caught.value.message == (
        'Operation cannot be fulfilled on widgets.example.com "a": StorageError: invalid object, Code: 4, '
        "Key: /registry/example.com/widgets/ns/a, ResourceVersion: 0, AdditionalErrorMsg: "
        f"Precondition failed: UID in precondition: x, UID in object meta: {live['metadata']['uid']}"
    )
    with pytest.raises(errors.Conflict, match=r"Key: /example\.com/widgets/ns/a, "):
        store.check_uid(other, live, dry_run=True)
    store.check_uid(live, live, dry_run=False)


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
