"""What an earlier commit of this repository has stored is served by the present one as if it had stored it itself."""

import io
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from tests.controlplane.kubectl import Object
from tests.controlplane.process import SOON
from tests.controlplane.secure_etcd import SecureEtcd
from tests.controlplane.server import ROOT, Standalone
from tests.e2e.watching import Watch
from tests.e2e.websites import API, COLLECTION, GROUP, website

BEFORE = ["HEAD~1", "HEAD~25"]
MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"


@pytest.fixture(params=BEFORE)
def earlier(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Everything as it was, in a folder."""
    command = ["git", "archive", "--format=tar", request.param]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, f"this test needs a git clone with its history, {request.param} is not in this one"
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(tmp_path / "earlier", filter="data")
    return tmp_path / "earlier"


@pytest.fixture(params=["sqlite", "etcd"])
def storage(request: pytest.FixtureRequest) -> Sequence[str]:
    """Flags of the server."""
    if request.param == "sqlite":
        return ()
    etcd: SecureEtcd = request.getfixturevalue("own_etcd")
    return etcd.flags


def _server(directory: Path, storage: Sequence[str], root: Path) -> Standalone:
    server = Standalone(directory, "--controllers=false", *storage)
    server.root = root
    return server


def _write(client: httpx.Client) -> None:
    """Objects with all that can be stored: several managers' fields, status, a finalizer and a deletion under way."""
    for name in ("kubia", "going", "plain"):
        client.post(COLLECTION, json=website(name)).raise_for_status()
    applied = website("applied", branch="dev", replicas=3)
    _patch(client, f"{COLLECTION}/applied?fieldManager=somebody", applied, APPLY)
    _patch(client, f"{COLLECTION}/kubia", {"spec": {"branch": "main"}, "metadata": {"labels": {"a": "b"}}})
    _patch(client, f"{COLLECTION}/kubia/status", {"status": {"replicas": 2, "readyReplicas": 1}})
    _patch(client, f"{COLLECTION}/going", {"metadata": {"finalizers": [f"{GROUP}/test"]}})
    client.delete(f"{COLLECTION}/going").raise_for_status()
    client.delete(f"{COLLECTION}/plain").raise_for_status()


def _patch(client: httpx.Client, path: str, change: Object, media_type: str = MERGE) -> Object:
    answer = client.patch(path, json=change, headers={"Content-Type": media_type})
    answer.raise_for_status()
    found: Object = answer.json()
    return found


def _list(client: httpx.Client) -> Object:
    listed: Object = client.get(f"{API}/websites").raise_for_status().json()
    return listed


def test_upgrade(earlier: Path, storage: Sequence[str], tmp_path: Path) -> None:
    """Everything that was listed is listed, to the last member; resourceVersions go on from where they were, and are
    good for updates and watches; an apply by the manager of then changes nothing."""
    with _server(tmp_path, storage, earlier) as old:
        with old.http() as client:
            _write(client)
            before = _list(client)
        assert old.stop() == 0
    assert [item["metadata"]["name"] for item in before["items"]] == ["applied", "going", "kubia"]
    new = _server(tmp_path, storage, ROOT)
    revision = before["metadata"]["resourceVersion"]
    with new, new.http() as client, Watch(new, COLLECTION, resourceVersion=revision) as watch:
        after = _list(client)
        assert after["items"] == before["items"]
        assert int(after["metadata"]["resourceVersion"]) >= int(revision)
        applied, going, kubia = after["items"]
        same = _patch(
            client, f"{COLLECTION}/applied?fieldManager=somebody", website("applied", branch="dev", replicas=3), APPLY
        )
        assert same == applied
        client.put(f"{COLLECTION}/kubia", json=kubia | {"spec": kubia["spec"] | {"branch": "new"}}).raise_for_status()
        _patch(client, f"{COLLECTION}/going", {"metadata": {"finalizers": None}})
        for kind, item in (("MODIFIED", kubia), ("DELETED", going)):
            event = watch.wait_for(kind, item["metadata"]["name"], SOON)
            assert event["object"]["metadata"]["uid"] == item["metadata"]["uid"]
            assert int(event["object"]["metadata"]["resourceVersion"]) > int(revision)
