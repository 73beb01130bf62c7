"""Owners and dependents for kube-controller-manager's garbage collector."""

from collections.abc import Iterable
from typing import Any

import orjson

from tests.controlplane.kubectl import Kubectl, Object
from tests.controlplane.process import SOON, eventually
from tests.e2e.websites import manifest, website

HOLD = "example.com/hold"
_LABELS = {"app": "garbage"}
_POD = {"metadata": {"labels": _LABELS}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
_OBJECTS: dict[str, Object] = {
    "website": website(replicas=0),
    "configmap": {"apiVersion": "v1", "kind": "ConfigMap"},
    "service": {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}},
    "deployment": {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "spec": {"replicas": 0, "selector": {"matchLabels": _LABELS}, "template": _POD},
    },
}


def make(kubectl: Kubectl, kind: str, name: str, references: Iterable[Object] = (), held: bool = False) -> Object:
    """Creates an object with these ownerReferences; with a finalizer if `held`."""
    metadata = {"name": name, "ownerReferences": list(references), "finalizers": [HOLD] if held else []}
    document = _OBJECTS[kind] | {"metadata": metadata}
    created: Object = orjson.loads(kubectl("create", "-o", "json", "-f", "-", stdin=manifest(document)))
    return created


def reference(owner: Object, **members: object) -> Object:
    named = {"name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
    return {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "blockOwnerDeletion": True} | named | members


def metadata(kubectl: Kubectl, kind: str, name: str) -> dict[str, Any] | None:
    """None if there is no such object."""
    text = kubectl("get", kind, name, "--ignore-not-found", "-o", "json")
    return orjson.loads(text)["metadata"] if text else None


def await_gone(kubectl: Kubectl, kind: str, name: str) -> None:
    eventually(lambda: metadata(kubectl, kind, name) is None, SOON, f"{kind} {name} is gone")


def await_collector(kubectl: Kubectl, kind: str) -> None:
    """Returns when the collector has seen all objects of the kind that there are: one of nobody's is collected."""
    nobody = {"apiVersion": "v1", "kind": "Service", "name": "nobody", "uid": "0b5f1c1e-0000-4000-8000-000000000000"}
    make(kubectl, kind, "nobodys", [nobody])
    await_gone(kubectl, kind, "nobodys")
