"""A request's header list in HTTP/2 (RFC 9113 section 8), judged and brought into the form of ASGI."""

import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import httptools

from http2.frames import PROTOCOL_ERROR, StreamFailed
from http2.hpack import Header

UNDECLARED = -1

_TOKEN = (string.ascii_lowercase + string.digits + "!#$%&'*+-.^_`|~").encode()
"""Bytes of a header's name."""
_METHOD = _TOKEN + string.ascii_uppercase.encode()
_TEXT = bytes([9, *range(32, 127), *range(128, 256)])
"""Bytes of a value: no control characters, as Go's and HTTP/1.1's parsers have it."""
_PSEUDO = frozenset((b":method", b":scheme", b":path", b":authority"))
_OF_A_CONNECTION = frozenset((b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"))


@dataclass(slots=True)
class Request:
    """`headers` as HTTP/1.1's: with `host`, without what begins with a colon, cookies in one. `length`: what the body
    is declared to have, or UNDECLARED."""

    method: str
    path: str
    raw_path: bytes
    query: bytes
    headers: list[Header]
    length: int
    expects_continue: bool


def parse(fields: Sequence[Header]) -> Request:
    """Raises StreamFailed for a request that is malformed."""
    pseudo, headers = _split(fields)
    method, target = pseudo.get(b":method", b""), pseudo.get(b":path", b"")
    # CONNECT has no path, and everything else needs one: so there is no CONNECT.
    if not method or method.translate(None, _METHOD) or method == b"CONNECT" or pseudo.get(b":scheme") != b"https":
        raise StreamFailed(PROTOCOL_ERROR, "no method or no scheme")
    names = dict(headers)
    _check_connection(headers, names)
    headers = _with_host(headers, names, pseudo.get(b":authority", b""))
    if b"cookie" in names:
        headers = _with_one_cookie(headers)
    url = _parse_target(target)
    raw_path: bytes = url.path
    path = raw_path.decode("ascii")
    return Request(
        method.decode("ascii"),
        unquote(path) if "%" in path else path,
        raw_path,
        url.query or b"",
        headers,
        _length(headers) if b"content-length" in names else UNDECLARED,
        names.get(b"expect", b"").lower() == b"100-continue",
    )


def check_trailers(fields: Sequence[Header]) -> None:
    """They are judged, and forgotten. Raises StreamFailed."""
    if _split(fields)[0]:
        raise StreamFailed(PROTOCOL_ERROR, "a pseudo-header among trailers")


def _split(fields: Sequence[Header]) -> tuple[dict[bytes, bytes], list[Header]]:
    """Pseudo-headers, and the others. Raises StreamFailed."""
    count = 0
    for name, _ in fields:
        if name[:1] != b":":
            break
        count += 1
    pseudo, headers = dict(fields[:count]), list(fields[count:])
    if len(pseudo) != count or not _PSEUDO.issuperset(pseudo):
        raise StreamFailed(PROTOCOL_ERROR, "a pseudo-header that is unknown, or comes twice")
    # All at once, by what is left when valid bytes are taken away: a colon or a capital in a name, for example.
    names, values = b" ".join([name for name, _ in headers]), b"\n".join([value for _, value in fields])
    if names.translate(None, _TOKEN) != b" " * (len(headers) - 1) or values.translate(None, _TEXT) != b"\n" * (
        len(fields) - 1
    ):
        raise StreamFailed(PROTOCOL_ERROR, "a header of impossible characters")
    if b"" in dict(headers):
        raise StreamFailed(PROTOCOL_ERROR, "a header without a name")
    return pseudo, headers


def _check_connection(headers: list[Header], names: dict[bytes, bytes]) -> None:
    """Raises StreamFailed for what is a connection's (section 8.2.2)."""
    encodings = [value for name, value in headers if name == b"te"] if b"te" in names else []
    if not _OF_A_CONNECTION.isdisjoint(names) or any(value != b"trailers" for value in encodings):
        raise StreamFailed(PROTOCOL_ERROR, "a header of a connection")


def _with_host(headers: list[Header], names: dict[bytes, bytes], authority: bytes) -> list[Header]:
    """Raises StreamFailed when a Host header says something else than the authority."""
    if b"@" in authority:
        raise StreamFailed(PROTOCOL_ERROR, "an authority with a user")
    if b"host" not in names:
        return [(b"host", authority), *headers] if authority else headers
    if len({value for name, value in headers if name == b"host"} | ({authority} if authority else set())) > 1:
        raise StreamFailed(PROTOCOL_ERROR, "another host than the authority")
    return headers


def _with_one_cookie(headers: list[Header]) -> list[Header]:
    cookies = [value for name, value in headers if name == b"cookie"]
    return [*(header for header in headers if header[0] != b"cookie"), (b"cookie", b"; ".join(cookies))]


def _length(headers: list[Header]) -> int:
    """Raises StreamFailed."""
    lengths = {value for name, value in headers if name == b"content-length"}
    text = lengths.pop()
    if lengths or not text.isdigit() or len(text) > 18:
        raise StreamFailed(PROTOCOL_ERROR, "a content-length that is no length")
    return int(text)


def _parse_target(target: bytes) -> Any:
    """An httptools URL. Raises StreamFailed."""
    if target[:1] == b"/" or target == b"*":
        try:
            return httptools.parse_url(target)
        except httptools.HttpParserInvalidURLError:
            pass
    raise StreamFailed(PROTOCOL_ERROR, "no path")
