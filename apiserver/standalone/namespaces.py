"""The life of a Namespace where no controller manager runs: Active, then Terminating until its content is gone.

kube-apiserver holds a Namespace by `spec.finalizers`, which only that kind has; here the ordinary `metadata.finalizers`
do the same, so that Store needs no rule for one kind.
"""

import asyncio
import logging
from collections.abc import Sequence

from apiserver.machinery.errors import AlreadyExists, APIError, NotFound, Object
from apiserver.machinery.strategy import DeleteOptions
from apiserver.registry.options import ListOptions, WriteOptions
from apiserver.registry.store import Store
from reconciler.controller import Controller
from reconciler.informer import Informer, StoreSource
from reconciler.workqueue import WorkQueue

_log = logging.getLogger(__name__)

FINALIZER = "kubernetes"
INITIAL = ("default", "kube-system")
_WRITE = WriteOptions(field_manager="namespace-controller")
_LABEL = "kubernetes.io/metadata.name"
_WAIT = 1.0
_WORKERS = 2


def prepared(namespace: Object) -> Object:
    """The Namespace as it is when it is created: held by the finalizer, labelled with its name, Active."""
    meta = namespace["metadata"]
    finalizers = meta.get("finalizers") or []
    held = finalizers if FINALIZER in finalizers else [*finalizers, FINALIZER]
    labels = {**(meta.get("labels") or {}), _LABEL: meta["name"]}
    status = {**_status(namespace), "phase": "Active"}
    return {**namespace, "metadata": {**meta, "finalizers": held, "labels": labels}, "status": status}


async def admit(namespace: Object) -> None:
    """A Store's admission for Namespaces: prepares the object in place, whose name may not be chosen yet."""
    if namespace["metadata"].get("name"):
        namespace.update(prepared(namespace))


async def create_initial(namespaces: Store) -> int:
    """Creates the Namespaces that exist from the start; the revision of the last one that was not there, 0 if all were.
    Raises APIError when the storage does not take them now."""
    return max([await _ensure(namespaces, name) for name in INITIAL])


async def ensure_initial(namespaces: Store) -> None:
    """Creates them as soon as the storage takes them."""
    while True:
        try:
            await create_initial(namespaces)
        except APIError as error:
            _log.warning("the first namespaces: %s", error)
            await asyncio.sleep(_WAIT)
        else:
            return


async def _ensure(namespaces: Store, name: str) -> int:
    namespace = prepared({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    try:
        return int((await namespaces.create(namespace, _WRITE)).meta["resourceVersion"])
    except AlreadyExists:
        return 0


class NamespaceController:
    """Keeps live Namespaces prepared, and empties and removes those that are deleted."""

    def __init__(self, namespaces: Store, stores: Sequence[Store]) -> None:
        """`stores`: everything served; the namespaced ones are a Namespace's content."""
        self._namespaces = namespaces
        self._contents = [store for store in stores if store.kind.namespaced]
        self._queue = WorkQueue()
        self._informer = Informer(StoreSource(namespaces), "namespaces")
        self._informer.add_handler(self._changed)

    async def run(self) -> None:
        """Works until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._informer.run())
            tasks.create_task(Controller("namespace", self._queue, self.reconcile, _WORKERS).run())

    def _changed(self, old: Object | None, new: Object | None) -> None:
        obj = new or old
        if obj is not None:
            self._queue.add(obj["metadata"]["name"])

    async def reconcile(self, name: str) -> float | None:
        """One step; a Namespace whose content has finalizers is looked at again a second later."""
        try:
            live = (await self._namespaces.get("", name)).object
        except NotFound:
            # What was being created while the Namespace was removed.
            await self._empty(name)
            return None
        if not live["metadata"].get("deletionTimestamp"):
            await self._namespaces.update("", name, _prepared_if_live, _WRITE)
            return None
        await self._namespaces.update("", name, _terminating, _WRITE)
        if await self._empty(name):
            await self._namespaces.update("", name, _released, _WRITE)
            return None
        return _WAIT

    async def _empty(self, name: str) -> bool:
        """Deletes the content; True when nothing is left."""
        for store in self._contents:
            await store.delete_collection(name, options=DeleteOptions(propagation_policy="Background"))
        left = [await store.list(name, ListOptions(limit=1)) for store in self._contents]
        return not any(page.items for page in left)


def _prepared_if_live(live: Object) -> Object:
    return live if live["metadata"].get("deletionTimestamp") else prepared(live)


def _terminating(live: Object) -> Object:
    return {**live, "status": {**_status(live), "phase": "Terminating"}}


def _status(namespace: Object) -> Object:
    """The kind has no schema here, so that a client may have written anything."""
    status = namespace.get("status")
    return status if isinstance(status, dict) else {}


def _released(live: Object) -> Object:
    meta = live["metadata"]
    rest = [finalizer for finalizer in meta.get("finalizers") or [] if finalizer != FINALIZER]
    return {**live, "metadata": {**meta, "finalizers": rest}}
