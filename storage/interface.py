"""The storage contract: bytes under string keys, and one revision counter over all of them.

Every implementation (etcd, SQLite, the Cacher around either) keeps these rules; `tests/contract` runs one suite over
all of them. The model is etcd's (wire.md section 7): each successful write takes the next revision of the whole
store, a key's `mod_revision` is the revision of its last write, a deletion takes a revision too. Keys start with "/".

Errors: `RevisionConflict` (a compare-and-swap lost), `Compacted` (that revision's history is gone), `FutureRevision`
(that revision does not exist yet), `TooLarge` (the backend refuses a value of that size), `NoSpace` (it is full),
`Unavailable` (it cannot be reached, or did not answer in time: at most 3 s). Nothing else is raised for a backend's
sake.
"""

from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, Self


class StorageError(Exception):
    """Base of everything that a Storage raises."""


class RevisionConflict(StorageError):
    """The key is not at the expected revision; `current` is what it holds now (None: nothing)."""

    def __init__(self, key: str, current: "KeyValue | None") -> None:
        super().__init__(f"{key} is at revision {current.mod_revision if current else 0}")
        self.key = key
        self.current = current


class Compacted(StorageError):
    """History up to `compacted` is gone; a list or watch from before it cannot be answered."""

    def __init__(self, compacted: int) -> None:
        super().__init__(f"revisions up to {compacted} are compacted")
        self.compacted = compacted


class FutureRevision(StorageError):
    """A revision was asked for that the storage has not reached; `current` is the newest one."""

    def __init__(self, asked: int, current: int) -> None:
        super().__init__(f"revision {asked} is in the future; the current one is {current}")
        self.asked = asked
        self.current = current


class TooLarge(StorageError):
    """The backend refuses a value of this size."""


class NoSpace(StorageError):
    """The backend has no room for a write, which has not happened; the text says so to clients, too."""


class Unavailable(StorageError):
    """The backend cannot be reached, or did not answer within its deadline. A write may or may not have happened."""


@dataclass(slots=True)
class KeyValue:
    """One key at one revision. `value` is never changed; `memo` is for the layer above, which keeps there what it made
    of this revision (decoded object, wire bytes), so that every reader of a cached revision shares it."""

    key: str
    value: bytes
    mod_revision: int
    memo: Any = field(default=None, compare=False, repr=False)


@dataclass(slots=True)
class Event:
    """One committed write. `kv` is the new state, None for a deletion; `previous` is the state before, None for a
    creation. Both never None at once. `memo` as in KeyValue."""

    revision: int
    kv: KeyValue | None
    previous: KeyValue | None
    memo: Any = field(default=None, compare=False, repr=False)

    @property
    def key(self) -> str:
        state = self.kv or self.previous
        return state.key if state else ""

    @property
    def size(self) -> int:
        """Bytes that it counts for where memory is bounded: SMALL, or those of its value if that is larger."""
        state = self.kv or self.previous
        return max(len(state.value), SMALL) if state else SMALL


class Batch(list[Event]):
    """Events in order, never changed. `revision`: of the last one, 0 if there is none. `size`: of all. `memo` as in
    KeyValue, for all watches that are given the same ones."""

    __slots__ = ("memo", "revision", "size")

    def __init__(self, events: Iterable[Event]) -> None:
        super().__init__(events)
        self.revision = self[-1].revision if self else 0
        self.size = sum([event.size for event in self])
        self.memo: Any = None


@dataclass(slots=True)
class Progress:
    """Every event up to and including `revision` has been delivered."""

    revision: int


@dataclass(slots=True, eq=False)
class Run:
    """Neighbouring keys in order, never changed. `memo` as in KeyValue: a cache hands out the same Run while nothing in
    it is written."""

    items: list[KeyValue]
    memo: Any = field(default=None, repr=False)
    _parts: dict[tuple[int, int], "Run"] = field(default_factory=dict, repr=False)

    def part(self, start: int, end: int) -> "Run":
        """The items from `start` to before `end`; the same Run again, since pages begin and end at the same keys."""
        if (start, end) not in self._parts:
            if len(self._parts) == MAX_PARTS:
                self._parts.clear()
            self._parts[start, end] = Run(self.items[start:end])
        return self._parts[start, end]


@dataclass(slots=True)
class Page:
    """A list's answer: `runs` in key order, none empty, as of `revision`; `remaining` counts the keys of the range
    after them."""

    runs: list[Run]
    revision: int
    remaining: int = 0

    @classmethod
    def of(cls, items: list[KeyValue], revision: int, remaining: int = 0) -> Self:
        """With these items as its one run."""
        return cls([Run(items)] if items else [], revision, remaining)

    @property
    def items(self) -> list[KeyValue]:
        """Of all runs."""
        return [kv for run in self.runs for kv in run.items]


MAX_PARTS = 4
"""Of a Run that are kept."""
SMALL = 1024
"""Bytes that an event counts for at least."""
Take = Callable[[Batch], bool]
"""Takes a batch of a watch at once, or says False."""


class Storage(Protocol):
    """What registry.Store needs of a storage. All methods may be called concurrently from one event loop."""

    async def get(self, key: str, *, not_older_than: int | None = None) -> tuple[KeyValue | None, int]:
        """The key's state and the revision it was read at. `not_older_than` as in `list`."""

    async def list(
        self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0, not_older_than: int | None = None
    ) -> Page:
        """The keys that begin with `prefix`, from `start` (a full key, inclusive) on, at most `limit` (0: all).

        revision > 0: the state at exactly that revision (raises Compacted, FutureRevision). Else `not_older_than`:
        None is the most recent state (linearizable), 0 any state that is at hand, N a state of revision N or later;
        a cache waits up to 3 s to reach N, then raises FutureRevision.
        """

    async def put(self, key: str, value: bytes, expected: int) -> int:
        """Writes if the key's mod_revision is `expected` (0: must not exist); returns the new revision, else raises
        RevisionConflict. Durable when it returns."""

    async def delete(self, key: str, expected: int) -> int:
        """Deletes if the key's mod_revision is `expected`; returns the deletion's revision, else RevisionConflict."""

    def watch(self, prefix: str, after: int, take: Take | None = None) -> AsyncGenerator[Batch | Progress]:
        """Every write under `prefix` with a revision above `after`, in order, each exactly once, in batches (a revision
        is never split over two of them); now and then a Progress. Never ends by itself: it raises Compacted if `after`
        is too old, Unavailable when the backend is lost (start again after the last revision seen), and is ended by
        closing the generator (aclose) or cancelling its task.

        A batch may be offered to `take` while whoever iterates waits for it; one that is taken is not yielded."""

    async def current_revision(self) -> int:
        """The newest revision, linearizable. A new store's first write gets a revision above it."""

    async def request_progress(self) -> None:
        """Asks for a Progress on every open watch soon, with a revision not older than this call."""

    async def compact(self, revision: int) -> None:
        """Drops history up to `revision`; the current state stays. An older or equal revision again is no error."""

    async def check(self) -> None:
        """Raises Unavailable, within 2 s, unless the newest state can be read now, as that of a full one can."""

    async def close(self) -> None:
        """Ends watches and frees connections. Idempotent."""
