"""HTTP/2 for uvicorn: a connection whose streams are ASGI's requests, with kube-apiserver's limits."""

import asyncio
from collections import deque
from math import inf
from typing import Any

from uvicorn import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr
from uvicorn.server import ServerState

from apiserver.http.asgi import Scope
from apiserver.http.connection import HEADER_SECONDS, IDLE_SECONDS, MAX_HEADER_LIST
from apiserver.http.h2_exchange import Exchange
from http2 import connection, frames
from http2.frames import ConnectionFailed, StreamFailed
from http2.hpack import Header

ALPN = "h2"
MAX_STREAMS = 100
"""Streams that a client may have open, and requests that run for it: one of a stream that it has reset does, too."""
MAX_WAITING = 4 * MAX_STREAMS
"""Requests that wait for others, of streams that were reset, to end; a client that makes more is an attacker."""
STREAM_WINDOW = 256 * 1024
CONNECTION_WINDOW = 1 << 20
"""Bytes of bodies that may be on their way."""
PREFACE_SECONDS = 10.0
GOODBYE_SECONDS = 1.0
"""A client that does not answer for so long is told all the same how far it is served."""

CHECK_SECONDS = HEADER_SECONDS / 2
_SETTINGS = {
    frames.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
    frames.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
    frames.MAX_HEADER_LIST_SIZE: MAX_HEADER_LIST,
}
_ASGI = {"version": "3.0", "spec_version": "2.3"}


class Connection(connection.Connection):
    """What uvicorn asks of its protocols, too: `transport`, `shutdown`.

    `_running` counts requests, `_waiting` are those that are not begun yet. `_idle_since`: the last stream's end, inf
    while there is one. `_timer` looks at what takes too long; `_seen_block`: a header block that it saw incomplete.
    `_seen_waiting`: what waited, by stream, when `cut_stalled` looked last."""

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: object) -> None:
        super().__init__(
            _SETTINGS, is_client=False, connection_window=CONNECTION_WINDOW, max_header_list=MAX_HEADER_LIST
        )
        self._app, self._root_path, self._app_state = config.loaded_app, config.root_path, app_state
        self._state = server_state
        self._running = 0
        self._waiting: deque[tuple[Exchange, Scope]] = deque()
        self._is_leaving = False
        self._seen_block: object = None
        self._seen_waiting: dict[int, memoryview | None] = {}

    @property
    def default_headers(self) -> list[Header]:
        return self._state.default_headers

    # Of the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._state.connections.add(self)  # type: ignore[arg-type]
        self._server, self._client = get_local_addr(self.transport), get_remote_addr(self.transport)
        secure = transport.get_extra_info("ssl_object")
        certificate = secure.getpeercert(binary_form=True) if secure is not None else None
        self._tls: dict[str, bytes | None] = {"client_cert_der": certificate}
        self._idle_since = self.loop.time()
        self._timer = self.loop.call_later(PREFACE_SECONDS, self.check_preface)

    def connection_lost(self, exc: Exception | None) -> None:
        self._state.connections.discard(self)
        self._timer.cancel()
        self._waiting.clear()
        super().connection_lost(exc)

    # Requests

    def accept(self, stream_id: int) -> Exchange:
        if len(self.streams) >= MAX_STREAMS:
            raise StreamFailed(frames.REFUSED_STREAM, "too many streams")
        self._idle_since = inf
        return Exchange(self, stream_id)

    def begin(self, exchange: Exchange, scope: Scope) -> None:
        """Runs the application for a request, now or when there is room. Raises ConnectionFailed."""
        if self._running < MAX_STREAMS:
            self._run(exchange, scope)
            return
        if len(self._waiting) >= MAX_WAITING:
            raise ConnectionFailed(frames.ENHANCE_YOUR_CALM, "too many requests that were reset")
        self._waiting.append((exchange, scope))

    def _run(self, exchange: Exchange, scope: Scope) -> None:
        self._running += 1
        exchange.runs = True
        task = self.loop.create_task(exchange.run(self._app, scope))
        self._state.tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._state.tasks.discard(task)
        self._state.total_requests += 1
        self._running -= 1
        while self._waiting and self._running < MAX_STREAMS:
            exchange, scope = self._waiting.popleft()
            if exchange.id in self.streams:
                self._run(exchange, scope)

    def scope(self, exchange: Exchange) -> Scope:
        """Without what the request's headers say."""
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": "2",
            "server": self._server,
            "client": self._client,
            "scheme": "https",
            "root_path": self._root_path,
            "state": self._app_state.copy(),
            "extensions": {"tls": self._tls, "connection": exchange},
        }

    # Time

    def check_preface(self) -> None:
        if self.reader.has_settings:
            self.check()
        else:
            self.transport.close()

    def check(self) -> None:
        """Now and then: a timer for each request would cost more."""
        if self.reader.block is not None and self.reader.block is self._seen_block:
            self.end(frames.ENHANCE_YOUR_CALM, "a header block takes too long")
            return
        self._seen_block = self.reader.block
        if self.loop.time() - self._idle_since > IDLE_SECONDS:
            self.shutdown()
        self._timer = self.loop.call_later(CHECK_SECONDS, self.check)

    # The end

    def shutdown(self) -> None:
        """Lets the client finish, in the steps of RFC 9113 section 6.8: what it has sent meanwhile is served, too."""
        if self._is_leaving or self.going_away or self.transport.is_closing():
            return
        self._is_leaving = True
        self.write(frames.goaway(frames.LAST_STREAM, frames.NO_ERROR))
        self.write(frames.ping(b"goodbye!"))
        self._timer.cancel()
        self._timer = self.loop.call_later(GOODBYE_SECONDS, self._leave)

    def peer_leaves(self) -> None:
        self.shutdown()

    def pong_received(self) -> None:
        if self._is_leaving:
            self._leave()

    def _leave(self) -> None:
        if not self.going_away:
            self.say_goodbye(frames.NO_ERROR)
            self._close_if_done()

    def cut_stalled(self, takes: bool) -> None:
        """As drain.Cuttable has it: an answer by itself, when the client has room for others."""
        if self.paused or self.transport.is_closing():
            if not takes:
                self.transport.abort()
            return
        seen, self._seen_waiting = self._seen_waiting, {each.id: each.waiting for each in self.streams.values()}
        for stream in list(self.streams.values()):
            if stream.waiting is not None and stream.waiting is seen.get(stream.id):
                stream.reset(frames.INTERNAL_ERROR)

    def stream_closed(self) -> None:
        if not self.streams:
            self._idle_since = self.loop.time()
            self._close_if_done()

    def _close_if_done(self) -> None:
        if self.going_away and not self.streams:
            self.close()
