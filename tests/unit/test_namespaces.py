"""NamespaceLifecycle over namespaces in memory."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from apiserver.admission.namespaces import InformerNamespaces, NamespaceLifecycle, StoreNamespaces
from apiserver.client import ClientError
from apiserver.machinery.errors import APIError, Forbidden, InternalError, NotFound, Object, Resource
from reconciler.informer import Informer

WEBSITES = Resource("extensions.example.com", "websites", "Website")
GONE = ClientError(404, "NotFound", "no such namespace")


def namespace(name: str, phase: str = "Active") -> Object:
    return {"metadata": {"name": name, "resourceVersion": "1"}, "status": {"phase": phase}}


class MemorySource:
    """Namespaces to list, then events as they are put."""

    def __init__(self, *items: Object) -> None:
        self.items = list(items)
        self.events: asyncio.Queue[tuple[str, Object]] = asyncio.Queue()

    async def list(self) -> tuple[list[Object], str]:
        return self.items, "1"

    async def watch(self, resource_version: str) -> AsyncIterator[tuple[str, Object]]:
        while True:
            yield await self.events.get()


class MemoryCluster:
    """The API server's own answers to a GET."""

    def __init__(self, answer: Object | ClientError = GONE) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def get(self, path: str) -> Object:
        self.asked.append(path)
        if isinstance(self.answer, ClientError):
            raise self.answer
        return self.answer


async def lifecycle(source: MemorySource, cluster: MemoryCluster) -> tuple[NamespaceLifecycle, Informer]:
    informer = Informer(source, "namespaces")
    rule = NamespaceLifecycle(InformerNamespaces(informer, cluster))
    await informer.relist()
    return rule, informer


async def test_active_namespace_is_admitted_from_the_cache() -> None:
    """An existing namespace costs no request."""
    cluster = MemoryCluster()
    rule, _ = await lifecycle(MemorySource(namespace("ns")), cluster)
    await rule.admit_create(WEBSITES, "ns", "a")

    assert cluster.asked == []


async def test_missing_namespace() -> None:
    """A namespace that neither the cache nor the API server knows is the API server's own 404."""
    cluster = MemoryCluster()
    rule, _ = await lifecycle(MemorySource(), cluster)
    with pytest.raises(NotFound) as caught:
        await rule.admit_create(WEBSITES, "no-such-namespace", "a")

    assert cluster.asked == ["/api/v1/namespaces/no-such-namespace"]
    assert caught.value.to_status() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'namespaces "no-such-namespace" not found',
        "reason": "NotFound",
        "details": {"name": "no-such-namespace", "kind": "namespaces"},
        "code": 404,
    }


async def test_namespace_that_only_the_api_server_knows() -> None:
    """A cache that is behind does not refuse: the API server is asked."""
    rule, _ = await lifecycle(MemorySource(), MemoryCluster(namespace("new")))
    await rule.admit_create(WEBSITES, "new", "a")


async def test_namespace_that_arrives_while_waiting() -> None:
    """A namespace that was just created is waited for, and then costs no request."""
    source, cluster = MemorySource(), MemoryCluster()
    rule, informer = await lifecycle(source, cluster)
    following = asyncio.create_task(informer.follow())
    admitted = asyncio.create_task(rule.admit_create(WEBSITES, "new", "a"))
    await asyncio.sleep(0)
    source.events.put_nowait(("ADDED", namespace("new")))
    await admitted
    following.cancel()
    await asyncio.wait([following])

    assert cluster.asked == []


@pytest.mark.parametrize(("name", "shown"), [("a", "a"), ("", "Unknown")])
async def test_terminating_namespace(name: str, shown: str) -> None:
    """Nothing new in a namespace that is being deleted; the cause says so."""
    rule, _ = await lifecycle(MemorySource(namespace("ns", "Terminating")), MemoryCluster())
    with pytest.raises(Forbidden) as caught:
        await rule.admit_create(WEBSITES, "ns", name)

    text = "unable to create new content in namespace ns because it is being terminated"
    assert caught.value.message == f'websites.extensions.example.com "{shown}" is forbidden: {text}'
    assert caught.value.details is not None
    assert caught.value.details["causes"] == [
        {
            "reason": "NamespaceTerminating",
            "message": "namespace ns is being terminated",
            "field": "metadata.namespace",
        }
    ]


async def test_informer_that_has_not_synced() -> None:
    """As long as it is not known which namespaces there are, nothing is created."""
    informer = Informer(MemorySource(), "namespaces")
    rule = NamespaceLifecycle(InformerNamespaces(informer, MemoryCluster(), ready_seconds=0))
    with pytest.raises(Forbidden) as caught:
        await rule.admit_create(WEBSITES, "ns", "a")

    assert caught.value.message == 'websites.extensions.example.com "a" is forbidden: not yet ready to handle request'


async def test_informer_that_syncs_while_waiting() -> None:
    """A request that comes during the first list waits for it."""
    informer = Informer(MemorySource(namespace("ns")), "namespaces")
    rule = NamespaceLifecycle(InformerNamespaces(informer, MemoryCluster()))
    admitted = asyncio.create_task(rule.admit_create(WEBSITES, "ns", "a"))
    await asyncio.sleep(0)
    await informer.relist()
    await admitted


async def test_api_server_that_does_not_answer() -> None:
    """A lookup that fails is an internal error, not a missing namespace."""
    rule, _ = await lifecycle(MemorySource(), MemoryCluster(ClientError(0, "", "cannot be reached")))
    with pytest.raises(InternalError, match="Internal error occurred: cannot be reached"):
        await rule.admit_create(WEBSITES, "ns", "a")


@dataclass
class Stored:
    """What a Store returns, as far as it matters here."""

    object: Object


class MemoryStore:
    """Namespaces that this process serves, others are not found; its cache does not know "new" yet."""

    def __init__(self, *items: Object) -> None:
        self.items = {item["metadata"]["name"]: item for item in items}

    async def get(self, namespace: str, name: str, resource_version: str) -> Stored:
        if name not in self.items or (name == "new" and resource_version == "0"):
            raise NotFound.of(Resource("", "namespaces"), name)
        return Stored(self.items[name])


@pytest.mark.parametrize(("name", "refusal"), [("ns", None), ("new", None), ("going", Forbidden), ("none", NotFound)])
async def test_namespaces_in_our_own_store(name: str, refusal: type[APIError] | None) -> None:
    """Standalone, the same rule holds over the namespaces of this process, those included that are not cached yet."""
    store = MemoryStore(namespace("ns"), namespace("new"), namespace("going", "Terminating"))
    rule = NamespaceLifecycle(StoreNamespaces(store))
    if refusal is None:
        await rule.admit_create(WEBSITES, name, "a")
    else:
        with pytest.raises(refusal):
            await rule.admit_create(WEBSITES, name, "a")
