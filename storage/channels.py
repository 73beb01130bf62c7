"""The connections under calls to etcd: one to each endpoint, made again when it is lost, with TLS and signs of life.

A call goes to the first endpoint that is connected and has room; an endpoint that fails goes to the back. A call is
sent once. Only one that a peer says it has not begun with is sent again, once.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from http2 import frames
from http2.connection import Connection
from http2.timers import Timers
from storage.calls import Call, CallFailed, Exchange, Method, Status, StreamCall, UnaryCall

DEFAULT_PORT = 2379
CONNECT_TIMEOUT = 2.0
MIN_BACKOFF, MAX_BACKOFF = 0.1, 1.0
PING_INTERVAL, PING_TIMEOUT = 10.0, 5.0
"""Seconds; a call without an answer asks for a ping before. etcd refuses them more often than every 5 s, and any on a
connection without calls."""
STREAM_WINDOW, CONNECTION_WINDOW = 1 << 20, 1 << 24
"""Bytes that a peer may send before they are taken."""
_SETTINGS = {frames.ENABLE_PUSH: 0, frames.INITIAL_WINDOW_SIZE: STREAM_WINDOW}
_SAME_EVERYWHERE = (Status.INVALID_ARGUMENT, Status.RESOURCE_EXHAUSTED, Status.OUT_OF_RANGE)
"""What another endpoint would answer too."""


@dataclass(frozen=True, slots=True)
class TLSFiles:
    """Paths, each may be empty: authorities that a peer's certificate must chain to (else the system's), and the
    client's certificate with its key."""

    authorities: str = ""
    certificate: str = ""
    key: str = ""

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 or later with HTTP/2; reads the files as they are now. Raises OSError, whose text is a sentence."""
        for path in filter(None, (self.authorities, self.certificate, self.key)):
            _require_readable(path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.set_alpn_protocols(["h2"])
        # Go trusts every certificate of a bundle, an intermediate one too.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        try:
            if self.authorities:
                context.load_verify_locations(self.authorities)
            else:
                context.load_default_certs()
        except ssl.SSLError as error:
            raise OSError(f"{self.authorities} holds no certificates ({_reason(error)})") from None
        try:
            if self.certificate:
                # With a password it asks nobody for one.
                context.load_cert_chain(self.certificate, self.key or None, password="")
        except ssl.SSLError as error:
            files = f"{self.certificate} and {self.key}"
            reason = _reason(error) if error.reason else "not PEM, or encrypted"
            raise OSError(f"{files} are no certificate and its key ({reason})") from None
        return context


class Channel:
    """One endpoint, http://host:port or https://host:port. `connection`: over which calls may be opened now; `problem`:
    why there is none."""

    def __init__(self, endpoint: str, files: TLSFiles, owner: "Channels") -> None:
        """Raises ValueError for something else."""
        url = urlsplit(endpoint)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError(f"{endpoint!r} is not an etcd endpoint such as https://host:{DEFAULT_PORT}")
        self.endpoint = endpoint
        self.connection: ClientConnection | None = None
        self.problem = "no connection yet"
        self._owner = owner
        self._host, self._port = url.hostname, url.port or DEFAULT_PORT
        self._files = files if url.scheme == "https" else None
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._origin = url.scheme, f"{host}:{self._port}"
        self._blocks: dict[Method, bytes] = {}

    def block(self, method: Method) -> bytes:
        """The header block of the method's calls."""
        if (block := self._blocks.get(method)) is None:
            block = self._blocks[method] = method.block(*self._origin)
        return block

    async def stay_connected(self) -> None:
        """Until it is cancelled."""
        loop, delay = asyncio.get_running_loop(), 0.0
        while True:
            began = loop.time()
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT):
                    self.connection = await self._connect()
                self.problem = ""
                self._owner.start_waiting()
                self.problem = await self.connection.ended
            except TimeoutError:
                self.problem = f"it does not answer in {'TLS' if self._files else 'HTTP/2'}"
            except Exception as error:
                # Whatever it is, it is said to those who wait, and tried again.
                self.problem = _reason(error)
            self.connection = None
            if loop.time() - began > MAX_BACKOFF:
                delay = 0.0
            await asyncio.sleep(delay)
            delay = min(max(delay * 2, MIN_BACKOFF), MAX_BACKOFF)

    async def _connect(self) -> "ClientConnection":
        """A connection whose peer has sent its settings. Raises OSError, ValueError."""
        tls: dict[str, Any] = {}
        if self._files:
            tls = {"ssl": await asyncio.to_thread(self._files.context), "server_hostname": self._host}
        loop, connection = asyncio.get_running_loop(), ClientConnection(self, self._owner)
        try:
            await loop.create_connection(lambda: connection, self._host, self._port, **tls)
            if self._files and connection.transport.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
                raise ConnectionError("it speaks no HTTP/2")
            await connection.settled
        except BaseException:
            connection.abandon()
            raise
        if connection.going_away:
            raise ConnectionError(await connection.ended)
        return connection


class ClientConnection(Connection):
    """`settled`: the peer's settings have come, or never will; `ended`: no calls are opened any more, and why; `lost`:
    nothing comes any more. `_next`: the timer of the next ping, or of the patience with the last one; `_pinged`: when
    that was sent."""

    def __init__(self, channel: Channel, owner: "Channels") -> None:
        super().__init__(_SETTINGS, is_client=True, connection_window=CONNECTION_WINDOW)
        loop = asyncio.get_running_loop()
        self.channel = channel
        self.settled: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[str] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()
        self._owner = owner
        self._is_silent = False
        self._pinged = -inf

    @property
    def has_room(self) -> bool:
        """Whether a call may be opened now."""
        return not self.going_away and len(self.streams) < self.peer_max_streams

    def begin(self, call: Call) -> None:
        """Sends it."""
        self.last_stream += 2 if self.last_stream else 1
        exchange = call.exchange = Exchange(self, self.last_stream, call)
        self.streams[self.last_stream] = exchange
        exchange.send_call(self.channel.block(call.method), call.message, end=call.ends)
        if self.last_stream == frames.LAST_STREAM:
            self.going_away = True
            self.peer_leaves()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._owner.connections.add(self)
        self._next = self.loop.call_later(self._owner.ping_interval, self._ping_if_used)

    def abandon(self) -> None:
        """Ends it before it is used. uvloop does not tell of the end of one whose making has been cancelled."""
        if self.transport is not None and not self.lost.done():
            self.transport.abort()
            self._out.clear()
            self.connection_lost(None)

    def settings_received(self) -> None:
        _finish(self.settled, None)
        self._owner.start_waiting()

    def peer_leaves(self) -> None:
        _finish(self.ended, "it ends the connection")
        self._close_if_idle()

    def end(self, code: int, text: str = "") -> None:
        super().end(code, text)
        if code != frames.NO_ERROR:
            # What a peer that broke the protocol might still say is of no use.
            self.transport.abort()

    def stream_closed(self) -> None:
        self._close_if_idle()
        self._owner.start_waiting()

    def failed(self, error: Exception | None) -> None:
        self._next.cancel()
        self._owner.connections.discard(self)
        _finish(self.ended, self._problem(error))
        _finish(self.settled, None)
        _finish(self.lost, None)

    def pong_received(self) -> None:
        self._next.cancel()
        self._next = self.loop.call_later(self._owner.ping_interval, self._ping_if_used)

    def _problem(self, error: Exception | None) -> str:
        if self._is_silent:
            return "it does not answer a ping"
        if error:
            return _reason(error)
        return (
            "it ended the connection" if self.settled.done() else "it ended the connection at once: does it speak TLS?"
        )

    def _close_if_idle(self) -> None:
        if self.going_away and not self.streams:
            self.end(frames.NO_ERROR)

    def doubt(self) -> None:
        """A call was not answered: asks for a sign of life now, unless that has just been done."""
        if self.loop.time() - self._pinged > self._owner.ping_timeout and not self.transport.is_closing():
            self._next.cancel()
            self._ping_if_used()

    def _ping_if_used(self) -> None:
        if self.streams:
            self._pinged = self.loop.time()
            self.write(frames.ping(bytes(8)))
            self._next = self.loop.call_later(self._owner.ping_timeout, self._give_up)
        else:
            self._next = self.loop.call_later(self._owner.ping_interval, self._ping_if_used)

    def _give_up(self) -> None:
        self._is_silent = True
        self.transport.abort()


class Channels:
    """Calls over connections to some endpoints, tried in this order; they are one service. `connections`: those that
    are open."""

    def __init__(
        self,
        endpoints: Sequence[str],
        files: TLSFiles,
        *,
        ping_interval: float = PING_INTERVAL,
        ping_timeout: float = PING_TIMEOUT,
    ) -> None:
        """Begins to connect. Raises ValueError for something not an endpoint."""
        self.ping_interval, self.ping_timeout = ping_interval, ping_timeout
        self.connections: set[ClientConnection] = set()
        self._channels = deque([Channel(endpoint, files, self) for endpoint in endpoints])
        self._waiting: dict[Call, None] = {}
        """For a connection that has room."""
        self._timers: dict[float, Timers] = {}
        """By seconds."""
        self._closed = False
        self._running = [asyncio.create_task(channel.stay_connected()) for channel in self._channels]

    async def call(self, method: Method, message: bytes) -> Any:
        """The answer, within the method's timeout. Raises CallFailed, and what the method's `parse` does."""
        call = UnaryCall(method, message)
        timers = self._timers.get(method.timeout) or self._timers.setdefault(method.timeout, Timers(method.timeout))
        timers.add(call.expire)
        try:
            self._start(call)
            answer = await call.answer
            if isinstance(answer, CallFailed) and answer.refused:
                call.again()
                self._start(call)
                answer = await call.answer
        except asyncio.CancelledError:
            self._withdraw(call)
            raise
        finally:
            timers.remove(call.expire)
        if isinstance(answer, bytes):
            return method.parse(answer)
        raise self._failure(call, answer, method.timeout)

    async def open(self, method: Method, message: bytes, timeout: float) -> tuple[StreamCall, Any]:
        """The call and the first message that comes, within `timeout`. Raises as `call` does, and EOFError."""
        call = StreamCall(method, message)
        try:
            async with asyncio.timeout(timeout):
                self._start(call)
                return call, await call.read()
        except (CallFailed, TimeoutError) as error:
            raise self._failure(call, error, timeout) from None
        except BaseException:
            self._withdraw(call)
            raise

    async def close(self) -> None:
        """Ends calls and connections. Idempotent."""
        self._closed = True
        for task in self._running:
            task.cancel()
        await asyncio.wait(self._running)
        while self._waiting:
            self._start(self._waiting.popitem()[0])
        for connection in list(self.connections):
            connection.transport.abort()
            await connection.lost

    def start_waiting(self) -> None:
        """What waits for a connection with room has its turn."""
        while self._waiting and (connection := self._usable()):
            call = next(iter(self._waiting))
            del self._waiting[call]
            connection.begin(call)

    def _start(self, call: Call) -> None:
        if self._closed:
            call.ended(CallFailed(Status.UNAVAILABLE, "the connection is closed"))
        elif not self._waiting and (connection := self._usable()):
            connection.begin(call)
        else:
            self._waiting[call] = None

    def _withdraw(self, call: Call) -> None:
        self._waiting.pop(call, None)
        call.cancel()

    def _usable(self) -> ClientConnection | None:
        for channel in self._channels:
            if channel.connection is not None and channel.connection.has_room:
                return channel.connection
        return None

    def _failure(self, call: Call, error: CallFailed | TimeoutError, timeout: float) -> CallFailed:
        """What the call's maker is told. The next call may go to another endpoint."""
        if isinstance(error, TimeoutError):
            self._withdraw(call)
            if call.exchange and isinstance(connection := call.exchange.connection, ClientConnection):
                connection.doubt()
            error = CallFailed(Status.DEADLINE_EXCEEDED, f"no answer from {self._names()} within {timeout} s")
        exchange = call.exchange
        if exchange and error.status not in _SAME_EVERYWHERE and exchange.connection is self._channels[0].connection:
            self._channels.rotate(-1)
        return error

    def _names(self) -> str:
        """The endpoints, and what is the matter with them."""
        return ", ".join(
            f"{channel.endpoint} ({channel.problem})" if channel.problem else channel.endpoint
            for channel in self._channels
        )


def _finish(future: "asyncio.Future[Any]", result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _require_readable(path: str) -> None:
    try:
        Path(path).read_bytes()
    except OSError as error:
        raise OSError(f"cannot read {path}: {error.strerror}") from None


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {(error.reason or str(error)).replace('_', ' ').lower()}"
    return getattr(error, "strerror", "") or str(error) or "it ended the connection"
