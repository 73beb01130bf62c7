"""The storage contract over one SQLite file: a log with a row for each revision, as kine keeps it.

Rules:
1. One process has the file open: a lock on `<path>.lock` says so. Hence the revision is counted here, not in SQL.
2. All writes go through one thread and one connection. What arrives while a transaction commits waits for the next one,
   so that one fsync serves many writers (group commit); synchronous=FULL makes each survive a loss of power.
3. `_revision` moves on the event loop, after the commit, together with `_recent` and before any writer is answered.
   Reads name the revision they read at, so whatever the other connection sees of later commits is left out.
4. Compaction moves `_compacted` before it deletes the first row, and reads look at it after they have read.
"""

import asyncio
import builtins
import fcntl
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Concatenate, ParamSpec, TypeVar

from storage import revision_log
from storage.history import History
from storage.interface import (
    Batch,
    Compacted,
    Event,
    KeyValue,
    NoSpace,
    Page,
    Progress,
    StorageError,
    Take,
    TooLarge,
    Unavailable,
)
from storage.ranges import range_end, require_reached

DEADLINE = 2.9
CHECK_DEADLINE = 2.0
MAX_VALUE_BYTES = 1_572_864
"""As etcd's --max-request-bytes."""
RECENT_EVENTS, RECENT_BYTES = 1000, 16 * 1024 * 1024
"""So many, and not more of their values, are kept in memory for the watches."""
COMPACTION_STEP = 1000
"""Revisions that one transaction of a compaction handles: writers wait behind it."""
REPLAY_EVENTS = 200
"""So many a batch are read from the log for a watch that is further behind."""
BUSY_TIMEOUT = 1.0
"""Seconds to wait for a lock of another program, such as the sqlite3 shell."""
MEMORY = ":memory:"
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Write:
    """A write that waits for its transaction. `value` None deletes."""

    key: str
    value: bytes | None
    expected: int
    done: asyncio.Future[int]


class SQLiteStorage:
    """Storage over a SQLite file. Made by `open`."""

    def __init__(self, path: str, lock: IO[bytes] | None) -> None:
        self._path = path
        self._lock = lock
        self._writer = _Connection(path)
        # A database in memory is seen by its own connection only.
        self._reader = self._writer if path == MEMORY else _Connection(path)
        self._revision = 0
        self._compacted = 0
        self._recent = _recent(0)
        """The newest events, up to `_revision`."""
        self._queue: list[_Write] = []
        self._committing: asyncio.Task[None] | None = None
        self._moved = asyncio.Event()
        """Set, and replaced by a new one, when watches have to look again."""
        self._progress_requests = 0
        self._closed = False

    @classmethod
    async def open(cls, path: str) -> "SQLiteStorage":
        """The storage in the file at `path`, made if it is not there; ":memory:" keeps nothing. Raises Unavailable when
        another process has it open, or when it cannot be read and written."""
        storage = cls(path, None if path == MEMORY else await asyncio.to_thread(_locked, f"{path}.lock"))
        try:
            storage._compacted, storage._revision = await storage._writer.run(revision_log.prepare)
            storage._recent = _recent(storage._revision)
        except BaseException:
            await storage.close()
            raise
        return storage

    async def get(self, key: str, *, not_older_than: int | None = None) -> tuple[KeyValue | None, int]:
        require_reached(not_older_than, self._revision)
        return await self._read(0, lambda db, at: revision_log.get(db, at, key))

    async def watch(self, prefix: str, after: int, take: Take | None = None) -> AsyncGenerator[Batch | Progress]:
        answered = self._progress_requests
        while True:
            moved, asked = self._moved, self._progress_requests
            self._require_open()
            if after > self._revision or (after == self._revision and answered == asked):
                await moved.wait()
                continue
            events, after = await self._events(after)
            if matching := Batch(event for event in events if event.key.startswith(prefix)):
                yield matching
            caught_up = after == self._revision
            if not matching or (caught_up and answered != asked):
                yield Progress(after)
                answered = asked if caught_up else answered

    async def list(
        self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0, not_older_than: int | None = None
    ) -> Page:
        require_reached(revision or not_older_than, self._revision)
        keys = max(prefix, start), range_end(prefix)
        (items, count), at = await self._read(revision, lambda db, at: revision_log.read_range(db, at, *keys, limit))
        return Page.of(items, at, count - len(items))

    async def put(self, key: str, value: bytes, expected: int) -> int:
        if len(value) > MAX_VALUE_BYTES:
            raise TooLarge(f"{key} is of {len(value)} bytes; the limit is {MAX_VALUE_BYTES}")
        return await self._write(key, value, expected)

    async def delete(self, key: str, expected: int) -> int:
        return await self._write(key, None, expected)

    async def current_revision(self) -> int:
        self._require_open()
        return self._revision

    async def request_progress(self) -> None:
        self._progress_requests += 1
        self._wake_watches()

    async def compact(self, revision: int) -> None:
        require_reached(revision, self._revision)
        while self._compacted < revision:
            last, self._compacted = self._compacted, min(self._compacted + COMPACTION_STEP, revision)
            await self._writer.run(revision_log.compact, last, self._compacted)

    async def check(self) -> None:
        await _within(CHECK_DEADLINE, self._reader.run(revision_log.newest))

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._wake_watches()
        if self._committing:
            await asyncio.wait([self._committing])
        await self._reader.close()
        await self._writer.close()
        if self._lock:
            self._lock.close()

    async def _write(self, key: str, value: bytes | None, expected: int) -> int:
        self._require_open()
        loop = asyncio.get_running_loop()
        if not self._queue:
            # One timer for all that are committed together.
            loop.call_later(DEADLINE, _give_up, self._queue)
        write = _Write(key, value, expected, loop.create_future())
        self._queue.append(write)
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit_queue())
        return await write.done

    async def _commit_queue(self) -> None:
        try:
            while self._queue:
                batch, self._queue = self._queue, []
                outcomes: Sequence[Event | StorageError]
                try:
                    outcomes = await self._writer.run(revision_log.commit, batch, self._revision)
                except StorageError as error:
                    outcomes = [error] * len(batch)
                self._publish([outcome for outcome in outcomes if isinstance(outcome, Event)])
                for write, outcome in zip(batch, outcomes, strict=True):
                    _answer(write, outcome)
                batch.clear()
        finally:
            self._committing = None

    def _publish(self, events: builtins.list[Event]) -> None:
        if events:
            self._recent.extend(events, 0)
            self._revision = events[-1].revision
            self._wake_watches()

    def _wake_watches(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def _events(self, after: int) -> tuple[builtins.list[Event], int]:
        """Events after revision `after`, which is below the current one or that, and the revision they reach up to."""
        if after < self._compacted:
            raise Compacted(self._compacted)
        if after >= self._recent.floor:
            return self._recent.after(after), self._revision
        upto = min(after + REPLAY_EVENTS, self._revision)
        events = await _within(DEADLINE, self._reader.run(revision_log.replay, after, upto))
        if after < self._compacted:
            raise Compacted(self._compacted)
        return events, upto

    async def _read(self, revision: int, query: Callable[[sqlite3.Connection, int], T]) -> tuple[T, int]:
        """What `query` finds at `revision` (0: the current one), and that revision. Raises Compacted."""
        while True:
            at = revision or self._revision
            found = await _within(DEADLINE, self._reader.run(query, at))
            if at >= self._compacted:
                return found, at
            if revision:
                raise Compacted(self._compacted)

    def _require_open(self) -> None:
        if self._closed:
            raise Unavailable(f"{self._path} is closed")


class _Connection:
    """A connection with a thread of its own, the only one that uses it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        self._db: sqlite3.Connection | None = None
        self._closed = False

    async def run(self, work: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **options: P.kwargs) -> T:
        """What `work(connection, ...)` returns. Raises NoSpace or Unavailable for what SQLite reports."""
        if self._closed:
            raise Unavailable(f"{self._path} is closed")
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, lambda: work(self._open(), *args, **options))
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                raise NoSpace(f"SQLite: {error}") from error
            raise Unavailable(f"{self._path}: {error}") from error

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
            self._thread.shutdown()

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            self._db = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT, isolation_level=None)
        return self._db

    def _close(self) -> None:
        if self._db:
            self._db.close()


def _recent(floor: int) -> History:
    return History(floor, min_events=RECENT_EVENTS, max_events=RECENT_EVENTS, max_bytes=RECENT_BYTES)


def _locked(path: str) -> IO[bytes]:
    """The file, locked until it is closed or this process ends."""
    try:
        file = open(path, "wb")  # noqa: SIM115  it stays open
    except OSError as error:
        raise Unavailable(f"cannot open {path}: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise Unavailable(f"another process has {path.removesuffix('.lock')} open") from error
    return file


async def _within(seconds: float, answer: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError:
        raise _silent(seconds) from None


def _silent(seconds: float) -> Unavailable:
    return Unavailable(f"SQLite has not answered within {seconds} s")


def _give_up(writes: Sequence[_Write]) -> None:
    """On those that are still to be answered."""
    for write in writes:
        _answer(write, _silent(DEADLINE))


def _answer(write: _Write, outcome: Event | StorageError) -> None:
    if write.done.done():
        return
    if isinstance(outcome, Event):
        write.done.set_result(outcome.revision)
    else:
        write.done.set_exception(outcome)
