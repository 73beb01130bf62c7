"""Watches over HTTP: newline-delimited events until timeout, disconnect, shutdown or error (wire.md 3.13).

An event is written to the connection as soon as it is there (`Watcher.take`), without a task in between. Only what a
client has no room for waits for the task of its watch. Whole lines are written, so that all who write may take turns.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from functools import partial

from apiserver.endpoints import representation
from apiserver.endpoints.exchange import Exchange
from apiserver.endpoints.resources import off_loop_if_long, selectors
from apiserver.http.drain import Drain
from apiserver.http.metrics import Counter, GroupVersionResource
from apiserver.http.negotiation import check_stream
from apiserver.machinery import errors
from apiserver.machinery.encoding import encode_ordered
from apiserver.machinery.errors import APIError, BadRequest
from apiserver.machinery.queryoptions import initial_events, integer
from apiserver.machinery.request import first, truthy
from apiserver.machinery.selectors import FieldRequirement, FieldSelector
from apiserver.registry.item import WatchBatch, WatchEvent
from apiserver.registry.options import WatchOptions
from apiserver.registry.store import Store

BOOKMARK_INTERVAL = 60.0
_BOOKMARK_BEFORE_END = 2.0
_SEND_SECONDS = 5.0
_LONGEST = 366 * 24 * 3600.0

logger = logging.getLogger(__name__)

Batches = AsyncGenerator[WatchBatch]


class Watcher:
    """One client's watch. `sent` counts its events. `revision`: every event up to it has been handed to the connection;
    0 before the first."""

    def __init__(self, store: Store, exchange: Exchange, sent: Counter) -> None:
        self._store, self.exchange, self._sent = store, exchange, sent
        self._include = ""
        self._as_is = not exchange.format.target
        self._push = exchange.push
        self._first = True
        self.revision = 0

    async def start(self) -> None:
        """Raises BadRequest, NotAcceptable."""
        self._include = self.exchange.include_object
        check_stream(self.exchange.format)
        headers = [(b"content-type", b"application/json")]
        await self.exchange.send({"type": "http.response.start", "status": 200, "headers": headers})
        # An empty chunk makes the server send the headers now: clients wait for them before they trust the watch.
        await self.exchange.send({"type": "http.response.body", "body": b"", "more_body": True})

    def take(self, batch: WatchBatch) -> bool:
        """Writes at once; False: the client has no room for it now."""
        events = batch.events
        if events and not self._push(batch.lines if self._as_is else self._lines(batch)):
            return False
        self.revision = batch.revision
        self._first = self._first and not events
        self._sent.value += len(events)
        return True

    async def write(self, batch: WatchBatch) -> None:
        """Writes as soon as there is room. Raises Stuck."""
        if data := self._lines(batch):
            await self._chunk(data)
        # Not before: a bookmark that is due meanwhile must not promise what the client does not have yet.
        self._wrote(batch)

    def _wrote(self, batch: WatchBatch) -> None:
        self.revision = batch.revision
        self._first = self._first and not batch.events
        self._sent.value += len(batch.events)

    def _lines(self, batch: WatchBatch) -> bytes:
        if self._as_is:
            return batch.lines
        return b"".join([self._line(event, self._first and not number) for number, event in enumerate(batch.events)])

    def _line(self, event: WatchEvent, first: bool) -> bytes:
        return representation.event(self._store.kind, event, self.exchange.format, self._include, first)

    async def _chunk(self, data: bytes, more: bool = True) -> None:
        """Raises Stuck when the client has not read what was sent before for too long."""
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await self.exchange.send({"type": "http.response.body", "body": data, "more_body": more})
        except TimeoutError as error:
            raise Stuck from error

    def bookmark(self) -> None:
        """A client that does not read will not miss it."""
        if self.revision and self._push(self._line(self._store.bookmark(self.revision), self._first)):
            self._first = False

    async def error(self, error: APIError) -> None:
        await self._chunk(b'{"type":"ERROR","object":%b}\n' % encode_ordered(error.to_status()))

    async def end(self) -> None:
        await self._chunk(b"", more=False)


class Stuck(Exception):
    """The client does not read."""


async def watch_options(store: Store, exchange: Exchange) -> WatchOptions:
    """Raises BadRequest, Invalid."""
    info = exchange.info
    query = info.query
    labels, fields, initial = await off_loop_if_long(query, partial(selectors, store, query, initial_events))
    if not info.collection:
        fields = _one_object(fields, info.name)
    bookmarks = truthy(query, "allowWatchBookmarks")
    return WatchOptions(labels, fields, first(query, "resourceVersion"), initial, bookmarks)


def _one_object(fields: FieldSelector, name: str) -> FieldSelector:
    """The path names what is watched; a field selector beside it must name the same."""
    if fields and fields.exact("metadata.name") != name:
        raise BadRequest("fieldSelector metadata.name doesn't match requested name")
    return fields or FieldSelector((FieldRequirement("metadata.name", name),))


class WatchEndpoint:
    """`min_timeout` in seconds: a watch without timeoutSeconds ends after that to twice that. `counter`: of the events
    of a resource that were written."""

    def __init__(self, drain: Drain, min_timeout: float, counter: Callable[[GroupVersionResource], Counter]) -> None:
        self._drain, self._min_timeout, self._counter = drain, min_timeout, counter

    async def __call__(self, store: Store, exchange: Exchange) -> None:
        kind = store.kind
        # The Accept header is judged before the options are.
        watcher = Watcher(store, exchange, self._counter((kind.group, kind.version, kind.plural)))
        options = await watch_options(store, exchange)
        asked = integer(exchange.info.query, "timeoutSeconds")
        spread = self._min_timeout * (1 + random.random())  # noqa: S311 - ends of watches, not secrets
        timeout = min(float(asked), _LONGEST) if asked else spread
        async with aclosing(store.watch_batches(exchange.info.namespace, options, watcher.take)) as batches:
            first = await _first(batches)
            await watcher.start()
            try:
                # The answer to HEAD has no body: it is over, and its connection is for the next request.
                if exchange.info.method != "HEAD":
                    await self._run(watcher, batches, first, timeout, options.bookmarks)
                await watcher.end()
            except Stuck:
                exchange.abort()

    async def _run(
        self, watcher: Watcher, batches: Batches, first: WatchBatch | APIError, timeout: float, bookmarks: bool
    ) -> None:
        try:
            if isinstance(first, APIError):
                raise first
            await watcher.write(first)
            await self._pump(watcher, batches, timeout, bookmarks)
        except errors.ServiceUnavailable:
            logger.debug("watch ended: the storage is lost or the client too slow")
        except APIError as error:
            await watcher.error(error)

    async def _pump(self, watcher: Watcher, batches: Batches, timeout: float, bookmarks: bool) -> None:
        """Writes until the time is over; a disconnect or a shutdown is the end of time too."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout) as deadline:
                companions: list[asyncio.Task[object]] = [
                    asyncio.create_task(_disconnected(watcher.exchange)),
                    asyncio.create_task(self._drain.shutting_down.wait()),
                ]
                for companion in companions:
                    companion.add_done_callback(partial(_expire, deadline))
                if bookmarks:
                    companions.append(asyncio.create_task(_bookmarks(watcher, timeout)))
                try:
                    async for batch in batches:
                        await watcher.write(batch)
                        # What exists already does not wait for anything: let others run, and the end be noticed.
                        await asyncio.sleep(0)
                finally:
                    for companion in companions:
                        companion.cancel()


async def _first(batches: Batches) -> WatchBatch | APIError:
    """What fails before the first batch is a plain HTTP error, but for a revision in the future; what fails later is an
    ERROR event."""
    try:
        return await anext(batches)
    except errors.Timeout as error:
        return error


def _expire(deadline: asyncio.Timeout, companion: asyncio.Task[object]) -> None:
    if not companion.cancelled():
        # The watch may have ended in the same turn of the loop.
        with suppress(RuntimeError):
            deadline.reschedule(asyncio.get_running_loop().time())


async def _disconnected(exchange: Exchange) -> bool:
    while (await exchange.receive())["type"] != "http.disconnect":
        pass
    return True


async def _bookmarks(watcher: Watcher, timeout: float) -> None:
    """A bookmark every minute, and a last one shortly before the watch ends."""
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout - _BOOKMARK_BEFORE_END
    while (left := end - loop.time()) > 0:
        await asyncio.sleep(min(BOOKMARK_INTERVAL, left))
        watcher.bookmark()
