"""The kind that the Store's tests are about, and changes to its objects."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from apiserver.machinery.errors import Object
from apiserver.machinery.kind import Kind
from apiserver.registry.item import Item
from apiserver.registry.store import Store
from storage.cacher import Cacher
from storage.interface import Storage


class WidgetSpec(BaseModel):
    color: Annotated[str, Field(pattern="^[a-z]+$")]
    size: int = 1


class WidgetStatus(BaseModel):
    seen: int | None = None


WIDGET = Kind("example.com", "v1", "Widget", "widgets", WidgetSpec, WidgetStatus)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def widget(name: str = "a", color: str = "red", namespace: str = "ns", **meta: Any) -> Object:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": name, "namespace": namespace, **meta},
        "spec": {"color": color, "size": 1},
    }


async def fill(store: Store, *wanted: str) -> list[Item]:
    """Red widgets with these names, which they have as label `n` too."""
    return [await store.create(widget(name, labels={"n": name})) for name in wanted]


def names(items: list[Item]) -> list[str]:
    return [item.meta["name"] for item in items]


def paint(color: str) -> Callable[[Object], Object]:
    return lambda live: {**live, "spec": {**live["spec"], "color": color}}


def relabel(**labels: str) -> Callable[[Object], Object]:
    return lambda live: {**live, "metadata": {**live["metadata"], "labels": labels}}


def without_finalizers(live: Object) -> Object:
    return {**live, "metadata": {key: value for key, value in live["metadata"].items() if key != "finalizers"}}


@asynccontextmanager
async def running_cacher(storage: Storage) -> AsyncIterator[Cacher]:
    """A watch cache that has listed the storage."""
    cacher = Cacher(storage, "/registry/")
    running = asyncio.create_task(cacher.run())
    try:
        await cacher.wait_ready()
        yield cacher
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await cacher.close()
