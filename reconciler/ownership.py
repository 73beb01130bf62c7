"""Who an object belongs to: controller ownerReferences, and the field managers of server-side apply."""

from collections.abc import Iterator
from typing import Any

import orjson

from apiserver.machinery.errors import Object
from apiserver.machinery.kind import Kind


def reference_to(owner: Object, kind: Kind) -> Object:
    """The ownerReference of what `owner` controls: the garbage collector removes it with the owner."""
    meta = owner["metadata"]
    identity = {"apiVersion": kind.api_version, "kind": kind.kind, "name": meta["name"], "uid": meta["uid"]}
    return {**identity, "controller": True, "blockOwnerDeletion": True}


def controller_of(obj: Object) -> Object | None:
    """The reference that says so; an object has one at the most."""
    owners = obj["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)


def is_controlled_by(obj: Object, owner: Object) -> bool:
    found = controller_of(obj)
    return found is not None and found["uid"] == owner["metadata"]["uid"]


def owner_key(obj: Object, kind: Kind) -> str | None:
    """The key (`informer.key_of`) of the object of this kind that controls it, if one does."""
    owner = controller_of(obj)
    if owner is None or (owner["apiVersion"], owner["kind"]) != (kind.api_version, kind.kind):
        return None
    return f"{obj['metadata']['namespace']}/{owner['name']}" if kind.namespaced else str(owner["name"])


def in_step(live: Object, desired: Object, manager: str) -> bool:
    """Whether applying `desired` as `manager` would change nothing: all it says is so, and what it no longer says is
    not this manager's any more."""
    return covers(live, desired) and all(_only(fields, desired) for fields in _applied(live, manager))


def covers(live: Any, desired: Any) -> bool:
    """Whether all that `desired` says is so. Of a list of objects others may own more items, in any order; any other
    list must be equal."""
    if live == desired:
        return True
    if isinstance(desired, dict) and isinstance(live, dict):
        return all(key in live and covers(live[key], value) for key, value in desired.items())
    if isinstance(desired, list) and isinstance(live, list) and desired and isinstance(desired[0], dict):
        return all(any(covers(item, wanted) for item in live) for wanted in desired)
    return False


def _applied(live: Object, manager: str) -> list[Object]:
    """The fieldsV1 of what the manager applied."""
    return [fields for name, entry, fields in _entries(live) if (name, entry["operation"]) == (manager, "Apply")]


def _entries(live: Object) -> Iterator[tuple[str, Object, Object]]:
    """(manager, entry, fieldsV1) of managedFields. A client without a User-Agent has no name."""
    for entry in live["metadata"].get("managedFields") or []:
        yield entry.get("manager", ""), entry, entry.get("fieldsV1") or {}


def _only(fields: Object, desired: Any) -> bool:
    """Whether every field of a fieldsV1 tree stands in `desired`: "f:name" a member, "k:{...}" a list's item."""
    for element, below in fields.items():
        if element == ".":
            continue
        found = _member(element, desired)
        # A leaf of the tree, which most are, needs no look inside.
        if found is None or (below and not _only(below, found)):
            return False
    return True


def _member(element: str, desired: Any) -> Any:
    """What the element names in `desired`, None if that has none of it; the tree ends at any other element."""
    if element.startswith("f:"):
        return desired.get(element[2:]) if isinstance(desired, dict) else None
    if element.startswith("k:") and isinstance(desired, list):
        key = orjson.loads(element[2:])
        return next((item for item in desired if key.items() <= item.items()), None)
    return ()


def scaled_by_others(live: Object) -> bool:
    """Whether an autoscaler says how many replicas there are: it has written them through the scale subresource. A
    person's kubectl is none."""
    return any(
        entry.get("subresource") == "scale"
        and not manager.startswith("kubectl")
        and "f:replicas" in fields.get("f:spec", {})
        for manager, entry, fields in _entries(live)
    )
