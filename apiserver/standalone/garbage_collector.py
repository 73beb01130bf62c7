"""The garbage collector of kube-controller-manager, for a server that runs without one.

Rules (wire.md 6.1; k8s.io/kubernetes `pkg/controller/garbagecollector`):
1. An object is deleted when it has owners and none of them exists (same uid) any more.
2. While an owner waits with `foregroundDeletion`, its dependents are deleted; the finalizer goes when none is left
   whose reference says `blockOwnerDeletion`.
3. While an owner waits with `orphan`, its dependents lose their reference to it; then the finalizer goes.
4. References to owners that are gone are dropped from an object that another owner keeps.
5. A reference to a kind that is not served keeps the object: what cannot be looked up is not known to be gone.

Informers say where to look; whether an owner exists is always read from its Store, since the informers of two kinds
are not in step.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial

from apiserver.machinery.errors import NotFound, Object
from apiserver.machinery.strategy import DeleteOptions
from apiserver.registry.item import Item
from apiserver.registry.options import WriteOptions
from apiserver.registry.store import Store
from reconciler.controller import Controller
from reconciler.informer import Informer, StoreSource, key_of
from reconciler.workqueue import WorkQueue

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
_KEEPS, _WAITS, _GONE = "keeps", "waits", "gone"
_WRITE = WriteOptions(field_manager="garbage-collector")
_WORKERS = 4


class GarbageCollector:
    """`_dependents`: uid of an owner -> queue keys of the objects that refer to it, as far as the informers have seen.
    Queue keys are `<resource>:<namespace>/<name>`."""

    def __init__(self, stores: Sequence[Store], lag: float = 0.0) -> None:
        """`stores`: every kind served, owners and dependents. `lag`: seconds after which a change is looked at."""
        self._lag = lag
        self._stores = {str(store.kind.resource): store for store in stores}
        self._resources = {(store.kind.api_version, store.kind.kind): name for name, store in self._stores.items()}
        self._informers = {
            name: Informer(StoreSource(store, _seen), f"gc {name}") for name, store in self._stores.items()
        }
        self._dependents: defaultdict[str, set[str]] = defaultdict(set)
        self._queue = WorkQueue()
        for name, informer in self._informers.items():
            informer.add_handler(partial(self._changed, name))

    async def run(self) -> None:
        """Works until cancelled. Nothing is judged before every informer has listed."""
        async with asyncio.TaskGroup() as tasks:
            for informer in self._informers.values():
                tasks.create_task(informer.run())
            for informer in self._informers.values():
                await informer.has_synced.wait()
            tasks.create_task(Controller("garbage-collector", self._queue, self.reconcile, _WORKERS).run())

    def _changed(self, resource: str, old: Object | None, new: Object | None) -> None:
        """Keeps the index, then queues whom the change concerns."""
        if old is not None:
            self._forget(resource, old, new)
        if new is not None:
            self._link(resource, new)
            if _concerns(new) and (old is None or _matters(old) != _matters(new)):
                self._queue.add_after(f"{resource}:{key_of(new)}", self._lag)

    def _forget(self, resource: str, old: Object, new: Object | None) -> None:
        """What was true of the old state only: its references, and its being there."""
        uid = old["metadata"]["uid"]
        if new is None or new["metadata"]["uid"] != uid:
            self._queue_all(self._dependents.get(uid, ()))
            new = None
        kept = _owners(new) if new is not None else []
        lost = [owner for owner in _owners(old) if owner not in kept]
        if lost:
            self._unlink(f"{resource}:{key_of(old)}", lost)
            self._queue_all(self._owner_keys(lost, old["metadata"].get("namespace", "")))

    def _queue_all(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._queue.add(key)

    def _link(self, resource: str, obj: Object) -> None:
        for owner in _owners(obj):
            self._dependents[owner["uid"]].add(f"{resource}:{key_of(obj)}")

    def _unlink(self, key: str, owners: Sequence[Object]) -> None:
        for owner in owners:
            keys = self._dependents[owner["uid"]]
            keys.discard(key)
            if not keys:
                del self._dependents[owner["uid"]]

    def _owner_keys(self, owners: Sequence[Object], namespace: str) -> list[str]:
        stores = [(owner["name"], self._owner_store(owner)) for owner in owners]
        return [_key(store, namespace, name) for name, store in stores if store is not None]

    def _owner_store(self, owner: Object) -> Store | None:
        resource = self._resources.get((owner["apiVersion"], owner["kind"]))
        return self._stores[resource] if resource else None

    async def reconcile(self, key: str) -> None:
        """One object: first its duties as an owner that is being deleted, then its own fate. Raises APIError."""
        resource, _, path = key.partition(":")
        store = self._stores[resource]
        namespace, _, name = path.rpartition("/")
        try:
            obj = (await store.get(namespace, name)).decoded()
        except NotFound:
            return
        if obj["metadata"].get("deletionTimestamp"):
            await self._release(store, obj)
        elif _owners(obj):
            await self._judge(store, obj)

    async def _release(self, store: Store, owner: Object) -> None:
        """An owner that is being deleted: does what its finalizers wait for, then takes them off."""
        finalizers = owner["metadata"].get("finalizers") or []
        dependents = sorted(self._dependents.get(owner["metadata"]["uid"], ()))
        if ORPHAN in finalizers:
            for key in dependents:
                await self._drop_references(key, {owner["metadata"]["uid"]})
            await _remove_finalizer(store, owner, ORPHAN)
        elif FOREGROUND in finalizers:
            self._queue_all(dependents)
            if not any(self._blocks(key, owner["metadata"]["uid"]) for key in dependents):
                await _remove_finalizer(store, owner, FOREGROUND)

    def _blocks(self, key: str, uid: str) -> bool:
        resource, _, path = key.partition(":")
        obj = self._informers[resource].cache.get(path)
        owners = _owners(obj) if obj is not None else []
        return any(owner["uid"] == uid and owner.get("blockOwnerDeletion") for owner in owners)

    async def _judge(self, store: Store, obj: Object) -> None:
        """A dependent: deleted when no owner keeps it, else freed of the references to owners that do not."""
        verdicts = {owner["uid"]: await self._verdict(owner, obj) for owner in _owners(obj)}
        lost = {uid for uid, verdict in verdicts.items() if verdict != _KEEPS}
        if not lost:
            return
        if len(lost) < len(verdicts):
            await self._drop_references(f"{store.kind.resource}:{key_of(obj)}", lost)
            return
        meta = obj["metadata"]
        # Dependents first, all the way down: one that has dependents itself waits for them too.
        nested = _WAITS in verdicts.values() and meta["uid"] in self._dependents
        options = DeleteOptions(meta["uid"], meta["resourceVersion"], _policy(meta.get("finalizers") or [], nested))
        with suppress(NotFound):
            await store.delete(meta.get("namespace", ""), meta["name"], options)

    async def _verdict(self, owner: Object, dependent: Object) -> str:
        """What one owner means for a dependent, in whose namespace it is looked up."""
        store = self._owner_store(owner)
        namespace = dependent["metadata"].get("namespace", "")
        if store is None or (store.kind.namespaced and not namespace):
            return _KEEPS
        try:
            found = (await store.get(namespace if store.kind.namespaced else "", owner["name"])).object["metadata"]
        except NotFound:
            return _GONE
        if found["uid"] != owner["uid"]:
            return _GONE
        waits = found.get("deletionTimestamp") and FOREGROUND in (found.get("finalizers") or [])
        return _WAITS if waits else _KEEPS

    async def _drop_references(self, key: str, uids: set[str]) -> None:
        resource, _, path = key.partition(":")
        namespace, _, name = path.rpartition("/")
        with suppress(NotFound):
            await self._stores[resource].update(namespace, name, partial(_without_owners, uids), _WRITE)


def _key(store: Store, namespace: str, name: str) -> str:
    path = f"{namespace}/{name}" if store.kind.namespaced else name
    return f"{store.kind.resource}:{path}"


def _owners(obj: Object) -> list[Object]:
    owners: list[Object] = obj["metadata"].get("ownerReferences") or []
    return owners


_SEEN = ("deletionTimestamp", "finalizers", "name", "namespace", "ownerReferences", "resourceVersion", "uid")


def _seen(item: Item) -> Object:
    """What the informers keep: of every object there is, a few members of its metadata."""
    meta = item.decoded()["metadata"]
    return {"metadata": {name: meta[name] for name in _SEEN if name in meta}}


def _concerns(obj: Object) -> bool:
    """Whether there may be something to do about it."""
    return bool(_owners(obj) or obj["metadata"].get("deletionTimestamp"))


def _matters(obj: Object) -> tuple[object, ...]:
    """The part of an object whose change the collector must look at."""
    meta = obj["metadata"]
    return meta["uid"], _owners(obj), meta.get("deletionTimestamp"), meta.get("finalizers")


def _policy(finalizers: Sequence[str], nested: bool) -> str:
    """How a dependent is deleted: as its own finalizers say, if they do."""
    if ORPHAN in finalizers:
        return "Orphan"
    return "Foreground" if nested or FOREGROUND in finalizers else "Background"


def _without_owners(uids: set[str], obj: Object) -> Object:
    left = [owner for owner in _owners(obj) if owner["uid"] not in uids]
    meta = {key: value for key, value in obj["metadata"].items() if key != "ownerReferences"}
    return {**obj, "metadata": {**meta, "ownerReferences": left} if left else meta}


async def _remove_finalizer(store: Store, obj: Object, finalizer: str) -> None:
    meta = obj["metadata"]

    def change(live: Object) -> Object:
        if live["metadata"]["uid"] != meta["uid"]:
            return live
        rest = [name for name in live["metadata"].get("finalizers") or [] if name != finalizer]
        return {**live, "metadata": {**live["metadata"], "finalizers": rest}}

    with suppress(NotFound):
        await store.update(meta.get("namespace", ""), meta["name"], change, _WRITE)
