"""The control loop: key -> reconcile -> done, or later. It knows no kind, and a reconcile knows no queue."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from apiserver.client import Client, ClientError
from apiserver.machinery.errors import APIError
from apiserver.machinery.kind import Kind
from apiserver.registry.store import Store
from reconciler.workqueue import WorkQueue

_log = logging.getLogger(__name__)

Reconcile = Callable[[str], Awaitable[float | None]]
"""Brings the world of one key closer to what is wanted; level-triggered, so it may be called at any time. Returns the
seconds after which to call it again, or None: when something changes. Whatever it raises is tried again, later each
time."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A controller as the server starts it: `build(store, client)` makes a run of it that ends by cancellation; the
    Store is that of `kind`, the client speaks to the host cluster. `name` is for --controllers."""

    name: str
    kind: Kind
    build: Callable[[Store, Client], Callable[[], Awaitable[None]]]


class Controller:
    """Calls `reconcile` for the queue's keys, `workers` at a time, never two for one key."""

    def __init__(self, name: str, queue: WorkQueue, reconcile: Reconcile, workers: int) -> None:
        self._name = name
        self._queue = queue
        self._reconcile = reconcile
        self._workers = workers

    async def run(self) -> None:
        """Works until the queue is shut down and empty, or until cancelled; shuts the queue down then."""
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(self._workers):
                    workers.create_task(self._work())
        finally:
            self._queue.shut_down()

    async def _work(self) -> None:
        while (key := await self._queue.get()) is not None:
            try:
                await self._process(key)
            finally:
                self._queue.done(key)

    async def _process(self, key: str) -> None:
        try:
            after = await self._reconcile(key)
        except (ClientError, APIError) as error:
            _log.warning("%s %s: %s", self._name, key, error)
            self._queue.add_rate_limited(key)
        except Exception:
            # A bug met by one key must not stop the others.
            _log.exception("%s %s", self._name, key)
            self._queue.add_rate_limited(key)
        else:
            self._queue.forget(key)
            if after is not None:
                self._queue.add_after(key, after)
