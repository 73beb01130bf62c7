"""One HTTP request to a resource, and the ways to answer it: pre-encoded bytes, straight to ASGI."""

import asyncio
from collections.abc import Callable, MutableMapping, Sequence
from functools import partial
from typing import Any, TypeVar

from apiserver.endpoints.conversion import LARGE, laid_out, off_loop
from apiserver.http.asgi import Connection, Headers, Receive, Scope, Send
from apiserver.http.body import read_body
from apiserver.http.negotiation import JSON, YAML, Format, negotiate, wants_pretty
from apiserver.http.respond import format_of, send_bytes, send_parts, send_status
from apiserver.http.warning import warning_headers
from apiserver.machinery import codec
from apiserver.machinery.encoding import AS_YAML, INDENTED, encode_ordered
from apiserver.machinery.errors import APIError, BadRequest, Object, invalid
from apiserver.machinery.pieces import Piece, gzipped
from apiserver.machinery.request import RequestInfo, User, first

_GZIP_FROM = 128 * 1024
_GZIP_AT_ONCE = 512 * 1024
"""Bytes that are compressed in a millisecond or two."""
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
        return await off_loop(partial(decode, content_type=content_type), data, yaml=is_yaml)

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
            await self.reply_pieces(code, [Piece(data)])

    async def reply_pieces(self, code: int, pieces: Sequence[Piece]) -> None:
        """Sends JSON in the format that was asked for: as it is, or compressed, it is made of the pieces' own bytes."""
        pieces = await self._formatted(pieces)
        headers: Headers = [self.format.header, *warning_headers(self.warnings)]
        parts = [piece.data for piece in pieces]
        if sum(map(len, parts)) > _GZIP_FROM and self._accepts_gzip:
            await _deflate(pieces)
            parts = list(gzipped(pieces))
            headers = [*headers, (b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
        await send_parts(self.send, code, parts, headers)

    async def _formatted(self, pieces: Sequence[Piece]) -> Sequence[Piece]:
        if self.format.media_type == YAML:
            return await laid_out(pieces, AS_YAML)
        if self._pretty(self.format):
            return await laid_out(pieces, INDENTED)
        # Of one write with the end of the body, which is short.
        return [*pieces[:-1], Piece(pieces[-1].data + b"\n")]

    @property
    def _accepts_gzip(self) -> bool:
        return "gzip" in (token.strip() for token in self.header(b"accept-encoding").split(","))

    async def reply_error(self, error: APIError) -> None:
        """A Status, in the media type that is asked for, watch or not."""
        await send_status(self.send, error, format_of(self._scope), warning_headers(self.warnings))


async def _deflate(pieces: Sequence[Piece]) -> None:
    """Compresses what has not been yet, and lets others run meanwhile."""
    for piece in pieces:
        if not piece.is_deflated and len(piece.data) > _GZIP_AT_ONCE:
            await asyncio.to_thread(piece.deflate)
        elif not piece.is_deflated:
            piece.deflate()
            await asyncio.sleep(0)


def success_status(details: Object) -> bytes:
    """The Status of a finished deletion."""
    status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return encode_ordered({**status, "details": details})
