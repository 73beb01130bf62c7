"""Items as response bodies: the object itself, a Table, or PartialObjectMetadata (wire.md 4.1, 4.2).

What was made of an event, or of neighbours in a list, is kept with them, for all who ask for the same form.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from math import inf
from typing import NamedTuple

from apiserver.http.negotiation import Format
from apiserver.machinery.encoding import encode
from apiserver.machinery.errors import NotAcceptable, Object, Plain
from apiserver.machinery.kind import Kind
from apiserver.machinery.pieces import Body, Piece
from apiserver.machinery.table import CLOSING, opening, row
from apiserver.registry.item import Chunk, Item, WatchEvent
from apiserver.registry.options import ItemList

_PARTIAL, _PARTIAL_LIST = "PartialObjectMetadata", "PartialObjectMetadataList"
_WORTH = 1.0
"""Seconds that a piece must be right for to be kept: young objects' ages change all the time."""


class _Form(NamedTuple):
    """What an object becomes: `target` and `version` as in Format; `include` is what a Table's rows show of it."""

    target: str
    version: str
    include: str


def _form(chosen: Format, include_object: str) -> _Form:
    return _Form(chosen.target, chosen.version, include_object)


def one(kind: Kind, item: Item, chosen: Format, include_object: str = "") -> bytes:
    """One object as JSON, no newline. Raises Plain when a list was asked for."""
    if not chosen.target:
        return item.wire
    if chosen.target == "Table":
        data, _ = _table(kind, item, _form(chosen, include_object))
        return data
    if chosen.target == _PARTIAL_LIST:
        raise Plain("content is not a list")
    return _partial(item, chosen.version)


def many(kind: Kind, found: ItemList, chosen: Format, include_object: str = "") -> Body:
    """A list as JSON, no newline. Raises NotAcceptable."""
    before, after = _frame(kind, found, chosen)
    return Body(before, _pieces(kind, found, _form(chosen, include_object)), after)


async def _pieces(kind: Kind, found: ItemList, form: _Form) -> AsyncIterator[Piece]:
    follows = False
    for chunk in found.chunks:
        yield _kept(chunk, form, follows, time.time()) or await _piece(kind, chunk, form, follows)
        follows = True


def event(kind: Kind, happened: WatchEvent, chosen: Format, include_object: str, first: bool) -> bytes:
    """A watch event as a line."""
    if not chosen.target:
        return happened.line
    # The row of the bookmark that ends the initial events shows its metadata, for the sake of the annotation.
    ends = happened.type == "BOOKMARK" and "annotations" in happened.item.meta
    form = _form(chosen, "Metadata" if ends and include_object == "None" else include_object)
    if happened.forms is None:
        happened.forms = {}
    line, until = happened.forms.get((form, first), (b"", 0.0))
    if until <= time.time():
        data, until = _converted(kind, happened.item, form, first)
        line = b'{"type":"%b","object":%b}\n' % (happened.type.encode(), data)
        happened.forms[form, first] = line, until
    return line


def _frame(kind: Kind, found: ItemList, chosen: Format) -> tuple[bytes, bytes]:
    """What stands before and after a list's items. Raises NotAcceptable."""
    meta: Object = {"resourceVersion": found.resource_version}
    if found.continue_ or not chosen.target:
        meta["continue"] = found.continue_
    if found.remaining is not None:
        meta["remainingItemCount"] = found.remaining
    if chosen.target == "Table":
        return opening(kind, meta, chosen.version), CLOSING
    if chosen.target == _PARTIAL:
        text = f"you requested {_PARTIAL}, but the requested object is a list (*unstructured.UnstructuredList)"
        raise NotAcceptable(text)
    version = f"meta.k8s.io/{chosen.version}" if chosen.target else kind.api_version
    # Go's nil slice: an empty list of partial metadata is null.
    left, right = (b"[", b"]") if found.chunks or not chosen.target else (b"null", b"")
    head = b'{"apiVersion":%b,"items":%b' % (encode(version), left)
    return head, b'%b,"kind":%b,"metadata":%b}' % (right, encode(chosen.target or kind.list_kind), encode(meta))


def _kept(chunk: Chunk, form: _Form, follows: bool, now: float) -> Piece | None:
    piece, until = chunk.forms.get((form, follows), (None, 0.0))
    return piece if until > now else None


async def _piece(kind: Kind, chunk: Chunk, form: _Form, follows: bool) -> Piece:
    """A part of a list's items, separated by commas; one that follows another begins with one."""
    # All of a long list may have to be made: let others run. Those who came at the same time may make it.
    await asyncio.sleep(0)
    now = time.time()
    if made := _kept(chunk, form, follows, now):
        return made
    entries, until = _entries(kind, chunk.items, form, now)
    piece = Piece(b",".join([b"", *entries] if follows else entries))
    if until > now + _WORTH:
        chunk.forms[form, follows] = piece, until
    return piece


def _entries(kind: Kind, items: Sequence[Item], form: _Form, now: float) -> tuple[list[bytes], float]:
    """Of a list, and the moment until which they are right."""
    if not form.target:
        return [item.wire for item in items], inf
    if form.target == _PARTIAL_LIST:
        return [_partial(item, form.version) for item in items], inf
    rows = [_row(kind, item, form, now) for item in items]
    return [row for row, _ in rows], min(until for _, until in rows)


def _converted(kind: Kind, item: Item, form: _Form, first: bool) -> tuple[bytes, float]:
    """A watched object, and the moment until which that is right."""
    return _table(kind, item, form, first) if form.target == "Table" else (_partial(item, form.version), inf)


def _partial(item: Item, version: str) -> bytes:
    return b'{"apiVersion":"meta.k8s.io/%b","kind":"PartialObjectMetadata","metadata":%b}' % (
        version.encode(),
        item.meta_wire,
    )


def _table(kind: Kind, item: Item, form: _Form, first: bool = True) -> tuple[bytes, float]:
    """Of one row, and the moment until which it is right."""
    version = item.decoded()["metadata"].get("resourceVersion")
    meta = {"resourceVersion": version} if version else {}
    shown, until = _row(kind, item, form, time.time())
    return b"%b%b%b" % (opening(kind, meta, form.version, first), shown, CLOSING), until


def _row(kind: Kind, item: Item, form: _Form, now: float) -> tuple[bytes, float]:
    cells, until = item.cells(kind).at(now)
    if form.include == "None":
        return row(cells, b"null"), until
    return row(cells, item.wire if form.include == "Object" else _partial(item, form.version)), until
