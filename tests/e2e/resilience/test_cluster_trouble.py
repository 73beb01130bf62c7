"""Trouble with kube-apiserver: the server serves on, its reconciler takes up its work by itself, and nobody is asked in
a hot loop."""

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import httpx
import pytest

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.kubectl import Kubectl
from tests.controlplane.process import SOON, eventually
from tests.controlplane.proxy import Fault, Seen, error_event
from tests.controlplane.secure_etcd import SecureEtcd
from tests.controlplane.server import DEFAULTS
from tests.e2e.conftest import new_namespace
from tests.e2e.resilience.conftest import Replica, led, replicas
from tests.e2e.watching import Watch
from tests.e2e.websites import website

AWAY = 60.0
"""Seconds."""
ATTEMPTS_PER_SECOND = 3.0
"""At most, on average, by all parts of the server together, while nobody answers."""
LASTING = 2.0
"""Seconds after which a watch counts as one that worked."""
LATER_WATCH, LATER_WRITE = 0.8, 0.3
"""Seconds, at least, before a fifth watch and a ninth write that fail. They begin with 0.1 and 0.005, and double."""
UNAUTHENTICATED, UNDECIDED = 401, 500
"""What a Go server answers when TokenReview and SubjectAccessReview fail (wire.md 2.2 and 2.3)."""


@pytest.fixture(scope="module")
def leader(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    """One server through all of the trouble, with the Lease's default times."""
    kubectl = new_namespace(control_plane.kubectl())
    directory = tmp_path_factory.mktemp("trouble")
    with (
        SecureEtcd(directory / "etcd") as etcd,
        replicas(control_plane, kubectl.namespace, etcd, directory) as start,
    ):
        one = start("one", *DEFAULTS)
        led(kubectl)
        yield one


@pytest.fixture
def replica(leader: Replica, kubectl: Kubectl) -> Replica:
    """The same in the test's namespace."""
    return replace(leader, namespace=kubectl.namespace)


@pytest.fixture
def master(replica: Replica) -> Iterator[httpx.Client]:
    """A client whom the server knows without asking anybody: a client certificate of the group system:masters."""
    pair = replica.server.cluster.client_pair("operator", "system:masters")
    with replica.server.http(pair=pair) as client:
        yield client


def _create(client: httpx.Client, replica: Replica, name: str) -> None:
    answer = client.post(replica.collection, json=website(name))
    assert answer.status_code == 201, answer.text


def _has_children(kubectl: Kubectl, name: str) -> bool:
    return kubectl.run("get", f"deployment/{name}-website", f"service/{name}-website").code == 0


def _gaps(seen: list[Seen]) -> list[float]:
    return [after.at - before.at for before, after in pairwise(seen)]


def test_away_for_a_minute(replica: Replica, kubectl: Kubectl, master: httpx.Client) -> None:
    """Who is known without asking reads, writes and watches on; a token's user until what is known of it expires. What
    was asked for meanwhile is done when the cluster is back, by the same process. Attempts get rare."""
    _create(master, replica, "before")
    eventually(lambda: _has_children(kubectl, "before"), SOON, "both children")
    collection = replica.collection
    with replica.server.http() as client, Watch(replica.server, collection) as watch:
        assert client.get(collection).status_code == 200
        with replica.proxy.away():
            left = time.monotonic()
            assert client.get(collection).status_code == 200
            _create(master, replica, "during")
            eventually(lambda: client.get(collection).status_code == UNAUTHENTICATED, SOON, "the token is forgotten")
            while time.monotonic() - left < AWAY:
                assert master.get(f"{collection}/before").status_code == 200
                _touch(master, f"{collection}/before")
                assert replica.server.ready()
            refused, lasted = replica.proxy.refused, time.monotonic() - left
        watch.wait_for("ADDED", "during", SOON)
        assert not watch.ended.is_set()
        eventually(lambda: _has_children(kubectl, "during"), SOON, "what was asked for meanwhile")
        assert client.get(collection).status_code == 200
    assert refused <= ATTEMPTS_PER_SECOND * lasted


def _touch(client: httpx.Client, path: str) -> None:
    """A write that concerns no child."""
    change = {"metadata": {"labels": {"at": str(time.monotonic())}}}
    answer = client.patch(path, json=change, headers={"Content-Type": "application/merge-patch+json"})
    assert answer.status_code == 200, answer.text


def test_undecided_is_500(replica: Replica) -> None:
    """Who is known, but whose rights nobody can tell, gets 500 as from a Go server, and is served afterwards."""
    pair = replica.server.cluster.client_pair("somebody", "everyone")
    with replica.server.http(pair=pair) as client:
        with replica.proxy.away():
            answer = client.get(replica.collection)
            assert (answer.status_code, "Internal Server Error" in answer.text) == (UNDECIDED, True)
        assert client.get(replica.collection).status_code == 403


@pytest.mark.parametrize("code", [409, 429, 500, 503])
def test_refused_writes(replica: Replica, kubectl: Kubectl, master: httpx.Client, code: int) -> None:
    """Writes that are refused are tried again, later each time, and no sooner than Retry-After says, until they
    succeed."""
    wait = 1.0 if code == 429 else 0.0
    headers = (("Retry-After", "1"),) if wait else ()
    fault = Fault(code, headers=headers)
    with replica.proxy.trouble(lambda seen: fault if seen in replica.writes() else None):
        _create(master, replica, "kubia")
        tries = eventually(lambda: _at_least(9, replica.writes("deployments")), SOON, "tries")
        assert master.get(f"{replica.collection}/kubia").status_code == 200
    eventually(lambda: _has_children(kubectl, "kubia"), SOON, "both children")
    gaps = _gaps(tries)
    assert min(gaps) >= wait
    assert gaps[-1] >= LATER_WRITE


def _at_least(count: int, found: list[Seen]) -> list[Seen] | None:
    return found[:count] if len(found) >= count else None


def test_slow_answers(replica: Replica, kubectl: Kubectl, master: httpx.Client) -> None:
    """A cluster that takes seconds for each answer is waited for, and its answers are taken."""
    with replica.proxy.trouble(lambda seen: None if seen.watch else Fault(delay=2.0)):
        _create(master, replica, "kubia")
        assert master.get(f"{replica.collection}/kubia").status_code == 200
        eventually(lambda: _has_children(kubectl, "kubia"), SOON, "both children")


def test_no_answers(replica: Replica, kubectl: Kubectl, master: httpx.Client) -> None:
    """Writes that are never answered are given up after half a minute and tried again."""
    with replica.proxy.trouble(lambda seen: Fault(delay=3600.0) if seen in replica.writes() else None):
        _create(master, replica, "kubia")
        eventually(lambda: _at_least(2, replica.writes("services")), SOON, "a second try")
    eventually(lambda: _has_children(kubectl, "kubia"), SOON, "both children")


def _lists(replica: Replica, plural: str) -> list[Seen]:
    found = [seen for seen in replica.proxy.seen if seen.method == "GET" and seen.path.endswith(f"/{plural}")]
    return [seen for seen in found if not seen.watch]


def test_watches_that_break_are_resumed(replica: Replica, kubectl: Kubectl, master: httpx.Client) -> None:
    """After a broken watch a child that somebody deletes is repaired all the same, and nothing was listed again."""
    _create(master, replica, "kubia")
    eventually(lambda: _has_children(kubectl, "kubia"), SOON, "both children")
    listed = [len(_lists(replica, plural)) for plural in ("deployments", "services")]
    for _ in range(3):
        replica.proxy.cut_watches()
        _repaired(kubectl)
    assert [len(_lists(replica, plural)) for plural in ("deployments", "services")] == listed


def _repaired(kubectl: Kubectl) -> None:
    """Deletes the Service and waits for the next one."""
    before = kubectl.get("service", "kubia-website")["metadata"]["uid"]
    kubectl("delete", "service", "kubia-website", "--wait=false")

    def again() -> bool:
        found = kubectl.run("get", "service", "kubia-website", "-o", "jsonpath={.metadata.uid}")
        return found.code == 0 and found.out != before

    eventually(again, SOON, "the Service is back")


@pytest.mark.parametrize(
    "fault",
    [Fault(200, body=error_event(410)), Fault(410), Fault(200, body=b""), Fault(500)],
    ids=["expired event", "expired", "ended at once", "refused"],
)
def test_watches_that_fail(replica: Replica, kubectl: Kubectl, master: httpx.Client, fault: Fault) -> None:
    """While every watch fails at once, they are tried again later each time, after a new list where a version has
    expired; then the world is as wanted."""
    _create(master, replica, "kubia")
    eventually(lambda: _has_children(kubectl, "kubia"), SOON, "both children")
    # A watch that has lasted ends the waiting for longer and longer that earlier trouble has led to.
    eventually(lambda: time.monotonic() - _watches(replica, 0)[-1].at > LASTING, SOON, "a watch lasts")
    with replica.proxy.trouble(lambda seen: fault if seen.watch else None):
        begun, listed = len(replica.proxy.seen), len(_lists(replica, "services"))
        replica.proxy.cut_watches()
        tries = eventually(lambda: _at_least(5, _watches(replica, begun)), SOON, "watches")
        assert (len(_lists(replica, "services")) > listed) == (b"410" in (fault.body or b"") or fault.status == 410)
    _repaired(kubectl)
    assert _gaps(tries)[3] >= LATER_WATCH


def _watches(replica: Replica, begun: int) -> list[Seen]:
    return [seen for seen in replica.proxy.seen[begun:] if seen.watch and seen.path.endswith("/services")]
