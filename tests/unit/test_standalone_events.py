"""Events of events.k8s.io in the core group, as kube-apiserver shows them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apiserver.machinery.errors import NotFound, Object
from apiserver.registry.options import WriteOptions
from apiserver.registry.store import Store
from apiserver.standalone.events import EventMirror
from apiserver.standalone.kinds import EVENTS, EVENTS_V1
from storage.sqlite import SQLiteStorage

WRITE = WriteOptions(field_manager="test")
REGARDING = {"apiVersion": "g/v1", "kind": "Thing", "namespace": "ns", "name": "a", "uid": "u1"}


def event(**more: Any) -> Object:
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "a.1", "namespace": "ns"},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "c",
        "reportingInstance": "c-1",
        "action": "Create",
        "reason": "Created",
        "regarding": REGARDING,
        "note": "It was made.",
        "type": "Normal",
        **more,
    }


@pytest.fixture
async def stores() -> AsyncIterator[tuple[Store, Store]]:
    """Those of events.k8s.io, and of the core group."""
    storage = await SQLiteStorage.open(":memory:")
    yield Store(EVENTS_V1, storage), Store(EVENTS, storage)
    await storage.close()


async def test_event_is_shown_in_the_core_group(stores: tuple[Store, Store]) -> None:
    """Under the core group's names, and again when it becomes a series; then it waits for the end of its hour."""
    events, core = stores
    await events.create(event(), WRITE)
    mirror = EventMirror(events, core)
    left = await mirror.reconcile("ns/a.1")
    shown = (await core.get("ns", "a.1")).object

    assert left is not None
    assert 3500 < left <= 3600
    assert shown["involvedObject"] == REGARDING
    assert [shown[key] for key in ("message", "reportingComponent", "reason", "type", "eventTime")] == [
        *("It was made.", "c", "Created", "Normal", "2026-01-01T00:00:00.000000Z"),
    ]
    series = {"count": 2, "lastObservedTime": "2026-01-01T00:01:00.000000Z"}
    await events.update("ns", "a.1", lambda live: {**live, "series": series}, WRITE)
    await mirror.reconcile("ns/a.1")
    assert (await core.get("ns", "a.1")).object["series"] == series


async def test_event_lives_an_hour(stores: tuple[Store, Store]) -> None:
    """Then it is removed from both groups."""
    events, core = stores
    await events.create(event(), WRITE)
    await EventMirror(events, core).reconcile("ns/a.1")
    mirror = EventMirror(events, core, now=lambda: datetime.now(UTC) + timedelta(hours=1))
    await mirror.reconcile("ns/a.1")
    for store in stores:
        with pytest.raises(NotFound):
            await store.get("ns", "a.1")


async def test_event_that_is_gone(stores: tuple[Store, Store]) -> None:
    """Who deletes an event deletes it in both groups; a key without an event is nothing to do."""
    events, core = stores
    await events.create(event(), WRITE)
    mirror = EventMirror(events, core)
    await mirror.reconcile("ns/a.1")
    await events.delete("ns", "a.1")
    for _ in range(2):
        assert await mirror.reconcile("ns/a.1") is None
        with pytest.raises(NotFound):
            await core.get("ns", "a.1")
