"""One object at one revision, and one watch event: decoded once, encoded once, shared by every reader."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache

import orjson

from apiserver.machinery.encoding import encode
from apiserver.machinery.errors import Object
from apiserver.machinery.kind import Kind
from apiserver.machinery.pieces import Piece
from apiserver.machinery.selectors import Labels
from apiserver.machinery.table import Cells, cells
from apiserver.registry.stored import Layout, laid_out
from storage.interface import Batch, Event, KeyValue, Progress, Run


class Item:
    """`object` holds metadata.resourceVersion and is read only; `wire` is its JSON, `meta_wire` that of its metadata
    alone. Most of what is stored is only ever sent: the JSON is cut from the stored bytes, and nothing else is kept
    before somebody asks for `object`."""

    __slots__ = ("_cells", "_data", "_fields", "_labels", "_layout", "_object", "_revision")

    def __init__(self, obj: Object | None, stored: bytes = b"", revision: int = 0) -> None:
        """An object, or the stored bytes of one and their revision."""
        self._object, self._data, self._revision = obj, stored, revision
        self._layout: Layout | None = None
        self._cells: Cells | None = None
        self._labels: Labels | None = None
        self._fields: dict[str, str] | None = None

    @property
    def object(self) -> Object:
        if self._object is None:
            self._object = self.decoded()
        return self._object

    def decoded(self) -> Object:
        """`object`, for somebody who looks at many and will not come back: it does not stay decoded for that."""
        if self._object is not None:
            return self._object
        obj: Object = orjson.loads(self._data)
        obj["metadata"]["resourceVersion"] = str(self._revision)
        return obj

    @property
    def wire(self) -> bytes:
        if self._revision:
            return (self._layout or self._lay_out()).wire(self._data, self._revision)
        if not self._data:
            self._data = encode(self._object)
        return self._data

    @property
    def meta_wire(self) -> bytes:
        if self._revision:
            return (self._layout or self._lay_out()).meta_wire(self._data, self._revision)
        return encode(self.meta)

    def _lay_out(self) -> Layout:
        self._data, self._layout = laid_out(self._data)
        return self._layout

    @property
    def labels(self) -> Labels:
        """All that most selectors look at, and so kept; objects with the same ones share them."""
        if self._labels is None:
            labels: Labels = self.decoded()["metadata"].get("labels") or {}
            self._labels = _shared_labels(frozenset(labels.items()))
        return self._labels

    @property
    def fields(self) -> dict[str, str]:
        """What is known of the fields that selectors look at, by path; for FieldSelector.matches_known."""
        if self._fields is None:
            self._fields = {}
        return self._fields

    def cells(self, kind: Kind) -> Cells:
        """Of a Table's row, made at the first use. `kind` is the object's."""
        if self._cells is None:
            self._cells = cells(kind, self.decoded())
        return self._cells

    @property
    def meta(self) -> Object:
        meta: Object = self.object["metadata"]
        return meta


@lru_cache(maxsize=4096)
def _shared_labels(labels: frozenset[tuple[str, str]]) -> Labels:
    return dict(labels)


def at_revision(obj: Object, revision: int) -> Object:
    return {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(revision)}}


def item_of(kv: KeyValue) -> Item:
    """The decoded form of a stored revision, kept on it."""
    item: Item | None = kv.memo
    if item is None:
        kv.memo = item = Item(None, kv.value, kv.mod_revision)
    return item


class Chunk:
    """Neighbouring items of a list. `forms`: what was made of them for an answer, by the form that it has, with the
    moment until which it is right."""

    __slots__ = ("forms", "items")

    def __init__(self, items: list[Item]) -> None:
        self.items = items
        self.forms: dict[Hashable, tuple[Piece, float]] = {}


def chunk_of(run: Run) -> Chunk:
    """The items of stored neighbours, kept on them."""
    chunk: Chunk | None = run.memo
    if chunk is None:
        run.memo = chunk = Chunk([item_of(kv) for kv in run.items])
    return chunk


Matches = Callable[[Item], bool]


@dataclass(slots=True)
class WatchEvent:
    """`type` is ADDED, MODIFIED, DELETED or BOOKMARK. A DELETED item is the last state with the deletion's revision."""

    type: str
    item: Item
    forms: dict[Hashable, tuple[bytes, float]] | None = None
    """As Chunk's, if anybody asked for one."""
    _line: bytes = b""

    @property
    def line(self) -> bytes:
        """The event as one line of a JSON watch, made at the first use."""
        if not self._line:
            self._line = b'{"type":"%b","object":%b}\n' % (self.type.encode(), self.item.wire)
        return self._line


@dataclass(slots=True)
class WatchBatch:
    """Events that are due together. Every event up to `revision` has been delivered then, also where none matched; 0:
    more of the initial state follows."""

    events: list[WatchEvent]
    revision: int
    _lines: bytes = b""

    @property
    def lines(self) -> bytes:
        """Of all events, made at the first use."""
        if not self._lines:
            self._lines = b"".join([event.line for event in self.events])
        return self._lines


def watch_batch(batch: Batch | Progress, matches: Matches | None) -> WatchBatch:
    """What a watcher with this selector sees of a storage's batch; the same for all who have none."""
    if isinstance(batch, Progress):
        return WatchBatch([], batch.revision)
    if matches is None:
        if batch.memo is None:
            batch.memo = _seen(batch, None)
        seen: WatchBatch = batch.memo
        return seen
    return _seen(batch, matches)


def taking(take: Callable[[WatchBatch], bool], matches: Matches | None) -> Callable[[Batch], bool]:
    """`take`, for a storage's batches."""
    if matches is not None:
        return lambda batch: take(watch_batch(batch, matches))
    return lambda batch: take(batch.memo or watch_batch(batch, None))


def _seen(batch: Batch, matches: Matches | None) -> WatchBatch:
    return WatchBatch([made for event in batch if (made := watch_event(event, matches))], batch.revision)


def _shared(event: Event, event_type: str) -> WatchEvent:
    """The one WatchEvent of this type for this Event: every watcher writes the same bytes."""
    known: tuple[WatchEvent, ...] = event.memo or ()
    for made in known:
        if made.type == event_type:
            return made
    made = WatchEvent(event_type, _item_for(event, event_type))
    event.memo = (*known, made)
    return made


def _item_for(event: Event, event_type: str) -> Item:
    if event_type != "DELETED" and event.kv is not None:
        return item_of(event.kv)
    assert event.previous is not None  # noqa: S101 - an event without kv has a previous state (storage.interface.Event)
    return Item(None, event.previous.value, event.revision)


def watch_event(event: Event, matches: Matches | None) -> WatchEvent | None:
    """What a watcher with this selector sees of a write: an object that starts or stops matching is ADDED or DELETED
    (wire.md 3.13). No `matches` matches everything."""
    now = event.kv is not None and (matches is None or matches(item_of(event.kv)))
    before = event.previous is not None and (matches is None or matches(item_of(event.previous)))
    if now:
        return _shared(event, "MODIFIED" if before else "ADDED")
    return _shared(event, "DELETED") if before else None
