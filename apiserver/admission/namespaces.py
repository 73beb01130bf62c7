"""NamespaceLifecycle: nothing is created in a namespace that does not exist or is going (wire.md 9.2).

The rule of k8s.io/apiserver `pkg/admission/plugin/namespace/lifecycle`; where the namespaces come from is behind
`Namespaces`.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from apiserver.client import ClientError
from apiserver.machinery.errors import Forbidden, InternalError, NotFound, Object, Resource

_NAMESPACES = Resource("", "namespaces", "Namespace")
_RECHECK_SECONDS = 0.05
_READY_SECONDS = 10.0


class NotReady(Exception):
    """It is not known yet which namespaces there are."""


class Namespaces(Protocol):
    async def phase(self, name: str, fresh: bool) -> str | None:
        """The namespace's status.phase, such as Active or Terminating; None: there is no such namespace. `fresh` asks
        its owner rather than a cache. Raises NotReady, ClientError or APIError."""


class NamespaceLifecycle:
    """The rule over a source of namespaces."""

    def __init__(self, namespaces: Namespaces) -> None:
        self._namespaces = namespaces

    async def admit_create(self, resource: Resource, namespace: str, name: str) -> None:
        """Raises NotFound (no such namespace), Forbidden (it is being deleted, or nothing is known of namespaces yet)
        or InternalError. `name` is the object's name or generateName, as far as it has one."""
        name = name or "Unknown"
        try:
            phase = await self._namespaces.phase(namespace, fresh=False)
            if phase is None:
                phase = await self._namespaces.phase(namespace, fresh=True)
        except NotReady as error:
            raise Forbidden.to_resource(resource, name, "not yet ready to handle request") from error
        except ClientError as error:
            raise InternalError(error.message) from error
        if phase is None:
            raise NotFound.of(_NAMESPACES, namespace)
        if phase == "Terminating":
            raise _terminating(resource, namespace, name)


def _terminating(resource: Resource, namespace: str, name: str) -> Forbidden:
    text = f"unable to create new content in namespace {namespace} because it is being terminated"
    message = f"namespace {namespace} is being terminated"
    cause = {"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}
    return Forbidden.to_resource(resource, name, text, [cause])


class NamespaceInformer(Protocol):
    """The part of an informer over namespaces that is needed here; its cache's keys are names."""

    @property
    def cache(self) -> Mapping[str, Object]: ...
    @property
    def has_synced(self) -> asyncio.Event: ...
    def add_handler(self, handler: Callable[[Object | None, Object | None], None]) -> None: ...


class Getter(Protocol):
    """The part of the host cluster's client that is needed here."""

    async def get(self, path: str) -> Object: ...


class InformerNamespaces:
    """The host cluster's namespaces: an informer's cache, and the API server itself for what that does not have (yet).
    `_arrivals` are woken when a namespace of that name appears."""

    def __init__(self, informer: NamespaceInformer, client: Getter, ready_seconds: float = _READY_SECONDS) -> None:
        self._informer = informer
        self._client = client
        self._ready_seconds = ready_seconds
        self._arrivals: dict[str, asyncio.Event] = {}
        informer.add_handler(self._changed)

    async def phase(self, name: str, fresh: bool) -> str | None:
        if fresh:
            return await self._live_phase(name)
        await self._ready()
        if name not in self._informer.cache:
            await self._arrival(name)
        namespace = self._informer.cache.get(name)
        return None if namespace is None else _phase(namespace)

    async def _ready(self) -> None:
        if not self._informer.has_synced.is_set():
            try:
                await asyncio.wait_for(self._informer.has_synced.wait(), self._ready_seconds)
            except TimeoutError as error:
                raise NotReady from error

    async def _arrival(self, name: str) -> None:
        """A namespace that was just created is often on its way to the cache: gives it 50 ms."""
        try:
            await asyncio.wait_for(self._arrivals.setdefault(name, asyncio.Event()).wait(), _RECHECK_SECONDS)
        except TimeoutError:
            self._arrivals.pop(name, None)

    async def _live_phase(self, name: str) -> str | None:
        try:
            return _phase(await self._client.get(f"/api/v1/namespaces/{name}"))
        except ClientError as error:
            if error.status == 404:
                return None
            raise

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if old is None and new is not None:
            arrival = self._arrivals.pop(new["metadata"]["name"], None)
            if arrival is not None:
                arrival.set()


class StoredObject(Protocol):
    @property
    def object(self) -> Object: ...


class NamespaceStore(Protocol):
    """The part of the Namespace kind's Store that is needed here."""

    async def get(self, namespace: str, name: str, resource_version: str) -> StoredObject: ...


class StoreNamespaces:
    """The namespaces that this process serves itself (standalone mode)."""

    def __init__(self, store: NamespaceStore) -> None:
        self._store = store

    async def phase(self, name: str, fresh: bool) -> str | None:
        try:
            return _phase((await self._store.get("", name, "" if fresh else "0")).object)
        except NotFound:
            return None


def _phase(namespace: Object) -> str:
    """Terminating from the moment of the deletion, even if its controller has not said so yet."""
    if namespace["metadata"].get("deletionTimestamp"):
        return "Terminating"
    status = namespace.get("status")
    return str(status.get("phase") or "Active") if isinstance(status, dict) else "Active"
