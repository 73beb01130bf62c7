"""The work queue of a controller (client-go `util/workqueue`): keys, each at most once, never two workers on one key.

Rules:
1. `add` of a key that is waiting does nothing.
2. `add` of a key that is being processed marks it; `done` then puts it back.
3. `get` hands out keys in the order they were added.
4. `add_after` keeps the earliest time asked for; `add_rate_limited` waits longer each time until `forget`.
5. After `shut_down` nothing is added, what waits is still handed out, then `get` returns None.

One event loop, and no await between reading and changing the fields below, so no locks.
"""

import asyncio
from collections import deque

_BASE_DELAY = 0.005
_MAX_DELAY = 60.0


def backoff(failures: int) -> float:
    """Seconds to wait after the n-th failure in a row, counted from 0: 5 ms, doubled each time, at most a minute."""
    return _BASE_DELAY * 2.0**failures if failures < 14 else _MAX_DELAY


class WorkQueue:
    """A queue of keys. `_queue`: in `_dirty`, not in `_processing`. `_dirty`: to be processed. `_processing`: handed
    out, not yet done. `_timers`: keys that come later. `_failures`: rate-limited additions since the last `forget`."""

    def __init__(self) -> None:
        self._queue: deque[str] = deque()
        self._dirty: set[str] = set()
        self._processing: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._failures: dict[str, int] = {}
        self._changed = asyncio.Event()
        self._shut_down = False

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, key: str) -> None:
        if self._shut_down or key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._processing:
            self._append(key)

    def add_after(self, key: str, seconds: float) -> None:
        if self._shut_down:
            return
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= loop.time() + seconds:
                return
            timer.cancel()
        self._timers[key] = loop.call_later(seconds, self._due, key)

    def add_rate_limited(self, key: str) -> None:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.add_after(key, backoff(failures))

    def forget(self, key: str) -> None:
        """The key succeeded (or is given up): its next failure waits the shortest time again."""
        self._failures.pop(key, None)

    async def get(self) -> str | None:
        """The next key, which must be given to `done`; None: shut down and empty."""
        while not self._queue:
            if self._shut_down:
                return None
            self._changed.clear()
            await self._changed.wait()
        key = self._queue.popleft()
        self._processing.add(key)
        self._dirty.discard(key)
        return key

    def done(self, key: str) -> None:
        self._processing.discard(key)
        if key in self._dirty:
            self._append(key)

    def shut_down(self) -> None:
        self._shut_down = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._changed.set()

    def _append(self, key: str) -> None:
        self._queue.append(key)
        self._changed.set()

    def _due(self, key: str) -> None:
        del self._timers[key]
        self.add(key)
