"""What leaves a connection, write by write."""

import asyncio
import gc
import socket
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from apiserver.http.asgi import Receive, Scope, Send
from apiserver.http.body import read_body
from apiserver.http.connection import (
    HEADER_SECONDS,
    IDLE_SECONDS,
    MAX_FRAMING_BYTES,
    MAX_HEADER_BYTES,
    NEW_SECONDS,
    UNREAD_SECONDS,
    Protocol,
)
from apiserver.http.cycle import SEND_SECONDS
from tests.unit.pipe import Pipe
from tests.unit.virtual_time import be_busy, virtually

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
CHUNKED = {"type": "http.response.start", "status": 200, "headers": []}
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
OK = b"HTTP/1.1 200 "


Answer = Callable[[Scope, Send], Awaitable[None]]


async def connected(answer: Answer) -> tuple[Protocol, Pipe]:
    """A connection of an application that answers so."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(scope, send)

    pipe, protocol = Pipe(), Protocol(Config(app, log_config=None, proxy_headers=False), ServerState(), {})
    protocol.connection_made(pipe)
    return protocol, pipe


async def asked(answer: Answer, request: bytes = GET) -> Pipe:
    """The connection after one request."""
    protocol, pipe = await connected(answer)
    protocol.data_received(request)
    await asyncio.gather(*protocol.tasks)
    protocol.connection_lost(None)
    return pipe


def body(data: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def test_one_write() -> None:
    """Head and body of an answer leave in one write."""

    async def answer(_: Scope, send: Send) -> None:
        await send(START)
        await send(body(b"ok"))

    assert (await asked(answer)).written == [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"]


async def test_no_cycles() -> None:
    """Nothing of a request is left to the garbage collector once it is answered."""
    seen: list[weakref.ref[Any]] = []

    async def answer(scope: Scope, send: Send) -> None:
        seen.append(weakref.ref(scope["extensions"]["connection"].message_event))
        await send(START)
        await send(body(b"ok"))

    gc.disable()
    try:
        protocol, _ = await connected(answer)
        for _ in range(2):
            protocol.data_received(GET)
            await asyncio.gather(*protocol.tasks)
        assert [each() is None for each in seen] == [True, False]
    finally:
        gc.enable()
    protocol.connection_lost(None)


async def test_chunks() -> None:
    """Without a length the body is chunked; an empty first part sends the head at once."""

    async def answer(_: Scope, send: Send) -> None:
        await send(CHUNKED)
        for part in (b"", b"one"):
            await send(body(part, more=True))
        await send(body(b""))

    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    assert (await asked(answer)).written == [head, b"3\r\none\r\n", b"0\r\n\r\n"]


async def test_head_request() -> None:
    """The answer to HEAD has a head only, with the length that the body would have."""

    async def answer(_: Scope, send: Send) -> None:
        await send(START)
        await send(body(b"ok"))

    pipe = await asked(answer, b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert pipe.written == [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"]


@pytest.mark.parametrize("header", [(b"warning", b"a\nb"), (b"a\r\nb", b"c")])
async def test_header_with_a_line_break(header: tuple[bytes, bytes]) -> None:
    """A header that would become two is not sent; the connection ends."""

    async def answer(_: Scope, send: Send) -> None:
        await send({**START, "headers": [header]})

    pipe = await asked(answer)
    assert pipe.written == []
    assert pipe.closed


@pytest.mark.parametrize(("request_line", "kept"), [(b"GET / HTTP/1.1", True), (b"GET / HTTP/1.0", False)])
async def test_connection_is_kept(request_line: bytes, kept: bool) -> None:
    """An HTTP/1.1 client's connection stays open; another one is told that it ends."""

    async def answer(_: Scope, send: Send) -> None:
        await send(START)
        await send(body(b"ok"))

    protocol, pipe = await connected(answer)
    protocol.data_received(request_line + b"\r\nHost: x\r\n\r\n")
    await asyncio.gather(*protocol.tasks)
    assert pipe.closed is not kept
    assert (b"connection: close" in pipe.written[0]) is not kept
    protocol.connection_lost(None)


async def test_upgrade(caplog: pytest.LogCaptureFixture) -> None:
    """Who wants another protocol is answered in this one, and then the connection ends: what would follow, the parser
    does not read. Nobody is warned of it."""

    async def answer(_: Scope, send: Send) -> None:
        await send(START)
        await send(body(b"ok"))

    request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    pipe = await asked(answer, request + GET)
    assert pipe.written == [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"]
    assert pipe.closed
    assert not caplog.records


async def test_push() -> None:
    """What is pushed is a chunk of its own, after the head was sent, while the client reads, and before the end."""
    pushed: list[bool] = []

    async def answer(scope: Scope, send: Send) -> None:
        connection = scope["extensions"]["connection"]
        await send(CHUNKED)
        pushed.append(connection.push(b"too early"))
        await send(body(b"", more=True))
        pushed.append(connection.push(b"one"))
        connection.flow.pause_writing()
        pushed.append(connection.push(b"too much"))
        connection.flow.resume_writing()
        await send(body(b""))
        pushed.append(connection.push(b"too late"))

    pipe = await asked(answer)
    assert pushed == [False, True, False, False]
    assert pipe.written[1:] == [b"3\r\none\r\n", b"0\r\n\r\n"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_no_chunks_for_http_1_0(method: str) -> None:
    """HTTP/1.0 knows no chunks: a body without a length ends with the connection, and what is pushed is written as it
    is; nothing is pushed after the head that answers HEAD."""

    async def answer(scope: Scope, send: Send) -> None:
        await send(CHUNKED)
        await send(body(b"", more=True))
        assert scope["extensions"]["connection"].push(b"one")
        await send(body(b"two"))

    pipe = await asked(answer, f"{method} / HTTP/1.0\r\n\r\n".encode())
    assert b"".join(pipe.written) == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + b"onetwo" * (method == "GET")
    assert pipe.closed


async def test_expected_body_that_nobody_reads() -> None:
    """Who waits for 100 Continue and is answered otherwise is told that the connection ends: whether the body follows,
    nobody can tell."""

    async def answer(_: Scope, send: Send) -> None:
        await send(START)
        await send(body(b"ok"))

    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    pipe = await asked(answer, request)
    assert pipe.written == [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"]
    assert pipe.closed


async def test_client_of_two_requests_goes() -> None:
    """A request learns that its client is gone although another one waits behind it; that is not begun."""
    begun, received = list[str](), list[str]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun.append(scope["path"])
        while (kind := (await receive())["type"]) != "http.disconnect":
            received.append(kind)

    protocol = Protocol(Config(app, log_config=None, proxy_headers=False), ServerState(), {})
    protocol.connection_made(Pipe())
    protocol.data_received(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.sleep(0)
    protocol.connection_lost(None)
    await asyncio.gather(*protocol.tasks)
    assert (begun, received) == (["/1"], ["http.request"])


async def test_requests_that_wait() -> None:
    """Nothing is read while requests wait for another's end, though it asks for its body: each takes a hundred times
    its bytes of memory. The last one's body is read."""
    asked: asyncio.Queue[tuple[str, bool]] = asyncio.Queue()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        asked.put_nowait((scope["path"], pipe.reading))
        await send(START)
        await send(body(b"ok"))

    pipe, protocol = Pipe(), Protocol(Config(app, log_config=None, proxy_headers=False), ServerState(), {})
    protocol.connection_made(pipe)
    post = b"POST /%b HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n"
    protocol.data_received(b"x".join([post % path for path in (b"1", b"2", b"3")]))
    assert not pipe.reading
    assert [await asked.get(), await asked.get()] == [("/1", False), ("/2", False)]
    protocol.data_received(b"x")
    assert await asked.get() == ("/3", True)
    protocol.connection_lost(None)


async def test_requests_that_waited_in_vain() -> None:
    """Those that wait when their client goes are not left to the garbage collector."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"

    pipe, protocol = Pipe(), Protocol(Config(app, log_config=None, proxy_headers=False), ServerState(), {})
    protocol.connection_made(pipe)
    gc.disable()
    try:
        protocol.data_received(GET * 3)
        waiting = [weakref.ref(cycle) for cycle, _ in protocol.pipeline]
        await asyncio.sleep(0)
        protocol.connection_lost(None)
        await asyncio.gather(*protocol.tasks)
        del protocol
        assert (len(waiting), [cycle() for cycle in waiting]) == (2, [None, None])
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "framing", [b"0\r\nx: %b", b"1; %b", b"1\r\nx\r\n1;%b"], ids=["trailers", "extension", "later extension"]
)
async def test_framing_without_end(framing: bytes) -> None:
    """A client that goes on and on about a body without sending any of it is cut off; the parser would hold trailers
    whole, and copy all of them for each part."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    pipe, protocol = Pipe(), Protocol(Config(app, log_config=None, proxy_headers=False), ServerState(), {})
    protocol.connection_made(pipe)
    protocol.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    protocol.data_received(framing % b"x")
    sent = 0
    while not pipe.closed and sent < 2 * MAX_FRAMING_BYTES:
        protocol.data_received(b"x" * 1024)
        sent += 1024
    assert sent <= MAX_FRAMING_BYTES + 1024
    protocol.connection_lost(None)
    await asyncio.gather(*protocol.tasks)


async def test_body_in_many_chunks() -> None:
    """However small the chunks are that it comes in, a body that comes is taken."""
    size = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal size
        more = True
        while more:
            message = await receive()
            size, more = size + len(message["body"]), message["more_body"]
        await send(START)
        await send(body(b"ok"))

    pipe, protocol = Pipe(), Protocol(Config(app, log_config=None, proxy_headers=False), ServerState(), {})
    protocol.connection_made(pipe)
    protocol.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(4):
        protocol.data_received(b"1\r\nx\r\n" * 4096)
    protocol.data_received(b"0\r\nt: 1\r\n\r\n")
    await asyncio.gather(*protocol.tasks)
    assert (size, pipe.closed) == (4 * 4096, False)
    protocol.connection_lost(None)


async def test_many_short_headers() -> None:
    """Headers count more than their bytes, as in HTTP/2: each takes a hundred bytes of memory, whatever it says."""

    async def answer(_: Scope, send: Send) -> None:
        await send(START)
        await send(body(b"ok"))

    protocol, pipe = await connected(answer)
    protocol.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n")
    sent = 0
    while not pipe.closed and sent < MAX_HEADER_BYTES:
        protocol.data_received(b"a:\r\n" * 4096)
        sent += 4 * 4096
    assert pipe.written[0].startswith(b"HTTP/1.1 431 ")
    assert sent < MAX_HEADER_BYTES // 7
    protocol.connection_lost(None)


async def test_idle_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that was idle for long enough is closed; data that came meanwhile keeps it."""

    async def answer(_: Scope, send: Send) -> None:
        await send(START)
        await send(body(b"ok"))

    protocol, pipe = await connected(answer)
    protocol.data_received(GET)
    await asyncio.gather(*protocol.tasks)
    protocol.timeout_keep_alive_handler()
    assert not pipe.closed
    now = protocol.loop.time()
    monkeypatch.setattr(protocol, "loop", _Clock(now + IDLE_SECONDS))
    protocol.timeout_keep_alive_handler()
    assert pipe.closed


async def say_ok(_: Scope, send: Send) -> None:
    await send(START)
    await send(body(b"ok"))


def ok_when(ready: asyncio.Event) -> Answer:
    async def answer(scope: Scope, send: Send) -> None:
        await ready.wait()
        await say_ok(scope, send)

    return answer


async def over_sockets() -> tuple[Protocol, socket.socket]:
    """A connection whose client has been answered once, and now says nothing."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await say_ok(scope, send)

    loop, (ours, client) = asyncio.get_running_loop(), socket.socketpair()
    protocol = Protocol(Config(app, log_config=None, proxy_headers=False), ServerState(), {})
    client.setblocking(False)
    await loop.connect_accepted_socket(lambda: protocol, ours)
    client.send(GET)
    assert (await loop.sock_recv(client, 1000)).startswith(OK)
    return protocol, client


@virtually
async def test_request_that_comes_with_the_end_of_patience() -> None:
    """A request that has come when the time of an idle connection is over is answered, though it was not read yet:
    timers run first after whatever the event loop was busy with. Then the time begins again."""
    loop = asyncio.get_running_loop()
    protocol, client = await over_sockets()

    def send_late() -> None:
        client.send(GET)
        be_busy(1)

    with client:
        assert protocol.timeout_keep_alive_task is not None
        over = protocol.timeout_keep_alive_task.when()
        # So little before that both have their turn together, this one first.
        loop.call_at(over - 1e-10, send_late)
        assert (await loop.sock_recv(client, 1000)).startswith(OK)
        assert await loop.sock_recv(client, 1000) == b""
        assert loop.time() > over + IDLE_SECONDS - 1


@virtually
async def test_request_that_comes_with_the_end() -> None:
    """A request that has come when the server ends, though it was not read yet, is answered; then the connection
    ends."""
    loop = asyncio.get_running_loop()
    protocol, client = await over_sockets()
    with client:
        client.send(GET)
        protocol.shutdown()
        assert (await loop.sock_recv(client, 1000)).startswith(OK)
        assert await loop.sock_recv(client, 1000) == b""


@virtually
async def test_half_a_request_at_the_end() -> None:
    """A server that ends waits for the rest of a request that has begun to come, and answers it."""
    protocol, pipe = await connected(say_ok)
    protocol.data_received(GET)
    await asyncio.gather(*protocol.tasks)
    protocol.data_received(GET[:10])
    protocol.shutdown()
    await asyncio.sleep(1)
    assert not pipe.closed
    protocol.data_received(GET[10:])
    await asyncio.sleep(1)
    assert (len(pipe.written), pipe.closed) == (2, True)
    protocol.connection_lost(None)


@virtually
async def test_new_connection_at_the_end() -> None:
    """A server that ends waits for the first request of a new connection, which its client would not send again, but
    not for long."""
    (silent, pipe), (protocol, used) = await connected(say_ok), await connected(say_ok)
    silent.shutdown()
    protocol.shutdown()
    await asyncio.sleep(NEW_SECONDS / 2)
    assert not pipe.closed
    protocol.data_received(GET)
    await asyncio.sleep(NEW_SECONDS)
    assert (len(used.written), used.closed, pipe.closed) == (1, True, True)
    silent.connection_lost(None)
    protocol.connection_lost(None)


class _Clock:
    """An event loop at that time."""

    def __init__(self, now: float) -> None:
        self.time = lambda: now


HOSTS = {
    b"Host: a\r\n": b"ok",
    b"Host: [::1]:8443\r\n": b"ok",
    b"Host:\r\n": b"ok",
    b"": b"400 Bad Request: missing required Host header",
    b"Host: a \t\r\n": b"ok",
    b"Host: a b\r\n": b"400 Bad Request: malformed Host header",
    b"Host: a/b\r\n": b"400 Bad Request: malformed Host header",
    b"Host: a\r\nHost: a\r\n": b"400 Bad Request",
}


@pytest.mark.parametrize(("headers", "wanted"), HOSTS.items())
async def test_one_host(headers: bytes, wanted: bytes) -> None:
    """A request of HTTP/1.1 is for one host, or it is refused in Go's words and nobody sees it; one of HTTP/1.0 may be
    for none."""

    async def answer(_: Scope, send: Send) -> None:
        await send(START)
        await send(body(b"ok"))

    head, _, told = b"".join((await asked(answer, b"GET / HTTP/1.1\r\n%b\r\n" % headers)).written).partition(
        b"\r\n\r\n"
    )
    code, closes = (b"200", False) if wanted == b"ok" else (b"400", True)
    assert (head.split(b" ")[1], b"connection: close" in head, told) == (code, closes, wanted)
    assert (await asked(answer, b"GET / HTTP/1.0\r\n\r\n")).written[0].startswith(b"HTTP/1.1 200 ")


POST = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
NO_REQUESTS = {
    "no HTTP": ([b"hello\r\n\r\n"], b"400"),
    "no HTTP in a head": ([b"GET / HTTP/1.1\r\nHost x\r\n\r\n"], b"400"),
    "no path": ([b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n"], b"400"),
    "no URL": ([b"GET http://[/ HTTP/1.1\r\nHost: x\r\n\r\n"], b"400"),
    "no body": ([POST + b"hello\r\n"], b"400"),
    "a head that is too large": ([b"GET / HTTP/1.1\r\nx: ", bytes(2 * MAX_HEADER_BYTES).replace(b"\0", b"x")], b"431"),
    "framing without end": ([POST + b"1;x", b"x" * (MAX_FRAMING_BYTES + 1)], b""),
}


@pytest.mark.parametrize("no_request", NO_REQUESTS)
@pytest.mark.parametrize("before", [1, 2])
async def test_no_request_behind_others(no_request: str, before: int) -> None:
    """What is no request is refused in its turn: who asked before is answered, or would not know what was done. What
    follows is not looked at."""
    begun, ready = list[str](), asyncio.Event()

    async def answer(scope: Scope, send: Send) -> None:
        begun.append(scope["method"])
        await ok_when(ready)(scope, send)

    protocol, pipe = await connected(answer)
    protocol.data_received(GET * before)
    parts, code = NO_REQUESTS[no_request]
    for part in (*parts, GET):
        protocol.data_received(part)
    assert not pipe.closed
    ready.set()
    while protocol.tasks:
        await asyncio.gather(*protocol.tasks)
    answers = b"".join(pipe.written).split(b"HTTP/1.1 ")[1:]
    assert [each[:3] for each in answers] == [*[b"200"] * before, *([code] if code else [])]
    assert (begun, pipe.closed) == (["GET"] * before, True)
    protocol.connection_lost(None)


@pytest.mark.parametrize(
    "no_request", [name for name, (parts, _) in NO_REQUESTS.items() if not parts[0].startswith(POST)]
)
@pytest.mark.parametrize("before", [b"", GET])
async def test_no_request_and_no_other(no_request: str, before: bytes) -> None:
    """Where nobody waits for an answer it is refused at once, and nothing of it is left to the garbage collector."""
    protocol, pipe = await connected(say_ok)
    if before:
        protocol.data_received(before)
        await asyncio.gather(*protocol.tasks)
    pipe.written.clear()
    parts, code = NO_REQUESTS[no_request]
    gc.disable()
    try:
        for part in (*parts, GET):
            protocol.data_received(part)
        assert [data.split()[1] for data in pipe.written] == [code]
        assert pipe.closed
        assert not protocol.tasks
        protocol.connection_lost(None)
        left = weakref.ref(protocol)
        del protocol
        assert left() is None
    finally:
        gc.enable()


@virtually
async def test_client_that_reads_nothing() -> None:
    """Who takes nothing of an answer, and asks for more, loses the connection, though no time limit is for that."""

    protocol, pipe = await connected(say_ok)
    pipe.on_write = protocol.pause_writing
    protocol.data_received(GET * 2)
    await asyncio.sleep(SEND_SECONDS)
    await asyncio.sleep(1)
    assert (len(pipe.written), pipe.aborted, len(protocol.tasks)) == (1, True, 0)
    protocol.connection_lost(None)


@virtually
async def test_head_that_takes_too_long_behind_another() -> None:
    """Who has half of a next request on its way is answered all the same."""
    ready = asyncio.Event()
    protocol, pipe = await connected(ok_when(ready))
    protocol.data_received(GET + b"GET / HTTP/1.1\r\n")
    await asyncio.sleep(HEADER_SECONDS)
    await asyncio.sleep(1)
    assert not pipe.closed
    ready.set()
    await asyncio.gather(*protocol.tasks)
    assert (len(pipe.written), pipe.closed) == (1, True)
    protocol.connection_lost(None)


@virtually
async def test_head_whose_rest_we_do_not_read() -> None:
    """While requests wait nothing more is read, and the next one's time has not begun."""
    ready = asyncio.Event()
    protocol, pipe = await connected(ok_when(ready))
    protocol.data_received(GET * 2 + GET[:-10])
    assert not pipe.reading
    await asyncio.sleep(2 * HEADER_SECONDS)
    ready.set()
    while protocol.tasks:
        await asyncio.gather(*protocol.tasks)
    assert pipe.reading
    await asyncio.sleep(HEADER_SECONDS - 1)
    assert (len(pipe.written), pipe.closed) == (2, False)
    await asyncio.sleep(2)
    assert pipe.closed
    protocol.connection_lost(None)


@virtually
async def test_request_that_begins_while_another_is_answered() -> None:
    """Its body may take its time: it is not the rest of the other's."""
    ready, bodies = asyncio.Event(), list[bytes]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await ready.wait()
        bodies.append(await read_body(receive, {}))
        await say_ok(scope, send)

    pipe, protocol = Pipe(), Protocol(Config(app, log_config=None, proxy_headers=False), ServerState(), {})
    protocol.connection_made(pipe)
    protocol.data_received(GET + POST[:-10])
    ready.set()
    await asyncio.gather(*protocol.tasks)
    protocol.data_received(POST[-10:])
    await asyncio.sleep(2 * UNREAD_SECONDS)
    protocol.data_received(b"2\r\nab\r\n0\r\n\r\n")
    await asyncio.gather(*protocol.tasks)
    assert (bodies, len(pipe.written), pipe.closed) == ([b"", b"ab"], 2, False)
    protocol.connection_lost(None)


@pytest.mark.parametrize("more", [True, False])
async def test_body_that_is_none_while_it_is_answered(more: bool) -> None:
    """An answer is written to its end, and nothing follows it that would pass for another's."""
    begun, ready = asyncio.Event(), asyncio.Event()

    async def answer(_: Scope, send: Send) -> None:
        await send(CHUNKED)
        await send(body(b"part", more))
        begun.set()
        if more:
            await ready.wait()
            await send(body(b"rest"))

    protocol, pipe = await connected(answer)
    protocol.data_received(POST)
    await begun.wait()
    protocol.data_received(b"hello\r\n")
    assert pipe.closed != more
    ready.set()
    await asyncio.gather(*protocol.tasks)
    written = b"".join(pipe.written)
    assert (written.count(b"HTTP/1.1 "), written.endswith(b"0\r\n\r\n"), pipe.closed) == (1, True, True)
    protocol.connection_lost(None)


async def test_body_that_is_none() -> None:
    """A request whose body cannot be read is told so at once: its end will not come."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    pipe, protocol = Pipe(), Protocol(Config(app, log_config=None, proxy_headers=False), ServerState(), {})
    protocol.connection_made(pipe)
    protocol.data_received(POST + b"hello\r\n")
    assert b"".join(pipe.written).startswith(b"HTTP/1.1 400 ")
    assert pipe.closed
    protocol.connection_lost(None)
    await asyncio.gather(*protocol.tasks)


async def test_no_http() -> None:
    """What is no HTTP is told so in Go's words."""

    async def answer(_: Scope, send: Send) -> None:
        raise AssertionError("the application has been asked")

    pipe = await asked(answer, b"hello\r\n\r\n")
    assert b"".join(pipe.written).endswith(b"\r\n\r\n400 Bad Request")
    assert pipe.closed
