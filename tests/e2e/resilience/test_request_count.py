"""What reconciling costs the cluster, counted at a proxy before kube-apiserver."""

from collections.abc import Iterator

import httpx
import pytest

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.kubectl import Kubectl
from tests.controlplane.nodes import Nodes
from tests.controlplane.process import SOON, eventually
from tests.controlplane.server import DEFAULTS
from tests.e2e.resilience.conftest import Replica, StartReplica, registered
from tests.e2e.websites import condition, website

NUMBER = 20
REQUESTS_EACH = 4
"""For a new Website until it is Ready: a requirement. Two children, and two Events that say so."""


@pytest.fixture(scope="module", autouse=True)
def nodes(control_plane: ControlPlane) -> Iterator[Nodes]:
    """Deployments become available."""
    with Nodes(control_plane) as running:
        yield running


@pytest.fixture
def replica(start_replica: StartReplica, kubectl: Kubectl) -> Iterator[Replica]:
    one = start_replica("one", *DEFAULTS)
    with registered(one, kubectl):
        yield one


def settled(client: httpx.Client, replica: Replica) -> bool:
    """Whether every Website is Ready, and nothing changes any more."""
    items = client.get(replica.collection).json()["items"]
    states = [(condition(item, "Ready").get("status"), condition(item, "Progressing").get("status")) for item in items]
    return states == [("True", "False")] * NUMBER


def created(client: httpx.Client, replica: Replica) -> None:
    for number in range(NUMBER):
        client.post(replica.collection, json=website(f"w-{number}")).raise_for_status()
    eventually(lambda: settled(client, replica), SOON, "all are Ready")


def test_new_website_costs_four_requests(replica: Replica) -> None:
    """Each child is made by one request, without a question before it; each of two Events is one more."""
    with replica.server.http() as client:
        created(client, replica)
        eventually(lambda: len(replica.writes("events")) >= 2 * NUMBER, SOON, "every Event is written")
    mine = [seen for seen in replica.proxy.seen if f"/namespaces/{replica.namespace}/" in seen.path]
    asked = [f"{seen.method} {seen.path}" for seen in mine if "/leases" not in seen.path and not seen.watch]
    assert len(asked) <= REQUESTS_EACH * NUMBER, "\n".join(asked)
    assert len(replica.writes("deployments")) == len(replica.writes("services")) == NUMBER


def test_nothing_is_written_without_a_change(replica: Replica) -> None:
    """Websites that are touched, and ones that are seen again by a restarted server, cost no request at all, and none
    of them gets another revision."""
    with replica.server.http() as client:
        created(client, replica)
        eventually(lambda: len(replica.writes("events")) >= 2 * NUMBER, SOON, "every Event is written")
        before, done = len(replica.writes()), eventually(lambda: worked(client), SOON, "it rests")
        touched = [touch(client, f"{replica.collection}/w-{number}") for number in range(NUMBER)]
        eventually(lambda: worked(client) >= done + NUMBER, SOON, "all were looked at")
        assert revisions(client, replica) == touched
    assert len(replica.writes()) == before
    replica.server.restart()
    with replica.server.http() as client:
        eventually(lambda: worked(client) >= NUMBER, SOON, "all were looked at again")
        assert revisions(client, replica) == touched
    assert len(replica.writes()) == before


def touch(client: httpx.Client, path: str) -> str:
    """The revision that an annotation has made."""
    patch = {"metadata": {"annotations": {"example.com/touched": "yes"}}}
    answer = client.patch(path, json=patch, headers={"Content-Type": "application/merge-patch+json"})
    revision: str = answer.raise_for_status().json()["metadata"]["resourceVersion"]
    return revision


def revisions(client: httpx.Client, replica: Replica) -> list[str]:
    """In the order of numbers."""
    items = {item["metadata"]["name"]: item["metadata"] for item in client.get(replica.collection).json()["items"]}
    return [items[f"w-{number}"]["resourceVersion"] for number in range(NUMBER)]


def worked(client: httpx.Client) -> float:
    """How many keys have been worked on, when none is left; 0 while one is."""
    lines = [line for line in client.get("/metrics").text.splitlines() if 'name="website-controller"}' in line]
    values = {line.partition("{")[0]: float(line.rpartition(" ")[2]) for line in lines}
    done = values.get("workqueue_work_duration_seconds_count", 0.0)
    return done if done == values.get("workqueue_adds_total") else 0.0
