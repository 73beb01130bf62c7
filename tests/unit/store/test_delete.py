"""Deletion: finalizers, preconditions, whole collections."""

import asyncio

import pytest

from apiserver.machinery import errors
from apiserver.machinery.selectors import parse_labels
from apiserver.machinery.strategy import DeleteOptions
from apiserver.registry.options import ListOptions
from apiserver.registry.store import Store
from tests.unit.store.widgets import fill, names, widget, without_finalizers


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
    assert last.meta["resourceVersion"] == marked.meta["resourceVersion"]
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
