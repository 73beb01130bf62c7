"""What a storage has from before a Cacher's history, read back once for all watches that begin there.

Rules:
1. Who asks has an answer within PATIENCE. What cannot be served is Compacted: the storage has no history of it, memory
   has no room, or it took longer than DEADLINE to read. That is remembered, and nothing is read for it again.
2. A storage that is away or silent is Unavailable, and nothing is remembered of that.
3. A client from long ago takes nothing from the others: each reading is for the oldest that may be had still, and one
   that takes too long moves the limit half of the way only.
4. What is read has the room that the history leaves, and keeps the newest: one reading says how far back memory can go.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from storage.history import History
from storage.interface import Batch, Compacted, Event, KeyValue, Progress, Storage, Unavailable

DEADLINE = 10.0
"""Seconds after which no more of the past is read; from an etcd 1,000 events come in a tenth of one."""
SILENCE = 5.0
"""Seconds after which a storage that sends nothing is taken to be away."""
PATIENCE = 30.0
"""Seconds that a watch waits for its past."""


class Recall:
    """Makes `history`, that of the keys under `prefix`, begin earlier. `shared` gives the KeyValue that is in memory
    already, if there is an equal one."""

    def __init__(self, storage: Storage, prefix: str, history: History, shared: Callable[[KeyValue], KeyValue]) -> None:
        self._storage, self._prefix, self._history, self._shared = storage, prefix, history, shared
        self._wanted: list[int] = []
        """Where the history is to begin, for each who waits for that."""
        self._reading = asyncio.Lock()
        """Held by whoever reads, for all in `_wanted`."""
        self._limit = 0
        """What is older was not to be had from the storage."""

    @property
    def waits(self) -> bool:
        """Whether somebody waits, and the storage has to report its progress."""
        return bool(self._wanted)

    async def back_to(self, revision: int) -> None:
        """Returns when the history begins there or before. Raises Compacted, Unavailable."""
        self._wanted.append(revision)
        try:
            async with asyncio.timeout(PATIENCE), self._reading:
                while self._gone <= revision < self._history.floor:
                    await self._read(min(wanted for wanted in self._wanted if wanted >= self._gone))
        except TimeoutError:
            raise Unavailable("the past is still being read") from None
        finally:
            self._wanted.remove(revision)
        if revision < self._history.floor:
            raise Compacted(self._gone)

    @property
    def _gone(self) -> int:
        """What is older is not to be had: not from the storage, or memory has no room for it."""
        return max(self._limit, self._history.lost)

    async def _read(self, after: int) -> None:
        """Makes the history begin there, or learns what is gone. Raises Unavailable."""
        try:
            if not await self._read_on(self._history.before(after)):
                self._limit = (after + self._history.floor) // 2 + 1
        except Compacted as error:
            self._limit = error.compacted

    async def _read_on(self, past: History) -> bool:
        """Adds what the storage has after its beginning, until the history begins where it ends; False: that takes too
        long, though the storage sends."""
        time = asyncio.get_running_loop().time
        states, now = dict[str, KeyValue](), time()
        async with aclosing(self._storage.watch(self._prefix, past.floor)) as upstream:
            while time() < now + DEADLINE:
                batch = await _next(upstream)
                floor = self._history.floor
                events = batch if isinstance(batch, Batch) else ()
                past.extend([self._linked(event, states) for event in events if event.revision <= floor], now)
                if batch.revision >= floor:
                    self._history.prepend(past)
                    return True
        return False

    def _linked(self, event: Event, states: dict[str, KeyValue]) -> Event:
        """The event with the KeyValues that others have; `states` are those after the events before it."""
        before, key = event.previous, event.key
        if before:
            known = states.get(key)
            event.previous = known if known == before else self._shared(before)
        if event.kv:
            event.kv = states[key] = self._shared(event.kv)
        else:
            states.pop(key, None)
        return event


async def _next(upstream: AsyncGenerator[Batch | Progress]) -> Batch | Progress:
    try:
        async with asyncio.timeout(SILENCE):
            return await anext(upstream)
    except TimeoutError:
        raise Unavailable("the storage is silent about its past") from None
