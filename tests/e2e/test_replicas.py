"""Several replicas of the server on one etcd."""

import httpx

from tests.controlplane.process import SOON
from tests.e2e.conftest import StartServer
from tests.e2e.watching import Watch
from tests.e2e.websites import COLLECTION, website


def test_a_watch_on_one_sees_writes_on_the_other(start_server: StartServer) -> None:
    """Created, changed and deleted through one replica, seen through the other, with the same resourceVersions."""
    one, other = start_server("one"), start_server("other")
    with one.http() as writer, Watch(other, COLLECTION) as watch:
        created = writer.post(COLLECTION, json=website()).json()
        seen = watch.wait_for("ADDED", "kubia", SOON)
        assert seen["object"] == created
        patch = writer.patch(
            f"{COLLECTION}/kubia",
            json={"spec": {"branch": "dev"}},
            headers={"Content-Type": "application/merge-patch+json"},
        )
        assert watch.wait_for("MODIFIED", "kubia", SOON)["object"] == patch.json()
        assert writer.delete(f"{COLLECTION}/kubia").status_code == httpx.codes.OK
        watch.wait_for("DELETED", "kubia", SOON)


def test_a_read_on_one_sees_what_the_other_has_acknowledged(start_server: StartServer) -> None:
    """Reads without resourceVersion are consistent: right after the create on one, the other has it."""
    one, other = start_server("one"), start_server("other")
    with one.http() as writer, other.http() as reader:
        for number in range(20):
            assert writer.post(COLLECTION, json=website(f"site-{number}")).status_code == httpx.codes.CREATED
            names = [item["metadata"]["name"] for item in reader.get(COLLECTION).json()["items"]]
            assert f"site-{number}" in names


def test_only_one_of_two_writers_wins(start_server: StartServer) -> None:
    """Optimistic concurrency holds across replicas: of two updates of one resourceVersion, the second is a Conflict."""
    one, other = start_server("one"), start_server("other")
    with one.http() as first, other.http() as second:
        item = first.post(COLLECTION, json=website()).json()
        codes = []
        for client, branch in ((first, "a"), (second, "b")):
            changed = item | {"spec": item["spec"] | {"branch": branch}}
            codes.append(client.put(f"{COLLECTION}/kubia", json=changed).status_code)
    assert codes == [httpx.codes.OK, httpx.codes.CONFLICT]


def test_watches_go_on_at_a_replica_that_has_just_started(start_server: StartServer) -> None:
    """A rolling update makes nobody list again: a watch from before the start of the replica that it comes to has every
    event since, and no 410."""
    one = start_server("one")
    with one.http() as writer:
        first = writer.post(COLLECTION, json=website("first")).json()["metadata"]["resourceVersion"]
        for name in ("second", "third"):
            assert writer.post(COLLECTION, json=website(name)).status_code == httpx.codes.CREATED
        with Watch(start_server("other"), COLLECTION, resourceVersion=first) as watch:
            for name in ("second", "third"):
                watch.wait_for("ADDED", name, SOON)
            assert watch.events[0]["object"]["metadata"]["name"] == "second"
