"""A small cluster held in memory, and the Websites that the tests of their controller are about."""

import asyncio
import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from apiserver.client import ClientError
from apiserver.machinery.errors import NotFound, Object, Resource
from apiserver.registry.item import Item
from apiserver.registry.options import WriteOptions
from apiserver.settings import Settings
from reconciler.dependents import Dependents
from reconciler.events import EventType
from reconciler.website.children import MANAGER, desired_deployment, desired_service, options
from reconciler.website.loop import World

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = datetime(2026, 1, 2, 4, 0, 0, tzinfo=UTC)
DEPLOYMENT = "/apis/apps/v1/namespaces/ns/deployments/kubia-website"
SERVICE = "/api/v1/namespaces/ns/services/kubia-website"
KEY = "ns/kubia-website"
SETTINGS = Settings.load(["--storage=sqlite://:memory:"])
CHOSEN = options(SETTINGS)


def website(**spec: Any) -> Object:
    meta = {"name": "kubia", "namespace": "ns", "uid": "u1", "generation": 2, "resourceVersion": "5"}
    return {"metadata": meta, "spec": {"gitRepo": "https://example.com/repo.git", "replicas": 2, **spec}}


def deployment(**status: Any) -> Object:
    live = desired_deployment(website(), CHOSEN)
    return {**live, "metadata": {**live["metadata"], "generation": 1}, "status": status}


def service() -> Object:
    return desired_service(website())


def merged(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: merged(old.get(key), value) for key, value in new.items()}}
    return copy.deepcopy(new)


def condition(status: Object, kind: str = "Ready") -> Object:
    (found,) = (entry for entry in status["conditions"] if entry["type"] == kind)
    return dict(found)


class MemoryCluster:
    """Objects by path; an apply merges, unless it is for another uid or version. `refusals` are raised by writes to a
    path."""

    def __init__(self, **objects: Object) -> None:
        paths = {"deployment": DEPLOYMENT, "service": SERVICE}
        self.objects = {paths[name]: obj for name, obj in objects.items()}
        self.refusals: dict[str, ClientError] = {}
        self.asked: list[str] = []
        self.applied: list[str] = []
        self.deleted: list[tuple[str, Object]] = []
        self.events: list[str] = []

    async def get(self, path: str) -> Object:
        self.asked.append(path)
        if path not in self.objects:
            raise ClientError(404, "NotFound", "not found")
        return self.objects[path]

    async def apply(self, path: str, body: Object, field_manager: str) -> Object:
        assert field_manager == MANAGER
        self.applied.append(path)
        if path in self.refusals:
            raise self.refusals[path]
        before = self.objects.get(path)
        live: Object = merged(before or {}, body)
        _check(before, live)
        live["metadata"].setdefault("generation", 1)
        live["metadata"].setdefault("uid", f"uid of {path}")
        live["metadata"]["resourceVersion"] = str(len(self.applied) + 100)
        self.objects[path] = live
        return live

    async def post(self, path: str, body: Object) -> Object:
        self.events.append(body["reason"])
        return body

    async def merge_patch(self, path: str, body: Object, **query: str) -> Object:
        raise NotImplementedError

    async def delete(self, path: str, body: Object | None = None) -> Object:
        self.deleted.append((path, body or {}))
        return self.objects.pop(path)


def _check(before: Object | None, after: Object) -> None:
    """As kube-apiserver: a version does not count for what is not there, a uid does."""
    was, is_now = (before or {}).get("metadata", {}), after["metadata"]
    if before is None and "uid" in is_now:
        raise ClientError(409, "Conflict", "uid mismatch")
    if before is not None and is_now.get("uid") != was.get("uid"):
        raise ClientError(422, "Invalid", "metadata.uid: Invalid value: field is immutable")
    if before is not None and is_now.get("resourceVersion") != was.get("resourceVersion"):
        raise ClientError(409, "Conflict", "the object has been modified")


class MemoryWebsites:
    """The stored Websites; `update` writes only what changes."""

    def __init__(self, *items: Object) -> None:
        self.items = {item["metadata"]["name"]: item for item in items}
        self.writes: list[Object] = []
        self.written = asyncio.Event()

    async def get(self, namespace: str, name: str) -> Item:
        if name not in self.items:
            raise NotFound.of(Resource("extensions.example.com", "websites"), name)
        return Item(self.items[name])

    async def update(
        self,
        namespace: str,
        name: str,
        change: Callable[[Object], Object],
        options: WriteOptions | None = None,
        subresource: str = "",
    ) -> Item:
        assert subresource == "status"
        live = (await self.get(namespace, name)).object
        changed = change(live)
        if changed != live:
            self.items[name] = changed
            self.writes.append(changed)
            self.written.set()
        return Item(changed)


class MemoryRecorder:
    """What was recorded: (type, reason, note)."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []

    def record(self, regarding: Object, kind: EventType, reason: str, action: str, note: str) -> None:
        self.events.append((kind, reason, note))


def world(
    cluster: MemoryCluster, store: MemoryWebsites, now: datetime = NOW, recorder: MemoryRecorder | None = None
) -> World:
    """The caches hold what the cluster and the store hold now, as far as it has our label."""

    def dependents(prefix: str, plural: str, path: str) -> Dependents:
        found = cluster.objects.get(path)
        managed = found is not None and "app.kubernetes.io/managed-by" in found["metadata"].get("labels", {})
        cache = {KEY: found} if managed and found is not None else {}
        return Dependents(prefix, plural, MANAGER, cache, lambda _: None, cluster)

    websites = {f"ns/{name}": item for name, item in store.items.items()}
    deployments = dependents("/apis/apps/v1", "deployments", DEPLOYMENT)
    services = dependents("/api/v1", "services", SERVICE)
    return World(
        websites=websites,
        learn=lambda _: None,
        deployments=deployments,
        services=services,
        store=store,
        permit=lambda: None,
        chosen=CHOSEN,
        recorder=recorder or MemoryRecorder(),
        now=lambda: now,
    )
