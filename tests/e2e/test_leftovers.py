"""What a Website leaves behind when it goes while nobody reconciles. The garbage collector of the cluster stands still,
since it would be there first."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import orjson
import pytest

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.kubectl import UNTIL_SOON, Kubectl, Object
from tests.controlplane.process import SOON, eventually
from tests.controlplane.server import APIServerProcess
from tests.e2e.garbage import await_collector
from tests.e2e.websites import API, create


def _named(website: str) -> tuple[str, str]:
    """What its children are called."""
    return f"deployment/{website}-website", f"service/{website}-website"


def children(kubectl: Kubectl, website: str = "kubia") -> list[Object]:
    """Those that there are."""
    text = kubectl("get", *_named(website), "--ignore-not-found", "-o", "json")
    return list(orjson.loads(text)["items"]) if text else []


def made(kubectl: Kubectl, website: str = "kubia") -> list[Object]:
    """Both children of a new one."""
    create(kubectl, website)
    return eventually(lambda: found if len(found := children(kubectl, website)) == 2 else None, SOON, "both children")


def uids(objects: list[Object]) -> list[str]:
    return [each["metadata"]["uid"] for each in objects]


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
    manager.freeze()
    yield
    manager.thaw()


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
    others = uids(made(cluster, "other"))
    with nobody_reconciles(registered, tmp_path) as client:
        client.delete(f"{API}/namespaces/{cluster.namespace}/websites/kubia").raise_for_status()
    eventually(lambda: not children(cluster), SOON, "both children are gone")
    eventually(lambda: reconciled(registered), SOON, "everything was looked at")
    assert uids(children(cluster, "other")) == others


def release(kubectl: Kubectl, client: httpx.Client, path: str) -> None:
    """What the garbage collector does for a Website that is deleted with the policy Orphan: then it is gone."""
    for child in _named("kubia"):
        kubectl("patch", child, "--type=merge", "--patch", '{"metadata": {"ownerReferences": null}}')
    merge = {"Content-Type": "application/merge-patch+json"}
    client.patch(path, content='{"metadata": {"finalizers": null}}', headers=merge).raise_for_status()
    assert client.get(path).status_code == httpx.codes.NOT_FOUND


@pytest.mark.usefixtures("no_garbage_collector")
def test_orphans_stay(registered: APIServerProcess, cluster: Kubectl, tmp_path: Path) -> None:
    """A Website that was deleted with --cascade=orphan while nobody watched keeps its children at the next start."""
    before = uids(made(cluster))
    with nobody_reconciles(registered, tmp_path) as client:
        path = f"{API}/namespaces/{cluster.namespace}/websites/kubia"
        client.request("DELETE", path, json={"propagationPolicy": "Orphan"}).raise_for_status()
        release(cluster, client, path)
    eventually(lambda: reconciled(registered), SOON, "everything was looked at")
    assert uids(children(cluster)) == before


def test_namesake_adopts_orphans(cluster: Kubectl) -> None:
    """Deleted with --cascade=orphan and created again, a Website has the children it had: nothing was down."""
    before = uids(made(cluster))
    for kind in ("deployment", "service"):
        await_collector(cluster, kind)
    cluster("delete", "website", "kubia", "--cascade=orphan", UNTIL_SOON)
    uid = create(cluster)["metadata"]["uid"]

    def adopted() -> bool:
        owners = [child["metadata"].get("ownerReferences", [{}])[0].get("uid") for child in children(cluster)]
        return owners == [uid, uid]

    eventually(adopted, SOON, "both children have the new owner")
    assert uids(children(cluster)) == before
