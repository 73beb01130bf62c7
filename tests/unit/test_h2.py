"""HTTP/2 as a client that is not ours sees it, in memory."""

import asyncio
import gc
import weakref
from typing import Any

import pytest
from hpack import Encoder

from apiserver.http import h2
from apiserver.http.asgi import Receive, Scope, Send
from apiserver.http.connection import HEADER_SECONDS, IDLE_SECONDS, MAX_HEADER_LIST
from http2 import connection, frames, hpack
from tests.hyper import Header, Hyper, request
from tests.unit.virtual_time import virtually
from tests.unit.wire import Wire, body, say_ok, start

STREAMS_AT_ONCE = 20


async def receive_all(receive: Receive) -> bytes:
    data, more = b"", True
    while more:
        message = await receive()
        data += message["body"]
        more = message["more_body"]
    return data


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    data = await receive_all(receive)
    await send(start())
    await send(body(data))


async def test_scope() -> None:
    """A request looks as over HTTP/1.1: a host, one cookie, the path decoded; nothing begins with a colon."""
    wire = Wire(say_ok)
    answer = await wire.ask((b"cookie", b"a=1"), (b"accept", b"*/*"), (b"cookie", b"b=2"), path="/a%20b/c?d=e&f")
    (scope,) = wire.seen
    assert (scope["method"], scope["http_version"], scope["scheme"]) == ("GET", "2", "https")
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/a b/c", b"/a%20b/c", b"d=e&f")
    assert scope["headers"] == [(b"host", b"x"), (b"accept", b"*/*"), (b"cookie", b"a=1; b=2")]
    assert (answer.headers, answer.body) == ([(b":status", b"200"), (b"content-length", b"2")], b"ok")
    await wire.close()


async def test_one_write() -> None:
    """All answers of a moment leave in one write, head and body."""
    wire = Wire(say_ok)
    await wire.settle()
    for _ in range(STREAMS_AT_ONCE):
        wire.client.ask(request("GET", "/"))
    wire.say(wire.client.to_send())
    await asyncio.gather(*wire.state.tasks)
    await asyncio.sleep(0)
    assert len(wire.pipe.written) == 1
    await wire.settle()
    assert {answer.body for answer in wire.client.answers.values() if answer.ended} == {b"ok"}
    assert wire.state.total_requests == len(wire.client.answers) == STREAMS_AT_ONCE
    await wire.close()


async def test_default_headers() -> None:
    """What uvicorn adds to each answer is there."""
    wire = Wire(say_ok)
    wire.state.default_headers = [(b"date", b"today")]
    assert (b"date", b"today") in (await wire.ask()).headers
    await wire.close()


@pytest.mark.parametrize("parts", [(b"none",), (b"no", b"ne"), (b"", b"none"), (b"none", b"")])
@pytest.mark.parametrize(("method", "code"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_no_body(method: str, code: int, parts: tuple[bytes, ...]) -> None:
    """HEAD, 204 and 304 have none, whatever the application sends; a content-length stays."""
    length = [(b"content-length", b"4")] if method == "HEAD" else []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(code, *length))
        for number, part in enumerate(parts, 1):
            await send(body(part, more=number < len(parts)))

    wire = Wire(app)
    answer = await wire.ask(method=method)
    assert (answer.body, answer.ended, answer.headers[1:]) == (b"", True, length)
    await wire.close()


@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 200_000])
async def test_bodies(size: int) -> None:
    """A request's body and an answer's come whole, of any size."""
    wire = Wire(echo)
    await wire.settle()
    data = bytes(range(256)) * (size // 256 + 1)
    assert (await wire.ask(method="POST", body=data[:size])).body == data[:size]
    await wire.close()


async def test_window_is_given_back_as_the_application_takes() -> None:
    """What nobody takes fills the stream's window and no more; then the client waits, and other streams do not."""
    taking = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            await taking.wait()
        await echo(scope, receive, send)

    wire = Wire(app)
    await wire.settle()
    stream = wire.client.ask(request("POST", "/slow"), b"x" * h2.STREAM_WINDOW, end=False)
    await wire.settle()
    assert wire.client.room(stream) == 0
    assert (await wire.ask(method="POST", body=b"quick")).body == b"quick"
    taking.set()
    await wire.settle()
    assert wire.client.room(stream) == h2.STREAM_WINDOW
    wire.client.send(stream, b"y", end=True)
    await wire.settle()
    assert len(wire.client.answers[stream].body) == h2.STREAM_WINDOW + 1
    await wire.close()


async def test_expected_body() -> None:
    """100 Continue is said when the application wants the body."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await echo(scope, receive, send)

    wire = Wire(app)
    stream = wire.client.ask(request("POST", "/", (b"expect", b"100-continue")), end=False)
    wire.say(wire.client.to_send())
    for _ in range(3):
        await asyncio.sleep(0)
    assert frames.headers(stream, hpack.encode([(b":status", b"100")]), end=False) in b"".join(wire.pipe.written)
    wire.client.send(stream, b"data", end=True)
    await wire.settle()
    assert wire.client.answers[stream].body == b"data"
    await wire.close()


async def test_client_that_reads_slowly() -> None:
    """An answer is sent as far as its stream's window goes; the application waits meanwhile, others are answered."""
    wrote = list[int]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        for number in range(4):
            await send(body(b"x" * 65_535, more=True))
            wrote.append(number)
        await send(body(b""))

    wire = Wire(app, Hyper(takes=False))
    stream = wire.client.ask(request("GET", "/"))
    # The other windows are the connection's.
    wire.client.connection.increment_flow_control_window(1 << 20)
    await wire.settle()
    assert (wrote, len(wire.client.answers[stream].body)) == ([0, 1], 65_535)
    for expected in (2, 3, 4):
        wire.client.connection.increment_flow_control_window(65_535, stream)
        await wire.settle()
        assert len(wire.client.answers[stream].body) == expected * 65_535
    assert wire.client.answers[stream].ended
    await wire.close()


async def test_connection_window() -> None:
    """Streams share the connection's window in turns; each goes on when there is room again."""
    size = 150_000

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"x" * size))

    wire = Wire(app, Hyper(takes=False))
    wire.client.connection.update_settings({4: 1 << 20})
    streams = [wire.client.ask(request("GET", "/")) for _ in range(3)]
    await wire.settle()
    assert sum(len(wire.client.answers[stream].body) for stream in streams) == frames.DEFAULT_WINDOW
    wire.client.connection.increment_flow_control_window(3 * frames.QUANTUM)
    await wire.settle()
    assert all(wire.client.answers[stream].body for stream in streams)
    wire.client.connection.increment_flow_control_window(3 * size)
    await wire.settle()
    assert [(len(wire.client.answers[stream].body), wire.client.answers[stream].ended) for stream in streams] == [
        (size, True)
    ] * 3
    await wire.close()


async def test_end_needs_no_room() -> None:
    """An answer that fills the window exactly ends all the same."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"x" * frames.DEFAULT_WINDOW, more=True))
        await send(body(b""))

    wire = Wire(app, Hyper(takes=False))
    answer = await wire.ask()
    assert (len(answer.body), answer.ended) == (frames.DEFAULT_WINDOW, True)
    await wire.close()


async def test_push() -> None:
    """What is pushed leaves after the head was sent, while the client reads, and before the end."""
    pushed = list[bool]()
    slow = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        push = scope["extensions"]["connection"].push
        await send(start())
        pushed.append(push(b"too early"))
        await send(body(b"", more=True))
        pushed.extend((push(b"x" * frames.DEFAULT_WINDOW), push(b"waits"), push(b"too much")))
        await slow.wait()
        await send(body(b""))
        pushed.append(push(b"too late"))

    wire = Wire(app, Hyper(takes=False))
    stream = wire.client.ask(request("GET", "/"))
    await wire.settle()
    assert pushed == [False, True, True, False]
    wire.client.connection.increment_flow_control_window(5)
    wire.client.connection.increment_flow_control_window(5, stream)
    slow.set()
    await wire.settle()
    assert wire.client.answers[stream].body == b"x" * frames.DEFAULT_WINDOW + b"waits"
    assert pushed[4:] == [False]
    await wire.close()


async def test_full_transport() -> None:
    """While the transport is full nobody sends, then all go on."""
    wire = Wire(say_ok)
    await wire.settle()
    wire.server.pause_writing()
    stream = wire.client.ask(request("GET", "/"))
    await wire.settle()
    assert stream not in wire.client.answers
    wire.server.resume_writing()
    await wire.settle()
    assert wire.client.answers[stream].body == b"ok"
    await wire.close()


async def test_abort() -> None:
    """Cutting an answer resets its stream; the others go on."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        if scope["path"] == "/abort":
            scope["extensions"]["connection"].abort()
        await send(body(b"ok"))

    wire = Wire(app)
    assert (await wire.ask(path="/abort")).reset == frames.INTERNAL_ERROR
    assert (await wire.ask()).body == b"ok"
    await wire.close()


@pytest.mark.parametrize("lost", [False, True])
async def test_client_goes(lost: bool) -> None:
    """A request learns that its client has reset the stream, or is gone; what it sends then goes nowhere."""
    received = list[str]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"begun", more=True))
        while (kind := (await receive())["type"]) != "http.disconnect":
            received.append(kind)
        await send(body(b"nobody reads this"))
        assert not scope["extensions"]["connection"].push(b"nor this")

    wire = Wire(app)
    stream = wire.client.ask(request("GET", "/"))
    await wire.settle()
    if lost:
        wire.server.connection_lost(ConnectionResetError())
    else:
        wire.client.connection.reset_stream(stream, frames.CANCEL)
    await wire.settle()
    assert (received, wire.client.answers[stream].body) == (["http.request"], b"begun")
    assert not wire.state.tasks
    await wire.close()


async def test_answer_before_the_request_has_ended() -> None:
    """Who is answered before its body came is told that it need not send it (RFC 9113 section 8.1); what it had sent
    harms nobody."""
    wire = Wire(say_ok)
    await wire.settle()
    stream = wire.client.ask(request("POST", "/"), end=False)
    wire.client.send(stream, b"some")
    late = frames.header(4, frames.DATA, 0, stream) + b"more"
    await wire.settle()
    answer = wire.client.answers[stream]
    assert (answer.body, answer.ended, answer.reset) == (b"ok", True, frames.NO_ERROR)
    wire.say(late)
    assert (await wire.ask()).body == b"ok"
    await wire.close()


async def test_a_stream_that_both_have_reset() -> None:
    """What was on its way when we reset a stream is dropped; what comes after the client's own reset is an error."""
    wire = Wire(say_ok)
    await wire.settle()
    block = hpack.encode(GET)
    wire.say(frames.headers(1, block, end=False))
    await asyncio.gather(*wire.state.tasks)
    wire.say(frames.headers(1, block, end=True) + frames.rst_stream(1, frames.CANCEL))
    assert not wire.pipe.closed
    wire.say(frames.headers(1, block, end=True))
    assert wire.pipe.closed
    await wire.close()


@pytest.mark.parametrize("begun", [False, True])
async def test_application_fails(begun: bool) -> None:
    """A fault before the answer is 500, one within it resets the stream; the connection lives on."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/ok":
            await say_ok(scope, receive, send)
            return
        if begun:
            await send(start())
            await send(body(b"half", more=True))
        raise RuntimeError("a fault")

    wire = Wire(app)
    answer = await wire.ask()
    assert (answer.code, answer.reset) == ((200, frames.INTERNAL_ERROR) if begun else (500, -1))
    assert (await wire.ask(path="/ok")).body == b"ok"
    await wire.close()


async def test_header_with_a_line_break() -> None:
    """A header that would become two behind a proxy is not sent."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(200, (b"warning", b"a\nb: c")))

    wire = Wire(app)
    answer = await wire.ask()
    assert (answer.code, b"warning" in dict(answer.headers)) == (500, False)
    await wire.close()


async def test_no_cycles() -> None:
    """Nothing of a request is left to the garbage collector once it is answered."""
    seen = list[weakref.ref[Any]]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(weakref.ref(scope["extensions"]["connection"]))
        await echo(scope, receive, send)

    wire = Wire(app)
    gc.disable()
    try:
        await wire.ask(method="POST", body=b"x")
        wire.seen.clear()
        await wire.ask()
        wire.seen.clear()
        assert [each() for each in seen] == [None, None]
    finally:
        gc.enable()
    await wire.close()


async def test_scheme_of_a_proxy() -> None:
    """A proxy that was asked without TLS may say so, as some do; the request came with TLS."""
    wire = Wire(say_ok)
    await wire.settle()
    wire.say(frames.headers(1, hpack.encode(fields(scheme="http")), end=True))
    await asyncio.gather(*wire.state.tasks)
    assert [scope["scheme"] for scope in wire.seen] == ["https"]
    await wire.close()


# Requests that are none


def fields(**changes: str) -> list[Header]:
    """A request's header list, with other pseudo-headers; "" for none."""
    pseudo = {"method": "GET", "scheme": "https", "authority": "x", "path": "/"} | changes
    return [(f":{name}".encode(), value.encode()) for name, value in pseudo.items() if value]


GET = fields()
MALFORMED: dict[str, list[Header]] = {
    "no method": fields(method=""),
    "no scheme": fields(scheme=""),
    "no path": fields(path=""),
    "another scheme": fields(scheme="ftp"),
    "method of other characters": fields(method="GET /x"),
    "CONNECT": fields(method="CONNECT"),
    "path without a slash": fields(path="x"),
    "path with a space": fields(path="/ HTTP/1.1"),
    "path with a line break": fields(path="/\r\nx-remote-user: root"),
    "absolute path": fields(path="https://x/"),
    "path that is not ASCII": fields(path="/ä"),
    "authority with a user": fields(authority="me@x"),
    "method twice": [*GET, (b":method", b"GET")],
    "unknown pseudo-header": [*GET, (b":protocol", b"websocket")],
    "pseudo-header of an answer": [*GET, (b":status", b"200")],
    "pseudo-header after others": [*GET[:3], (b"a", b"b"), GET[3]],
    "capital in a name": [*GET, (b"X-Remote-User", b"root")],
    "name with a space": [*GET, (b"a b", b"c")],
    "name with a colon": [*GET, (b"x-remote-user: root", b"c")],
    "name with a line break": [*GET, (b"a\nx-remote-user", b"root")],
    "empty name": [*GET, (b"", b"b")],
    "value with a line break": [*GET, (b"a", b"b\r\nx-remote-user: root")],
    "value with a lone line feed": [*GET, (b"a", b"b\nx-remote-user: root")],
    "value with NUL": [*GET, (b"a", b"b\0")],
    "another host": [*GET, (b"host", b"y")],
    "connection": [*GET, (b"connection", b"keep-alive")],
    "keep-alive": [*GET, (b"keep-alive", b"timeout=5")],
    "proxy-connection": [*GET, (b"proxy-connection", b"close")],
    "transfer-encoding": [*GET, (b"transfer-encoding", b"chunked")],
    "upgrade": [*GET, (b"upgrade", b"h2c")],
    "te": [*GET, (b"te", b"gzip"), (b"te", b"trailers")],
    "length of a body that is not there": [*GET, (b"content-length", b"5")],
    "two lengths": [*GET, (b"content-length", b"0"), (b"content-length", b"1")],
    "length that is no number": [*GET, (b"content-length", b"+0")],
    "empty length": [*GET, (b"content-length", b"")],
}


@pytest.mark.parametrize("headers", MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed_request(headers: list[Header]) -> None:
    """It is reset, and nobody sees it; the connection lives on (RFC 9113 section 8.1.1)."""
    wire = Wire(say_ok)
    await wire.settle()
    wire.say(frames.headers(1, Encoder().encode(headers), end=True))
    assert not wire.state.tasks
    await asyncio.sleep(0)
    assert frames.rst_stream(1, frames.PROTOCOL_ERROR) in b"".join(wire.pipe.written)
    wire.say(frames.headers(3, hpack.encode(GET), end=True))
    await asyncio.gather(*wire.state.tasks)
    assert len(wire.seen) == 1
    await wire.close()


@pytest.mark.parametrize(
    "headers", [[], [(b"te", b"trailers")], [(b"host", b"x")], [(b"content-length", b"0"), (b"content-length", b"0")]]
)
async def test_odd_requests(headers: list[Header]) -> None:
    """What is unusual, but not malformed."""
    wire = Wire(say_ok)
    wire.client.ask([*GET, *headers])
    await wire.settle()
    assert wire.client.answers[1].body == b"ok"
    await wire.close()


@pytest.mark.parametrize("sent", [b"", b"123", b"12345"])
async def test_body_of_another_length(sent: bytes) -> None:
    """A body that is not as long as was declared is reset, and the application does not get it as whole."""
    got = list[str]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            got.append("whole" if not message.get("more_body", True) else message["type"])
            if got[-1] != "http.request":
                return

    wire = Wire(app)
    answer = await wire.ask((b"content-length", b"4"), method="POST", body=sent)
    assert answer.reset == frames.PROTOCOL_ERROR
    assert "whole" not in got
    await wire.close()


ENDS = {
    "too short": frames.header(0, frames.DATA, frames.END_STREAM, 1),
    "too long": frames.header(3, frames.DATA, frames.END_STREAM, 1) + b"345",
    "malformed trailers": frames.headers(1, hpack.encode([(b":path", b"/other")]), end=True),
}


@pytest.mark.parametrize("end", ENDS)
async def test_body_whose_end_is_none(end: str) -> None:
    """Nor does it when it reads only after the reset."""
    ready, got = asyncio.Event(), list[str]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await ready.wait()
        got.append((await receive())["type"])

    wire = Wire(app)
    head = [*request("POST", "/"), (b"content-length", b"4")]
    await wire.settle()
    wire.say(frames.headers(1, hpack.encode(head), end=False) + frames.header(2, frames.DATA, 0, 1) + b"12" + ENDS[end])
    ready.set()
    await asyncio.gather(*wire.state.tasks)
    await asyncio.sleep(0)
    assert frames.rst_stream(1, frames.PROTOCOL_ERROR) in b"".join(wire.pipe.written)
    assert got == ["http.disconnect"]
    await wire.close()


TRAILERS = [(b"x-remote-user", b"root"), (b"authorization", b"Bearer secret"), (b"x-other", b"1")]


async def test_trailers_are_no_headers() -> None:
    """They end the request, and add nothing to it."""
    wire = Wire(echo)
    stream = wire.client.ask(request("POST", "/"), b"data", end=False)
    wire.client.connection.send_headers(stream, TRAILERS, end_stream=True)
    await wire.settle()
    assert (wire.client.answers[stream].body, wire.seen[0]["headers"]) == (b"data", [(b"host", b"x")])
    await wire.close()


@pytest.mark.parametrize(
    ("trailers", "end"), [(TRAILERS, False), ([(b":path", b"/other")], True), ([(b"Capital", b"")], True)]
)
async def test_malformed_trailers(trailers: list[Header], end: bool) -> None:
    """Trailers that do not end the request, or are no headers, reset it."""
    wire = Wire(echo)
    await wire.settle()
    wire.say(frames.headers(1, hpack.encode(GET), end=False) + frames.headers(1, hpack.encode(trailers), end=end))
    await asyncio.gather(*wire.state.tasks)
    await asyncio.sleep(0)
    assert frames.rst_stream(1, frames.PROTOCOL_ERROR) in b"".join(wire.pipe.written)
    await wire.close()


# Limits


async def test_too_many_streams() -> None:
    """One stream more than was allowed is refused, and may be tried again; the others are served."""
    going = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await going.wait()
        await say_ok(scope, receive, send)

    wire = Wire(app)
    for _ in range(h2.MAX_STREAMS):
        wire.client.ask(request("GET", "/"))
    await wire.settle()
    last = 2 * h2.MAX_STREAMS + 1
    wire.say(frames.headers(last, hpack.encode(GET), end=True))
    await asyncio.sleep(0)
    assert frames.rst_stream(last, frames.REFUSED_STREAM) in b"".join(wire.pipe.written)
    wire.pipe.written.clear()
    going.set()
    await wire.settle()
    assert [answer.body for answer in wire.client.answers.values()] == [b"ok"] * h2.MAX_STREAMS
    await wire.close()


async def test_rapid_reset() -> None:
    """A request that its client has reset counts until it has ended (CVE-2023-44487): others wait, and who makes too
    many of them wait is cut off."""
    going = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await going.wait()

    wire = Wire(app)
    await wire.settle()
    block, cancel = hpack.encode(GET), frames.CANCEL
    numbers = range(1, 2 * h2.MAX_STREAMS + 2 * h2.MAX_WAITING, 2)
    asked = [frames.headers(number, block, end=True) + frames.rst_stream(number, cancel) for number in numbers]
    wire.say(b"".join(asked))
    await asyncio.sleep(0)
    assert (len(wire.seen), wire.pipe.closed) == (h2.MAX_STREAMS, False)
    wire.say(frames.headers(numbers.stop + 1, block, end=True))
    assert wire.pipe.closed
    assert frames.ENHANCE_YOUR_CALM.to_bytes(4) in wire.pipe.written[-1]
    going.set()
    await wire.close()
    assert len(wire.seen) == h2.MAX_STREAMS


async def test_requests_wait_for_those_that_were_reset() -> None:
    """They are served as soon as one of those has ended."""
    going = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (going.wait() if scope["path"] == "/reset" else say_ok(scope, receive, send))

    wire = Wire(app)
    streams = [wire.client.ask(request("GET", "/reset")) for _ in range(h2.MAX_STREAMS)]
    await wire.settle()
    for stream in streams:
        wire.client.connection.reset_stream(stream)
    stream = wire.client.ask(request("GET", "/"))
    await wire.settle()
    assert stream not in wire.client.answers
    going.set()
    await wire.settle()
    assert wire.client.answers[stream].body == b"ok"
    await wire.close()


async def test_headers_too_large() -> None:
    """They are 431, in Go's words, and the connection lives on; its compression is not confused."""
    wire = Wire(say_ok)
    await wire.settle()
    large = hpack.encode([*GET, (b"a", b"x" * MAX_HEADER_LIST)])
    stream = wire.client.ask(GET, end=False)
    wire.client.to_send()
    wire.say(frames.headers(stream, large, end=True))
    await wire.settle()
    answer = wire.client.answers[stream]
    assert (answer.code, answer.body) == (431, b"<h1>HTTP Error 431</h1><p>Request Header Field(s) Too Large</p>")
    assert not wire.seen
    wire.say(frames.headers(3, hpack.encode(GET), end=True))
    await asyncio.gather(*wire.state.tasks)
    assert len(wire.seen) == 1
    await wire.close()


def _headers_that_do_not_end() -> bytes:
    first = frames.header(0, frames.HEADERS, 0, 1)
    return first + frames.header(0, frames.CONTINUATION, 0, 1) * 1000


def _endless_headers() -> bytes:
    part = b"x" * frames.DEFAULT_FRAME_SIZE
    first = frames.header(len(part), frames.HEADERS, 0, 1) + part
    return first + (frames.header(len(part), frames.CONTINUATION, 0, 1) + part) * 200


def _bomb() -> bytes:
    """A large field of the table, over and over."""
    field = b"\x40\x01a\x7f\xe1\x1e" + b"x" * 4000
    return frames.headers(1, field + b"\xbe" * 100_000, end=True)


FLOODS = {
    "empty continuations": _headers_that_do_not_end(),
    "endless continuations": _endless_headers(),
    "a compression bomb": _bomb(),
    "pings": frames.ping(b"12345678") * (connection.MAX_OVERHEAD + 1),
    "settings": frames.settings({}) * (connection.MAX_OVERHEAD + 1),
    "priorities": (frames.header(5, frames.PRIORITY, 0, 1) + bytes(5)) * (connection.MAX_OVERHEAD + 1),
    "empty data": frames.headers(1, hpack.encode(fields(method="POST")), end=False)
    + frames.header(0, frames.DATA, 0, 1) * (connection.MAX_OVERHEAD + 1),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
@virtually
async def test_floods(flood: bytes) -> None:
    """Who sends what costs and carries nothing is cut off."""
    wire = Wire(echo)
    await wire.settle()
    wire.say(flood)
    assert wire.pipe.closed
    await wire.close()


async def test_answers_that_nobody_reads() -> None:
    """Who makes us answer and does not read is cut off before the answers pile up (CVE-2019-9512)."""
    wire = Wire(say_ok)
    await wire.settle()
    wire.server.pause_writing()
    wire.say(frames.ping(b"12345678") * (connection.MAX_UNREAD_ANSWERS + 1))
    assert wire.pipe.closed
    await wire.close()


# Time


class Clock:
    """The event loop's, put forward."""

    def __init__(self, wire: Wire) -> None:
        self._loop = wire.server.loop
        self.ahead = 0.0
        wire.server.loop = self  # type: ignore[assignment]

    def time(self) -> float:
        return self._loop.time() + self.ahead

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


async def test_idle_connection() -> None:
    """A connection on which nothing was asked for long enough ends in order, one with a request does not."""
    going = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await going.wait()
        await say_ok(scope, receive, send)

    wire = Wire(app)
    clock = Clock(wire)
    stream = wire.client.ask(request("GET", "/"))
    await wire.settle()
    clock.ahead = 2 * IDLE_SECONDS
    wire.server.check()
    assert not wire.client.goodbyes
    going.set()
    await wire.settle()
    assert wire.client.answers[stream].ended
    wire.server.check()
    await wire.settle()
    assert not wire.client.goodbyes
    clock.ahead = 4 * IDLE_SECONDS
    wire.server.check()
    wire.say(frames.ping(b"goodbye!", ack=True))
    assert wire.pipe.closed
    await wire.close()


async def test_silent_client() -> None:
    """Who does not begin to speak is not waited for."""
    wire = Wire(say_ok)
    wire.server.check_preface()
    assert wire.pipe.closed
    await wire.close()


async def test_headers_that_take_too_long() -> None:
    """A header block that has begun must end in time."""
    assert HEADER_SECONDS >= 2 * h2.CHECK_SECONDS
    wire = Wire(say_ok)
    await wire.settle()
    wire.say(frames.header(1, frames.HEADERS, 0, 1) + b"\x82")
    wire.server.check()
    assert not wire.pipe.closed
    wire.say(frames.header(1, frames.CONTINUATION, 0, 1) + b"\x87")
    wire.server.check()
    assert wire.pipe.closed
    await wire.close()


# The end


async def test_shutdown() -> None:
    """Requests that were sent before the client knew are served, later ones are refused; the connection ends with the
    last answer."""
    going = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await going.wait()
        await say_ok(scope, receive, send)

    wire = Wire(app)
    block = hpack.encode(GET)
    await wire.settle()
    wire.say(frames.headers(1, block, end=True))
    wire.server.shutdown()
    await asyncio.sleep(0)
    assert wire.pipe.written == [frames.goaway(frames.LAST_STREAM, frames.NO_ERROR) + frames.ping(b"goodbye!")]
    meanwhile, later = (frames.headers(number, block, end=True) for number in (3, 5))
    wire.say(meanwhile + frames.ping(b"goodbye!", ack=True) + later)
    await asyncio.sleep(0)
    assert wire.pipe.written[1:] == [frames.goaway(3, frames.NO_ERROR) + frames.rst_stream(5, frames.REFUSED_STREAM)]
    assert not wire.pipe.closed
    going.set()
    await asyncio.gather(*wire.state.tasks)
    assert wire.pipe.closed
    assert b"".join(wire.pipe.written[2:]).count(b"ok") == len(wire.seen) == 2
    await wire.close()
    assert not wire.state.connections


async def test_shutdown_of_a_client_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for."""
    monkeypatch.setattr(h2, "GOODBYE_SECONDS", 0.0)
    wire = Wire(say_ok)
    closed = asyncio.Event()
    monkeypatch.setattr(wire.pipe, "close", closed.set)
    wire.server.shutdown()
    await closed.wait()
    await wire.close()


async def test_answer_that_closes() -> None:
    """`connection: close` is for HTTP/1.1, however often it is said: here it is the connection that says goodbye, after
    the answer."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(200, *[(b"connection", b"close")] * 2))
        await send(body(b"ok"))

    wire = Wire(app)
    await wire.settle()
    wire.say(frames.headers(1, hpack.encode(GET), end=True))
    await asyncio.gather(*wire.state.tasks)
    await asyncio.sleep(0)
    written = b"".join(wire.pipe.written)
    assert 0 < written.find(b"ok") < written.find(frames.goaway(frames.LAST_STREAM, frames.NO_ERROR))
    assert b"close" not in written
    await wire.close()


async def test_client_says_goodbye() -> None:
    """The connection ends when its requests are answered."""
    wire = Wire(say_ok)
    await wire.settle()
    wire.say(frames.headers(1, hpack.encode(GET), end=True) + frames.goaway(0, frames.NO_ERROR))
    await asyncio.gather(*wire.state.tasks)
    wire.say(frames.ping(b"goodbye!", ack=True))
    assert wire.pipe.closed
    assert b"ok" in b"".join(wire.pipe.written)
    await wire.close()
