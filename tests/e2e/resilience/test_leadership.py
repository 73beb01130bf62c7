"""Two replicas: one reconciles, both serve; when the leader goes, in whatever way, the other leads, and it alone."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from itertools import count

import pytest

from tests.controlplane.kubectl import Kubectl
from tests.controlplane.process import SOON, eventually, in_time
from tests.controlplane.server import DEFAULTS
from tests.e2e.resilience.conftest import LEASE, Replica, StartReplica, holder_after, lease, led
from tests.e2e.websites import website

KILLED_WITHIN, TERMINATED_WITHIN = 15.0, 2.0
"""Seconds from the signal to the next leader's acquireTime: requirements."""
LASTING = ("--leader-elect-lease-duration=1h", "--leader-elect-renew-deadline=50m", "--leader-elect-retry-period=500ms")
"""Nobody loses a Lease because the machine is slow."""
HOLDERS = '--output=jsonpath=held by "{.spec.holderIdentity}"{"\\n"}'


def _two(
    start: StartReplica, kubectl: Kubectl, flags: tuple[str, ...] = LASTING, others: tuple[str, ...] = LASTING
) -> tuple[Replica, Replica]:
    """The leader and the other."""
    leader = start("one", *flags)
    led(kubectl)
    return leader, start("two", *others)


def _create(replica: Replica, name: str) -> None:
    with replica.server.http() as client:
        answer = client.post(replica.collection, json=website(name))
        assert answer.status_code == 201, answer.text


def _update(replica: Replica, name: str, branch: str) -> None:
    with replica.server.http() as client:
        headers = {"Content-Type": "application/merge-patch+json"}
        answer = client.patch(f"{replica.collection}/{name}", json={"spec": {"branch": branch}}, headers=headers)
        assert answer.status_code == 200, answer.text


def _follows(kubectl: Kubectl, name: str, text: str) -> bool:
    return f"={text}" in kubectl.run("get", "deployment", f"{name}-website", "-o", "json").out


def _has_children(kubectl: Kubectl, name: str) -> bool:
    return kubectl.run("get", f"deployment/{name}-website", f"service/{name}-website").code == 0


def _told_of(kubectl: Kubectl) -> set[str]:
    events = kubectl.get("events.events.k8s.io", "--field-selector=reportingController=website-controller")
    return {event["regarding"]["name"] for event in events["items"]}


def test_one_reconciles_and_both_serve(start_replica: StartReplica, kubectl: Kubectl) -> None:
    """What either replica is told is read from both; only the leader writes to the cluster."""
    leader, other = _two(start_replica, kubectl)
    for number, replica in enumerate((leader, other)):
        _create(replica, f"site-{number}")
        for reader in (leader, other):
            with reader.server.http() as client:
                assert client.get(f"{reader.collection}/site-{number}").status_code == 200
        eventually(lambda n=number: _has_children(kubectl, f"site-{n}"), SOON, "both children")  # type: ignore[misc]
    # Events are the last that is written of them.
    eventually(lambda: _told_of(kubectl) == {"site-0", "site-1"}, SOON, "both are told of")
    assert len(leader.writes("deployments")) == len(leader.writes("services")) == 2
    assert other.writes() == []


@pytest.mark.parametrize(
    ("number", "within"), [(signal.SIGKILL, KILLED_WITHIN), (signal.SIGTERM, TERMINATED_WITHIN)], ids=["kill", "term"]
)
def test_takeover(start_replica: StartReplica, kubectl: Kubectl, number: signal.Signals, within: float) -> None:
    """With the default times the other replica holds the Lease within 15 s of kill -9, within 2 s of SIGTERM, and does
    what the leader no longer did. It is SIGTERM that has the Lease given back, each time."""
    leader, other = _two(start_replica, kubectl, DEFAULTS, DEFAULTS)
    roles, numbers = [leader, other], count()

    def takeover() -> float:
        """Seconds from the signal. Afterwards the old leader follows the new one."""
        (old, new), name = roles, f"late-{next(numbers)}"
        before = lease(kubectl)
        with kubectl.stream("get", "lease", LEASE, "--watch", HOLDERS) as holders:
            holders.wait_for(before["holderIdentity"], SOON)
            signalled = datetime.now(UTC)
            old.server.running.signal(number)
            _create(new, name)
            after = holder_after(kubectl, before, SOON)
            holders.wait_for(after["holderIdentity"], SOON)
            assert ('held by ""' in holders.lines()) == (number == signal.SIGTERM), holders.lines()
        eventually(lambda: _has_children(kubectl, name), SOON, "the new leader's children")
        old.server.restart()
        roles.reverse()
        return (datetime.fromisoformat(after["acquireTime"]) - signalled).total_seconds()

    in_time(takeover, within)


@contextmanager
def _frozen(replica: Replica) -> Iterator[None]:
    """SIGSTOP, as when a machine is suspended: the process does not notice."""
    replica.server.running.freeze()
    try:
        yield
    finally:
        replica.server.running.thaw()


@contextmanager
def _cut_off(replica: Replica) -> Iterator[None]:
    """The cluster cannot be reached from there; the replica's etcd can."""
    with replica.proxy.away():
        yield


@pytest.mark.parametrize("without", [_frozen, _cut_off])
def test_a_deposed_leader_stops_writing(
    start_replica: StartReplica, kubectl: Kubectl, without: Callable[[Replica], AbstractContextManager[None]]
) -> None:
    """A leader that was frozen or cut off while another took over writes nothing more when it is back, whatever it
    had in mind, and waits for the Lease."""
    leader, other = _two(start_replica, kubectl, DEFAULTS)
    _create(other, "kubia")
    eventually(lambda: _has_children(kubectl, "kubia"), SOON, "both children")
    before = lease(kubectl)
    with without(leader):
        holder_after(kubectl, before, SOON)
        passed = len(leader.writes())
        _update(other, "kubia", "while-away")
        eventually(lambda: _follows(kubectl, "kubia", "while-away"), SOON, "the new leader's Deployment")
        seen = len(leader.proxy.seen)

    def waits() -> bool:
        return any(each.watch and "/leases" in each.path for each in leader.proxy.seen[seen:])

    eventually(waits, SOON, "the old leader watches the Lease")
    _update(leader, "kubia", "afterwards")
    eventually(lambda: _follows(kubectl, "kubia", "afterwards"), SOON, "the new leader's Deployment")
    assert leader.writes()[passed:] == []


def test_a_stolen_lease_is_respected(start_replica: StartReplica, kubectl: Kubectl) -> None:
    """A leader whose Lease somebody else has written himself into stops; it goes on when the Lease is given up."""
    leader = start_replica("one", *LASTING)
    led(kubectl)
    kubectl("patch", "lease", LEASE, "--type=merge", "--patch", _lease_patch("thief", 3600))
    eventually(lambda: "no longer leads" in leader.server.running.text(), SOON, "the leader has noticed")
    _create(leader, "kubia")
    with leader.server.http() as client:
        assert client.get(f"{leader.collection}/kubia").status_code == 200
    given_back = time.monotonic()
    kubectl("patch", "lease", LEASE, "--type=merge", "--patch", _lease_patch("", 1))
    eventually(lambda: _has_children(kubectl, "kubia"), SOON, "both children")
    assert all(write.at > given_back for write in leader.writes())


def _lease_patch(holder: str, seconds: int) -> str:
    return f'{{"spec": {{"holderIdentity": "{holder}", "leaseDurationSeconds": {seconds}}}}}'
