"""A request and its answer on a stream of HTTP/2, as ASGI."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from apiserver.http.asgi import Application, Message, Scope
from apiserver.http.cycle import SEND_SECONDS
from apiserver.http.h2_request import UNDECLARED, check_trailers, complete
from http2 import hpack
from http2.frames import INTERNAL_ERROR, PROTOCOL_ERROR, StreamFailed
from http2.hpack import Header
from http2.stream import Stream, StreamClosed

if TYPE_CHECKING:
    from apiserver.http.h2 import Connection

_BODILESS = (204, 304)
_CLOSE = (b"connection", b"close")
_CONTINUE = hpack.encode([(b":status", b"100")])
_STATUS = {code: (b":status", b"%d" % code) for code in range(100, 600)}
_TOO_LARGE = b"<h1>HTTP Error 431</h1><p>Request Header Field(s) Too Large</p>"
"""Go's words."""

logger = logging.getLogger("uvicorn.error")


class Exchange(Stream):
    """It is an `asgi.Connection`.

    `runs`: an application has it. `started`, `complete`: whether the answer is. `_head`: of an answer that has begun,
    until it is written; `_has_body`: it may have one. `_body`: what has come of the request's and was not taken yet;
    `_news`: something has come, or its end. `_left`: what has not, of the declared length. `_is_known`: the request's
    headers have come; `_is_whole`: all of it. `_is_last`: the connection ends after this answer."""

    __slots__ = (
        "_body",
        "_expects_continue",
        "_has_body",
        "_head",
        "_is_known",
        "_is_last",
        "_is_whole",
        "_left",
        "_news",
        "_receiver",
        "complete",
        "on_gone",
        "runs",
        "started",
    )
    connection: "Connection"

    def __init__(self, connection: "Connection", stream_id: int) -> None:
        super().__init__(connection, stream_id)
        self._body = bytearray()
        self._head = b""
        self._has_body = self._news = True
        self._is_known = self._is_last = self._is_whole = self._expects_continue = False
        self.runs = self.started = self.complete = False
        self._left = UNDECLARED
        self._receiver: asyncio.Future[None] | None = None
        self.on_gone: Callable[[], None] | None = None

    # What arrives

    def headers_received(self, headers: Sequence[Header], end: bool) -> None:
        if self._is_known:
            if not end:
                raise StreamFailed(PROTOCOL_ERROR, "trailers that are not the end")
            check_trailers(headers)
            self.data_received(b"", end)
            return
        scope = self.connection.scope(self)
        self._left, expects = complete(scope, headers)
        self._is_known = True
        self._has_body = scope["method"] != "HEAD"
        self._expects_continue = expects and not end
        if self._left != UNDECLARED:
            self._check_length(0, end)
        self._news = self._is_whole = end
        self.connection.begin(self, scope)

    def headers_too_large(self, end: bool) -> None:
        if self._is_known:
            raise StreamFailed(PROTOCOL_ERROR, "too many trailers")
        self._is_known = True
        length = (b"content-length", b"%d" % len(_TOO_LARGE))
        self._answer_at_once(431, [(b"content-type", b"text/html; charset=utf-8"), length], _TOO_LARGE)

    def data_received(self, data: bytes, end: bool) -> None:
        if not self._is_known:
            raise StreamFailed(PROTOCOL_ERROR, "data before headers")
        if self._left != UNDECLARED:
            self._check_length(len(data), end)
        if data and not self.complete:
            self._body += data
        self._news, self._is_whole = True, end
        self._wake()

    def _check_length(self, size: int, end: bool) -> None:
        """Raises StreamFailed when a body is not as long as was declared."""
        self._left -= size
        if self._left < 0 or (end and self._left):
            raise StreamFailed(PROTOCOL_ERROR, "a body of another length than was declared")

    def closed(self, error: StreamClosed | None) -> None:
        if not (self.runs and self._is_whole):
            self._body.clear()
        self._wake()
        if error is not None and self.on_gone is not None:
            self.on_gone()
        if self._is_last:
            # After the answer has left: some clients take nothing after a goodbye.
            self.connection.loop.call_soon(self.connection.shutdown)

    def _wake(self) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None and not receiver.done():
            receiver.set_result(None)

    # The application

    async def run(self, app: Application, scope: Scope) -> None:
        try:
            await app(scope, self.receive, self.send)
        except BaseException as error:
            logger.error("Exception in ASGI application\n", exc_info=error)
            self._fail()
        else:
            if self.id in self.connection.streams:
                logger.error("ASGI callable returned without completing response.")
                self._fail()

    def _fail(self) -> None:
        """The application has gone without an answer, or in the middle of it."""
        if self.started:
            self.reset(INTERNAL_ERROR)
            return
        self._answer_at_once(500, [(b"content-type", b"text/plain; charset=utf-8")], b"Internal Server Error")

    def _answer_at_once(self, code: int, headers: Iterable[Header], body: bytes) -> None:
        """Or never: no application runs whose time would end."""
        self._start(code, headers)
        self._write(body, more=False)
        self.reset(INTERNAL_ERROR)

    @property
    def _is_open(self) -> bool:
        return self.id in self.connection.streams

    @property
    def is_gone(self) -> bool:
        return not self._is_open

    async def receive(self) -> Message:
        if self._expects_continue:
            self._expects_continue = False
            if not self._body:
                self.send_headers(_CONTINUE)
        while not self._news and not self.complete and self._is_open:
            self._receiver = asyncio.get_running_loop().create_future()
            await self._receiver
        if self.complete or not (self._is_open or (self._news and self._is_whole)):
            return {"type": "http.disconnect"}
        # If the client has gone, but what it asked for has come whole, a write goes on.
        self._news = False
        body = bytes(self._body)
        self._body.clear()
        self.acknowledge(len(body))
        return {"type": "http.request", "body": body, "more_body": not self.received_end}

    async def send(self, message: Message) -> None:
        if self._pending or self.connection.paused:
            await self._wait_for_room()
        if self.id not in self.connection.streams:
            return
        if message["type"] == "http.response.start":
            self._start(message["status"], message.get("headers", ()))
            return
        self._write(message.get("body", b""), message.get("more_body", False))
        if self._pending and self.complete:
            # Until then the answer counts against the request's time.
            await self._wait_for_room()

    async def _wait_for_room(self) -> None:
        """A client that makes none for too long loses the stream."""
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self.drain()
        except TimeoutError:
            self.abort()

    def abort(self) -> None:
        self.reset(INTERNAL_ERROR)

    def push(self, data: bytes) -> bool:
        if self._head or self.complete or not self.is_writable or not self._is_open:
            return False
        if self._has_body:
            self.send_data(data)
        return True

    # The answer

    def _start(self, code: int, headers: Iterable[Header]) -> None:
        """Raises ValueError for a header that might become two."""
        sent = [_STATUS[code], *self.connection.default_headers, *headers]
        if _CLOSE in sent:
            # In HTTP/2 it is the connection that says so, as Go's server has it.
            sent = [header for header in sent if header != _CLOSE]
            self._is_last = True
        self._head = hpack.encode(sent)
        self.started, self._expects_continue = True, False
        if code in _BODILESS:
            self._has_body = False

    def _write(self, body: bytes, more: bool) -> None:
        if self.complete:
            raise RuntimeError("the answer was complete already")
        if not self._has_body:
            body = b""
        self.complete = not more
        if self.complete:
            self._body.clear()
        head, self._head = self._head, b""
        if head and self.complete and self.send_all(head, body):
            return
        if head:
            self.send_headers(head)
        self.send_data(body, end=self.complete)
