"""Leader election, over Leases held in memory with the host cluster's rules for writes."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import pytest

from apiserver.client import ClientError
from apiserver.machinery.errors import Object
from reconciler.leader import Candidate, Fence, Timing, claimed, is_free, run_as_leader
from tests.unit.virtual_time import virtually

NOW = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
QUICK = Timing(lease=15, renew=0.05, retry=0.001)
PATIENT = Timing(lease=15, renew=600, retry=600)


class MemoryLeases:
    """Leases by path. A patch with another resourceVersion is a conflict; while `broken`, nothing answers."""

    def __init__(self) -> None:
        self.leases: dict[str, Object] = {}
        self.broken = False
        self.written = asyncio.Event()

    async def get(self, path: str, **query: str) -> Object:
        self._check(path)
        return self.leases[path]

    async def post(self, path: str, body: Object) -> Object:
        path = f"{path}/{body['metadata']['name']}"
        if path in self.leases:
            raise ClientError(409, "AlreadyExists", "exists")
        return self._write(path, body["spec"], 1)

    async def merge_patch(self, path: str, body: Object, **query: str) -> Object:
        self._check(path)
        live = self.leases[path]
        if body["metadata"]["resourceVersion"] != live["metadata"]["resourceVersion"]:
            raise ClientError(409, "Conflict", "modified")
        return self._write(path, {**live["spec"], **body["spec"]}, int(live["metadata"]["resourceVersion"]) + 1)

    async def watch(self, path: str, **query: str) -> AsyncGenerator[tuple[str, Object], None]:
        path, seen = f"{path}/{query['fieldSelector'].removeprefix('metadata.name=')}", None
        while True:
            if self.broken:
                raise ClientError(0, "", "the cluster cannot be reached")
            live = self.leases.get(path)
            if live is not None:
                yield "MODIFIED" if seen else "ADDED", live
            elif seen is not None:
                yield "DELETED", seen
            seen = live
            self.written.clear()
            await self.written.wait()

    def delete(self) -> None:
        """Somebody deletes it."""
        self.leases.clear()
        self.written.set()

    def take_away(self) -> None:
        """Somebody else becomes the holder."""
        (path,) = self.leases
        spec = {**self.leases[path]["spec"], "holderIdentity": "thief"}
        self._write(path, spec, int(self.leases[path]["metadata"]["resourceVersion"]) + 1)

    @property
    def spec(self) -> Object:
        (lease,) = self.leases.values()
        spec: Object = lease["spec"]
        return spec

    def _check(self, path: str) -> None:
        if self.broken:
            raise ClientError(0, "", "the cluster cannot be reached")
        if path not in self.leases:
            raise ClientError(404, "NotFound", "no such lease")

    def _write(self, path: str, spec: Object, version: int) -> Object:
        self.leases[path] = {"metadata": {"resourceVersion": str(version)}, "spec": spec}
        self.written.set()
        return self.leases[path]


class Work:
    """Work that runs until it is cancelled, and says so."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.stopped = asyncio.Event()

    async def __call__(self) -> None:
        self.stopped.clear()
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.started.clear()
            self.stopped.set()


def candidate(leases: MemoryLeases, identity: str = "one", timing: Timing = QUICK) -> Candidate:
    return Candidate(leases, "ns", "lease", identity, timing)


def compete(leases: MemoryLeases, identity: str, work: Work, timing: Timing = QUICK) -> asyncio.Task[None]:
    return asyncio.create_task(run_as_leader(candidate(leases, identity, timing), Fence(), work))


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@virtually
async def test_first_candidate_creates_the_lease_and_works() -> None:
    """Without a Lease, the candidate makes one of 15 s with itself as the holder."""
    leases, work = MemoryLeases(), Work()
    leader = compete(leases, "one", work)
    await work.started.wait()

    assert list(leases.leases) == ["/apis/coordination.k8s.io/v1/namespaces/ns/leases/lease"]
    assert (leases.spec["holderIdentity"], leases.spec["leaseDurationSeconds"]) == ("one", 15)
    assert leases.spec["leaseTransitions"] == 0
    await stop(leader)


@virtually
async def test_holder_renews() -> None:
    """The holder moves renewTime on and keeps acquireTime."""
    leases, work = MemoryLeases(), Work()
    leader = compete(leases, "one", work)
    await work.started.wait()
    before = leases.spec
    leases.written.clear()
    await leases.written.wait()

    assert leases.spec["renewTime"] > before["renewTime"]
    assert leases.spec["acquireTime"] == before["acquireTime"]
    await stop(leader)


@virtually
async def test_clean_stop_hands_over_at_once() -> None:
    """A stopped leader ends its work, then releases the Lease, and the next one does not wait for it to expire."""
    leases, first, second = MemoryLeases(), Work(), Work()
    leader = compete(leases, "one", first)
    await first.started.wait()
    follower = compete(leases, "two", second)
    await stop(leader)

    assert first.stopped.is_set()
    await second.started.wait()
    assert (leases.spec["holderIdentity"], leases.spec["leaseTransitions"]) == ("two", 1)
    await stop(follower)


@virtually
async def test_a_lease_that_is_given_up_is_seen_at_once() -> None:
    """A follower watches: it takes a released Lease although its next try is minutes away."""
    leases, first, second = MemoryLeases(), Work(), Work()
    leader = compete(leases, "one", first)
    await first.started.wait()
    follower = compete(leases, "two", second, PATIENT)
    await stop(leader)

    await second.started.wait()
    assert asyncio.get_running_loop().time() < PATIENT.retry
    await stop(follower)


@virtually
async def test_a_renewal_that_arrives_late_does_not_keep_the_lease() -> None:
    """One that was cancelled on its way may take effect while the Lease is given up: that is then done again."""

    class Late(MemoryLeases):
        renewals = 1

        async def merge_patch(self, path: str, body: Object, **query: str) -> Object:
            if body["spec"]["holderIdentity"] == "" and self.renewals:
                self.renewals -= 1
                version = int(self.leases[path]["metadata"]["resourceVersion"])
                self._write(path, self.leases[path]["spec"], version + 1)
            return await super().merge_patch(path, body, **query)

    leases, work = Late(), Work()
    leader = compete(leases, "one", work)
    await work.started.wait()
    await stop(leader)

    assert (leases.renewals, leases.spec["holderIdentity"]) == (0, "")


@virtually
async def test_a_lease_whose_holder_is_silent_is_taken_when_it_expires() -> None:
    """After the Lease's own duration, although the follower's next try is minutes away."""
    leases, work = MemoryLeases(), Work()
    await leases.post(
        "/apis/coordination.k8s.io/v1/namespaces/ns/leases",
        {"metadata": {"name": "lease"}, "spec": {"holderIdentity": "dead", "leaseDurationSeconds": 0.05}},
    )
    follower = compete(leases, "two", work, PATIENT)

    await work.started.wait()
    assert leases.spec["holderIdentity"] == "two"
    assert asyncio.get_running_loop().time() < PATIENT.retry
    await stop(follower)


@virtually
async def test_fence_is_open_while_it_leads() -> None:
    """Shut before, open while the work runs, shut as soon as another holds the Lease, and after the work."""
    leases, work, fence = MemoryLeases(), Work(), Fence()
    with pytest.raises(ClientError):
        fence.check()
    leader = asyncio.create_task(run_as_leader(candidate(leases), fence, work))
    await work.started.wait()
    fence.check()
    leases.take_away()
    await work.stopped.wait()

    with pytest.raises(ClientError, match="does not lead"):
        fence.check()
    await stop(leader)


async def test_fence_shuts_by_the_clock() -> None:
    """Without a renewal it is shut before the Lease can be another's, whether or not the work has noticed."""
    leases, fence = MemoryLeases(), Fence()
    noticed: list[ClientError] = []

    async def work() -> None:
        leases.broken = True
        while not noticed:
            try:
                fence.check()
            except ClientError as error:
                noticed.append(error)
            await asyncio.sleep(0)

    await run_as_leader(candidate(leases, timing=Timing(lease=15, renew=0.05, retry=600)), fence, work)


@virtually
async def test_work_is_cancelled_when_another_holds_the_lease() -> None:
    """A leader that finds another holder stops working; it does not take the Lease back while that is valid."""
    leases, work = MemoryLeases(), Work()
    leader = compete(leases, "one", work)
    await work.started.wait()
    leases.take_away()
    await work.stopped.wait()

    assert leases.spec["holderIdentity"] == "thief"
    await stop(leader)
    assert leases.spec["holderIdentity"] == "thief"


@virtually
async def test_work_is_cancelled_when_the_cluster_is_gone_and_comes_back() -> None:
    """A leader that cannot renew in time stops working, and starts again when it can."""
    leases, work = MemoryLeases(), Work()
    leader = compete(leases, "one", work)
    await work.started.wait()
    leases.broken = True
    await work.stopped.wait()
    leases.broken = False
    await work.started.wait()
    await stop(leader)


@virtually
async def test_work_that_ends_ends_the_leadership() -> None:
    """When the work returns, the Lease is released and so does `run_as_leader`."""
    leases = MemoryLeases()

    async def work() -> None:
        return

    await run_as_leader(candidate(leases), Fence(), work)

    assert leases.spec["holderIdentity"] == ""


@virtually
async def test_a_lease_that_somebody_deletes_is_still_its_holders() -> None:
    """The holder makes it again and leads on; nobody else does, until it gives the Lease up."""
    leases, first, second = MemoryLeases(), Work(), Work()
    leader = compete(leases, "one", first, Timing())
    await first.started.wait()
    follower = compete(leases, "two", second, Timing(retry=0.1))
    await asyncio.sleep(5.5)
    leases.delete()
    await asyncio.sleep(60)

    assert (first.started.is_set(), second.started.is_set()) == (True, False)
    await stop(leader)
    await second.started.wait()
    await stop(follower)


@virtually
async def test_error_of_the_work_comes_out() -> None:
    """What the work raises is raised, after the Lease was released."""
    leases = MemoryLeases()

    async def work() -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        await run_as_leader(candidate(leases), Fence(), work)

    assert leases.spec["holderIdentity"] == ""


@pytest.mark.parametrize(
    ("spec", "unchanged_for", "free"),
    [
        ({}, 0, True),
        ({"holderIdentity": "", "leaseDurationSeconds": 15}, 0, True),
        ({"holderIdentity": "me", "leaseDurationSeconds": 15}, 0, True),
        ({"holderIdentity": "other", "leaseDurationSeconds": 15}, 14.9, False),
        ({"holderIdentity": "other", "leaseDurationSeconds": 15}, 15, True),
        ({"holderIdentity": "other"}, 0, True),
    ],
)
def test_is_free(spec: Object, unchanged_for: float, free: bool) -> None:
    """A Lease can be taken when nobody, we, or somebody silent for its whole duration holds it."""
    assert is_free(spec, unchanged_for, "me") is free


def test_claimed_by_a_new_holder() -> None:
    """A change of holder counts as a transition and sets acquireTime; times are UTC with microseconds."""
    spec = claimed({"holderIdentity": "other", "leaseTransitions": 3, "acquireTime": "old"}, "me", 15, NOW)

    assert spec == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 15,
        "leaseTransitions": 4,
        "acquireTime": "2026-01-02T03:04:05.000006Z",
        "renewTime": "2026-01-02T03:04:05.000006Z",
    }


def test_claimed_again() -> None:
    """A renewal changes renewTime only."""
    before = claimed({}, "me", 15, datetime(2026, 1, 1, tzinfo=UTC))

    assert claimed(before, "me", 15, NOW) == {**before, "renewTime": "2026-01-02T03:04:05.000006Z"}
