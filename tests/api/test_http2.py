"""What HTTP/2 must not change, over real TLS, by a client that is not ours: who is believed, limits, the end."""

import asyncio
import gc
import json
import socket
import ssl
import struct
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from apiserver.certificates import KeyPair, issue
from apiserver.http import h2
from apiserver.http.body import LIMIT
from apiserver.http.connection import MAX_HEADER_LIST, Protocol
from apiserver.logs import is_news
from http2 import frames, hpack
from tests.api.test_trust import FORGED, WIDGETS, front_proxy, running
from tests.api.trusting import Running
from tests.controlplane.process import SOON
from tests.hyper import Answer, Header, Hyper, received, request

BOB = (b"x-remote-user", b"bob")


class Session:
    """A connection with TLS that has begun."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self.connection, self.client = connection, Hyper()
        self.listen()

    def listen(self) -> None:
        """Sends what there is to say, and takes what comes next."""
        self.connection.sendall(self.client.to_send())
        data = self.connection.recv(65_536)
        assert data, "the server has ended the connection"
        self.client.received(data)

    def answer(self, stream: int) -> Answer:
        """When it is complete, or reset."""
        answer = self.client.answers.setdefault(stream, Answer())
        while not answer.ended and answer.reset < 0:
            self.listen()
        return answer

    def ask(self, *headers: Header, method: str = "GET", path: str = "/who") -> Answer:
        return self.answer(self.client.ask(request(method, path, *headers)))

    def ask_so(self, block: bytes) -> Answer:
        """With headers that its client would not write, or not in time."""
        stream = self.client.ask(request("GET", "/"), end=False)
        self.client.to_send()
        self.connection.sendall(frames.headers(stream, block, end=True))
        return self.answer(stream)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("http2")) as server:
        yield server


@contextmanager
def session(server: Running, pair: KeyPair | None = None) -> Iterator[Session]:
    with server.connection(pair, h2.ALPN) as connection:
        assert connection.selected_alpn_protocol() == h2.ALPN
        yield Session(connection)


def seen(answer: Answer) -> dict[str, Any]:
    """By the application."""
    body: dict[str, Any] = json.loads(answer.body)
    return body


def test_forged_headers(server: Running) -> None:
    """X-Remote-* without the front proxy's certificate names nobody, and the application does not see it; another
    certificate is its own subject."""
    forged = [(name.lower().encode(), value.encode()) for name, value in FORGED.items()]
    with session(server) as anonymous:
        found = seen(anonymous.ask(*forged))
    assert (found["user"], found["headers"]) == ("system:anonymous", ["host"])
    with session(server, issue(server.authorities.client, "dave", client=True)) as dave:
        assert seen(dave.ask(*forged))["user"] == "dave"


SMUGGLED: dict[str, Header] = {
    "a capital": (b"X-Remote-Group", b"system:masters"),
    "within a value": (b"a", b"b\r\nx-remote-group: system:masters"),
    "within a name": (b"a: b\r\nx-remote-group", b"system:masters"),
    "with a colon": (b"x-remote-group:", b"system:masters"),
    "with a blank": (b" x-remote-group", b"system:masters"),
    "for a connection": (b"connection", b"x-remote-user"),
    "by another framing": (b"transfer-encoding", b"chunked"),
}


@pytest.mark.parametrize("smuggled", SMUGGLED.values(), ids=SMUGGLED.keys())
def test_smuggled_headers(server: Running, smuggled: Header) -> None:
    """Not even through the front proxy does a header that is none become one; other requests are not harmed."""
    with session(server, front_proxy(server)) as proxy:
        assert proxy.ask(BOB, smuggled).reset == frames.PROTOCOL_ERROR
        assert seen(proxy.ask(BOB))["groups"] == ["system:authenticated"]


def test_streams_are_strangers(server: Running) -> None:
    """Who a request of the front proxy is for says nothing of the next one."""
    with session(server, front_proxy(server)) as proxy:
        users = [seen(proxy.ask((b"x-remote-user", name)))["user"] for name in (b"bob", b"carol")]
        assert users == ["bob", "carol"]
        assert proxy.ask().code == 401


def test_trailers_are_no_headers(server: Running) -> None:
    """What follows a body adds nothing to who asks, not even from the front proxy."""
    with session(server, front_proxy(server)) as proxy:
        stream = proxy.client.ask(request("POST", "/who", BOB), b"", end=False)
        trailers = [(b"x-remote-group", b"system:masters"), (b"authorization", b"Bearer secret"), (b"x-other", b"1")]
        proxy.client.connection.send_headers(stream, trailers, end_stream=True)
        found = seen(proxy.answer(stream))
    assert (found["user"], found["groups"]) == ("bob", ["system:authenticated"])
    assert found["headers"] == ["host"]


def test_headers_too_large(server: Running) -> None:
    """More than a megabyte is 431, far more ends the connection; what is large but not too large is fine."""
    for size, code in ((MAX_HEADER_LIST // 2, 200), (MAX_HEADER_LIST, 431)):
        with session(server) as client:
            block = hpack.encode([*request("GET", "/who"), (b"a", b"x" * size)])
            assert client.ask_so(block).code == code
    with session(server) as client, pytest.raises((AssertionError, OSError)):
        client.ask_so(hpack.encode([*request("GET", "/who"), (b"a", b"x" * 3 * MAX_HEADER_LIST)]))


def test_unread_body(server: Running) -> None:
    """Who is refused before the body was sent need not send it, and may go on."""
    alice = (b"x-remote-user", b"alice")
    with session(server, front_proxy(server)) as proxy:
        answer = proxy.answer(proxy.client.ask(request("POST", "/who", alice), end=False))
        while answer.reset < 0:
            proxy.listen()
        assert (answer.code, answer.reset) == (403, frames.NO_ERROR)
        assert proxy.ask(BOB).code == 200


NOBODY: dict[str, list[Header]] = {
    "nothing": [],
    "a wrong token": [(b"authorization", b"Bearer guessed")],
    "the front proxy's word": [(b"x-remote-user", b"system:anonymous")],
    "the front proxy's group": [BOB, (b"x-remote-group", b"system:unauthenticated")],
}


@pytest.mark.parametrize("told", NOBODY)
def test_nobody_keeps_a_connection(server: Running, told: str) -> None:
    """Who is not known is answered, and then the connection ends, as kube-apiserver has it."""
    pair = front_proxy(server) if told.startswith("the front proxy") else None
    with server.connection(pair, h2.ALPN) as connection:
        connection.sendall(frames.PREFACE + frames.settings({}))
        connection.sendall(frames.headers(1, hpack.encode(request("GET", "/who", *NOBODY[told])), end=True))
        kinds = [kind for kind, _, _, _ in received(connection)]
    assert frames.GOAWAY in kinds[kinds.index(frames.DATA) :]


@pytest.mark.parametrize("declared", [False, True])
def test_body_too_large(server: Running, declared: bool) -> None:
    """More than 3 MiB is 413, declared or not."""
    length = [(b"content-length", b"%d" % (LIMIT + 1))] if declared else []
    with session(server) as client:
        stream = client.client.ask(request("POST", WIDGETS, *length), end=False)
        sent, answer = 0, client.client.answers.setdefault(stream, Answer())
        while not answer.ended and sent <= LIMIT:
            room = min(client.client.room(stream), LIMIT + 1 - sent)
            if room > 0 and answer.reset < 0:
                client.client.send(stream, b"x" * room, end=False)
                sent += room
            client.listen()
        answer = client.answer(stream)
    assert (answer.code, seen(answer)["message"]) == (413, f"Request entity too large: limit is {LIMIT}")


def _farewell(connection: ssl.SSLSocket) -> None:
    """TLS's; the server answers it."""
    connection.unwrap().close()


def _rst(connection: ssl.SSLSocket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _reset_stream(connection: ssl.SSLSocket) -> None:
    connection.sendall(frames.rst_stream(1, frames.CANCEL))


HOLD = {
    h2.ALPN: frames.PREFACE
    + frames.settings({})
    + frames.headers(1, hpack.encode(request("GET", "/hold", (b"audit-id", b"left"))), end=True),
    "http/1.1": b"GET /hold HTTP/1.1\r\nHost: x\r\nAudit-Id: left\r\n\r\n",
}


@pytest.mark.parametrize(
    ("protocol", "leave"),
    [("http/1.1", _farewell), ("http/1.1", _rst), (h2.ALPN, _rst), (h2.ALPN, _reset_stream)],
)
def test_client_goes(server: Running, protocol: str, leave: Callable[[ssl.SSLSocket], None]) -> None:
    """A request that only reads ends when its client goes, whatever it waits for."""
    with server.connection(protocol=protocol) as connection:
        connection.sendall(HOLD[protocol])
        server.backend.held.acquire()
        leave(connection)
        assert server.logged("left")["code"] == 504


def test_writes_that_come_too_late(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    """What is written before the server knows that a client has left fills no log."""

    def write() -> None:
        for connection in server.server.server_state.connections:
            if connection.transport.get_extra_info("peername") == client:
                connection.transport.abort()
                for _ in range(10):
                    connection.transport.write(b"x")

    with server.connection() as connection:
        client = connection.getsockname()
        connection.sendall(b"GET /who HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(65_536)
        server.server_loop(write)
    told = [record for record in caplog.records if record.name == "asyncio"]
    assert told
    assert not [record for record in told if is_news(record)]


@pytest.mark.parametrize("protocol", [h2.ALPN, "http/1.1"])
def test_lost_connections_are_freed(tmp_path: Path, protocol: str) -> None:
    """Nothing of a connection, least of all its TLS, waits for the garbage collector once it is lost."""
    begun = frames.PREFACE + frames.settings({}) if protocol == h2.ALPN else b"GET /who HTTP/1.1\r\nHost: x\r\n\r\n"
    freed = threading.Event()

    def watch(server: Running, client: object) -> None:
        for connection in server.server.server_state.connections:
            if connection.transport.get_extra_info("peername") == client:
                weakref.finalize(connection, freed.set)

    with running(tmp_path) as server:
        gc.disable()
        try:
            with server.connection(protocol=protocol) as connection:
                connection.sendall(begun)
                assert connection.recv(65_536)
                server.server_loop(partial(watch, server, connection.getsockname()))
            assert freed.wait(SOON)
        finally:
            gc.enable()


@pytest.mark.parametrize("protocol", [h2.ALPN, "http/1.1"])
def test_others_have_their_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str) -> None:
    """Between two turns of the event loop, less than a megabyte is taken of a client that sends as fast as it can: what
    uvloop keeps for TLS, some 512 KiB, and what it reads meanwhile."""
    connection, method = (h2.Connection, "bytes_received") if protocol == h2.ALPN else (Protocol, "data_received")
    take, taken, most = getattr(connection, method), 0, 0

    def counted(self: object, data: bytes) -> None:
        nonlocal taken
        taken += len(data)
        take(self, data)

    def turn() -> None:
        nonlocal taken, most
        taken, most = 0, max(taken, most)
        asyncio.get_running_loop().call_soon(turn)

    monkeypatch.setattr(connection, method, counted)
    with running(tmp_path) as server, server.connection(protocol=protocol) as client:
        server.server_loop(turn)
        client.sendall(DROPS[protocol])
        # The last of it has the server end the connection.
        for _ in iter(lambda: client.recv(65_536), b""):
            pass
    assert 0 < most < 1024 * 1024


_CHUNKED = b"POST /who HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
DROPS = {
    h2.ALPN: frames.PREFACE + frames.settings({}) + frames.window_update(0, 1) * 1_000_000 + frames.window_update(0, 0),
    "http/1.1": _CHUNKED + b"1\r\nx\r\n" * 1_000_000 + b"0\r\n\r\n",
}
"""What carries as little as it can."""


def test_shutdown(tmp_path: Path) -> None:
    """A server that ends answers what it was asked, and then ends its connections."""
    with running(tmp_path) as server, server.connection(protocol=h2.ALPN) as connection:
        connection.sendall(frames.PREFACE + frames.settings({}))
        connection.sendall(frames.headers(1, hpack.encode(request("GET", "/hold")), end=True))
        server.backend.held.acquire()
        server.server.should_exit = True
        coming = received(connection)
        next(frame for frame in coming if frame[0] == frames.GOAWAY)
        server.server_loop(server.backend.release)
        flags = [flags for kind, flags, stream, _ in coming if kind == frames.DATA and stream == 1]
    assert flags
    assert flags[-1] & frames.END_STREAM
