"""kube-controller-manager's garbage collector with owners and dependents of the kind, of the cluster, and of both."""

from collections.abc import Iterable
from typing import Any

import orjson
import pytest

from tests.controlplane.kubectl import Kubectl, Object
from tests.controlplane.process import eventually
from tests.e2e.websites import manifest, website

WITHIN = 120.0
"""Seconds for the collector, which looks for new kinds every 30 s and tries again ever more slowly."""
HOLD = "example.com/hold"
PAIRS = pytest.mark.parametrize(
    ("owner", "dependent"),
    [("website", "configmap"), ("configmap", "website"), ("website", "website")],
    ids=lambda kind: kind,
)
"""Kinds of the two."""


def _make(kubectl: Kubectl, kind: str, name: str, references: Iterable[Object] = (), held: bool = False) -> Object:
    """Creates an object with these ownerReferences; with a finalizer if `held`."""
    config_map: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    document = website(name, replicas=0) if kind == "website" else config_map
    document["metadata"] |= {"ownerReferences": list(references), "finalizers": [HOLD] if held else []}
    created: Object = orjson.loads(kubectl("create", "-o", "json", "-f", "-", stdin=manifest(document)))
    return created


def _reference(owner: Object, **members: object) -> Object:
    named = {"name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
    return {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "blockOwnerDeletion": True} | named | members


def _delete(kubectl: Kubectl, kind: str, name: str, cascade: str) -> None:
    kubectl("delete", kind, name, f"--cascade={cascade}", "--wait=false")


def _metadata(kubectl: Kubectl, kind: str, name: str) -> dict[str, Any] | None:
    """None if there is no such object."""
    text = kubectl("get", kind, name, "--ignore-not-found", "-o", "json")
    return orjson.loads(text)["metadata"] if text else None


def _await_gone(kubectl: Kubectl, kind: str, name: str) -> None:
    eventually(lambda: _metadata(kubectl, kind, name) is None, WITHIN, f"{kind} {name} is gone")


def _await_marked(kubectl: Kubectl, kind: str, name: str) -> None:
    def marked() -> bool:
        metadata = _metadata(kubectl, kind, name)
        return metadata is not None and "deletionTimestamp" in metadata

    eventually(marked, WITHIN, f"{kind} {name} is being deleted")


def _release(kubectl: Kubectl, kind: str, name: str) -> None:
    kubectl("patch", kind, name, "--type=merge", '--patch={"metadata":{"finalizers":null}}')


def _await_collector(kubectl: Kubectl, kind: str) -> None:
    """Returns when the collector has seen all objects of the kind that there are: one of nobody's is collected."""
    nobody = {"apiVersion": "v1", "kind": "ConfigMap", "name": "nobody", "uid": "0b5f1c1e-0000-4000-8000-000000000000"}
    _make(kubectl, kind, "nobodys", [nobody])
    _await_gone(kubectl, kind, "nobodys")


@PAIRS
def test_background(cluster: Kubectl, owner: str, dependent: str) -> None:
    """The owner goes at once; its dependents are then deleted."""
    top = _make(cluster, owner, "owner")
    _make(cluster, dependent, "dependent", [_reference(top)], held=True)
    _delete(cluster, owner, "owner", "background")
    assert _metadata(cluster, owner, "owner") is None
    _await_marked(cluster, dependent, "dependent")
    _release(cluster, dependent, "dependent")
    _await_gone(cluster, dependent, "dependent")


@PAIRS
def test_foreground(cluster: Kubectl, owner: str, dependent: str) -> None:
    """The owner stays until the dependents that block it are gone, and does not wait for the others."""
    top = _make(cluster, owner, "owner")
    _make(cluster, dependent, "blocking", [_reference(top)], held=True)
    _make(cluster, dependent, "free", [_reference(top, blockOwnerDeletion=False)], held=True)
    _await_collector(cluster, dependent)
    _delete(cluster, owner, "owner", "foreground")
    for name in ("blocking", "free"):
        _await_marked(cluster, dependent, name)
    waiting = _metadata(cluster, owner, "owner")
    assert waiting is not None
    assert waiting["finalizers"] == ["foregroundDeletion"]
    _release(cluster, dependent, "blocking")
    _await_gone(cluster, owner, "owner")
    assert _metadata(cluster, dependent, "free") is not None
    _release(cluster, dependent, "free")


@PAIRS
def test_orphan(cluster: Kubectl, owner: str, dependent: str) -> None:
    """The dependents lose the reference before the owner goes, and stay."""
    top = _make(cluster, owner, "owner")
    before = _make(cluster, dependent, "dependent", [_reference(top)])["metadata"]
    _await_collector(cluster, dependent)
    _delete(cluster, owner, "owner", "orphan")
    _await_gone(cluster, owner, "owner")
    _await_collector(cluster, dependent)
    after = _metadata(cluster, dependent, "dependent")
    assert after is not None
    assert after["uid"] == before["uid"]
    assert not {"ownerReferences", "deletionTimestamp"} & after.keys()


def test_foreground_goes_all_the_way_down(cluster: Kubectl) -> None:
    """A Website waits for its Website, which waits for its ConfigMap."""
    top = _make(cluster, "website", "top")
    middle = _make(cluster, "website", "middle", [_reference(top)])
    _make(cluster, "configmap", "bottom", [_reference(middle)], held=True)
    for kind in ("website", "configmap"):
        _await_collector(cluster, kind)
    _delete(cluster, "website", "top", "foreground")
    _await_marked(cluster, "configmap", "bottom")
    for name in ("top", "middle"):
        metadata = _metadata(cluster, "website", name)
        assert metadata is not None
        assert metadata["finalizers"] == ["foregroundDeletion"]
    _release(cluster, "configmap", "bottom")
    for name in ("middle", "top"):
        _await_gone(cluster, "website", name)


def test_foreground_of_a_circle(cluster: Kubectl) -> None:
    """Two Websites that own and block each other are both deleted."""
    one = _make(cluster, "website", "one")
    other = _make(cluster, "website", "other", [_reference(one)])
    patch = orjson.dumps({"metadata": {"ownerReferences": [_reference(other)]}}).decode()
    cluster("patch", "website", "one", "--type=merge", f"--patch={patch}")
    _await_collector(cluster, "website")
    _delete(cluster, "website", "one", "foreground")
    for name in ("one", "other"):
        _await_gone(cluster, "website", name)


@pytest.mark.parametrize("dependent", ["website", "configmap"])
def test_one_of_two_owners(cluster: Kubectl, dependent: str) -> None:
    """Whoever has another owner loses the reference to the one that is gone, and stays."""
    owners = [_make(cluster, "website", "going"), _make(cluster, "website", "staying")]
    _make(cluster, dependent, "dependent", [_reference(owner) for owner in owners])
    _await_collector(cluster, dependent)
    _delete(cluster, "website", "going", "background")

    def left() -> bool:
        metadata = _metadata(cluster, dependent, "dependent")
        assert metadata is not None
        return [owner["name"] for owner in metadata["ownerReferences"]] == ["staying"]

    eventually(left, WITHIN, "one owner is left")


@pytest.mark.parametrize("dependent", ["website", "configmap"])
def test_owner_of_another_uid(cluster: Kubectl, dependent: str) -> None:
    """Who belongs to an earlier object of the same name belongs to nobody, and is deleted."""
    owner = _make(cluster, "website", "owner")
    earlier = _reference(owner, uid="0b5f1c1e-0000-4000-8000-000000000001")
    _make(cluster, dependent, "dependent", [earlier])
    _await_gone(cluster, dependent, "dependent")
    assert _metadata(cluster, "website", "owner") is not None
