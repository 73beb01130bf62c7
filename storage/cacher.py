"""The watch cache: the storage contract over a Storage, with every key under one prefix in memory.

Rules:
1. `_items`, `_runs`, `_revision` and `_history` change in `_replace` and `_apply` only, which never await, but that the
   history is also made to begin earlier: whoever reads several of them without an await in between sees one revision.
2. A consistent read (`not_older_than=None`) asks the storage for its current revision, waits until the cache is there
   and answers from memory. One question serves all that waited when it was sent, and nobody who came later.
3. Of a key's revision there is one KeyValue, which lists, gets and events hand out, so that its `memo` is made once.
4. Events reach a watch in order and once: it takes the history and joins the fan-out without an await in between.
5. Nobody waits for a watch; one that is behind by `buffer` bytes when more arrive is ended (SlowWatcher).
6. The storage may go away: watches stay open, reads that accept any state are served, and `run` goes on from where it
   was. If that has been compacted meanwhile, or the storage comes back with an older state (a restored backup), it
   lists again, and the watches, which missed something, end (Compacted).
7. The history begins when the storage was listed. It is read further back when a watch wants to start there (Recall).
"""

import asyncio
import builtins
import logging
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from storage.history import MAX_EVENTS, History
from storage.interface import (
    Batch,
    Compacted,
    Event,
    FutureRevision,
    KeyValue,
    Page,
    Progress,
    Run,
    Storage,
    StorageError,
    Take,
    Unavailable,
)
from storage.recall import Recall
from storage.runs import Runs
from storage.watchers import Watchers

FRESHNESS_DEADLINE = 2.7
"""Seconds that a read waits for the cache to reach a revision."""
MANY, GATHER = 3, 0.001
"""When so many have shared a question, so many seconds are given to others to share the next one: a question to etcd
costs more than a read."""
PROGRESS_REQUEST_INTERVAL = 0.05
"""Seconds between two requests for progress while a read waits."""
PROGRESS_INTERVAL = 5.0
"""Seconds after which watches learn that the revision has moved, if nobody asks before."""
MIN_RETRY_DELAY, MAX_RETRY_DELAY = 0.05, 1.0
PAGE = 2000
"""Keys that the storage is asked for at a time, to leave the event loop to others."""
WATCH_BUFFER = 16 * 1024 * 1024
"""Bytes of events that a watch may be behind."""
LAST = "\U0010ffff"
"""Sorts after every character of a key."""
log = logging.getLogger(__name__)


class Cacher:
    """Storage over the keys of `storage` that begin with `prefix`; reads and watches of others find nothing. Serves
    while `run` runs. `storage` remains its owner's: `close` ends the watches only."""

    def __init__(
        self,
        storage: Storage,
        prefix: str,
        *,
        buffer: int = WATCH_BUFFER,
        gather: float = GATHER,
        max_events: int = MAX_EVENTS,
    ) -> None:
        """`buffer`: bytes of events that a watch may be behind; `max_events`: of the past that are kept; `gather`: see
        GATHER."""
        self._storage = storage
        self._gather = gather
        self._prefix = prefix
        self._items: dict[str, KeyValue] = {}
        self._runs = Runs()
        """The same, sorted."""
        self._revision = 0
        """Every event up to it is in `_items`; 0: nothing has been listed yet."""
        self._changed = 0
        """From this revision to `_revision` nothing under the prefix has changed."""
        self._history = History(0, max_events=max_events)
        self._recall = Recall(storage, prefix, self._history, self._shared)
        self._watchers = Watchers(buffer)
        self._waiting: set[tuple[int, asyncio.Future[None]]] = set()
        """Who waits for which revision."""
        self._waits = asyncio.Event()
        """Set while `_waiting` may have somebody, or `_recall`."""
        self._asking: list[asyncio.Future[int | StorageError]] = []
        """Who waits for the next question for the storage's current revision."""
        self._asks = asyncio.Event()
        self._patience: asyncio.TimerHandle
        """Of those who wait for it; there is one while `_asking` has somebody."""
        self._announced = 0
        """The newest revision that was announced to the watches as Progress."""

    @property
    def revision(self) -> int:
        """The newest revision that reads from memory see; 0: not ready."""
        return self._revision

    @property
    def ready(self) -> bool:
        """Whether the storage has been listed."""
        return self._revision > 0

    def count(self, prefix: str) -> int:
        """How many keys begin with `prefix`, from memory."""
        return self._runs.count(prefix, prefix + LAST)

    async def wait_ready(self) -> None:
        """Returns when `ready`."""
        if not self.ready:
            await self._reach(1)

    async def run(self) -> None:
        """Keeps the cache up to date until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(self._answer_questions())
            tasks.create_task(self._request_progress())
            tasks.create_task(self._announce_now_and_then())

    async def get(self, key: str, *, not_older_than: int | None = None) -> tuple[KeyValue | None, int]:
        if not_older_than != 0 or not self._revision:
            await self._be_fresh(not_older_than)
        return self._items.get(key), self._revision

    async def watch(self, prefix: str, after: int, take: Take | None = None) -> AsyncGenerator[Batch | Progress]:
        if not self._revision:
            await self._be_fresh(1)
        if after < self._history.floor:
            self._waits.set()
            await self._recall.back_to(after)
        missed = (event for event in self._history.after(after) if event.key.startswith(prefix))
        watcher = self._watchers.join(prefix, missed, after, take)
        try:
            while True:
                yield await watcher.next()
        finally:
            self._watchers.leave(prefix, watcher)

    async def list(
        self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0, not_older_than: int | None = None
    ) -> Page:
        if revision and not self._changed <= revision <= self._revision:
            return await self._read_storage(prefix, start, limit, revision)
        if not revision and (not_older_than != 0 or not self._revision):
            await self._be_fresh(not_older_than)
        runs, remaining = self._runs.between(max(prefix, start), prefix + LAST, limit)
        return Page(runs, revision or self._revision, remaining)

    async def put(self, key: str, value: bytes, expected: int) -> int:
        return await self._storage.put(key, value, expected)

    async def delete(self, key: str, expected: int) -> int:
        return await self._storage.delete(key, expected)

    async def current_revision(self) -> int:
        """As of the storage, shared as rule 2 says."""
        return _revision(await self._ask_revision())

    async def request_progress(self) -> None:
        await self._be_fresh(None)
        self._announce()

    async def compact(self, revision: int) -> None:
        await self._storage.compact(revision)

    async def check(self) -> None:
        await self._storage.check()

    async def close(self) -> None:
        self._watchers.end(Unavailable("the watch cache is closed"))

    async def _be_fresh(self, not_older_than: int | None) -> None:
        """Returns when memory is at least that fresh. Raises FutureRevision, Unavailable."""
        if not_older_than is not None and 0 < not_older_than <= self._revision:
            return
        if not_older_than == 0:
            raise Unavailable("the storage has not been listed yet")
        until = asyncio.get_running_loop().time() + FRESHNESS_DEADLINE
        revision = not_older_than or _revision(await self._ask_revision())
        if revision <= self._revision:
            return
        try:
            async with asyncio.timeout_at(until):
                await self._reach(revision)
        except TimeoutError:
            if not_older_than and self._revision:
                raise FutureRevision(not_older_than, self._revision) from None
            raise Unavailable(f"the watch cache is behind the storage, at revision {self._revision}") from None

    def _ask_revision(self) -> asyncio.Future[int | StorageError]:
        """The storage's current revision, by a question sent after this call, within FRESHNESS_DEADLINE."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[int | StorageError] = loop.create_future()
        self._asking.append(answer)
        if len(self._asking) == 1:
            # One timer for all of them: one for each would cost more than the rest of a read.
            silence = Unavailable("the storage has not said its revision")
            self._patience = loop.call_later(FRESHNESS_DEADLINE, _tell, self._asking, silence)
            self._asks.set()
        return answer

    async def _reach(self, revision: int) -> None:
        """Returns when memory is at `revision`."""
        if revision <= self._revision:
            return
        waiter = revision, asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        self._waits.set()
        try:
            await waiter[1]
        finally:
            self._waiting.discard(waiter)

    async def _follow(self) -> None:
        """Lists, then watches, for ever."""
        listed, delay = False, 0.0
        while True:
            try:
                if not listed or await self._has_gone_back():
                    self._replace(await self._read_storage(self._prefix))
                    listed = True
                async with aclosing(self._storage.watch(self._prefix, self._revision)) as upstream:
                    async for batch in upstream:
                        delay = 0.0
                        self._apply(batch)
            except StorageError as error:
                listed = listed and not isinstance(error, Compacted)
                if not delay:
                    log.warning("the watch of %s is lost and will be tried again: %s", self._prefix, error)
            delay = min(delay * 2 or MIN_RETRY_DELAY, MAX_RETRY_DELAY)
            await asyncio.sleep(delay)

    async def _has_gone_back(self) -> bool:
        """Whether the storage is older than what has been seen of it: a watch would wait until it gets there."""
        revision = await self._storage.current_revision()
        if revision < self._revision:
            log.warning("the storage has gone back from revision %d to %d", self._revision, revision)
        return revision < self._revision

    async def _read_storage(self, prefix: str, start: str = "", limit: int = 0, revision: int = 0) -> Page:
        """`list` of the storage, in parts of one revision."""
        runs: builtins.list[Run] = []
        left = limit or sys.maxsize
        while True:
            page = await self._storage.list(prefix, start=start, limit=min(left, PAGE), revision=revision)
            runs += Page.of([self._shared(kv) for kv in page.items], page.revision).runs
            left, revision = left - PAGE, page.revision
            if left <= 0 or not page.remaining:
                return Page(runs, revision, page.remaining)
            start = runs[-1].items[-1].key + "\0"

    def _replace(self, page: Page) -> None:
        revision = page.revision
        self._items = {kv.key: kv for kv in page.items}
        self._runs = Runs(list(self._items.values()))
        self._history.restart(revision)
        self._changed = revision
        self._announced = 0
        self._move(revision)
        self._watchers.end(Compacted(revision))

    def _apply(self, batch: Batch | Progress) -> None:
        if isinstance(batch, Progress):
            self._move(max(batch.revision, self._revision))
            return
        for event in batch:
            self._store(event)
        self._history.extend(batch, asyncio.get_running_loop().time())
        self._changed = batch.revision
        self._move(self._changed)
        self._watchers.fan_out(batch)

    def _store(self, event: Event) -> None:
        key = event.key
        event.previous = self._shared(event.previous) if event.previous else None
        if event.kv is None:
            del self._items[key]
            self._runs.remove(key)
            return
        self._items[key] = event.kv
        self._runs.put(event.kv)

    def _shared(self, kv: KeyValue) -> KeyValue:
        """The KeyValue that is in memory already, if it is the same."""
        known = self._items.get(kv.key)
        return known if known == kv else kv

    def _move(self, revision: int) -> None:
        self._revision = revision
        for wanted, waiter in self._waiting:
            if wanted <= revision and not waiter.done():
                waiter.set_result(None)

    def _announce(self) -> None:
        self._announced = self._revision
        self._watchers.announce(self._revision)

    async def _answer_questions(self) -> None:
        """The storage's current revision, once for all who ask while the question before is under way."""
        while True:
            await self._asks.wait()
            self._asks.clear()
            asking, self._asking, patience = self._asking, [], self._patience
            _tell(asking, await self._current_revision())
            patience.cancel()
            if len(asking) >= MANY:
                await asyncio.sleep(self._gather)

    async def _current_revision(self) -> int | StorageError:
        seen = self._revision
        try:
            revision = await self._storage.current_revision()
        except StorageError as error:
            return error
        return revision if revision >= seen else Unavailable("the storage has gone back, and is to be listed again")

    async def _request_progress(self) -> None:
        """Makes the storage report its progress while somebody waits: writes under other prefixes bring no events."""
        while True:
            await self._waits.wait()
            while self._waiting or self._recall.waits:
                with suppress(StorageError):
                    await self._storage.request_progress()
                await asyncio.sleep(PROGRESS_REQUEST_INTERVAL)
            self._waits.clear()

    async def _announce_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(PROGRESS_INTERVAL)
            if self._revision > self._announced:
                self._announce()


def _revision(answer: int | StorageError) -> int:
    if isinstance(answer, StorageError):
        raise answer
    return answer


def _tell(asking: list[asyncio.Future[int | StorageError]], answer: int | StorageError) -> None:
    for waiter in asking:
        if not waiter.done():
            waiter.set_result(answer)
