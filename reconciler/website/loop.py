"""The Website controller at work: informers -> queue -> reconcile."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from apiserver.kinds.website import KIND, child_name
from apiserver.machinery.errors import NotFound, Object
from apiserver.registry.item import Item
from apiserver.registry.options import WriteOptions
from reconciler.conditions import found
from reconciler.controller import Context, Controller
from reconciler.dependents import POSTPONED, Action, Cluster, Dependents, Outcome
from reconciler.events import EventRecorder, EventType, Recorder, Sink
from reconciler.informer import ClientSource, Informer, Source, StoreSource, key_of
from reconciler.metrics import Instruments
from reconciler.ownership import controller_of, owner_key, scaled_by_others
from reconciler.website.children import MANAGED, MANAGER, Options, desired_deployment, desired_service, options
from reconciler.website.status import Seen, desired_status
from reconciler.workqueue import WorkQueue

_SETTLES = 0.25
"""Seconds from a change of the children to the status: what the cluster does next is told with it, in one write."""
_NEXT_TURN = 0.0
# A child that is not ours does not tell us when it goes.
_AGAIN: dict[Action, float] = {"created": _SETTLES, "updated": _SETTLES, "taken": 10.0, "contested": POSTPONED}
WORKERS = 32
_CALM = 0.3
"""Seconds without a key after which Events are written: an Event costs kube-apiserver as much as a child."""


class Host(Cluster, Sink, Protocol):
    """What is needed of the host cluster's client."""


class Websites(Protocol):
    """What reconcile needs of the Website Store."""

    async def get(self, namespace: str, name: str) -> Item: ...
    async def update(
        self,
        namespace: str,
        name: str,
        change: Callable[[Object], Object],
        options: WriteOptions = ...,
        subresource: str = ...,
    ) -> Item: ...


@dataclass(frozen=True, slots=True)
class World:
    """What a reconcile sees and acts on. `websites` is an informer's cache: namespace/name -> object, read only;
    `learn` tells it of what a write returned. `permit` raises ClientError when a status may not be written any more.
    `begun`: keys of Websites that have had their first turn -> kinds of the children made and not told yet."""

    websites: Mapping[str, Object]
    learn: Callable[[Object], None]
    deployments: Dependents
    services: Dependents
    store: Websites
    permit: Callable[[], None]
    chosen: Options
    recorder: Recorder
    now: Callable[[], datetime]
    begun: dict[str, set[str]] = field(default_factory=dict)


async def reconcile(key: str, world: World) -> float | None:
    """Makes the children what they must be; when they are, writes the status. Each only if it differs."""
    website = world.websites.get(key)
    if website is None:
        world.begun.pop(key, None)
        await _remove_leftovers(key, world)
        return None
    if website["metadata"].get("deletionTimestamp"):
        return None
    if _meets_orphan(key, world) and not await _lives(website, world):
        return None
    if key not in world.begun and _is_new(key, world):
        return await _begin(key, website, world)
    async with asyncio.TaskGroup() as both:
        deployment = both.create_task(world.deployments.ensure(_wanted_deployment(website, world), website))
        service = both.create_task(world.services.ensure(desired_service(website), website))
    outcomes = [deployment.result(), service.result()]
    _note_made(key, outcomes, world)
    if any(outcome.action == "ending" for outcome in outcomes):
        return None
    _raise_passing(outcomes)
    return await _conclude(website, _with_untold(key, outcomes, world), world)


def _is_new(key: str, world: World) -> bool:
    child = _child_key(key)
    return child not in world.services.cache and child not in world.deployments.cache


def _meets_orphan(key: str, world: World) -> bool:
    """Whether there is a child to adopt. The garbage collector releases those of a Website that is deleted with
    --cascade=orphan, maybe before the cache knows of the deletion."""
    children = (dependents.cache.get(_child_key(key)) for dependents in (world.deployments, world.services))
    return any(child is not None and controller_of(child) is None for child in children)


async def _lives(website: Object, world: World) -> bool:
    meta = website["metadata"]
    stored = await _stored(meta["namespace"], meta["name"], world)
    return stored.get("uid") == meta["uid"] and not stored.get("deletionTimestamp")


async def _stored(namespace: str, name: str, world: World) -> Object:
    """The metadata that storage has, whatever the caches say; {}: there is no such Website."""
    try:
        item = await world.store.get(namespace, name)
    except NotFound:
        return {}
    meta: Object = item.object["metadata"]
    return meta


def _child_key(key: str) -> str:
    """Of either child, from the Website's."""
    namespace, _, name = key.partition("/")
    return f"{namespace}/{child_name(name)}"


def _website_key(child: Object) -> str | None:
    """Whose child it is; of one that nobody controls, whose it would be."""
    return owner_key(child, KIND) if controller_of(child) else key_of(child).removesuffix(child_name(""))


async def _begin(key: str, website: Object, world: World) -> float:
    """A turn for the Service alone: kube-apiserver allocates node ports one after the other, and quickly only while it
    has no Pods to make. So of many Websites that wait, the Services come before the Deployments."""
    world.begun[key] = set()
    service = await world.services.ensure(desired_service(website), website)
    _note_made(key, [service], world)
    _raise_passing([service])
    return _NEXT_TURN


def _raise_passing(outcomes: Sequence[Outcome]) -> None:
    """Raises the ClientError that asks for the longest wait of those that will pass, if any."""
    errors = [outcome.error for outcome in outcomes if outcome.action == "failed" and outcome.error is not None]
    if errors:
        raise max(errors, key=lambda error: error.retry_after)


def _note_made(key: str, outcomes: Sequence[Outcome], world: World) -> None:
    if made := {outcome.wanted["kind"] for outcome in outcomes if outcome.action == "created"}:
        world.begun.setdefault(key, set()).update(made)


def _with_untold(key: str, outcomes: Sequence[Outcome], world: World) -> list[Outcome]:
    """What an earlier turn has made, and not told since the other child failed or had still to come, is told now."""
    made = frozenset(world.begun.get(key, ()))
    if made:
        world.begun[key].clear()
    return [_as_made(outcome) if outcome.wanted["kind"] in made else outcome for outcome in outcomes]


def _as_made(outcome: Outcome) -> Outcome:
    return replace(outcome, action="created") if outcome.action in ("unchanged", "updated") else outcome


async def _conclude(website: Object, outcomes: Sequence[Outcome], world: World) -> float | None:
    """Tells what was done about the Deployment and the Service, and how they are; makes way for them."""
    failure = _failure(outcomes)
    _record(website, outcomes, failure, world.recorder)
    if failure is not None or not any(outcome.action in ("created", "updated") for outcome in outcomes):
        deployment, service = outcomes
        await _write_status(website, Seen(deployment.child, service.child, failure), world)
    for dependents, outcome in zip((world.deployments, world.services), outcomes, strict=True):
        if outcome.action == "leftover":
            await _remove(dependents, outcome.child, world)
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
    return min((_AGAIN[outcome.action] for outcome in outcomes if outcome.action in _AGAIN), default=None)


def _wanted_deployment(website: Object, world: World) -> Object:
    wanted = desired_deployment(website, world.chosen)
    live = world.deployments.cache.get(key_of(wanted))
    if live is not None and scaled_by_others(live):
        del wanted["spec"]["replicas"]
    return wanted


_CONTESTED = "Somebody else changes or deletes {} again and again; it is put right every few seconds."
_NOTES: dict[Action, tuple[EventType, str]] = {
    "created": ("Normal", "Created {}."),
    "updated": ("Normal", "Updated {}."),
    "contested": ("Warning", _CONTESTED),
}


def _record(website: Object, outcomes: Sequence[Outcome], failure: tuple[str, str] | None, recorder: Recorder) -> None:
    """Says what was done, and each time what could not be done."""
    for action, (kind, sentence) in _NOTES.items():
        if done := [str(outcome) for outcome in outcomes if outcome.action == action and outcome.child]:
            recorder.record(website, kind, action.capitalize(), "Apply", sentence.format(" and ".join(done)))
    if failure is not None:
        recorder.record(website, "Warning", failure[0], "Apply", failure[1])


def _failure(outcomes: Sequence[Outcome]) -> tuple[str, str] | None:
    """Reason and sentence, for the conditions, of the first child that is not what it must be."""
    for outcome, kind in zip(outcomes, ("Deployment", "Service"), strict=True):
        if outcome.error is not None:
            return "ApplyFailed", f"The {kind} is refused: {outcome.error}"
        if outcome.action == "taken":
            return "NameConflict", f"{outcome} exists and is not controlled by this {KIND.kind}; it is left alone."
        if outcome.action == "contested" and not outcome.child:
            return "Contested", _CONTESTED.format(outcome)
    return None


async def _remove_leftovers(key: str, world: World) -> None:
    """What a Website has left behind that went while nobody watched; else the garbage collector is there first."""
    for dependents in (world.deployments, world.services):
        child = dependents.cache.get(_child_key(key))
        if child is not None and owner_key(child, KIND) == key:
            await _remove(dependents, child, world)


async def _remove(dependents: Dependents, child: Object, world: World) -> None:
    """Deletes a child whose owner, by uid, is not there."""
    owner, meta = controller_of(child) or {}, child["metadata"]
    if meta.get("deletionTimestamp"):
        return
    stored = await _stored(meta["namespace"], owner["name"], world)
    if stored.get("uid") != owner["uid"]:
        await dependents.remove(child)


async def _write_status(website: Object, seen: Seen, world: World) -> None:
    now, meta = world.now(), website["metadata"]
    if desired_status(website, seen, now) == website.get("status"):
        return
    before: Object = {}
    after: Object = {}

    def change(live: Object) -> Object:
        """The cached status may be older than the stored one, which has the times to keep."""
        nonlocal before, after
        world.permit()
        if live["metadata"]["uid"] != meta["uid"]:
            return live
        before = {**website, "status": live.get("status")}
        after = {**live, "status": desired_status(before, seen, now)}
        return after

    try:
        written = WriteOptions(field_manager=MANAGER)
        item = await world.store.update(meta["namespace"], meta["name"], change, written, subresource="status")
    except NotFound:
        return
    if all(item.object["metadata"][key] == meta[key] for key in ("uid", "generation")):
        # Else it has changed meanwhile, which is to be reported.
        world.learn(item.object)
    if after and seen.failure is None:
        _record_turn(before, after, world.recorder)


def _record_turn(before: Object, after: Object, recorder: Recorder) -> None:
    """Says that a Website has become ready, or degraded, or so for another reason."""
    ready, degraded = found(after, "Ready"), found(after, "Degraded")
    if ready["status"] == "True" and found(before, "Ready").get("status") != "True":
        recorder.record(after, "Normal", "Ready", "Observe", ready["message"])
    if degraded["status"] == "True" and found(before, "Degraded").get("reason") != degraded["reason"]:
        recorder.record(after, "Warning", degraded["reason"], "Observe", degraded["message"])


def build(context: Context) -> Callable[[], Awaitable[None]]:
    """The controller, ready to be run (again and again, as leadership comes and goes); ends by cancellation."""
    managed = ",".join(f"{label}={value}" for label, value in MANAGED.items())
    client = context.client
    return partial(
        run,
        StoreSource(context.store),
        ClientSource(client, "/apis/apps/v1/deployments", labelSelector=managed),
        ClientSource(client, "/api/v1/services", labelSelector=managed),
        client,
        context.store,
        context.permit,
        options(context.settings),
        context.instruments,
    )


async def run(
    websites: Source,
    deployments: Source,
    services: Source,
    cluster: Host,
    store: Websites,
    permit: Callable[[], None],
    chosen: Options,
    instruments: Instruments,
) -> None:
    """Informers -> queue -> reconcile, until cancelled."""
    queue = WorkQueue(MANAGER, instruments)
    recorder = EventRecorder(cluster, KIND, MANAGER, instruments, partial(queue.calm, _CALM))
    owners, deployed, exposed = (
        Informer(source, name)
        for source, name in ((websites, KIND.plural), (deployments, "deployments"), (services, "services"))
    )
    owners.add_handler(_enqueue(queue, key_of))
    for children in (deployed, exposed):
        children.add_handler(_enqueue(queue, _website_key))
    world = World(
        owners.cache,
        owners.learn,
        Dependents("/apis/apps/v1", "deployments", MANAGER, deployed.cache, deployed.learn, cluster),
        Dependents("/api/v1", "services", MANAGER, exposed.cache, exposed.learn, cluster),
        store,
        permit,
        chosen,
        recorder,
        partial(datetime.now, UTC),
    )
    informers = (owners, deployed, exposed)
    try:
        async with asyncio.TaskGroup() as tasks:
            for informer in informers:
                tasks.create_task(informer.run())
            tasks.create_task(recorder.run())
            await _synced(informers)
            await Controller(MANAGER, queue, partial(reconcile, world=world), WORKERS, instruments).run()
    finally:
        # Leadership may end before the first key is taken.
        queue.abandon()


async def _synced(informers: Iterable[Informer]) -> None:
    """A child missing from a cache that is not filled yet would be applied for nothing."""
    for informer in informers:
        await informer.has_synced.wait()


def _enqueue(queue: WorkQueue, key: Callable[[Object], str | None]) -> Callable[[Object | None, Object | None], None]:
    def handler(old: Object | None, new: Object | None) -> None:
        """Both states count: a child that changes its owner concerns the old one too. News of a status can wait for
        more."""
        wait = _SETTLES if old and new and _desired(old) == _desired(new) else 0.0
        for concerned in {key(state) for state in (old, new) if state is not None}:
            if concerned is not None and wait:
                queue.add_after(concerned, wait)
            elif concerned is not None:
                queue.add(concerned)

    return handler


_OBSERVED = frozenset({"resourceVersion", "managedFields"})


def _desired(obj: Object) -> tuple[Object, Object]:
    """All that says what is wanted, not what is."""
    return {key: value for key, value in obj["metadata"].items() if key not in _OBSERVED}, obj.get("spec", {})
