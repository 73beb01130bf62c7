"""Children in the host cluster: made, repaired, adopted, or left alone when they are somebody else's.

Rules:
1. A child is known by its name and belongs to the owner that its controller ownerReference names by uid.
2. Every apply says what it is for: nothing that is there yet, or the object of one uid. A namesake that somebody else
   has made is refused, not changed, however old the cache is. Who is there is asked after a refusal only.
3. A child of ours is applied when something that we say of it differs; what we do not speak of belongs to others.
4. One that nobody controls and that carries our labels is adopted (as a ReplicaSet adopts Pods).
5. Anything else of that name is left alone.
6. A child that somebody else changes back or deletes again and again is put right twenty times, then every five
   seconds: two that do not agree must not keep a cluster busy. Each generation of the owner has twenty of its own: its
   user's changes are no quarrel.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from apiserver.client import ClientError
from apiserver.machinery.errors import Object
from reconciler.informer import key_of
from reconciler.ownership import controller_of, covers, in_step
from reconciler.ratelimit import Buckets

_log = logging.getLogger(__name__)

Action = Literal["unchanged", "created", "updated", "contested", "taken", "leftover", "refused", "failed", "ending"]

_MISSING = {"resourceVersion": str(2**63 - 1)}
"""No object has this version, and where none is it does not count: what carries it is created or refused."""
POSTPONED = 5.0
"""Seconds after which a contested child may be put right again."""


class Cluster(Protocol):
    """What is needed of the host cluster's client."""

    async def get(self, path: str) -> Object: ...
    async def apply(self, path: str, body: Object, field_manager: str) -> Object: ...
    async def delete(self, path: str, body: Object | None = None) -> Object: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """The child that is wanted, the one there is now ({}: none), and what was done. "taken": it is somebody else's;
    "leftover": it belongs to an earlier owner of the same name; "refused": the cluster does not accept it, and says
    why; "failed": it could not be asked, or its refusal will pass (no answer, 408, 409, 429, 502 and up); "contested":
    somebody else keeps changing or deleting it, so it waits; "ending": its namespace is being deleted."""

    wanted: Object
    child: Object
    action: Action
    error: ClientError | None = None

    def __str__(self) -> str:
        return f"{self.wanted['kind']} {self.wanted['metadata']['name']}"


@dataclass(frozen=True, slots=True)
class Dependents:
    """One kind of children. `prefix` is such as /apis/apps/v1; `cache` holds those with our labels, namespace/name ->
    object; `learn` is told of what a write returned; `manager` is whose fields ours are."""

    prefix: str
    plural: str
    manager: str
    cache: Mapping[str, Object]
    learn: Callable[[Object], None]
    cluster: Cluster
    repairs: Buckets = field(default_factory=lambda: Buckets(1 / POSTPONED, 20))

    async def ensure(self, desired: Object, owner: Object) -> Outcome:
        """Makes the child what it must be."""
        try:
            child, action = await self._ensure(desired, owner)
        except ClientError as error:
            if "NamespaceTerminating" in error.causes:
                return Outcome(desired, {}, "ending")
            action = "refused" if _is_refusal(error) else "failed"
            return Outcome(desired, self.cache.get(key_of(desired), {}), action, error)
        return Outcome(desired, child, action)

    async def _ensure(self, desired: Object, owner: Object) -> tuple[Object, Action]:
        live = self.cache.get(key_of(desired))
        action: Action = "created" if live is None else _judge(live, desired, owner, self.manager)
        if live is not None and action != "updated":
            return live, action
        if not self.repairs.allow(_generation(owner), asyncio.get_running_loop().time()):
            return live or {}, "contested"
        done: Action = "failed"
        try:
            child, done = await self._put(live, desired, owner)
        finally:
            if done not in ("created", "updated"):
                self.repairs.give_back(_generation(owner))
        return child, done

    async def _put(self, live: Object | None, desired: Object, owner: Object) -> tuple[Object, Action]:
        """Creates the child, or repairs `live`; whoever else is in that place is judged, and repaired if it is ours."""
        exactly = _MISSING if live is None else _uid(live)
        try:
            return await self._apply(desired, exactly), "created" if live is None else "updated"
        except ClientError as refusal:
            other = await self._namesake(desired, refusal)
            if _uid(other) == exactly:
                raise
        action = _judge(other, desired, owner, self.manager)
        if action == "updated":
            other = await self._apply(desired, _uid(other))
        return other, action

    async def remove(self, child: Object) -> None:
        """Deletes exactly this state of it: one that has changed or gone meanwhile is another reconcile's."""
        meta = child["metadata"]
        _log.info("removing %s %s, whose owner is gone", self.plural, key_of(child))
        exactly = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        try:
            await self.cluster.delete(self._path(child), {**options, "preconditions": exactly})
        except ClientError as error:
            if error.status not in (404, 409):
                raise

    async def _namesake(self, desired: Object, refusal: ClientError) -> Object:
        """Who is there, if somebody is; else raises why the apply was refused."""
        if not 400 <= refusal.status < 500 or refusal.status == 429:
            raise refusal
        try:
            return await self.cluster.get(self._path(desired))
        except ClientError as absent:
            raise (refusal if absent.status == 404 else absent) from None

    async def _apply(self, desired: Object, exactly: Object) -> Object:
        body = {**desired, "metadata": {**desired["metadata"], **exactly}}
        live = await self.cluster.apply(self._path(desired), body, self.manager)
        self.learn(live)
        return live

    def _path(self, child: Object) -> str:
        meta = child["metadata"]
        place = f"/namespaces/{meta['namespace']}" if meta.get("namespace") else ""
        return f"{self.prefix}{place}/{self.plural}/{meta['name']}"


def _judge(live: Object, desired: Object, owner: Object, manager: str) -> Action:
    controller = controller_of(live)
    if controller is None:
        return "updated" if covers(live["metadata"].get("labels"), desired["metadata"]["labels"]) else "taken"
    if controller["uid"] == owner["metadata"]["uid"]:
        return "unchanged" if in_step(live, desired, manager) else "updated"
    wanted = controller_of(desired) or {}
    return "leftover" if all(controller.get(k) == wanted.get(k) for k in ("apiVersion", "kind", "name")) else "taken"


def _uid(live: Object) -> Object:
    return {"uid": live["metadata"]["uid"]}


def _generation(owner: Object) -> str:
    meta = owner["metadata"]
    return f"{meta['uid']} {meta['generation']}"


def _is_refusal(error: ClientError) -> bool:
    """An answer that will be the same next time, unless somebody changes something. 500 is said of this object, such as
    when no node port is left or a webhook does not answer; who is away says 503."""
    return error.status == 500 or (400 <= error.status < 500 and error.status not in (408, 409, 429))
