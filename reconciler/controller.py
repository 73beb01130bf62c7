"""The control loop: key -> reconcile -> done, or later. It knows no kind, and a reconcile knows no queue."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from apiserver.client import Client, ClientError
from apiserver.machinery.errors import APIError
from apiserver.machinery.kind import Kind
from apiserver.registry.store import Store
from apiserver.settings import Settings
from reconciler.metrics import Instruments
from reconciler.workqueue import WorkQueue

_log = logging.getLogger(__name__)

Reconcile = Callable[[str], Awaitable[float | None]]
"""Brings the world of one key closer to what is wanted; level-triggered, so it may be called at any time. Returns the
seconds after which to call it again, or None: when something changes. Whatever it raises is tried again, later each
time."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a controller is built from: the Store of its kind, the client of the host cluster, the flags, and where its
    figures go. `permit` raises ClientError when nothing may be written any more; the client asks it by itself."""

    store: Store
    client: Client
    permit: Callable[[], None]
    settings: Settings
    instruments: Instruments


@dataclass(frozen=True, slots=True)
class Registration:
    """A controller as the server starts it: `build` makes a run of it that ends by cancellation; `name` is for
    --controllers."""

    name: str
    kind: Kind
    build: Callable[[Context], Callable[[], Awaitable[None]]]


class Controller:
    """Calls `reconcile` for the queue's keys, `workers` at a time, never two for one key."""

    def __init__(
        self, name: str, queue: WorkQueue, reconcile: Reconcile, workers: int, instruments: Instruments | None = None
    ) -> None:
        self._name = name
        self._queue = queue
        self._reconcile = reconcile
        self._workers = workers
        self._instruments = instruments or Instruments()

    async def run(self) -> None:
        """Works until the queue is shut down and empty, or until cancelled; the queue is abandoned then."""
        self._instruments.workers.labels(self._name).set(self._workers)
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(self._workers):
                    workers.create_task(self._work())
        finally:
            self._queue.abandon()

    async def _work(self) -> None:
        clock = asyncio.get_running_loop().time
        active = self._instruments.active.labels(self._name)
        while (key := await self._queue.get()) is not None:
            started = clock()
            active.inc()
            try:
                result = await self._process(key)
                self._instruments.reconciles.add((self._name, result))
            finally:
                active.dec()
                self._instruments.durations.observe((self._name,), clock() - started)
                self._queue.done(key)

    async def _process(self, key: str) -> str:
        """What became of it, in controller-runtime's words."""
        try:
            after = await self._reconcile(key)
        except (ClientError, APIError) as error:
            _log.warning("%s %s: %s", self._name, key, error)
            return self._failed(key, error.retry_after if isinstance(error, ClientError) else 0.0)
        except Exception:
            # A bug met by one key must not stop the others.
            _log.exception("%s %s", self._name, key)
            self._instruments.panics.add((self._name,))
            return self._failed(key)
        self._queue.forget(key)
        if after is None:
            return "success"
        self._queue.add_after(key, after)
        return "requeue_after"

    def _failed(self, key: str, not_before: float = 0.0) -> str:
        self._instruments.errors.add((self._name,))
        self._queue.add_rate_limited(key, not_before)
        return "error"
