"""A request and its answer over HTTP/1.1: uvicorn's, with answers that leave in one piece."""

import asyncio
from collections.abc import Callable, Iterable
from functools import lru_cache

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from apiserver.http.asgi import Message

_JOINED = 16 * 1024
"""Bytes that a TLS record holds."""
_BODILESS = (204, 304)
SEND_SECONDS = 60.0
"""For so long an answer waits for room, even one that a request's time limit is not for, as a watch's refusal."""


@lru_cache(1)
def _chunk(data: bytes) -> bytes:
    """Not empty. The same is often pushed to one connection after the other."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Cycle(RequestResponseCycle):
    """uvicorn's, with less work for an answer. Its head leaves with the beginning of its body: one TLS record, one call
    of the system. It is an `asgi.Connection`.

    `_head`: of an answer that has begun, until it is written. `_is_taken`: the end of the request's body is."""

    _head = b""
    _is_taken = False
    on_gone: Callable[[], None] | None = None

    @property
    def is_gone(self) -> bool:
        return self.disconnected

    def leave(self) -> None:
        """The client has gone."""
        self.disconnected = True
        self.message_event.set()
        on_gone, self.on_gone = self.on_gone, None
        if on_gone is not None and not self.response_complete:
            on_gone()

    async def receive(self) -> Message:  # type: ignore[override]
        message: Message = await super().receive()  # type: ignore[assignment]
        if message["type"] == "http.disconnect" and not (self.more_body or self._is_taken or self.response_complete):
            # The client has gone, but what it asked for has come whole: a write goes on.
            message = {"type": "http.request", "body": bytes(self.body), "more_body": False}
            self.body = bytearray()
        self._is_taken = self._is_taken or not message.get("more_body", True)
        return message

    async def send(self, message: Message) -> None:  # type: ignore[override]
        if self.flow.write_paused and not self.disconnected:
            await self._wait_for_room()
        if self.disconnected:
            return
        if message["type"] == "http.response.start":
            if self.waiting_for_100_continue:
                # Whether the client still sends the body, nobody can tell: what comes may be that or the next request.
                self.keep_alive = False
            self.response_started, self.waiting_for_100_continue = True, False
            self._head = self._encode_head(message["status"], message.get("headers", ()))
        else:
            self._write(message.get("body", b""), message.get("more_body", False))

    async def _wait_for_room(self) -> None:
        """A client that makes none for too long loses the connection."""
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self.flow.drain()
        except TimeoutError:
            self.disconnected = True
            self.abort()

    def abort(self) -> None:
        self.transport.abort()

    def push(self, data: bytes) -> bool:
        if self._head or self.flow.write_paused or self.disconnected or self.response_complete:
            return False
        self.transport.write(_chunk(data) if self.chunked_encoding else self._framed(data, more=True))
        return True

    def _encode_head(self, code: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Raises ValueError for a header that would end its line."""
        sent = [*self.default_headers, *headers]
        names = dict(sent)
        has_body = code not in _BODILESS and self.scope["method"] != "HEAD"
        # An HTTP/1.0 client knows no chunks: the body ends with the connection.
        self.chunked_encoding = has_body and b"content-length" not in names and self.scope["http_version"] != "1.0"
        if self.chunked_encoding:
            sent.append((b"transfer-encoding", b"chunked"))
        if names.get(b"connection") == b"close":
            self.keep_alive = False
        elif not self.keep_alive:
            sent.append((b"connection", b"close"))
        head = b"%b%b\r\n" % (STATUS_LINE[code], b"".join([b"%b: %b\r\n" % header for header in sent]))
        if head.count(b"\n") != len(sent) + 2:
            raise ValueError("a header of the answer holds a line break")
        return head

    def _write(self, body: bytes, more: bool) -> None:
        if self.response_complete:
            raise RuntimeError("the answer was complete already")
        head, self._head = self._head, b""
        data = self._framed(body, more)
        if len(data) <= _JOINED:
            data = head + data
        elif head:
            self.transport.write(head)
        if data:
            self.transport.write(data)
        if not more:
            self._end()

    def _framed(self, body: bytes, more: bool) -> bytes:
        if self.scope["method"] == "HEAD":
            return b""
        if not self.chunked_encoding:
            return body
        chunk = _chunk(body) if body else b""
        return chunk if more else chunk + b"0\r\n\r\n"

    def _end(self) -> None:
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
