"""Time limits of one length for many: each a look-up in a dictionary, not a timer of the event loop."""

import asyncio
from collections.abc import Callable


class Timers:
    """Calls what was added, `seconds` later, unless it was removed before.

    `_due`: when each is called, in this order, since all wait for equally long. The loop's timer runs while there are
    any, and may be early: for one that was removed."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due: dict[Callable[[], None], float] = {}
        self._running = False

    def add(self, call: Callable[[], None]) -> None:
        """`call` must not be there already, and must not raise."""
        loop = asyncio.get_running_loop()
        self._due[call] = loop.time() + self._seconds
        if not self._running:
            self._running = True
            loop.call_later(self._seconds, self._run)

    def remove(self, call: Callable[[], None]) -> None:
        self._due.pop(call, None)

    def _run(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for call in [call for call, due in self._due.items() if due <= now]:
            del self._due[call]
            call()
        self._running = bool(self._due)
        if self._running:
            loop.call_at(next(iter(self._due.values())), self._run)
