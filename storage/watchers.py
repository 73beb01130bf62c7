"""The open watches of a Cacher, and how events get to them.

An event is a batch's; watches of the same prefix are given the same Batch. Nobody waits for a watch: it has its events
at once if it can take them, else when its task runs.
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator
from itertools import chain

from storage.interface import Batch, Event, Progress, StorageError, Take, Unavailable

PART = 256 * 1024
"""About so many bytes of events are given to a watch at a time, that others have their turn and a slow client can take
them."""
MOST_RESTED = 0.02
"""Seconds of rest that count for later: that much is delivered without a pause after a quiet time."""
log = logging.getLogger(__name__)


class SlowWatcher(Unavailable):
    """The watch was ended because its events were not taken in time."""


class Watcher:
    """One open watch. `missed`: events from before it; `due`: what has come since and it has not had yet, which others
    have too; `behind`: how many bytes that is; `after`: the revision of the last one that it has had. `ended` is
    raised once nothing is due. `waits`: it has dealt with what it was given."""

    __slots__ = ("after", "behind", "due", "ended", "missed", "progress", "take", "waits", "wake")

    def __init__(self, missed: Iterable[Event], after: int, take: Take | None) -> None:
        self.missed = _parts(missed)
        self.due: list[Batch] = []
        self.behind, self.after, self.take = 0, after, take
        self.progress = 0
        self.waits = False
        self.ended: StorageError | None = None
        self.wake = asyncio.Event()

    def push(self, batch: Batch, limit: int) -> None:
        """Adds events, unless there are `limit` bytes of them already: then it ends."""
        if self.ended or batch.revision <= self.after:
            return
        if self.behind >= limit:
            self.due = []
            self.end(SlowWatcher(f"{limit} bytes of events were not taken in time"))
            return
        if batch[0].revision <= self.after:
            # The watch starts after a revision that the cache has yet to reach.
            batch = Batch(event for event in batch if event.revision > self.after)
        self.due.append(batch)
        self.behind += batch.size

    def offer(self, batch: Batch, limit: int) -> None:
        """Gives the events to `take` at once if it can have them; else they are pushed, and the watch wakes."""
        if not self.waits or self.due or not self.take or self.ended or batch[0].revision <= self.after:
            self.push(batch, limit)
            self.deliver()
        elif self._takes(batch):
            self.after = batch.revision
        else:
            self.push(batch, limit)
            self.wake.set()

    def _part(self) -> Batch:
        """What is due first; batches that are small are joined to one."""
        size = count = 0
        for batch in self.due:
            size += batch.size
            if count and size > PART:
                break
            count += 1
        if count > 1:
            self.due[:count] = [Batch(chain.from_iterable(self.due[:count]))]
        return self.due[0]

    def _had(self, part: Batch) -> None:
        del self.due[0]
        self.behind -= part.size
        self.after = part.revision

    def deliver(self) -> None:
        """Gives what is due to `take`; if it cannot have it now, wakes the watch, which will wait for its reader."""
        while self.waits and self.take and self.due:
            part = self._part()
            if not self._takes(part):
                break
            self._had(part)
        if self.due:
            self.wake.set()

    def _takes(self, batch: Batch) -> bool:
        try:
            return self.take is not None and self.take(batch)
        except Exception:
            # The others are not concerned. The watch will meet the same fault, in its own task.
            log.debug("a watch could not take its events", exc_info=True)
            return False

    async def next(self) -> Batch | Progress:
        """What was missed, then what was not taken, in parts. Raises `ended`."""
        if part := next(self.missed, None):
            self.after = part.revision
            await asyncio.sleep(0)
            return part
        while not self.due:
            if self.ended:
                raise self.ended
            if self.progress > self.after:
                self.after = self.progress
                return Progress(self.after)
            await self._wait()
        part = self._part()
        self._had(part)
        if self.due:
            await asyncio.sleep(0)
        return part

    async def _wait(self) -> None:
        self.waits = True
        self.wake.clear()
        try:
            await self.wake.wait()
        finally:
            self.waits = False

    def end(self, error: StorageError) -> None:
        self.ended = error
        self.wake.set()


class Watchers:
    """All watches that are open. One that is behind by `buffer` bytes when more arrive is ended (SlowWatcher)."""

    def __init__(self, buffer: int) -> None:
        self._buffer = buffer
        self._open: dict[str, set[Watcher]] = {}
        """By the prefix they watch; no empty sets."""
        self._undelivered: set[Watcher] = set()
        """Those with events that came since the last `_deliver`."""
        self._delivery: asyncio.TimerHandle | None = None
        """Is there whenever `_undelivered` has somebody, but for those who have left."""
        self._rested = 0.0
        """Until then by the event loop's clock nothing is delivered: as long again as it took the last time, less what
        it has rested before. So half of the event loop is left to others, and the more there is to do, the more events
        each watch has at a time; events that come singly do not wait."""

    def join(self, prefix: str, missed: Iterable[Event], after: int, take: Take | None) -> Watcher:
        """A watch of the keys with this prefix that has `missed` to begin with. `leave` ends it."""
        watcher = Watcher(missed, after, take)
        self._open.setdefault(prefix, set()).add(watcher)
        return watcher

    def leave(self, prefix: str, watcher: Watcher) -> None:
        self._undelivered.discard(watcher)
        watchers = self._open[prefix]
        watchers.discard(watcher)
        if not watchers:
            del self._open[prefix]

    def fan_out(self, batch: Batch) -> None:
        """Gives the events to whoever watches their keys."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        resting = self._delivery or started < self._rested
        keyed = [(event.key, event) for event in batch]
        for prefix, watchers in self._open.items():
            if matching := Batch(event for key, event in keyed if key.startswith(prefix)):
                give = Watcher.push if resting else Watcher.offer
                for watcher in watchers:
                    give(watcher, matching, self._buffer)
                if resting:
                    self._undelivered |= watchers
        if not resting:
            self._rest(started)
        elif self._undelivered and not self._delivery:
            self._delivery = loop.call_at(self._rested, self._deliver)

    def _deliver(self) -> None:
        watchers, self._undelivered, self._delivery = self._undelivered, set(), None
        started = asyncio.get_running_loop().time()
        for watcher in watchers:
            watcher.deliver()
        self._rest(started)

    def _rest(self, started: float) -> None:
        """After a delivery that has just ended."""
        took = asyncio.get_running_loop().time() - started
        self._rested = max(self._rested, started - MOST_RESTED) + 2 * took

    def announce(self, revision: int) -> None:
        """Lets every watch report the revision, after the events up to it."""
        for watcher in chain.from_iterable(self._open.values()):
            watcher.progress = revision
            watcher.wake.set()

    def end(self, error: StorageError) -> None:
        """Every watch raises `error` once it has had what is due."""
        for watcher in chain.from_iterable(self._open.values()):
            watcher.end(error)


def _parts(events: Iterable[Event]) -> Iterator[Batch]:
    """In parts, of which none splits a revision."""
    part, room = list[Event](), PART
    for event in events:
        if room <= 0 and event.revision != part[-1].revision:
            yield Batch(part)
            part, room = [], PART
        part.append(event)
        room -= event.size
    if part:
        yield Batch(part)
