"""Answers that are no resource: a Status, or text as Go's http.Error writes it."""

from collections.abc import AsyncIterable, Callable, Sequence
from dataclasses import replace

from apiserver.http.asgi import Headers, Scope, Send
from apiserver.http.negotiation import YAML, Format, negotiate_plain, wants_pretty
from apiserver.machinery.encoding import encode_ordered, indent, to_yaml
from apiserver.machinery.errors import APIError, NotAcceptable
from apiserver.machinery.request import RequestInfo

_SMALL = 64 * 1024
NOSNIFF = (b"x-content-type-options", b"nosniff")
TEXT = (b"content-type", b"text/plain; charset=utf-8")


async def send_bytes(send: Send, code: int, data: bytes, headers: Headers) -> None:
    """A whole answer at once; content-length is added to `headers`."""
    length = (b"content-length", b"%d" % len(data))
    await send({"type": "http.response.start", "status": code, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": data})


async def send_parts(send: Send, code: int, parts: Sequence[bytes], headers: Headers) -> None:
    """As `send_bytes`, of a body in parts. A large one is sent part by part: each when the client has room for it, and
    none is copied to be joined."""
    size = sum(map(len, parts))
    if size <= _SMALL:
        await send_bytes(send, code, b"".join(parts), headers)
        return
    await send(
        {"type": "http.response.start", "status": code, "headers": [*headers, (b"content-length", b"%d" % size)]}
    )
    for part in parts[:-1]:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": parts[-1]})


async def send_stream(send: Send, code: int, parts: AsyncIterable[bytes], headers: Headers) -> None:
    """Of a body in parts that are made as the client takes them, so that its length is not known."""
    await send({"type": "http.response.start", "status": code, "headers": headers})
    async for part in parts:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body"})


async def send_text(send: Send, code: int, text: str, headers: Headers = ()) -> None:
    """The text as it is: callers end it with a newline where Go does."""
    await send_bytes(send, code, text.encode(), [TEXT, NOSNIFF, *headers])


async def send_status(send: Send, error: APIError, chosen: Format = Format(), headers: Headers = ()) -> None:
    """`error` as a Status in the chosen format."""
    data = encoded(encode_ordered(error.to_status()), chosen)
    retry = [(b"retry-after", b"%d" % error.retry_after)] if error.retry_after else []
    await send_bytes(send, error.code, data, [chosen.header, *retry, *headers])


def encoded(data: bytes, chosen: Format) -> bytes:
    """Compact JSON without a newline as it is sent."""
    if chosen.media_type == YAML:
        return to_yaml(data)
    return indent(data) if chosen.pretty else data + b"\n"


def format_of(scope: Scope) -> Format:
    """What the client wants a Status in. Where nothing can be negotiated, a conversion for one: indented JSON."""
    try:
        return negotiated(scope, negotiate_plain)
    except NotAcceptable:
        return Format(pretty=True)


def negotiated(scope: Scope, negotiate: Callable[[str], Format]) -> Format:
    """What `negotiate` makes of the request's Accept header, pretty if the client is a person. Raises NotAcceptable."""
    # Of a repeated header the first one counts, as in Go.
    headers, info = dict(reversed(scope["headers"])), scope["state"]["info"]
    chosen = negotiate(headers.get(b"accept", b"").decode("latin-1"))
    return replace(chosen, pretty=chosen.pretty or _wants_pretty(info, headers))


def _wants_pretty(info: RequestInfo, headers: dict[bytes, bytes]) -> bool:
    return wants_pretty(info.query.get("pretty"), headers.get(b"user-agent", b"").decode("latin-1"))
