"""Whom a server that ends waits for, and whom not."""

import asyncio
import socket
from contextlib import closing
from typing import cast

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from apiserver.app import listen
from apiserver.http import connection
from apiserver.http.asgi import Receive, Scope, Send
from apiserver.http.drain import cut_stalled
from apiserver.settings import Settings
from http2 import frames
from tests.hyper import Hyper, request
from tests.unit import virtual_time
from tests.unit.pipe import Pipe
from tests.unit.wire import Wire, body, start

MORE_THAN_BUFFERS = 64 << 20
"""Bytes, more than two systems keep for a connection."""


class Noted(asyncio.Protocol):
    """A connection that is told whether its client takes anything."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.made, self.takes = asyncio.Event(), asyncio.Queue[bool]()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.made.set()

    def cut_stalled(self, takes: bool) -> None:
        self.takes.put_nowait(takes)

    async def until(self, takes: bool) -> None:
        while await self.takes.get() != takes:
            pass


async def client_that_reads_late() -> None:
    noted, loop = Noted(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: noted, "127.0.0.1")
    async with server:
        with closing(socket.create_connection(server.sockets[0].getsockname())) as client:
            client.setblocking(False)
            await noted.made.wait()
            noted.transport.write(bytes(MORE_THAN_BUFFERS))
            looking = asyncio.create_task(cut_stalled([noted]))
            assert await noted.takes.get()
            await noted.until(False)
            for _ in range(64):
                await loop.sock_recv(client, 1 << 16)
            await noted.until(True)
            noted.transport.abort()
            await noted.until(False)
            looking.cancel()


def test_what_a_client_takes() -> None:
    """A client that does not read takes nothing in the end, however much waits for it, and something once it reads. The
    first look decides nothing; one at a connection that was lost is harmless."""
    virtual_time.run(client_that_reads_late())


def test_clients_that_vanish() -> None:
    """A connection of the server's asks a client that is silent whether it is still there: a watch may be silent for
    long."""
    settings = Settings.load(["--standalone"]).model_copy(update={"secure_port": 0})
    with closing(listen(settings)) as listener, closing(socket.create_connection(listener.getsockname())):
        connection, _ = listener.accept()
        with closing(connection):
            assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 180


SIZE = 4 * frames.DEFAULT_WINDOW


async def long_answer(scope: Scope, receive: Receive, send: Send) -> None:
    """At /slow none, until the client goes."""
    if scope["path"] == "/slow":
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    await send(start())
    await send(body(b"x" * SIZE))


async def asked(*paths: str) -> tuple[Wire, list[int]]:
    """A connection whose client has asked for these, has room for more than one window, and gives none back."""
    wire = Wire(long_answer, Hyper(takes=False))
    await wire.settle()
    streams = [wire.client.ask(request("GET", path)) for path in paths]
    wire.client.connection.increment_flow_control_window(2 * SIZE)
    await wire.settle()
    return wire, streams


async def test_streams_that_nobody_takes() -> None:
    """An answer of which nothing was taken between two looks is reset; one that goes on, however slowly, is finished,
    and one that has not begun is waited for."""
    wire, (stuck, slow, none_yet) = await asked("/", "/", "/slow")
    for room in (1, 1, SIZE):
        wire.server.cut_stalled(takes=True)
        wire.client.connection.increment_flow_control_window(room, slow)
        await wire.settle()
    answers = wire.client.answers
    assert (answers[stuck].reset, answers[stuck].ended) == (frames.INTERNAL_ERROR, False)
    assert (len(answers[slow].body), answers[slow].ended) == (SIZE, True)
    assert none_yet not in answers
    assert set(wire.server.streams) == {none_yet}
    await wire.close()


@pytest.mark.parametrize("takes", [False, True])
async def test_socket_that_nobody_reads(takes: bool) -> None:
    """While the transport is full, streams wait without their fault: the connection is cut when its client takes
    nothing."""
    wire, (stream,) = await asked("/")
    wire.server.pause_writing()
    for _ in range(3):
        wire.server.cut_stalled(takes)
    assert (wire.pipe.closed, stream in wire.server.streams) == (not takes, True)
    await wire.close()


@pytest.mark.parametrize("takes", [False, True])
async def test_farewell_that_is_not_answered(takes: bool) -> None:
    """A connection that has closed, and whose client neither takes the rest nor answers, is cut."""
    wire, _ = await asked()
    wire.server.close()
    wire.server.cut_stalled(takes)
    assert wire.pipe.aborted == (not takes)
    await wire.close()


@pytest.mark.parametrize("takes", [False, True])
@pytest.mark.parametrize("state", ["no answer yet", "full", "answered"])
async def test_http_1(state: str, takes: bool) -> None:
    """Over HTTP/1.1 a connection is cut when its client takes nothing of what waits for it, not while its answer is
    being made."""
    going = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if state != "answered":
            await going.wait()
        await send(start())
        await send(body(b"ok"))

    pipe, server = Pipe(), connection.Protocol(Config(app, log_config=None), ServerState(), {})
    server.connection_made(pipe)
    server.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.sleep(0)
    if state == "full":
        server.pause_writing()
    server.shutdown()
    server.cut_stalled(takes)
    assert pipe.aborted == (state != "no answer yet" and not takes)
    server.connection_lost(None)
    going.set()
    await asyncio.gather(*server.tasks)
