"""kube-controller-manager's garbage collector with owners and dependents of the kind, of the cluster, and of both."""

import orjson
import pytest

from tests.controlplane.kubectl import Kubectl
from tests.controlplane.process import SOON, eventually
from tests.e2e.garbage import await_collector, await_gone, make, metadata, reference

PAIRS = pytest.mark.parametrize(
    ("owner", "dependent"),
    [("website", "configmap"), ("configmap", "website"), ("website", "website")],
    ids=lambda kind: kind,
)
"""Kinds of the two."""


def _delete(kubectl: Kubectl, kind: str, name: str, cascade: str) -> None:
    kubectl("delete", kind, name, f"--cascade={cascade}", "--wait=false")


def _await_marked(kubectl: Kubectl, kind: str, name: str) -> None:
    def marked() -> bool:
        found = metadata(kubectl, kind, name)
        return found is not None and "deletionTimestamp" in found

    eventually(marked, SOON, f"{kind} {name} is being deleted")


def _release(kubectl: Kubectl, kind: str, name: str) -> None:
    kubectl("patch", kind, name, "--type=merge", '--patch={"metadata":{"finalizers":null}}')


@PAIRS
def test_background(cluster: Kubectl, owner: str, dependent: str) -> None:
    """The owner goes at once; its dependents are then deleted."""
    top = make(cluster, owner, "owner")
    make(cluster, dependent, "dependent", [reference(top)], held=True)
    _delete(cluster, owner, "owner", "background")
    assert metadata(cluster, owner, "owner") is None
    _await_marked(cluster, dependent, "dependent")
    _release(cluster, dependent, "dependent")
    await_gone(cluster, dependent, "dependent")


@PAIRS
def test_foreground(cluster: Kubectl, owner: str, dependent: str) -> None:
    """The owner stays until the dependents that block it are gone, and does not wait for the others."""
    top = make(cluster, owner, "owner")
    make(cluster, dependent, "blocking", [reference(top)], held=True)
    make(cluster, dependent, "free", [reference(top, blockOwnerDeletion=False)], held=True)
    await_collector(cluster, dependent)
    _delete(cluster, owner, "owner", "foreground")
    for name in ("blocking", "free"):
        _await_marked(cluster, dependent, name)
    waiting = metadata(cluster, owner, "owner")
    assert waiting is not None
    assert waiting["finalizers"] == ["foregroundDeletion"]
    _release(cluster, dependent, "blocking")
    await_gone(cluster, owner, "owner")
    assert metadata(cluster, dependent, "free") is not None
    _release(cluster, dependent, "free")


@PAIRS
def test_orphan(cluster: Kubectl, owner: str, dependent: str) -> None:
    """The dependents lose the reference before the owner goes, and stay."""
    top = make(cluster, owner, "owner")
    before = make(cluster, dependent, "dependent", [reference(top)])["metadata"]
    await_collector(cluster, dependent)
    _delete(cluster, owner, "owner", "orphan")
    await_gone(cluster, owner, "owner")
    await_collector(cluster, dependent)
    after = metadata(cluster, dependent, "dependent")
    assert after is not None
    assert after["uid"] == before["uid"]
    assert not {"ownerReferences", "deletionTimestamp"} & after.keys()


def test_foreground_goes_all_the_way_down(cluster: Kubectl) -> None:
    """A Website waits for its Website, which waits for its ConfigMap."""
    top = make(cluster, "website", "top")
    middle = make(cluster, "website", "middle", [reference(top)])
    make(cluster, "configmap", "bottom", [reference(middle)], held=True)
    for kind in ("website", "configmap"):
        await_collector(cluster, kind)
    _delete(cluster, "website", "top", "foreground")
    _await_marked(cluster, "configmap", "bottom")
    for name in ("top", "middle"):
        found = metadata(cluster, "website", name)
        assert found is not None
        assert found["finalizers"] == ["foregroundDeletion"]
    _release(cluster, "configmap", "bottom")
    for name in ("middle", "top"):
        await_gone(cluster, "website", name)


def test_foreground_of_a_circle(cluster: Kubectl) -> None:
    """Two Websites that own and block each other are both deleted."""
    one = make(cluster, "website", "one")
    other = make(cluster, "website", "other", [reference(one)])
    patch = orjson.dumps({"metadata": {"ownerReferences": [reference(other)]}}).decode()
    cluster("patch", "website", "one", "--type=merge", f"--patch={patch}")
    await_collector(cluster, "website")
    _delete(cluster, "website", "one", "foreground")
    for name in ("one", "other"):
        await_gone(cluster, "website", name)


@pytest.mark.parametrize("dependent", ["website", "configmap"])
def test_one_of_two_owners(cluster: Kubectl, dependent: str) -> None:
    """Whoever has another owner loses the reference to the one that is gone, and stays."""
    owners = [make(cluster, "website", "going"), make(cluster, "website", "staying")]
    make(cluster, dependent, "dependent", [reference(owner) for owner in owners])
    await_collector(cluster, dependent)
    _delete(cluster, "website", "going", "background")

    def left() -> bool:
        found = metadata(cluster, dependent, "dependent")
        assert found is not None
        return [owner["name"] for owner in found["ownerReferences"]] == ["staying"]

    eventually(left, SOON, "one owner is left")


@pytest.mark.parametrize("dependent", ["website", "configmap"])
def test_owner_of_another_uid(cluster: Kubectl, dependent: str) -> None:
    """Who belongs to an earlier object of the same name belongs to nobody, and is deleted."""
    owner = make(cluster, "website", "owner")
    earlier = reference(owner, uid="0b5f1c1e-0000-4000-8000-000000000001")
    make(cluster, dependent, "dependent", [earlier])
    await_gone(cluster, dependent, "dependent")
    assert metadata(cluster, "website", "owner") is not None
