"""Events about what a controller does (events.k8s.io/v1), as client-go's `tools/events` records them.

Rules:
1. Reporting never waits and never fails; a task writes, one event at a time, and for half a minute lets more important
   work go first.
2. The same event again is no new object but a series: written at the second time, then every six minutes while it goes
   on. Six minutes without it end the series.
3. An object may have 25 different events at once, then one in five minutes (client-go's spam filter); more are dropped.
4. A write that fails is tried again, later each time, until what it tells is ten minutes old; what the cluster refuses
   is dropped.
5. At the end what has not been written is written, as far as a second goes.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Literal, Protocol

from apiserver.client import ClientError
from apiserver.machinery.errors import Object
from apiserver.machinery.kind import Kind
from reconciler.controller import Controller
from reconciler.metrics import Instruments
from reconciler.ratelimit import Buckets
from reconciler.workqueue import WorkQueue

_log = logging.getLogger(__name__)
_PATIENCE = 30.0
"""Seconds after which an event is written whatever else there is to do."""
_QUIET = 360.0
_TOO_OLD = 600.0
_BURST, _RATE = 25, 1 / 300
_MOST_SERIES = 20_000
_LONGEST_NOTE = 1024
_FAREWELL, _AT_ONCE = 1.0, 8

EventType = Literal["Normal", "Warning"]


class Recorder(Protocol):
    """What a reconcile needs of it."""

    def record(self, regarding: Object, kind: EventType, reason: str, action: str, note: str) -> None: ...


class Sink(Protocol):
    """What is needed of the host cluster's client."""

    async def post(self, path: str, body: Object) -> Object: ...
    async def merge_patch(self, path: str, body: Object, **query: str) -> Object: ...


@dataclass(slots=True)
class _Series:
    """`event` as it was first; `first` and `last` are loop times, `seen` the wall's at `last`; `count` occurrences, of
    which the cluster knows `written`."""

    event: Object
    first: float
    last: float
    seen: datetime
    count: int = 1
    written: int = 0


async def _at_once(within: float) -> None:
    """Where nothing is more important."""


class EventRecorder:
    """Records events about objects of one kind. `turn` is awaited before each write, with the seconds that it may take.
    `_limits`: how many an object may still have, by uid."""

    def __init__(
        self,
        sink: Sink,
        about: Kind,
        controller: str,
        instruments: Instruments | None = None,
        turn: Callable[[float], Awaitable[None]] = _at_once,
        now: Callable[[], datetime] = partial(datetime.now, UTC),
    ) -> None:
        self._sink, self._about, self._controller, self._now = sink, about, controller, now
        self._turn = turn
        self._instance = f"{controller}-{socket.gethostname()}"
        self._series: dict[str, _Series] = {}
        self._limits = Buckets(_RATE, _BURST)
        self._clock = asyncio.get_running_loop().time
        name = f"{controller}-events"
        self._queue = WorkQueue(name, instruments)
        self._loop = Controller(name, self._queue, self._write, 1, instruments)

    async def run(self) -> None:
        """Writes what is recorded, until cancelled."""
        try:
            await self._loop.run()
        finally:
            await self._flush()

    def record(self, regarding: Object, kind: EventType, reason: str, action: str, note: str) -> None:
        """`reason` is one CamelCase word, `action` what was done (a verb), `note` a sentence."""
        key = "\0".join((regarding["metadata"]["uid"], kind, reason, action, note))
        series = self._series.get(key)
        if series is not None:
            series.count, series.last, series.seen = series.count + 1, self._clock(), self._now()
            if series.written <= 1:
                self._queue.add(key)
        elif len(self._series) < _MOST_SERIES and self._limits.allow(regarding["metadata"]["uid"], self._clock()):
            event = self._event(regarding, kind, reason, action, note)
            self._series[key] = _Series(event, self._clock(), self._clock(), self._now())
            self._queue.add(key)

    def _event(self, regarding: Object, kind: EventType, reason: str, action: str, note: str) -> Object:
        meta = regarding["metadata"]
        reference = {key: meta[key] for key in ("namespace", "name", "uid", "resourceVersion") if key in meta}
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": f"{meta['name']}.{time.time_ns():x}", "namespace": meta.get("namespace", "default")},
            "eventTime": _micro_time(self._now()),
            "reportingController": self._controller,
            "reportingInstance": self._instance,
            "action": action,
            "reason": reason,
            "regarding": {"apiVersion": self._about.api_version, "kind": self._about.kind, **reference},
            "note": note.encode()[:_LONGEST_NOTE].decode(errors="ignore"),
            "type": kind,
        }

    async def _write(self, key: str) -> float | None:
        """Tells the cluster what it does not know yet; forgets a series that has ended."""
        series, now = self._series.get(key), self._clock()
        if series is None:
            # It has ended by a refusal, and was to be looked at again.
            return None
        if series.count == series.written:
            ended = now - series.last >= _QUIET
        else:
            if (patience := series.first + _PATIENCE - now) > 0:
                await self._turn(patience)
            count = series.count
            ended = not await self._sent(series, now)
            series.written = count
        if ended:
            del self._series[key]
        return None if ended else _QUIET

    async def _sent(self, series: _Series, now: float) -> bool:
        """False: the cluster does not want it. Raises ClientError for what may be tried again."""
        try:
            await self._send(series)
        except ClientError as error:
            if error.status == 409:
                return True
            if now - series.last < _TOO_OLD and (error.status in (0, 408, 429) or error.status >= 500):
                raise
            _log.info("event %s is dropped: %s", series.event["metadata"]["name"], error)
            return False
        return True

    async def _send(self, series: _Series) -> None:
        meta = series.event["metadata"]
        path = f"/apis/events.k8s.io/v1/namespaces/{meta['namespace']}/events"
        more = {"series": {"count": series.count, "lastObservedTime": _micro_time(series.seen)}}
        if series.written:
            try:
                await self._sink.merge_patch(f"{path}/{meta['name']}", more)
                return
            except ClientError as error:
                # Events live an hour.
                if error.status != 404:
                    raise
        await self._sink.post(path, series.event if series.count == 1 else series.event | more)

    async def _flush(self) -> None:
        """Tells what the cluster does not know yet. What it does not take in time is lost."""
        untold = [series for series in self._series.values() if series.written < series.count]
        waiting = iter(untold)
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL), asyncio.TaskGroup() as tasks:
                for _ in range(_AT_ONCE):
                    tasks.create_task(self._tell(waiting))
        if lost := sum(series.written < series.count for series in untold):
            _log.warning("%d events are lost", lost)

    async def _tell(self, waiting: Iterator[_Series]) -> None:
        for series in waiting:
            with suppress(ClientError):
                count = series.count
                await self._send(series)
                series.written = count


def _micro_time(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
