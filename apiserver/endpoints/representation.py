"""Items as response bodies: the object itself, a Table, or PartialObjectMetadata (wire.md 4.1, 4.2)."""

from collections.abc import Sequence
from datetime import UTC, datetime

import orjson

from apiserver.http.negotiation import Format
from apiserver.machinery.encoding import encode
from apiserver.machinery.errors import NotAcceptable, Object, Plain
from apiserver.machinery.kind import Kind
from apiserver.machinery.pieces import Piece
from apiserver.machinery.table import table
from apiserver.registry.item import Item, WatchEvent
from apiserver.registry.options import ItemList

_PARTIAL, _PARTIAL_LIST = "PartialObjectMetadata", "PartialObjectMetadataList"


def one(kind: Kind, item: Item, chosen: Format, include_object: str = "") -> bytes:
    """One object as JSON, no newline. Raises Plain when a list was asked for."""
    if not chosen.target:
        return item.wire
    if chosen.target == "Table":
        meta = {"resourceVersion": item.meta.get("resourceVersion", "")}
        return encode(_table(kind, [item], meta, chosen, include_object))
    if chosen.target == _PARTIAL_LIST:
        raise Plain("content is not a list")
    return encode(_partial(item, chosen))


def many(kind: Kind, found: ItemList, chosen: Format, include_object: str = "") -> list[Piece]:
    """A list as JSON, no newline; a plain one is made of the chunks' own pieces. Raises NotAcceptable."""
    return [Piece(_converted(kind, found, chosen, include_object))] if chosen.target else _plain_list(kind, found)


def _converted(kind: Kind, found: ItemList, chosen: Format, include_object: str) -> bytes:
    meta: Object = {"resourceVersion": found.resource_version}
    if found.continue_:
        meta["continue"] = found.continue_
    if found.remaining is not None:
        meta["remainingItemCount"] = found.remaining
    if chosen.target == "Table":
        return encode(_table(kind, found.items, meta, chosen, include_object))
    if chosen.target == _PARTIAL:
        text = f"you requested {_PARTIAL}, but the requested object is a list (*unstructured.UnstructuredList)"
        raise NotAcceptable(text)
    # Go's nil slice: an empty list of partial metadata is null.
    items = [_partial(item, chosen) for item in found.items] or None
    return encode({**_type_of(chosen, _PARTIAL_LIST), "metadata": meta, "items": items})


def event(kind: Kind, happened: WatchEvent, chosen: Format, include_object: str, first: bool) -> bytes:
    """A watch event as a line."""
    if not chosen.target:
        return happened.line
    if chosen.target == "Table":
        meta = {"resourceVersion": happened.item.meta["resourceVersion"]}
        # The row of the bookmark that ends the initial events shows its metadata, for the sake of the annotation.
        ends = happened.type == "BOOKMARK" and "annotations" in happened.item.meta
        include = "Metadata" if ends and include_object == "None" else include_object
        obj = _table(kind, [happened.item], meta, chosen, include, first)
    else:
        obj = _partial(happened.item, chosen)
    return b'{"type":"%b","object":%b}\n' % (happened.type.encode(), encode(obj))


def _plain_list(kind: Kind, found: ItemList) -> list[Piece]:
    meta: Object = {"continue": found.continue_, "resourceVersion": found.resource_version}
    if found.remaining is not None:
        meta["remainingItemCount"] = found.remaining
    head = b'{"apiVersion":%b,"items":[' % encode(kind.api_version)
    items = [chunk.next if number else chunk.first for number, chunk in enumerate(found.chunks)]
    tail = b'],"kind":%b,"metadata":%b}' % (encode(kind.list_kind), encode(meta))
    return [Piece(head), *items, Piece(tail)]


def _type_of(chosen: Format, name: str) -> Object:
    return {"kind": name, "apiVersion": f"meta.k8s.io/{chosen.version}"}


def _partial(item: Item, chosen: Format) -> Object:
    """Garbage collectors and quotas list every object so: nothing is decoded for them again."""
    return {**_type_of(chosen, _PARTIAL), "metadata": orjson.Fragment(item.meta_wire)}


def _table(
    kind: Kind, items: Sequence[Item], meta: Object, chosen: Format, include_object: str, first: bool = True
) -> Object:
    objects = [item.object for item in items]
    return table(kind, objects, meta, include_object, datetime.now(UTC), first, chosen.version)
