"""An informer: a local copy of a collection, kept current by list and watch (client-go `tools/cache` reflector).

Rules:
1. `cache` is what the last list said plus every event since; handlers hear each difference as (old, new), in order.
2. A stream that ends or breaks is resumed after the last resourceVersion seen; bookmarks move that on.
3. Only an expired resourceVersion (410) leads to a new list; what vanished meanwhile is reported as deleted.
4. It never gives up: failures are logged in one line and tried again, later each time.
5. What a writer has learnt from its answer is not reported to it again when the stream comes to it.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Any, Protocol

from apiserver.client import Client, ClientError
from apiserver.machinery.errors import APIError, Expired, Object
from apiserver.registry.item import Item
from apiserver.registry.options import ListOptions, WatchOptions
from apiserver.registry.store import Store

_log = logging.getLogger(__name__)
_PAGE = "500"
_FIRST_DELAY = 0.2
_MAX_DELAY = 30.0
_SHORT_STREAM = 1.0
_REPORTED = 250
"""Differences that handlers hear of before others have their turn."""

Handler = Callable[[Object | None, Object | None], None]
"""Called with (None, new), (old, new) or (old, None). Must not raise or change what it gets."""


class Source(Protocol):
    """A collection that can be listed and watched."""

    async def list(self) -> tuple[list[Object], str]:
        """All objects, and the resourceVersion to watch from. Raises ClientError or APIError."""

    def watch(self, resource_version: str) -> AsyncIterator[tuple[str, Object]]:
        """(type, object) for what happened after `resource_version`; BOOKMARK carries only metadata.resourceVersion.
        May end at any time. Raises Expired, or ClientError with status 410, when that version's history is gone."""


class ClientSource:
    """A kind of the host cluster, by HTTP. `path` is a collection; `query` narrows it (labelSelector and so on)."""

    def __init__(self, client: Client, path: str, **query: str) -> None:
        self._client = client
        self._path = path
        self._query = query

    async def list(self) -> tuple[list[Object], str]:
        items: list[Object] = []
        token: dict[str, str] = {}
        while True:
            page = await self._client.get(self._path, limit=_PAGE, **self._query, **token)
            # The items of a built-in kind's list carry neither.
            identity = {"apiVersion": page["apiVersion"], "kind": page["kind"].removesuffix("List")}
            items += [{**identity, **item} for item in page.get("items") or []]
            meta = page["metadata"]
            if not meta.get("continue"):
                return items, meta["resourceVersion"]
            token = {"continue": meta["continue"]}

    def watch(self, resource_version: str) -> AsyncIterator[tuple[str, Object]]:
        return self._client.watch(self._path, resourceVersion=resource_version, **self._query)


class StoreSource:
    """A kind that this process serves, without HTTP. `view`: what is to be seen, and kept, of an object."""

    def __init__(self, store: Store, view: Callable[[Item], Object] = Item.decoded) -> None:
        self._store, self._view = store, view

    async def list(self) -> tuple[list[Object], str]:
        page = await self._store.list(options=ListOptions())
        items: list[Object] = []
        for chunk in page.chunks:
            items += [self._view(item) for item in chunk.items]
            # All of a large collection may have to be decoded: let others run.
            await asyncio.sleep(0)
        return items, page.resource_version

    async def watch(self, resource_version: str) -> AsyncIterator[tuple[str, Object]]:
        options = WatchOptions(resource_version=resource_version, initial_events=False)
        async with aclosing(self._store.watch_batches(options=options)) as batches:
            async for batch in batches:
                for event in batch.events:
                    yield event.type, self._view(event.item)
                yield "BOOKMARK", {"metadata": {"resourceVersion": str(batch.revision)}}


def key_of(obj: Object) -> str:
    """namespace/name, or the name alone for a cluster-scoped object."""
    meta = obj["metadata"]
    return f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else str(meta["name"])


def delay(failures: int) -> float:
    """Seconds to wait after `failures` failures in a row (1 or more), before jitter."""
    return min(_FIRST_DELAY * 2.0 ** min(failures - 1, 16), _MAX_DELAY)


class Informer:
    """`cache` maps namespace/name to objects, which are shared: read only; it stays the same dict. `has_synced` is set
    after the first list."""

    def __init__(self, source: Source, name: str) -> None:
        self.cache: dict[str, Object] = {}
        self.has_synced = asyncio.Event()
        self._source = source
        self._name = name
        self._handlers: list[Handler] = []
        self._resource_version = ""

    def add_handler(self, handler: Handler) -> None:
        """Only changes after this call are reported, so add it before `run`."""
        self._handlers.append(handler)

    def learn(self, obj: Object) -> None:
        """Takes over what a write returned and its writer has looked at, so that it sees it before the stream has come
        so far. Where the stream is further, it knows better: the object may be gone."""
        version = obj["metadata"]["resourceVersion"]
        if _is_later(version, self._resource_version):
            self.cache[key_of(obj)] = obj

    async def run(self) -> None:
        """Lists and watches for ever; ends by cancellation."""
        failures = 0
        while True:
            failures = 0 if await self._step() else failures + 1
            if failures:
                jitter = random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
                await asyncio.sleep(delay(failures) * jitter)

    async def _step(self) -> bool:
        """Lists if needed, then watches until the stream ends; True: it lasted, so go on at once."""
        clock = asyncio.get_running_loop().time
        started = float("inf")
        try:
            if not self._resource_version:
                await self.relist()
            started = clock()
            await self.follow()
        except (ClientError, APIError) as error:
            self._note(error)
        except Exception:
            # An informer that stops would leave everybody with an old cache.
            _log.exception("informer %s", self._name)
        return clock() - started > _SHORT_STREAM

    def _note(self, error: ClientError | APIError) -> None:
        """Forgets an expired resourceVersion, so that the next step lists."""
        if self._resource_version and _is_expired(error):
            self._resource_version = ""
            _log.info("informer %s: the watch expired, listing again", self._name)
        else:
            _log.warning("informer %s: %s", self._name, error)

    async def relist(self) -> None:
        """Replaces the cache by the collection's state and reports what differs."""
        items, resource_version = await self._source.list()
        listed = {key_of(item): item for item in items}
        before = dict(self.cache)
        self.cache.clear()
        self.cache.update(listed)
        self._resource_version = resource_version
        for number, (old, new) in enumerate(_differences(before, listed), 1):
            self._report(old, new)
            if number % _REPORTED == 0:
                await asyncio.sleep(0)
        self.has_synced.set()

    async def follow(self) -> None:
        """Takes over the events of one stream, from the last resourceVersion seen until it ends."""
        stream: Any = self._source.watch(self._resource_version)
        async with aclosing(stream) as events:
            async for kind, obj in events:
                self._take(kind, obj)
                self._resource_version = obj["metadata"]["resourceVersion"]

    def _take(self, kind: str, obj: Object) -> None:
        if kind not in ("ADDED", "MODIFIED", "DELETED"):
            return
        key = key_of(obj)
        old = self.cache.get(key)
        if old is not None and _is_known(old["metadata"]["resourceVersion"], kind, obj["metadata"]["resourceVersion"]):
            return
        if kind == "DELETED":
            self.cache.pop(key, None)
            self._report(obj, None)
        else:
            self.cache[key] = obj
            self._report(old, obj)

    def _report(self, old: Object | None, new: Object | None) -> None:
        for handler in self._handlers:
            handler(old, new)


def _differences(before: dict[str, Object], listed: dict[str, Object]) -> Iterator[tuple[Object | None, Object | None]]:
    """What vanished, then what is new or has changed, as handlers are told of it."""
    for key, old in before.items():
        if key not in listed:
            yield old, None
    for key, new in listed.items():
        known = before.get(key)
        if known is None or known["metadata"]["resourceVersion"] != new["metadata"]["resourceVersion"]:
            yield known, new


def _is_known(learnt: str, kind: str, version: str) -> bool:
    """Whether the stream is still at or before the write whose answer has been learnt."""
    return (learnt == version and kind != "DELETED") or _is_later(learnt, version)


def _is_later(one: str, other: str) -> bool:
    """Versions of one collection are numbers that grow (Kubernetes API concepts, "Resource versions")."""
    return one.isdecimal() and other.isdecimal() and int(one) > int(other)


def _is_expired(error: Exception) -> bool:
    return isinstance(error, Expired) or (isinstance(error, ClientError) and error.status == 410)
