"""Events in two groups. kube-apiserver converts between them; here what is written to events.k8s.io is copied to the
core group, where `kubectl describe` and `kubectl get events` look, and both are removed after an hour, or with the
first."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from apiserver.machinery.errors import NotFound, Object
from apiserver.registry.options import WriteOptions
from apiserver.registry.store import Store
from reconciler.controller import Controller
from reconciler.informer import Informer, StoreSource, key_of
from reconciler.workqueue import WorkQueue

_TTL_SECONDS = 3600.0
_WRITE = WriteOptions(field_manager="event-mirror")


class EventMirror:
    """`events` are those of events.k8s.io, `core` those of the core group."""

    def __init__(self, events: Store, core: Store, now: Callable[[], datetime] = partial(datetime.now, UTC)) -> None:
        self._events, self._core, self._now = events, core, now
        self._queue = WorkQueue()
        self._informer = Informer(StoreSource(events), "events")
        self._informer.add_handler(self._changed)

    async def run(self) -> None:
        """Works until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._informer.run())
            tasks.create_task(Controller("event-mirror", self._queue, self.reconcile, 1).run())

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if event := new or old:
            self._queue.add(key_of(event))

    async def reconcile(self, key: str) -> float | None:
        """Raises APIError."""
        namespace, _, name = key.partition("/")
        try:
            event = (await self._events.get(namespace, name)).object
        except NotFound:
            await _delete(self._core, namespace, name)
            return None
        created = datetime.fromisoformat(event["metadata"]["creationTimestamp"])
        left = _TTL_SECONDS - (self._now() - created).total_seconds()
        if left <= 0:
            await _delete(self._core, namespace, name)
            await _delete(self._events, namespace, name)
            return None
        copy = core_event(event)
        try:
            await self._core.update(namespace, name, lambda live: {**copy, "metadata": live["metadata"]}, _WRITE)
        except NotFound:
            await self._core.create(copy, _WRITE)
        return left


async def _delete(store: Store, namespace: str, name: str) -> None:
    with suppress(NotFound):
        await store.delete(namespace, name)


def core_event(event: Object) -> Object:
    """The same event as a core/v1 Event (k8s.io/kubernetes `pkg/apis/core/v1` conversion)."""
    meta, series = event["metadata"], event.get("series")
    copy = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
        "involvedObject": event.get("regarding") or {},
        "message": event.get("note", ""),
        "reportingComponent": event.get("reportingController", ""),
        "source": {},
        "firstTimestamp": None,
        "lastTimestamp": None,
        "reason": event.get("reason", ""),
        "reportingInstance": event.get("reportingInstance", ""),
        "type": event.get("type", ""),
        "action": event.get("action", ""),
        "eventTime": event.get("eventTime"),
    }
    return copy | ({"series": series} if series else {})
