"""Leader election by a coordination.k8s.io/v1 Lease (client-go `tools/leaderelection`).

Rules:
1. A holder renews every `retry` seconds; one that could not for `renew` seconds stops its work.
2. Others take over when the Lease has not changed for its own duration by their own clock, or has no holder; clocks of
   different machines are never compared. They watch it, so that one that is given up is taken at once. One that
   somebody deletes is its holder's until then, who may still write, for all who have seen it. Who starts while it is
   missing has not, and leads at once: two do, until the holder looks at the Lease again, which it does every `retry`
   seconds; one that cannot reach the cluster any more, until its fence shuts.
3. Every write carries the resourceVersion that was read, so one of two who try wins.
4. The Lease is given up after the work has ended, never before.
5. The work's own writes, to the cluster and to the storage, pass a Fence. It shuts by the clock, so it holds for a
   process that was stopped for a while and has not learnt yet that somebody else leads.

`kubernetes.aio.leaderelection` is not used: it ends with the first connection error, never gives the Lease up, leaves
the work running when it is cancelled itself and does not wait for its end when leadership is lost, does not see work
that ends or fails, has no limit for a renewal that gets no answer, does not count transitions, and writes local time as
UTC.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from apiserver.client import ClientError
from apiserver.machinery.errors import Object

_log = logging.getLogger(__name__)


class Leases(Protocol):
    """What an election needs of the host cluster's client."""

    async def get(self, path: str, **query: str) -> Object: ...
    async def post(self, path: str, body: Object) -> Object: ...
    async def merge_patch(self, path: str, body: Object, **query: str) -> Object: ...
    def watch(self, path: str, **query: str) -> AsyncGenerator[tuple[str, Object], None]: ...


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: a Lease is valid for `lease`, its holder stops after `renew` without success; a try each `retry`."""

    lease: float = 12.0
    renew: float = 8.0
    retry: float = 2.0


class Fence:
    """Open while this process leads for certain: until `renew` seconds after its last renewal was begun. It is made
    where a loop runs."""

    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self.open_until = 0.0
        """By the event loop's clock."""

    def check(self) -> None:
        """Raises ClientError when it is shut. Any thread may ask."""
        if self._clock() >= self.open_until:
            raise ClientError(0, "", "not sent: this process does not lead any more")


@dataclass(frozen=True, slots=True)
class Candidate:
    """Who competes for which Lease; `identity` is unique per process."""

    client: Leases
    namespace: str
    name: str
    identity: str
    timing: Timing = Timing()


async def run_as_leader(candidate: Candidate, fence: Fence, work: Callable[[], Awaitable[None]]) -> None:
    """Waits for the Lease, then runs `work`, with `fence` open; cancels it when leadership is lost and competes again.
    Ends when `work` ends (raising what it raises) or by cancellation; the Lease is then released."""
    election = _Election(candidate, fence)
    lease = f"{candidate.namespace}/{candidate.name}"
    while True:
        await election.acquire()
        _log.info("%s leads %s", candidate.identity, lease)
        try:
            if await _lead(election, work):
                return
        finally:
            await election.release()
        _log.warning("%s no longer leads %s", candidate.identity, lease)


async def _lead(election: "_Election", work: Callable[[], Awaitable[None]]) -> bool:
    """Works while the Lease is renewed; True: the work ended by itself."""
    working = asyncio.ensure_future(work())
    renewing = asyncio.ensure_future(election.renew())
    both = (working, renewing)
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        ended = working.done()
    finally:
        for task in both:
            task.cancel()
        await asyncio.wait(both)
    if ended:
        working.result()
    for task in both:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("leading ended with an error", exc_info=error)
    return ended


def is_free(spec: Object, unchanged_for: float, identity: str) -> bool:
    """Whether `identity` may take a Lease that has not changed for so many seconds, seen from here."""
    holder = spec.get("holderIdentity") or ""
    return holder in ("", identity) or unchanged_for >= (spec.get("leaseDurationSeconds") or 0)


def claimed(spec: Object, identity: str, seconds: float, now: datetime) -> Object:
    """The Lease's spec with `identity` as its holder from `now` on."""
    time = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"leaseTransitions": 0, **spec}
    if spec.get("holderIdentity") != identity:
        if spec.get("holderIdentity") is not None:
            spec["leaseTransitions"] += 1
        spec["acquireTime"] = time
    return {**spec, "holderIdentity": identity, "leaseDurationSeconds": max(1, round(seconds)), "renewTime": time}


class _Election:
    """`_observed` is the Lease's spec as last seen, `_observed_at` when (loop time) it was seen to change."""

    def __init__(self, candidate: Candidate, fence: Fence) -> None:
        self._client = candidate.client
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{candidate.namespace}/leases"
        self._path = f"{self._collection}/{candidate.name}"
        self._name = candidate.name
        self._identity = candidate.identity
        self._timing = candidate.timing
        self._fence = fence
        self._clock = asyncio.get_running_loop().time
        self._observed: Object = {}
        self._observed_at = 0.0

    async def acquire(self) -> None:
        """Returns when the Lease is ours."""
        while not await self._try():
            # What is free and was not to be had is no reason to hurry.
            if self._is_free() or not await self._freed():
                jitter = random.uniform(1.0, 1.2)  # noqa: S311 - spreads load, guards nothing
                await asyncio.sleep(self._timing.retry * jitter)

    async def renew(self) -> None:
        """Returns when the Lease is lost or could not be renewed in time."""
        while self._clock() < self._fence.open_until:
            await asyncio.sleep(min(self._timing.retry, self._fence.open_until - self._clock()))
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._fence.open_until):
                    await self._try()

    async def release(self) -> None:
        """Lets the others start at once, if the Lease is still ours. Never fails: it expires by itself."""
        self._fence.open_until = 0.0
        if self._observed.get("holderIdentity") != self._identity:
            return
        try:
            await self._give_up(tries=2)
        except ClientError as error:
            _log.warning("lease %s is not released: %s", self._name, error)

    async def _give_up(self, tries: int) -> None:
        lease = await self._client.get(self._path)
        if lease["spec"].get("holderIdentity") != self._identity:
            return
        spec = claimed(lease["spec"], self._identity, 1, datetime.now(UTC))
        try:
            await self._write(lease, {**spec, "holderIdentity": ""})
        except ClientError as error:
            if error.status != 409 or tries == 1:
                raise
            # Our last renewal, cancelled on its way, has arrived after all.
            await self._give_up(tries - 1)

    async def _freed(self) -> bool:
        """Returns when a watch has seen the Lease become free, or silent for its duration; False: it saw neither."""
        query = {"fieldSelector": f"metadata.name={self._name}"}
        try:
            async with (
                asyncio.timeout_at(self._expiry()) as limit,
                aclosing(self._client.watch(self._collection, **query)) as events,
            ):
                async for kind, lease in events:
                    if kind in ("ADDED", "MODIFIED"):
                        self._observe(lease)
                        limit.reschedule(self._expiry())
                    if self._is_free():
                        return True
        except TimeoutError:
            return True
        except ClientError as error:
            _log.warning("lease %s cannot be watched: %s", self._name, error)
        return False

    def _is_free(self) -> bool:
        return is_free(self._observed, self._clock() - self._observed_at, self._identity)

    def _expiry(self) -> float:
        return self._observed_at + float(self._observed.get("leaseDurationSeconds") or 0)

    async def _try(self) -> bool:
        """Takes or renews the Lease; False: somebody else's, or not reachable."""
        begun = self._clock()
        try:
            held = await self._claim()
        except ClientError as error:
            _log.log(logging.INFO if error.status == 409 else logging.WARNING, "lease %s: %s", self._name, error)
            return False
        if held:
            self._fence.open_until = begun + self._timing.renew
        elif self._observed.get("holderIdentity") != self._identity:
            self._fence.open_until = 0.0
        return held

    async def _claim(self) -> bool:
        now = datetime.now(UTC)
        try:
            lease = await self._client.get(self._path)
        except ClientError as error:
            if error.status != 404 or not self._is_free():
                raise
            spec = claimed({}, self._identity, self._timing.lease, now)
            body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": self._name}}
            self._observe(await self._client.post(self._collection, {**body, "spec": spec}))
            return True
        self._observe(lease)
        if not self._is_free():
            return False
        await self._write(lease, claimed(self._observed, self._identity, self._timing.lease, now))
        return True

    async def _write(self, lease: Object, spec: Object) -> None:
        meta = {"resourceVersion": lease["metadata"]["resourceVersion"]}
        self._observe(await self._client.merge_patch(self._path, {"metadata": meta, "spec": spec}))

    def _observe(self, lease: Object) -> None:
        spec = lease.get("spec") or {}
        if spec != self._observed:
            self._observed = spec
            self._observed_at = self._clock()
