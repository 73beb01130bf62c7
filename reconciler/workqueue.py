"""The work queue of a controller (client-go `util/workqueue`): keys, each at most once, never two workers on one key.

Rules:
1. `add` of a key that is waiting does nothing.
2. `add` of a key that is being processed marks it; `done` then puts it back.
3. `get` hands out keys in the order they were added.
4. `add_after` keeps the earliest time asked for, and no seconds are an `add`; `add_rate_limited` waits longer each time
   until `forget`, and longer still when many keys fail.
5. After `shut_down` nothing is added, what waits is still handed out, then `get` returns None.

One event loop, whose time is the only clock, and no await between reading and changing the fields below: no locks.
"""

import asyncio
import math
from collections import deque

from reconciler.metrics import Instruments
from reconciler.ratelimit import RateLimiter


class WorkQueue:
    """A queue of keys. `_queue`: in `_dirty`, not in `_started`. `_dirty`: to be processed, since when. `_started`:
    handed out, not yet done, since when. `_timers`: keys that come later. `_last`: when one came to wait."""

    def __init__(self, name: str = "", instruments: Instruments | None = None) -> None:
        self._queue: deque[str] = deque()
        self._dirty: dict[str, float] = {}
        self._started: dict[str, float] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._limiter = RateLimiter()
        self._changed = asyncio.Event()
        self._last = -math.inf
        self._shut_down = False
        self._loop = asyncio.get_running_loop()
        self._label = (name,)
        self._instruments = instruments or Instruments()
        self._depth = self._instruments.depth.labels(name)
        self._depth.set(0)
        self._instruments.track_work(name, self._ages)

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, key: str) -> None:
        if self._shut_down or key in self._dirty:
            return
        self._instruments.adds.add(self._label)
        self._dirty[key] = self._loop.time()
        if key not in self._started:
            self._append(key)

    def add_after(self, key: str, seconds: float) -> None:
        if seconds <= 0:
            self.add(key)
            return
        if self._shut_down:
            return
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= self._loop.time() + seconds:
                return
            timer.cancel()
        self._timers[key] = self._loop.call_later(seconds, self._due, key)

    def add_rate_limited(self, key: str, not_before: float = 0.0) -> None:
        """`not_before`: seconds that somebody asked to wait at least."""
        self._instruments.retries.add(self._label)
        self.add_after(key, max(not_before, self._limiter.when(key, self._loop.time())))

    def forget(self, key: str) -> None:
        """The key succeeded (or is given up): its next failure waits the shortest time again."""
        self._limiter.forget(key)

    async def get(self) -> str | None:
        """The next key, which must be given to `done`; None: shut down and empty."""
        while not self._queue:
            if self._shut_down:
                return None
            self._changed.clear()
            await self._changed.wait()
        key, now = self._queue.popleft(), self._loop.time()
        self._started[key] = now
        self._instruments.waited.observe(self._label, now - self._dirty.pop(key))
        self._depth.set(len(self._queue))
        return key

    def done(self, key: str) -> None:
        self._instruments.worked.observe(self._label, self._loop.time() - self._started.pop(key))
        if key in self._dirty:
            self._append(key)

    async def calm(self, quiet: float, within: float) -> None:
        """Returns when no key waits or is being processed and none has come for `quiet` seconds, after `within` seconds
        at the latest."""
        latest = self._loop.time() + within
        while (wait := min(latest, self._calm_at(quiet)) - self._loop.time()) > 0:  # noqa: ASYNC110 - time is awaited
            await asyncio.sleep(wait)

    def shut_down(self) -> None:
        self._shut_down = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._changed.set()

    def abandon(self) -> None:
        """Shuts down, and drops what waits."""
        self.shut_down()
        self._queue.clear()
        self._depth.set(0)

    def _append(self, key: str) -> None:
        self._queue.append(key)
        self._depth.set(len(self._queue))
        self._last = self._loop.time()
        self._changed.set()

    def _calm_at(self, quiet: float) -> float:
        busy = self._queue or self._started
        return (self._loop.time() if busy else self._last) + quiet

    def _due(self, key: str) -> None:
        del self._timers[key]
        self.add(key)

    def _ages(self) -> list[float]:
        now = self._loop.time()
        return [now - started for started in list(self._started.values())]
