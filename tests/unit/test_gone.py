"""What is still done for a client that has gone."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from apiserver.endpoints.exchange import Exchange
from apiserver.filters.accesslog import Record
from apiserver.filters.limits import Deadline
from apiserver.filters.observe import Observe
from apiserver.http.asgi import Application, Receive, Scope, Send
from apiserver.http.body import read_body
from apiserver.http.connection import Protocol
from apiserver.http.drain import Drain
from apiserver.http.metrics import Metrics
from apiserver.http.respond import send_text
from apiserver.machinery.errors import BadRequest
from apiserver.machinery.pieces import Body, Piece
from http2 import frames
from tests.hyper import request
from tests.unit.pipe import Pipe
from tests.unit.virtual_time import virtually
from tests.unit.wire import Wire

LIST = "/apis/example.com/v1/widgets"
PIECES, SEEN = 30, 12
"""Pieces of a list; the client goes while the latter is made."""
FORMS = {
    "as it is": ("application/json", ""),
    "indented": ("application/json", "?pretty=1"),
    "yaml": ("application/yaml", ""),
    "table": ("application/json;as=Table;g=meta.k8s.io;v=v1", ""),
}


class Client:
    """One that asks once, by HTTP/1.1 or HTTP/2, and can go. `log`: the server's, of the request."""

    log: list[Record]

    def __init__(self, app: Application, way: str) -> None:
        self.log = []
        observed = Observe(Deadline(app), Metrics(), Drain(), self.log.append)
        self._way, self._wire, self._pipe = way, Wire(observed), Pipe()
        self._protocol = Protocol(Config(observed, log_config=None, proxy_headers=False), ServerState(), {})
        self._protocol.connection_made(self._pipe)
        self._stream = 0

    def ask(self, method: str, target: str, accept: str = "*/*", length: int = 0) -> None:
        """`length`: of the body, which is still to come."""
        headers = [(b"accept", accept.encode()), (b"accept-encoding", b"gzip")]
        if length:
            headers.append((b"content-length", b"%d" % length))
        if self._way in ("lost", "farewell"):
            lines = [b"%b: %b\r\n" % header for header in ((b"host", b"x"), *headers)]
            self._protocol.data_received(
                b"%b %b HTTP/1.1\r\n%b\r\n" % (method.encode(), target.encode(), b"".join(lines))
            )
            return
        self._stream = self._wire.client.ask(request(method, target, *headers), end=not length)
        self._wire.say(self._wire.client.to_send())

    def send(self, body: bytes, end: bool) -> None:
        """Of the request's body."""
        if self._way in ("lost", "farewell"):
            self._protocol.data_received(body)
            return
        self._wire.client.send(self._stream, body, end=end)
        self._wire.say(self._wire.client.to_send())

    def go(self) -> None:
        if self._way == "lost":
            self._protocol.connection_lost(None)
        elif self._way == "farewell":
            self._protocol.eof_received()
        elif self._way == "stream reset":
            self._wire.say(frames.rst_stream(self._stream, frames.CANCEL))
        else:
            self._wire.server.connection_lost(ConnectionResetError())

    async def end(self) -> list[bytes]:
        """Waits until nothing runs; what was written."""
        await asyncio.gather(*self._protocol.tasks, *self._wire.state.tasks)
        written = [*self._pipe.written, *self._wire.pipe.written]
        self._protocol.connection_lost(None)
        await self._wire.close()
        return written


ways = pytest.mark.parametrize("way", ["lost", "farewell", "stream reset", "connection reset"])


@ways
@pytest.mark.parametrize("form", FORMS)
async def test_list(way: str, form: str) -> None:
    """No more of a list is made, in whatever form it was asked for."""
    made, item = 0, json.dumps({"metadata": {"name": "x" * 20_000}}).encode()

    async def pieces() -> AsyncIterator[Piece]:
        nonlocal made
        for _ in range(PIECES):
            # As when they are made of objects.
            await asyncio.sleep(0)
            made += 1
            if made == SEEN:
                client.go()
            yield Piece(b"," + item if made > 1 else item)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Exchange(scope, receive, send).reply_body(200, Body(b'{"items":[', pieces(), b"]}"))

    client = Client(app, way)
    accept, query = FORMS[form]
    client.ask("GET", LIST + query, accept)
    await client.end()
    assert made == SEEN


def waiting(event: asyncio.Event, begun: asyncio.Event) -> Application:
    async def app(_: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await event.wait()
        await send_text(send, 201, "done")

    return app


@ways
@virtually
async def test_read(way: str) -> None:
    """What only reads ends at once, as one that took too long, as kube-apiserver has it, whatever it waits for."""
    begun = asyncio.Event()
    client = Client(waiting(asyncio.Event(), begun), way)
    client.ask("GET", LIST)
    await begun.wait()
    client.go()
    await client.end()
    assert [record.code for record in client.log] == [504]
    assert asyncio.get_running_loop().time() == 0


@ways
async def test_write(way: str) -> None:
    """What writes goes on to its end, of which nobody is told."""
    ready, begun = asyncio.Event(), asyncio.Event()
    client = Client(waiting(ready, begun), way)
    client.ask("DELETE", LIST + "/x")
    await begun.wait()
    client.go()
    ready.set()
    written = await client.end()
    assert [record.code for record in client.log] == [201]
    assert not [data for data in written if b"done" in data]


@ways
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_gone_at_once(way: str, method: str) -> None:
    """A read whose client has gone before it could begin is not begun; a write is."""
    begun, ready = asyncio.Event(), asyncio.Event()
    ready.set()
    client = Client(waiting(ready, begun), way)
    client.ask(method, LIST)
    client.go()
    await client.end()
    assert begun.is_set() == (method == "DELETE")


@ways
@pytest.mark.parametrize("read", ["not yet", "in the middle"])
async def test_body_that_has_come(way: str, read: str) -> None:
    """What a write asked for is there to be read if it has come whole, whether somebody waited for it or not."""
    begun, ready, bodies = asyncio.Event(), asyncio.Event(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        if read == "not yet":
            await ready.wait()
        bodies.append(await read_body(receive, {}))
        assert (await receive())["type"] == "http.disconnect"
        await send_text(send, 201, "done")

    client = Client(app, way)
    client.ask("POST", LIST, length=4)
    client.send(b"{", end=False)
    await begun.wait()
    client.send(b"  }", end=True)
    client.go()
    ready.set()
    await client.end()
    assert (bodies, [record.code for record in client.log]) == ([b"{  }"], [201])


@ways
async def test_body_that_is_cut(way: str) -> None:
    """A write whose client goes in the middle of it is none."""
    begun, refused = asyncio.Event(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        try:
            await read_body(receive, {})
        except BadRequest as error:
            refused.append(str(error))
            await send_text(send, 400, "refused")

    client = Client(app, way)
    client.ask("POST", LIST, length=4)
    client.send(b"{", end=False)
    await begun.wait()
    client.go()
    await client.end()
    assert refused == ["unexpected EOF"]
