"""Watches over HTTP, from the cache to what is written to a connection."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from apiserver.endpoints.exchange import Exchange
from apiserver.endpoints.watch import WatchEndpoint, Watcher
from apiserver.http.asgi import Receive, Scope, Send
from apiserver.http.connection import Protocol
from apiserver.http.drain import Drain
from apiserver.http.metrics import Counter
from apiserver.machinery.request import parse_request
from apiserver.registry.item import WatchBatch, WatchEvent
from apiserver.registry.store import Store
from storage.runs import MAX_ITEMS
from storage.sqlite import MEMORY, SQLiteStorage
from tests.unit.pipe import Pipe
from tests.unit.store.widgets import WIDGET, running_cacher, widget

PATH = b"/apis/example.com/v1/namespaces/ns/widgets?watch=1"


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    storage = await SQLiteStorage.open(MEMORY)
    async with running_cacher(storage) as cacher:
        yield Store(WIDGET, cacher)
    await storage.close()


def exchange_of(scope: Scope, receive: Receive, send: Send) -> Exchange:
    """As the filters leave a request."""
    info = parse_request(scope["method"], scope["path"], scope["query_string"])
    scope["state"].update(info=info, warnings=[])
    return Exchange(scope, receive, send)


def watched(store: Store, sent: Counter | None = None) -> tuple[Protocol, Pipe]:
    """A connection whose requests are watches. `sent` counts their events."""
    counter = sent or Counter()
    endpoint = WatchEndpoint(Drain(), 60.0, lambda _: counter)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await endpoint(store, exchange_of(scope, receive, send))

    protocol, pipe = Protocol(Config(app, log_config=None, proxy_headers=False), ServerState(), {}), Pipe()
    protocol.connection_made(pipe)
    return protocol, pipe


async def test_head(store: Store) -> None:
    """A watch by HEAD is over with its head, and the connection is for the next request."""
    await store.create(widget("a"))
    protocol, pipe = watched(store)
    for _ in range(2):
        protocol.data_received(b"HEAD %b HTTP/1.1\r\nHost: x\r\n\r\n" % PATH)
        await asyncio.gather(*protocol.tasks)
    assert pipe.written == [b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"] * 2
    assert not pipe.closed
    protocol.connection_lost(None)


async def parts_until(store: Store, path: bytes, count: int) -> list[int]:
    """How many events each write has that a client gets who reads slowly, until it has `count`; the next comes when it
    has read that."""
    protocol, pipe = watched(store)
    written = asyncio.Queue[int]()

    def fill() -> None:
        protocol.pause_writing()
        written.put_nowait(pipe.written[-1].count(b'"ADDED"'))

    pipe.on_write = fill
    protocol.data_received(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path)
    parts = [await written.get()]
    while sum(parts) < count:
        assert written.empty()
        protocol.resume_writing()
        parts.append(await written.get())
    protocol.connection_lost(None)
    await asyncio.gather(*protocol.tasks)
    return parts


async def test_initial_state_waits_for_a_slow_client(store: Store) -> None:
    """Of a large initial state a client is written a part, and the next when it has read that."""
    for number in range(600):
        await store.create(widget(f"w{number:03}"))
    assert max(await parts_until(store, PATH, 600)) <= MAX_ITEMS


async def test_what_was_missed_waits_for_a_slow_client(store: Store) -> None:
    """So it is of many events from before the watch: all at once would not be read in time, this time and the next."""
    first = await store.create(widget("first"))
    for number in range(600):
        await store.create(widget(f"w{number:03}"))
    path = b"%b&resourceVersion=%b" % (PATH, first.meta["resourceVersion"].encode())
    assert max(await parts_until(store, path, 600)) <= MAX_ITEMS


async def test_client_goes_while_its_initial_state_is_made(store: Store) -> None:
    """What exists is not made into events, or Tables, for a client that has gone meanwhile."""
    for number in range(4 * MAX_ITEMS):
        await store.create(widget(f"w{number:03}"))
    sent = Counter()
    protocol, pipe = watched(store, sent)

    def go() -> None:
        if b"ADDED" in pipe.written[-1]:
            protocol.eof_received()

    pipe.on_write = go
    protocol.data_received(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % PATH)
    await asyncio.gather(*protocol.tasks)
    assert 0 < sent.value < 3 * MAX_ITEMS
    protocol.connection_lost(None)


async def test_bookmarks_promise_nothing(store: Store) -> None:
    """While events wait for a client to read, no bookmark says that it has had them."""
    wrote = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        watcher = Watcher(store, exchange_of(scope, receive, send), Counter())
        await watcher.start()
        await watcher.write(WatchBatch([], 1))
        protocol.pause_writing()
        events = [WatchEvent("ADDED", await store.create(widget("a")))]
        writing = asyncio.create_task(watcher.write(WatchBatch(events, 7)))
        await asyncio.sleep(0)
        protocol.resume_writing()
        watcher.bookmark()
        await writing
        watcher.bookmark()
        wrote.set()

    protocol, pipe = Protocol(Config(app, log_config=None, proxy_headers=False), ServerState(), {}), Pipe()
    protocol.connection_made(pipe)
    protocol.data_received(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % PATH)
    await wrote.wait()
    lines = [json.loads(line) for line in b"".join(pipe.written[1:]).splitlines() if line.startswith(b"{")]
    assert [line["type"] for line in lines] == ["BOOKMARK", "ADDED", "BOOKMARK"]
    assert [line["object"]["metadata"]["resourceVersion"] for line in lines[::2]] == ["1", "7"]
    protocol.connection_lost(None)
    await asyncio.gather(*protocol.tasks)
