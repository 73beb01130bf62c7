"""The informer, over a source that is fed by hand."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Sized
from contextlib import AsyncExitStack
from typing import Any

import orjson
import pytest

from apiserver.client import ClientError
from apiserver.machinery.errors import Expired, Object
from apiserver.registry.item import Item
from apiserver.registry.store import Store
from reconciler.informer import Informer, Source, StoreSource, delay, key_of
from storage.runs import MAX_ITEMS
from storage.sqlite import MEMORY, SQLiteStorage
from tests.unit.store.widgets import WIDGET, running_cacher

Change = tuple[Object | None, Object | None]
END = ("END", dict[str, object]())


def obj(name: str, version: int, namespace: str = "ns") -> Object:
    return {"metadata": {"name": name, "namespace": namespace, "resourceVersion": str(version)}}


def bookmark(version: int) -> tuple[str, Object]:
    return "BOOKMARK", {"metadata": {"resourceVersion": str(version)}}


class MemorySource:
    """`items` at `version`; a watch gives out what is put into `events`: an event, an error to raise, or END."""

    def __init__(self, *items: Object, version: int = 1) -> None:
        self.items = list(items)
        self.version = version
        self.refusals: list[Exception] = []
        self.events: asyncio.Queue[tuple[str, Object] | Exception] = asyncio.Queue()
        self.watched_from: list[str] = []
        self.lists = 0

    async def list(self) -> tuple[list[Object], str]:
        self.lists += 1
        if self.refusals:
            raise self.refusals.pop()
        return list(self.items), str(self.version)

    async def watch(self, resource_version: str) -> AsyncIterator[tuple[str, Object]]:
        self.watched_from.append(resource_version)
        while (event := await self.events.get()) != END:
            if isinstance(event, Exception):
                raise event
            yield event

    def put(self, *events: tuple[str, Object] | Exception) -> None:
        for event in events:
            self.events.put_nowait(event)


def listening(source: Source) -> tuple[Informer, list[Change]]:
    informer, changes = Informer(source, "things"), list[Change]()
    informer.add_handler(lambda old, new: changes.append((old, new)))
    return informer, changes


async def test_list_fills_the_cache_and_reports_each_object() -> None:
    """After the first list the informer has synced, and its handlers have heard of every object."""
    source = MemorySource(obj("a", 1), obj("b", 2))
    informer, changes = listening(source)

    assert not informer.has_synced.is_set()
    await informer.relist()
    assert informer.has_synced.is_set()
    assert informer.cache == {"ns/a": obj("a", 1), "ns/b": obj("b", 2)}
    assert changes == [(None, obj("a", 1)), (None, obj("b", 2))]


async def test_events_change_the_cache_and_are_reported() -> None:
    """Created, changed, deleted: (None, new), (old, new), (last state, None)."""
    source = MemorySource(obj("a", 1))
    informer, changes = listening(source)
    await informer.relist()
    source.put(("MODIFIED", obj("a", 2)), ("ADDED", obj("b", 3)), ("DELETED", obj("a", 4)), END)
    await informer.follow()

    assert informer.cache == {"ns/b": obj("b", 3)}
    assert changes[1:] == [(obj("a", 1), obj("a", 2)), (None, obj("b", 3)), (obj("a", 4), None)]


async def test_relist_reports_what_was_missed() -> None:
    """What vanished is reported as deleted, what changed as changed, the rest not; the cache stays one dict."""
    source = MemorySource(obj("gone", 1), obj("same", 2), obj("old", 3))
    informer, changes = listening(source)
    cache = informer.cache
    await informer.relist()
    changes.clear()
    source.items = [obj("same", 2), obj("old", 5), obj("new", 6)]
    await informer.relist()

    assert changes == [(obj("gone", 1), None), (obj("old", 3), obj("old", 5)), (None, obj("new", 6))]
    assert cache is informer.cache
    assert sorted(cache) == ["ns/new", "ns/old", "ns/same"]


async def test_many_objects_let_others_have_their_turn() -> None:
    """A first list of thousands is decoded, and reported, a part at a time."""
    seen: list[Object] = []

    def view(item: Item) -> Object:
        seen.append(item.decoded())
        return seen[-1]

    async with AsyncExitStack() as stack:
        storage = await SQLiteStorage.open(MEMORY)
        stack.push_async_callback(storage.close)
        for number in range(3 * MAX_ITEMS):
            await storage.put(f"/registry/example.com/widgets/ns/{number}", orjson.dumps(obj(str(number), 1)), 0)
        cacher = await stack.enter_async_context(running_cacher(storage))
        informer, changes = listening(StoreSource(Store(WIDGET, cacher), view))
        most_seen, most_changed = await _most_in_a_turn(informer.relist(), seen, changes)
    assert len(seen) == len(changes) == len(informer.cache) == 3 * MAX_ITEMS
    assert most_seen <= MAX_ITEMS
    assert most_changed <= MAX_ITEMS


async def _most_in_a_turn(work: Coroutine[Any, Any, None], *growing: Sized) -> list[int]:
    """How much each grows by within one turn of the event loop, at most."""
    most, running = [0] * len(growing), asyncio.create_task(work)
    while not running.done():
        before = [len(one) for one in growing]
        await asyncio.sleep(0)
        most = [max(known, len(one) - had) for known, one, had in zip(most, growing, before, strict=True)]
    await running
    return most


async def test_run_resumes_after_the_last_version_seen() -> None:
    """A stream that ends is opened again after its last event or bookmark, without a list."""
    source = MemorySource(version=5)
    informer, _ = listening(source)
    arrived = asyncio.Event()
    informer.add_handler(lambda _, new: arrived.set() if new == obj("b", 9) else None)
    source.put(("ADDED", obj("a", 6)), bookmark(8), END, ("ADDED", obj("b", 9)))
    running = asyncio.create_task(informer.run())
    await arrived.wait()
    await stop(running)

    assert source.watched_from == ["5", "8"]
    assert source.lists == 1


@pytest.mark.parametrize("error", [Expired("too old"), ClientError(410, "Expired", "too old")])
async def test_run_lists_again_when_the_version_expired(error: Exception) -> None:
    """410, from our own Store or the host cluster, leads to a new list and a watch from there."""
    source = MemorySource(obj("a", 1), version=1)
    informer, _ = listening(source)
    gone = asyncio.Event()
    informer.add_handler(lambda _, new: gone.set() if new is None else None)
    running = asyncio.create_task(informer.run())
    await informer.has_synced.wait()
    source.items, source.version = [], 7
    source.put(error)
    await gone.wait()
    source.put(END)
    await stop(running)

    assert source.lists == 2
    assert informer.cache == {}


async def test_run_survives_failures(caplog: pytest.LogCaptureFixture) -> None:
    """A list that fails is tried again; an expected error is one line, a bug comes with its traceback."""
    source = MemorySource(obj("a", 1))
    source.refusals = [ValueError("a bug"), ClientError(503, "ServiceUnavailable", "try later")]
    informer, _ = listening(source)
    running = asyncio.create_task(informer.run())
    await informer.has_synced.wait()
    await stop(running)

    records = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [bool(record.exc_info) for record in records] == [False, True]
    assert records[0].getMessage() == "informer things: try later"


async def test_broken_stream_does_not_list_again() -> None:
    """A connection that breaks is resumed from where it was."""
    source = MemorySource(version=3)
    informer, _ = listening(source)
    arrived = asyncio.Event()
    informer.add_handler(lambda _, new: arrived.set())
    source.put(ClientError(0, "", "connection reset"), ("ADDED", obj("a", 4)))
    running = asyncio.create_task(informer.run())
    await arrived.wait()
    await stop(running)

    assert source.watched_from == ["3", "3"]
    assert source.lists == 1


def test_delay_doubles_up_to_half_a_minute() -> None:
    """0.2 s after the first failure in a row, at most 30 s."""
    assert [delay(n) for n in (1, 2, 3)] == [0.2, 0.4, 0.8]
    assert delay(9) == delay(100_000) == 30.0


def test_keys() -> None:
    """namespace/name, or the name of a cluster-scoped object."""
    assert key_of(obj("a", 1)) == "ns/a"
    assert key_of({"metadata": {"name": "a"}}) == "a"


async def stop(running: asyncio.Task[None]) -> None:
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_result_of_a_write_is_learnt_at_once() -> None:
    """What a write returned is in the cache before the stream says so; then the stream is right."""
    source = MemorySource(obj("a", 1), version=5)
    informer, changes = listening(source)
    await informer.relist()
    informer.learn(obj("a", 6))
    assert informer.cache["ns/a"] == obj("a", 6)

    source.put(("MODIFIED", obj("a", 6)), ("DELETED", obj("a", 7)), END)
    await informer.follow()
    assert informer.cache == {}
    assert changes[-1] == (obj("a", 7), None)


@pytest.mark.parametrize("kind", ["MODIFIED", "DELETED"])
async def test_events_before_a_learnt_write_are_old(kind: str) -> None:
    """What the stream says of the time before the write does not undo it: an apply may have made again what somebody
    had just deleted. The write itself is no news to its writer, what comes after it is."""
    source = MemorySource(obj("a", 1), version=5)
    informer, changes = listening(source)
    await informer.relist()
    changes.clear()
    informer.learn(obj("a", 8))
    source.put((kind, obj("a", 7)), END)
    await informer.follow()
    assert (informer.cache["ns/a"], changes) == (obj("a", 8), [])

    source.put(("MODIFIED", obj("a", 8)), ("MODIFIED", obj("a", 9)), END)
    await informer.follow()
    assert changes == [(obj("a", 8), obj("a", 9))]


async def test_late_result_of_a_write_is_no_news() -> None:
    """A write's answer that comes after the stream has passed it changes nothing: its object may be deleted by now."""
    source = MemorySource(version=5)
    informer, _ = listening(source)
    await informer.relist()
    source.put(("ADDED", obj("a", 6)), ("DELETED", obj("a", 7)), END)
    await informer.follow()
    informer.learn(obj("a", 6))

    assert informer.cache == {}
