"""One HTTP request to a resource, and the ways to answer it: pre-encoded bytes, straight to ASGI."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, MutableMapping, Sequence
from functools import partial
from typing import Any, TypeVar

from apiserver.endpoints.conversion import converted, laid_out
from apiserver.http.asgi import Connection, Receive, Scope, Send
from apiserver.http.body import read_body
from apiserver.http.negotiation import JSON, YAML, Format, negotiate, wants_pretty
from apiserver.http.respond import format_of, send_bytes, send_parts, send_status, send_stream
from apiserver.http.warning import warning_headers
from apiserver.machinery import codec
from apiserver.machinery.encoding import AS_YAML, INDENTED, encode_ordered
from apiserver.machinery.errors import APIError, BadRequest, Object, invalid
from apiserver.machinery.pieces import Body, Gzip, Piece, gzipped, no_items
from apiserver.machinery.request import RequestInfo, User, first
from apiserver.registry.threads import LARGE

_GZIP_FROM = 128 * 1024
_GZIP_AT_ONCE = 512 * 1024
"""Bytes that are compressed in a millisecond or two."""
_GZIPPED = [(b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
T = TypeVar("T")


class Exchange:
    """A request with its answer's format; the filters have put identity and RequestInfo into the scope's state."""

    __slots__ = ("_format", "_headers", "_scope", "info", "receive", "send", "state", "warnings")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self.state: MutableMapping[str, Any] = scope["state"]
        self.info: RequestInfo = self.state["info"]
        self.receive, self.send = receive, send
        self.warnings: list[str] = self.state["warnings"]
        # Of a repeated header the first one counts, as in Go.
        self._headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))
        self._format: Format | None = None

    def header(self, name: bytes) -> str:
        return self._headers.get(name, b"").decode("latin-1")

    @property
    def user(self) -> User:
        user: User = self.state["user"]
        return user

    @property
    def format(self) -> Format:
        """What the Accept header asks for. Raises NotAcceptable."""
        if self._format is None:
            self._format = negotiate(self.header(b"accept"))
        return self._format

    @property
    def include_object(self) -> str:
        """What the rows of a Table show beside their cells; "" for another format. Raises BadRequest."""
        if self.format.target != "Table":
            return ""
        asked = first(self.info.query, "includeObject")
        if asked not in ("", "None", "Metadata", "Object"):
            fault = invalid("includeObject", asked, "must be 'Metadata', 'Object', 'None', or empty")
            raise BadRequest(f"Unable to convert to Table as requested: {fault}")
        return asked or "Metadata"

    async def body(self) -> bytes:
        """Raises RequestEntityTooLarge."""
        return await read_body(self.receive, self._headers)

    def abort(self) -> None:
        """`asgi.Connection.abort`."""
        if self._connection is not None:
            self._connection.abort()

    @property
    def push(self) -> Callable[[bytes], bool]:
        """`asgi.Connection.push`."""
        return self._connection.push if self._connection is not None else lambda _: False

    @property
    def _connection(self) -> Connection | None:
        connection: Connection | None = self._scope.get("extensions", {}).get("connection")
        return connection

    async def decoded(self, decode: Callable[..., T], data: bytes) -> T:
        """`decode(data, content_type=...)`. Raises what that raises, and UnsupportedMediaType."""
        content_type = self.header(b"content-type")
        is_yaml = codec.input_type(content_type) == YAML
        return await converted(partial(decode, content_type=content_type), data, yaml=is_yaml)

    async def untyped(self, data: bytes) -> Object:
        """The body `data` as any JSON object. Raises BadRequest, UnsupportedMediaType."""
        return await self.decoded(codec.decode_untyped, data)

    def warn(self, *texts: str) -> None:
        """Each text once."""
        if texts:
            self.warnings[:] = dict.fromkeys((*self.warnings, *texts))

    def _pretty(self, chosen: Format) -> bool:
        return chosen.pretty or wants_pretty(self.info.query.get("pretty"), self.header(b"user-agent"))

    async def reply(self, code: int, data: bytes) -> None:
        """Sends JSON bytes in the format that was asked for."""
        chosen = self.format
        if len(data) <= LARGE and chosen.media_type == JSON and not self._pretty(chosen):
            await send_bytes(self.send, code, data + b"\n", [chosen.header, *warning_headers(self.warnings)])
        else:
            await self.reply_body(code, Body(data, no_items()))

    async def reply_body(self, code: int, body: Body) -> None:
        """Sends JSON in the format that was asked for."""
        chosen = self.format
        # A Table's pieces are not kept with the objects while these are young.
        if chosen.media_type == YAML or chosen.target == "Table" or self._pretty(chosen):
            await self._reply_made(code, self._formatted(body))
        else:
            pieces = [Piece(body.before), *[piece async for piece in body.items], Piece(body.after + b"\n")]
            await self._reply_kept(code, pieces)

    async def _reply_kept(self, code: int, pieces: Sequence[Piece]) -> None:
        """As it is, or compressed, it is made of the pieces' own bytes, which all have."""
        parts, headers = [piece.data for piece in pieces], self._answer_headers
        if sum(map(len, parts)) > _GZIP_FROM and self._accepts_gzip:
            for piece in pieces:
                if not piece.is_deflated:
                    await _deflate(piece)
            parts, headers = gzipped(pieces), headers + _GZIPPED
        await send_parts(self.send, code, parts, headers)

    async def _reply_made(self, code: int, pieces: AsyncIterator[Piece]) -> None:
        """What is made for this client alone is made as it takes it, or a slow one would keep megabytes."""
        begun, headers = await _beginning(pieces), self._answer_headers
        if sum(len(piece.data) for piece in begun) <= _GZIP_FROM:
            await send_bytes(self.send, code, b"".join([piece.data for piece in begun]), headers)
        elif self._accepts_gzip:
            await send_stream(self.send, code, _gzipped(_all(begun, pieces)), headers + _GZIPPED)
        else:
            await send_stream(self.send, code, (piece.data async for piece in _all(begun, pieces)), headers)

    def _formatted(self, body: Body) -> AsyncIterator[Piece]:
        if self.format.media_type == YAML:
            return laid_out(body, AS_YAML)
        return laid_out(body, INDENTED) if self._pretty(self.format) else _as_it_is(body)

    @property
    def _answer_headers(self) -> list[tuple[bytes, bytes]]:
        return [self.format.header, *warning_headers(self.warnings)]

    @property
    def _accepts_gzip(self) -> bool:
        return "gzip" in (token.strip() for token in self.header(b"accept-encoding").split(","))

    async def reply_error(self, error: APIError) -> None:
        """A Status, in the media type that is asked for, watch or not."""
        await send_status(self.send, error, format_of(self._scope), warning_headers(self.warnings))


async def _as_it_is(body: Body) -> AsyncIterator[Piece]:
    yield Piece(body.before)
    async for piece in body.items:
        yield piece
    yield Piece(body.after + b"\n")


async def _beginning(pieces: AsyncIterator[Piece]) -> list[Piece]:
    """More than what is worth compressing, or all."""
    begun, size = list[Piece](), 0
    async for piece in pieces:
        begun.append(piece)
        size += len(piece.data)
        if size > _GZIP_FROM:
            break
    return begun


async def _all(begun: Iterable[Piece], rest: AsyncIterator[Piece]) -> AsyncIterator[Piece]:
    for piece in begun:
        yield piece
    async for piece in rest:
        yield piece


async def _gzipped(pieces: AsyncIterator[Piece]) -> AsyncIterator[bytes]:
    stream = Gzip()
    yield stream.header
    async for piece in pieces:
        await _deflate(piece)
        yield stream.add(piece)
    yield stream.end()


async def _deflate(piece: Piece) -> None:
    """Compresses it, and lets others run meanwhile."""
    if len(piece.data) > _GZIP_AT_ONCE:
        await asyncio.to_thread(piece.deflate)
    else:
        piece.deflate()
        await asyncio.sleep(0)


def success_status(details: Object) -> bytes:
    """The Status of a finished deletion."""
    status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return encode_ordered({**status, "details": details})
