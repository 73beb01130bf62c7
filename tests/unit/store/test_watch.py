"""Watches: initial state, replay, selectors, bookmarks and their ends."""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from apiserver.machinery import errors
from apiserver.machinery.selectors import parse_fields, parse_labels
from apiserver.registry.item import Item, WatchBatch, WatchEvent
from apiserver.registry.options import WatchOptions
from apiserver.registry.store import Store
from storage.cacher import Cacher
from storage.sqlite import SQLiteStorage
from tests.unit.store.widgets import WIDGET, fill, paint, relabel, running_cacher, widget, without_finalizers


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
        batch = await anext(batches)
        assert batch.events == []
        assert str(batch.revision) == (await store.list("ns")).resource_version


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
    options = WatchOptions(field_selector=parse_fields("metadata.name=b"))
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
        batch = await anext(batches)

    assert (batch.events, str(batch.revision)) == ([], item.meta["resourceVersion"])


async def test_watchers_share_events(cacher: Cacher) -> None:
    """All watchers of the cache are handed the same event, and its line is made once."""
    store = Store(WIDGET, cacher)
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
        assert await anext(batches) == WatchBatch([], 1)
        with pytest.raises(errors.Expired) as caught:
            await anext(batches)

    assert caught.value.message == f"too old resource version: 1 ({newest})"
    assert caught.value.to_status()["code"] == 410


async def test_watch_from_before_the_cache(sqlite: SQLiteStorage) -> None:
    """What happened before the cache started is told as far as the storage remembers it."""
    await fill(Store(WIDGET, sqlite), "a", "b", "c")
    await sqlite.compact(2)
    async with running_cacher(sqlite) as cacher:
        store = Store(WIDGET, cacher)
        with pytest.raises(errors.Expired, match=r"too old resource version: 1 \(2\)"):
            await anext(store.watch("ns", WatchOptions(resource_version="1")))
        async with aclosing(store.watch("ns", WatchOptions(resource_version="2"))) as events:
            assert await take(events, 2) == [("ADDED", "b", "3"), ("ADDED", "c", "4")]


async def test_events_stay_encoded(cacher: Cacher) -> None:
    """What a write or a selector has looked into does not stay decoded while the event is remembered: that takes ten
    times the memory of its bytes."""
    store = Store(WIDGET, cacher)
    await store.create(widget("a"))
    options = WatchOptions(resource_version="0", field_selector=parse_fields("metadata.namespace!=other"))
    async with aclosing(store.watch("", options)) as events:
        await anext(events)
        await annotate(store, 0)
        size = len((await anext(events)).item.wire)
        tracemalloc.start()
        try:
            for number in range(1, 20):
                await annotate(store, number)
                (await anext(events)).item.wire  # noqa: B018 - it is made
            gc.collect()
            kept, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert kept < 19 * 5 * size


async def annotate(store: Store, number: int) -> None:
    annotations = {f"{number:02}-{each}": "" for each in range(1000)}
    await store.update("ns", "a", lambda live: {**live, "metadata": {**live["metadata"], "annotations": annotations}})


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
