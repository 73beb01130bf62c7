"""uvicorn's HTTP/1.1 protocol with what it lacks: limits to a request's headers, and the client's certificate."""

import asyncio
import fcntl
import re
import termios
import weakref
from collections import deque
from collections.abc import Callable, Collection, Iterable
from functools import partial
from math import inf
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from apiserver.http.asgi import Receive, Scope, Send
from apiserver.http.cycle import Cycle
from apiserver.http.respond import TEXT, send_bytes
from http2.hpack import FIELD_OVERHEAD

MAX_HEADER_BYTES = 1 << 20
"""Go's default limit of a request's line and headers together."""
MAX_HEADER_LIST = MAX_HEADER_BYTES + 10 * FIELD_OVERHEAD
"""The same where each header counts FIELD_OVERHEAD more: as Go's HTTP/2, and here HTTP/1.1, too. Many short ones take
thirty times their bytes of memory."""
MAX_FRAMING_BYTES = 64 * 1024
"""So much may come of a body without a byte of the body: chunk extensions, trailers. Go takes 16 and 4 KiB of them."""
HEADER_SECONDS = 32.0
"""Time for a request's line and headers, as kube-apiserver gives."""
MAX_UNREAD_BYTES, UNREAD_SECONDS = 256 * 1024, 5.0
"""So much, and so long, of a body answered before its end is taken, so that the connection can be used again."""
UNREAD_DELAY = 0.1
"""Seconds after which it is looked again for what has come and was not read."""
NEW_SECONDS = 5.0
"""For so long a server that ends waits for the first request of a connection."""
IDLE_SECONDS = 120
"""Longer than Go's clients keep an idle connection (90 s): else they may send on one that is just being closed."""

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"connection: close\r\n\r\n431 Request Header Fields Too Large"
)

_BAD_REQUEST = "400 Bad Request"
_HOST = re.compile(rb"[A-Za-z0-9!$%&'()*+,\-.:;=\[\]_~]*")


def _host_fault(headers: Iterable[tuple[bytes, bytes]], version: str) -> str:
    """Why a request is for no host or for several, of which each who reads it might choose another (RFC 9112 section
    3.2); in Go's words, "" if it is not."""
    hosts = [value for name, value in headers if name == b"host"]
    if not hosts:
        return "" if version == "1.0" else f"{_BAD_REQUEST}: missing required Host header"
    if len(hosts) > 1:
        return _BAD_REQUEST
    return "" if _HOST.fullmatch(hosts[0]) else f"{_BAD_REQUEST}: malformed Host header"


async def _refuse(fault: str, _scope: Scope, _receive: Receive, send: Send) -> None:
    """The application of a request that none is shown."""
    await send_bytes(send, 400, fault.encode(), [TEXT, (b"connection", b"close")])


def _has_unread(transport: asyncio.Transport) -> bool:
    """Whether something has come that was not looked at yet: timers run first after whatever the event loop was busy
    with."""
    connection = transport.get_extra_info("socket")
    if connection is None or connection.fileno() < 0:
        return False
    return any(fcntl.ioctl(connection.fileno(), termios.FIONREAD, bytes(4)))


class _Flow(FlowControl):
    """Of a connection where requests that have come wait for others to end: then no more are read. Each may take a
    hundred times its bytes of memory."""

    def __init__(self, transport: asyncio.Transport, waiting: Collection[object]) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        if not self._waiting:
            super().resume_reading()


class Protocol(HttpToolsProtocol):
    """Adds the client's certificate (DER) to `scope["extensions"]["tls"]`, the Cycle as "connection" beside it, and
    limits to a request's headers.

    `_running`: the request that is being answered, or was last; others that have come wait in `pipeline`.
    `_head_bytes`: received so far of a request whose headers have begun and not ended, else None. `_head_timer` runs
    while such a one, or the first of a connection, is awaited. `_messages` counts requests; `_ended`: the last one has
    been received; `_framing`: bytes that came since the last one of its body, `_unread`: those of its body that came
    after its answer. `_idle_since`: the end of the last answer, inf once data has come after it; uvicorn's timer for
    idle connections runs then, and may run otherwise. `_farewell`: how the connection ends when all is answered; what
    comes is not looked at any more. `_made`: when the connection was."""

    pipeline: deque[tuple[Cycle, Any]]  # type: ignore[assignment]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)
        connection = transport.get_extra_info("ssl_object")
        certificate = connection.getpeercert(binary_form=True) if connection is not None else None
        self._tls: dict[str, bytes | None] = {"client_cert_der": certificate}
        self._head_bytes: int | None = None
        self._idle_since = inf
        self._running: Cycle | None = None
        self._messages = self._unread = self._framing = 0
        self._ended = True
        self._made = self.loop.time()
        self._farewell: Callable[[], None] | None = None
        self._head_timer: asyncio.TimerHandle | None = self.loop.call_later(HEADER_SECONDS, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_head_timer()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        super().connection_lost(exc)
        # It may keep our methods (uvloop's does), and we keep it: all of TLS would wait for the garbage collector.
        self.transport.set_protocol(asyncio.BufferedProtocol())
        if self._running is not None:
            # uvicorn tells only the request that came last.
            self._running.leave()
            # Those that waited for it have us.
            self.pipeline.clear()
            self.cycle = self._running
        self._farewell = None

    def eof_received(self) -> None:
        """TLS's farewell: what is written from now on is dropped, and each time the log would be told so."""
        if self._running is not None:
            self._running.leave()

    def _start_asgi_task(self, cycle: Cycle, app: Any) -> None:  # type: ignore[override]
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def data_received(self, data: bytes) -> None:
        if self._farewell is not None:
            return
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes + FIELD_OVERHEAD * len(self.headers) > MAX_HEADER_LIST:
                self._end_by(self._refuse_head)
                return
        elif not self._ended:
            self._framing += len(data)
            if self._framing > MAX_FRAMING_BYTES:
                # The parser holds trailers until they end.
                self._end_by(self.transport.close)
                return
        super().data_received(data)
        if self._head_bytes is not None:
            self._await_head()
        elif self._is_idle() and not self.transport.is_closing():
            # Bytes that begin no request do not keep a connection.
            self._rest()

    def _await_head(self) -> None:
        """Its rest; not while others wait, and so we do not read."""
        if self._head_bytes is not None and self._head_timer is None and not self.pipeline:
            self._head_timer = self.loop.call_later(HEADER_SECONDS, self._end_by, self.transport.close)

    def _is_idle(self) -> bool:
        return not self.pipeline and self.cycle is not None and self.cycle.response_complete

    def _end_by(self, farewell: Callable[[], None]) -> None:
        """For what is being received, which is no request: in its turn, after the answers to those before it."""
        self._cancel_head_timer()
        is_body = self._head_bytes is None and not self._ended
        if is_body and self.pipeline:
            # Of the last one, of which nobody knows yet.
            self.pipeline.popleft()
        elif is_body and not self.cycle.response_started:
            farewell()
            return
        elif is_body:
            # Its answer is under way, or has left.
            farewell = self.transport.close
        self._head_bytes, self._farewell = None, farewell
        if self.cycle is None or self.cycle.response_complete:
            farewell()

    def _refuse_head(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._messages += 1
        self._unread, self._framing, self._ended = 0, 0, False

    def on_header(self, name: bytes, value: bytes) -> None:
        # What follows a chunked body are trailers: no headers of the request, and least of all somebody's identity.
        if self._head_bytes is not None:
            # The parser leaves blanks at the end, which are no part of it.
            name, value = name.lower(), value.rstrip(b" \t")
            self.headers.append((name, value))
            if name == b"expect":
                self.expect_100_continue = value.lower() == b"100-continue"

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            self.flow.resume_reading()
            self._await_head()
            return
        if self._farewell is not None:
            self._farewell()
            return
        self.flow.resume_reading()
        self._rest()
        if not self._ended and self._head_bytes is None:
            self.loop.call_later(UNREAD_SECONDS, self._close_unread, self._messages)

    def _rest(self) -> None:
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(IDLE_SECONDS, self.timeout_keep_alive_handler)

    def _unset_keepalive_if_required(self) -> None:
        """uvicorn's word for: data has come. A timer that goes on costs less than one for each request."""
        self._idle_since = inf

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        left = self._idle_since + IDLE_SECONDS - self.loop.time()
        if left <= 0 and not _has_unread(self.transport):
            super().timeout_keep_alive_handler()
        elif left < inf:
            delay = max(left, UNREAD_DELAY)
            self.timeout_keep_alive_task = self.loop.call_later(delay, self.timeout_keep_alive_handler)

    def shutdown(self) -> None:
        if self._awaits_request():
            self.loop.call_later(UNREAD_DELAY, self.shutdown)
        else:
            super().shutdown()

    def _awaits_request(self) -> bool:
        """Whether one is on its way: its client would not know if it was seen. Of a new connection, as in Go."""
        if self.transport.is_closing():
            return False
        if self._head_bytes is not None or _has_unread(self.transport):
            return self.cycle is None or self.cycle.response_complete
        return self.cycle is None and self.loop.time() < self._made + NEW_SECONDS

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._framing = 0
        if self.cycle.response_complete:
            self._unread += len(body)
            if self._unread > MAX_UNREAD_BYTES:
                self.transport.close()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._ended = True

    def cut_stalled(self, takes: bool) -> None:
        """As drain.Cuttable has it."""
        # One that is closing has written all, and waits for the client to take it and to answer TLS's farewell.
        if not takes and (self.flow.write_paused or self.transport.is_closing()):
            self.transport.abort()

    def _close_unread(self, message: int) -> None:
        if message == self._messages and not self._ended:
            self.transport.close()

    def on_headers_complete(self) -> None:
        before, cycle = self.cycle, self._begin_cycle()
        self._head_bytes = None
        if self._head_timer is not None:
            self._cancel_head_timer()
        self.cycle = cycle
        fault = _host_fault(self.headers, self.scope["http_version"])
        app: Any = partial(_refuse, fault) if fault else self.app
        if before is None or before.response_complete:
            self._start_asgi_task(cycle, app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, app))

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP; in Go's words, not in uvicorn's."""
        self._end_by(partial(super().send_400_response, _BAD_REQUEST))

    def _unsupported_upgrade_warning(self) -> None:
        """No warning: it is answered as if it had not asked for that."""

    def _begin_cycle(self) -> Cycle:
        """Completes the scope of the request whose headers have come."""
        parser, url, version = self.parser, httptools.parse_url(self.url), self.parser.get_http_version()
        path, scope = url.path.decode("ascii"), self.scope
        scope["method"], scope["http_version"] = parser.get_method().decode("ascii"), version
        scope["path"], scope["raw_path"] = unquote(path) if "%" in path else path, url.path
        scope["query_string"] = url.query or b""
        cycle = Cycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            # What follows a request that would upgrade its connection, the parser leaves to another protocol.
            keep_alive=version != "1.0" and parser.should_keep_alive() and not parser.should_upgrade(),
            on_response=self.on_response_complete,
        )
        # The cycle has the scope: with itself in there, only the garbage collector could free a request.
        extensions: dict[str, Any] = {"tls": self._tls, "connection": weakref.proxy(cycle)}
        scope["extensions"] = extensions
        return cycle


_received = memoryview(bytearray(16 * 1024))
"""What a connection has just received. All have the one buffer: it is taken before the event loop goes on. A thousand
requests may be in it; the rest waits in TLS until others have had their turn."""


class Reader(asyncio.BufferedProtocol):
    """A Protocol that reads into one buffer. For one that does not, uvloop makes a new one of 256 KiB for each read,
    which the allocator maps and unmaps: a seventh of a small answer's cost."""

    def __init__(self, **options: Any) -> None:
        """`options` are a Protocol's."""
        protocol = Protocol(**options)
        self.protocol = protocol
        # As attributes of the instance they cost no call more.
        self.connection_made = protocol.connection_made  # type: ignore[method-assign, assignment]
        self.connection_lost = protocol.connection_lost  # type: ignore[method-assign]
        self.pause_writing = protocol.pause_writing  # type: ignore[method-assign]
        self.resume_writing = protocol.resume_writing  # type: ignore[method-assign]
        self.eof_received = protocol.eof_received  # type: ignore[method-assign]

    def get_buffer(self, sizehint: int) -> memoryview:
        return _received

    def buffer_updated(self, nbytes: int) -> None:
        self.protocol.data_received(bytes(_received[:nbytes]))
