"""Questions to another server: remembered for a time, asked once at a time, asked again when that may help."""

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from apiserver.client import ClientError

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_ATTEMPTS, _FIRST_DELAY, _FACTOR, _JITTER = 5, 0.5, 1.5, 0.2
_TRANSIENT = (0, 429, 500, 504)
"""No answer, or one that says that the next may be better."""


class Lookups(Generic[K, V]):
    """Answers by key, the `size` used last, each for `lifetime(answer)` seconds. Errors are not remembered.

    Callers of one key share one question: it goes on when one of them gives up, for at most `timeout` seconds.
    `_answers`: with the time at which each is too old. `_asking`: one task a key, while it runs."""

    def __init__(
        self,
        lifetime: Callable[[V], float],
        size: int,
        timeout: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lifetime, self._size, self._timeout, self._clock = lifetime, size, timeout, clock
        self._answers: OrderedDict[K, tuple[V, float]] = OrderedDict()
        self._asking: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K, ask: Callable[[], Awaitable[V]], keep: bool = True) -> V:
        """Raises what `ask` raises, and TimeoutError. `keep`: the answer may be remembered."""
        known = self._answers.get(key)
        if known is not None and self._clock() < known[1]:
            self._answers.move_to_end(key)
            return known[0]
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(self._ask(key, ask, keep))
            task.add_done_callback(_seen)
        return await asyncio.shield(task)

    async def _ask(self, key: K, ask: Callable[[], Awaitable[V]], keep: bool) -> V:
        try:
            async with asyncio.timeout(self._timeout):
                answer = await ask()
        finally:
            del self._asking[key]
        if keep and (seconds := self._lifetime(answer)) > 0:
            self._remember(key, answer, seconds)
        return answer

    def _remember(self, key: K, answer: V, seconds: float) -> None:
        self._answers[key] = (answer, self._clock() + seconds)
        self._answers.move_to_end(key)
        if len(self._answers) > self._size:
            self._answers.popitem(last=False)


def _seen(task: asyncio.Task[V]) -> None:
    """All callers may have gone away: then nobody else looks at the error."""
    if not task.cancelled():
        task.exception()


async def persistent(call: Callable[[], Awaitable[V]], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> V:
    """The first answer of up to five calls, with growing pauses. Raises ClientError."""
    delay = _FIRST_DELAY
    for _ in range(_ATTEMPTS - 1):
        try:
            return await call()
        except ClientError as error:
            if error.status not in _TRANSIENT:
                raise
        await sleep(delay * (1 + random.random() * _JITTER))  # noqa: S311 - spreads load
        delay *= _FACTOR
    return await call()
