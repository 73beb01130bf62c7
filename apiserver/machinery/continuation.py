"""Continue tokens: where a chunked list goes on (k8s.io/apiserver `pkg/storage/continue.go`; wire.md 3.12)."""

import base64
import posixpath
import re
from dataclasses import dataclass
from typing import Any

import orjson

from apiserver.machinery.errors import BadRequest
from apiserver.machinery.gojson import GoJSONError, decode, type_name

_VERSION = "meta.k8s.io/v1"
_OWN = re.compile(rb'\{"v":"meta\.k8s\.io/v1","rv":([1-9]\d{0,17}),"start":"/([a-z0-9./-]+)\\u0000"\}')
"""What `encode_continue` makes of names; the rest is read as Go reads it, for the sake of its errors."""
_BASE64 = re.compile(r"[A-Za-z0-9_-]*")
_FIELDS = {"v": (str, "string"), "rv": (int, "int64"), "start": (str, "string")}
_PREFIX = "invalid continue token: continue key is not valid: "
TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class Continuation:
    """`start` is the first key of the next page, relative to the list's prefix; revision -1 means "the latest"."""

    revision: int
    start: str


def encode_continue(revision: int, last: str) -> str:
    """The token for the page after `last`, a key relative to the list's prefix."""
    token = {"v": _VERSION, "rv": revision, "start": f"/{last}\0"}
    return base64.urlsafe_b64encode(orjson.dumps(token)).rstrip(b"=").decode()


def decode_continue(token: str) -> Continuation:
    """Raises BadRequest for anything that `encode_continue` did not make."""
    # Go's decoders take no notice of line breaks and of the case of a member's name.
    token = token.replace("\r", "").replace("\n", "")
    illegal = _illegal_at(token)
    if illegal is not None:
        raise BadRequest(f"{_PREFIX}illegal base64 data at input byte {illegal}")
    data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    own = _OWN.fullmatch(data)
    if own and _stays_inside(own[2].decode()):
        return Continuation(int(own[1]), own[2].decode() + "\0")
    return _decoded(data)


def _decoded(data: bytes) -> Continuation:
    try:
        fields = decode(data)
    except GoJSONError as error:
        raise BadRequest(f"{_PREFIX}{error}") from None
    if isinstance(fields, dict):
        fields = {key.lower(): value for key, value in fields.items()}
    fields = {} if fields is None else fields
    fault = _type_fault(fields)
    if fault:
        raise BadRequest(f"{_PREFIX}json: cannot unmarshal {fault}")
    version, revision, start = fields.get("v") or "", fields.get("rv") or 0, fields.get("start") or ""
    if version != _VERSION:
        raise BadRequest(f"{_PREFIX}server does not recognize this encoded version {version}")
    if revision == 0:
        raise BadRequest(f"{_PREFIX}incorrect encoded start resourceVersion (version {_VERSION})")
    if not start:
        raise BadRequest(f"{_PREFIX}encoded start key empty (version {_VERSION})")
    relative: str = start.removeprefix("/")
    if not _stays_inside(relative):
        raise BadRequest(f"{_PREFIX}{start}")
    return Continuation(revision, relative)


def _stays_inside(relative: str) -> bool:
    """Whether the path does not lead out of the list's prefix; POSIX leaves two slashes at the start alone."""
    return not relative.startswith("/") and posixpath.normpath("/" + relative) == "/" + relative


def _illegal_at(token: str) -> int | None:
    """Where unpadded base64url ends; a lone last character stands for nothing."""
    legal = _BASE64.match(token)
    end = legal.end() if legal else 0
    if end < len(token):
        return end
    return end - 1 if end % 4 == 1 else None


def _type_fault(fields: Any) -> str:
    if not isinstance(fields, dict):
        return f"{type_name(fields)} into Go value of type storage.continueToken"
    for key, (kind, go_type) in _FIELDS.items():
        value: Any = fields.get(key)
        fits = type(value) is kind and not (isinstance(value, int) and not -(2**63) <= value < 2**63)
        if value is not None and not fits:
            shown = f"number {value}" if kind is int and type_name(value) == "number" else type_name(value)
            return f"{shown} into Go struct field continueToken.{key} of type {go_type}"
    return ""
