"""What a Website leaves behind when it goes while nobody reconciles. The garbage collector of the cluster stands still,
since it would be there first."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.kubectl import UNTIL_SOON, Kubectl, Object
from tests.controlplane.process import SOON, eventually
from tests.controlplane.server import APIServerProcess
from tests.e2e.garbage import await_collector
from tests.e2e.websites import API, create

CHILDREN = "deployment/kubia-website", "service/kubia-website"


def children(kubectl: Kubectl) -> list[Object]:
    return list(kubectl.get(*CHILDREN, "--ignore-not-found")["items"]) if _any(kubectl) else []


def _any(kubectl: Kubectl) -> bool:
    return bool(kubectl("get", *CHILDREN, "--ignore-not-found", "-o", "name"))


def made(kubectl: Kubectl) -> list[Object]:
    """A Website's children."""
    create(kubectl)
    return eventually(
        lambda: found if len(found := children(kubectl)) == len(CHILDREN) else None, SOON, "both children"
    )


@contextmanager
def nobody_reconciles(registered: APIServerProcess, tmp_path: Path) -> Iterator[httpx.Client]:
    """The registered server is down; a client of another on the same storage, which runs no controllers."""
    registered.kill()
    try:
        other = APIServerProcess("other", tmp_path, registered.cluster, registered.storage, "--controllers=false")
        with other, other.http() as client:
            yield client
    finally:
        registered.start()
    registered.wait_available()


@pytest.fixture
def no_garbage_collector(control_plane: ControlPlane) -> Iterator[None]:
    """kube-controller-manager stands still."""
    manager = control_plane.processes["kube-controller-manager"]
    manager.signal(signal.SIGSTOP)
    yield
    manager.signal(signal.SIGCONT)


def reconciled(server: APIServerProcess) -> bool:
    """Whether the server has gone through what it found when it started."""
    with server.http() as client:
        lines = client.get("/metrics").text.splitlines()
    counts = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}
    queue = '{name="website-controller"}'
    done = counts.get(f"workqueue_work_duration_seconds_count{queue}", 0)
    return done == counts.get(f"workqueue_adds_total{queue}") and done > 0


@pytest.mark.usefixtures("no_garbage_collector")
def test_children_of_a_website_that_vanished_are_removed(
    registered: APIServerProcess, cluster: Kubectl, tmp_path: Path
) -> None:
    """A Website was deleted while nobody watched: at the next start its children go. Another Website's stay."""
    made(cluster)
    create(cluster, "other")
    with nobody_reconciles(registered, tmp_path) as client:
        client.delete(f"{API}/namespaces/{cluster.namespace}/websites/kubia").raise_for_status()
    eventually(lambda: not _any(cluster), SOON, "both children are gone")
    assert cluster("get", "deployment/other-website", "service/other-website", "-o", "name")


def release(kubectl: Kubectl, client: httpx.Client, path: str) -> None:
    """What the garbage collector does for a Website that is deleted with the policy Orphan: then it is gone."""
    for child in CHILDREN:
        kubectl("patch", child, "--type=merge", "--patch", '{"metadata": {"ownerReferences": null}}')
    merge = {"Content-Type": "application/merge-patch+json"}
    client.patch(path, content='{"metadata": {"finalizers": null}}', headers=merge).raise_for_status()
    assert client.get(path).status_code == httpx.codes.NOT_FOUND


@pytest.mark.usefixtures("no_garbage_collector")
def test_orphans_stay(registered: APIServerProcess, cluster: Kubectl, tmp_path: Path) -> None:
    """A Website that was deleted with --cascade=orphan while nobody watched keeps its children at the next start."""
    before = [child["metadata"]["uid"] for child in made(cluster)]
    with nobody_reconciles(registered, tmp_path) as client:
        path = f"{API}/namespaces/{cluster.namespace}/websites/kubia"
        client.request("DELETE", path, json={"propagationPolicy": "Orphan"}).raise_for_status()
        release(cluster, client, path)
    eventually(lambda: reconciled(registered), SOON, "everything was looked at")
    assert [child["metadata"]["uid"] for child in children(cluster)] == before


def test_namesake_adopts_orphans(cluster: Kubectl) -> None:
    """Deleted with --cascade=orphan and created again, a Website has the children it had: nothing was down."""
    before = [child["metadata"]["uid"] for child in made(cluster)]
    for kind in ("deployment", "service"):
        await_collector(cluster, kind)
    cluster("delete", "website", "kubia", "--cascade=orphan", UNTIL_SOON)
    uid = create(cluster)["metadata"]["uid"]

    def adopted() -> bool:
        owners = [child["metadata"].get("ownerReferences", [{}])[0].get("uid") for child in children(cluster)]
        return owners == [uid, uid]

    eventually(adopted, SOON, "both children have the new owner")
    assert [child["metadata"]["uid"] for child in children(cluster)] == before
