"""A request's header list in HTTP/2 (RFC 9113 section 8), judged and brought into the form of ASGI."""

import string
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

import httptools

from apiserver.http.asgi import Scope
from http2.frames import PROTOCOL_ERROR, StreamFailed
from http2.hpack import Header

UNDECLARED = -1

_METHOD = (string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~").encode()
"""Bytes of a method."""
_PSEUDO = frozenset((b":method", b":scheme", b":path", b":authority"))
_ANY_PSEUDO = _PSEUDO | {b":status"}
"""There are no others."""
_OF_A_CONNECTION = frozenset((b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"))
_SPECIAL = _ANY_PSEUDO | _OF_A_CONNECTION | {b"te", b"host", b"cookie", b"content-length", b"expect"}
"""What is looked at; most requests have none of these among their headers."""


def complete(scope: Scope, fields: Sequence[Header]) -> tuple[int, bool]:
    """Fills in what the header list says; `headers` are as HTTP/1.1's: with `host`, without what begins with a colon,
    cookies in one. The length that the body is declared to have, or UNDECLARED, and whether the client waits before it
    sends it. Raises StreamFailed for a request that is malformed."""
    pseudo, headers = _split(fields)
    method = pseudo.get(b":method", b"")
    # CONNECT has no path, and everything else needs one: so there is no CONNECT.
    if not method or method.translate(None, _METHOD) or method == b"CONNECT":
        raise StreamFailed(PROTOCOL_ERROR, "no method")
    # That of who asked first: a proxy that was asked without TLS may say so.
    if pseudo.get(b":scheme") not in (b"https", b"http"):
        raise StreamFailed(PROTOCOL_ERROR, "no scheme")
    authority, length, expects = pseudo.get(b":authority", b""), UNDECLARED, False
    if b"@" in authority:
        raise StreamFailed(PROTOCOL_ERROR, "an authority with a user")
    names = dict(headers)
    if not _SPECIAL.isdisjoint(names):
        _check(headers, names, authority)
        headers = _with_one_cookie(headers)
        length = _length(headers) if b"content-length" in names else UNDECLARED
        expects = names.get(b"expect", b"").lower() == b"100-continue"
    if authority and b"host" not in names:
        headers.insert(0, (b"host", authority))
    url = _parse_target(pseudo.get(b":path", b""))
    raw_path: bytes = url.path
    path = raw_path.decode("ascii")
    scope["method"], scope["headers"] = method.decode("ascii"), headers
    scope["path"], scope["raw_path"] = unquote(path) if "%" in path else path, raw_path
    scope["query_string"] = url.query or b""
    return length, expects


def check_trailers(fields: Sequence[Header]) -> None:
    """They are judged, and forgotten. Raises StreamFailed."""
    if any(name[:1] == b":" for name, _ in fields):
        raise StreamFailed(PROTOCOL_ERROR, "a pseudo-header among trailers")


def _split(fields: Sequence[Header]) -> tuple[dict[bytes, bytes], list[Header]]:
    """Pseudo-headers, and the others. Raises StreamFailed."""
    count = 0
    for name, _ in fields:
        if name[:1] != b":":
            break
        count += 1
    pseudo = dict(fields[:count])
    if len(pseudo) != count or not _PSEUDO.issuperset(pseudo):
        raise StreamFailed(PROTOCOL_ERROR, "a pseudo-header that comes twice, or is an answer's")
    return pseudo, list(fields[count:])


def _check(headers: list[Header], names: dict[bytes, bytes], authority: bytes) -> None:
    """Raises StreamFailed for what must not be among the headers, or not so."""
    if not _ANY_PSEUDO.isdisjoint(names):
        raise StreamFailed(PROTOCOL_ERROR, "a pseudo-header after others")
    if not _OF_A_CONNECTION.isdisjoint(names) or any(name == b"te" and value != b"trailers" for name, value in headers):
        raise StreamFailed(PROTOCOL_ERROR, "a header of a connection (section 8.2.2)")
    hosts = {value for name, value in headers if name == b"host"}
    if hosts and len(hosts | {authority or min(hosts)}) > 1:
        raise StreamFailed(PROTOCOL_ERROR, "another host than the authority")


def _with_one_cookie(headers: list[Header]) -> list[Header]:
    cookies = [value for name, value in headers if name == b"cookie"]
    if len(cookies) < 2:
        return headers
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
