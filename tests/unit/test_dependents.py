"""Children in the host cluster: what is asked and sent, by the rules that the module numbers."""

from collections.abc import Mapping

import pytest

from apiserver.client import ClientError
from apiserver.machinery.errors import Object
from reconciler.dependents import Dependents, Outcome
from reconciler.website.children import MANAGER
from tests.unit.reconciling import KEY, SERVICE, MemoryCluster, merged, service, website


def services(cluster: MemoryCluster, cache: Mapping[str, Object] | None = None) -> Dependents:
    return Dependents("/api/v1", "services", MANAGER, cache or {}, lambda _: None, cluster)


async def ensure(cluster: MemoryCluster, cache: Mapping[str, Object] | None = None) -> Outcome:
    return await services(cluster, cache).ensure(service(), website())


def edited() -> Object:
    changes = {"spec": {"type": "LoadBalancer"}, "metadata": {"uid": "s1", "resourceVersion": "7"}}
    live: Object = merged(service(), changes)
    return live


async def test_child_that_the_cache_has_missed_is_ours() -> None:
    """Rule 2: a refused creation asks who is there; it may be our own child, which is then put right."""
    cluster = MemoryCluster(service=edited())
    outcome = await ensure(cluster)

    assert (outcome.action, cluster.applied, cluster.asked) == ("updated", [SERVICE, SERVICE], [SERVICE])
    assert cluster.objects[SERVICE]["spec"]["type"] == "NodePort"


async def test_child_that_the_cache_has_missed_is_not_made_twice() -> None:
    """Rule 2: one that is there and right is found so, not said to have been created."""
    cluster = MemoryCluster(service=merged(service(), {"metadata": {"uid": "s1", "resourceVersion": "7"}}))

    assert (await ensure(cluster)).action == "unchanged"


@pytest.mark.parametrize("cached", [None, edited()])
async def test_namesake_that_the_cache_has_missed_is_not_changed(cached: Object | None) -> None:
    """Rule 2: somebody else's object that contradicts nothing, also when an old cache has a child of ours there. It is
    no refusal of what is wanted."""
    namesake = {"metadata": {"name": "kubia-website", "namespace": "ns", "uid": "s2", "resourceVersion": "9"}}
    cluster = MemoryCluster(service=namesake)
    outcome = await ensure(cluster, {KEY: cached} if cached else {})

    assert (outcome.action, outcome.child) == ("taken", namesake)
    assert cluster.objects[SERVICE] is namesake


@pytest.mark.parametrize(("kind", "action", "applies"), [("NodePort", "unchanged", 1), ("LoadBalancer", "updated", 2)])
async def test_child_that_was_replaced_behind_the_cache(kind: str, action: str, applies: int) -> None:
    """Rule 2: the repair of one that is not there any more is refused; the one of ours in its place is judged, and put
    right if need be."""
    cluster = MemoryCluster(service=merged(edited(), {"metadata": {"uid": "s2"}, "spec": {"type": kind}}))
    outcome = await ensure(cluster, {KEY: edited()})

    assert (outcome.action, cluster.applied, cluster.asked) == (action, [SERVICE] * applies, [SERVICE])
    assert outcome.child["spec"]["type"] == "NodePort"


async def test_repair_that_is_refused() -> None:
    """Rule 2: when the object that it is for is there the refusal itself is the answer."""
    cluster = MemoryCluster(service=edited())
    cluster.refusals[SERVICE] = ClientError(422, "Invalid", "no such port")
    outcome = await ensure(cluster, {KEY: edited()})

    assert (outcome.action, outcome.child, str(outcome.error)) == ("refused", edited(), "no such port")
    assert (cluster.applied, cluster.asked) == ([SERVICE], [SERVICE])


async def test_child_that_went_before_its_repair_is_made_as_a_new_one() -> None:
    """Rule 2: what an old cache has is not made again by its repair; the news that it has gone leads to that."""
    outcome = await ensure(cluster := MemoryCluster(), {KEY: edited()})

    assert (outcome.action, cluster.objects) == ("failed", {})


async def test_creation_that_is_refused() -> None:
    """Rule 2: when nobody is there the refusal itself is the answer."""
    cluster = MemoryCluster()
    cluster.refusals[SERVICE] = ClientError(422, "Invalid", "no such port")
    outcome = await ensure(cluster)

    assert (outcome.action, outcome.child, str(outcome.error)) == ("refused", {}, "no such port")


async def test_child_without_a_namespace() -> None:
    """What is cluster-scoped has no namespace in its path."""
    cluster, wanted = MemoryCluster(), service()
    del wanted["metadata"]["namespace"]
    outcome = await services(cluster).ensure(wanted, website())

    assert (outcome.action, cluster.applied) == ("created", ["/api/v1/services/kubia-website"])


@pytest.mark.parametrize("cache", [{}, {KEY: edited()}], ids=["creation", "repair"])
@pytest.mark.parametrize("status", [0, 429, 503])
async def test_apply_that_gets_no_answer(status: int, cache: dict[str, Object]) -> None:
    """What will pass is no refusal; nothing else is asked."""
    cluster = MemoryCluster()
    cluster.refusals[SERVICE] = ClientError(status, "", "later")
    outcome = await ensure(cluster, cache)

    assert (outcome.action, outcome.child) == ("failed", cache.get(KEY, {}))
    assert (str(outcome.error), cluster.asked) == ("later", [])


async def test_child_with_a_controller_of_another_kind_is_taken() -> None:
    """Rule 5: also when the owner has the same name."""
    owner = service()["metadata"]["ownerReferences"][0] | {"kind": "Blog", "uid": "u9"}
    cluster = MemoryCluster()
    outcome = await ensure(cluster, {KEY: merged(edited(), {"metadata": {"ownerReferences": [owner]}})})

    assert (outcome.action, cluster.applied) == ("taken", [])


async def test_unlabelled_orphan_is_taken() -> None:
    """Rule 4: what does not carry our labels is not adopted, although nobody controls it."""
    orphan = edited()
    orphan["metadata"] |= {"ownerReferences": [], "labels": {}}
    cluster = MemoryCluster()
    outcome = await ensure(cluster, {KEY: orphan})

    assert (outcome.action, cluster.applied) == ("taken", [])


@pytest.mark.parametrize(("status", "passes"), [(404, True), (409, True), (403, False), (500, False), (0, False)])
async def test_removal(status: int, passes: bool) -> None:
    """One that has gone or changed meanwhile is another reconcile's; any other answer is an error."""

    class Refusing(MemoryCluster):
        async def delete(self, path: str, body: Object | None = None) -> Object:
            raise ClientError(status, "", "no")

    removal = services(Refusing()).remove(edited())
    if passes:
        await removal
        return
    with pytest.raises(ClientError, match="no"):
        await removal
