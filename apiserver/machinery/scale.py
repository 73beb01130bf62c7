"""autoscaling/v1 Scale: a view of three paths of its parent, with owners of its own (wire.md 3.15).

Who owns the parent's replicas owns the Scale's, and the other way round; how entries are carried over is that of
k8s.io/apimachinery `pkg/util/managedfields/scalehandler.go`.
"""

from collections.abc import Callable

from apiserver.machinery import errors, managedfields
from apiserver.machinery.apply import apply
from apiserver.machinery.errors import BadRequest, InternalError, Object, Plain
from apiserver.machinery.fieldset import FieldSet, contains, difference, field_element, from_fields
from apiserver.machinery.jsonpath import compile_path, set_path, simple_keys
from apiserver.machinery.kind import Kind, Scale
from apiserver.machinery.managedfields import Entry, Managed, Write
from apiserver.machinery.meta import OBJECT_META
from apiserver.machinery.pruning import defaulted
from apiserver.machinery.unmarshal import go_struct

API_VERSION, KIND = "autoscaling/v1", "Scale"
_REPLICAS: Object = {"type": "integer", "format": "int32"}
SCHEMA: Object = {
    "type": "object",
    "properties": {
        "kind": {"type": "string"},
        "apiVersion": {"type": "string"},
        "metadata": OBJECT_META,
        "spec": {"type": "object", "properties": {"replicas": _REPLICAS}},
        "status": {"type": "object", "properties": {"replicas": _REPLICAS, "selector": {"type": "string"}}},
    },
}
_scale_fault = go_struct(SCHEMA, "v1.Scale")
_META = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
_UNSET = -(2**31)
"""Stands for replicas that the parent does not have, so that 0 is a change."""
_OWNED = from_fields([("spec", "replicas")])
_PATH = ("f:spec", "f:replicas")


def _paths(kind: Kind) -> Scale:
    assert kind.scale is not None  # noqa: S101 - only kinds that declare a Scale are routed here
    return kind.scale


def fault(tree: Object) -> str:
    """What keeps a tree from being a Scale, "" if nothing does."""
    if (tree.get("apiVersion"), tree.get("kind")) == (API_VERSION, KIND):
        return _scale_fault(tree)
    return errors.unregistered(tree.get("kind", ""), tree.get("apiVersion", ""))


def view(kind: Kind, parent: Object) -> Object:
    """The Scale of an object, in the order of the wire; counts that are absent are 0, and 0 is not written in spec."""
    paths, meta = _paths(kind), parent["metadata"]
    replicas = compile_path(paths.spec_replicas)(parent)
    status: Object = {"replicas": compile_path(paths.status_replicas)(parent) or 0}
    selector = compile_path(paths.selector)(parent) if paths.selector else None
    if selector:
        status["selector"] = selector
    return {
        "kind": KIND,
        "apiVersion": API_VERSION,
        "metadata": {key: meta[key] for key in _META if key in meta},
        "spec": _spec(replicas),
        "status": status,
    }


def _spec(replicas: int | None) -> Object:
    return {"replicas": replicas} if replicas else {}


def shown(kind: Kind, parent: Object) -> Object:
    """The view for a reader. Raises InternalError when there is no number of replicas."""
    path = _paths(kind).spec_replicas
    if compile_path(path)(parent) is None:
        raise InternalError(f'the spec replicas field "{path}" does not exist')
    return view(kind, parent)


def updated(kind: Kind, parent: Object, change: Callable[[Object], Object], write: Write) -> Object:
    """The parent after an update of its Scale. Raises BadRequest and what `change` raises."""
    scale = _owned_view(kind, parent)
    new = change(scale)
    new = {**new, "spec": _spec((new.get("spec") or {}).get("replicas"))}
    return _with_scale(kind, parent, managedfields.track_update(scale, new, SCHEMA, _of_scale(write)))


def applied(kind: Kind, parent: Object, config: Object, write: Write, *, force: bool) -> Object:
    """The parent after a Scale was applied. Raises what `apply` does."""
    scale = _owned_view(kind, parent)
    made = apply(scale, config, kind_name=KIND, schema=SCHEMA, write=_of_scale(write), force=force)
    return _with_scale(kind, parent, made)


def _of_scale(write: Write) -> Write:
    return write._replace(api_version=API_VERSION)


def _owned_view(kind: Kind, parent: Object) -> Object:
    """What a write starts from: the Scale with its owners."""
    scale = view(kind, parent)
    if compile_path(_paths(kind).spec_replicas)(parent) is None:
        scale["spec"] = {"replicas": _UNSET}
    return managedfields.with_managed(scale, _owners(kind, _decoded(parent)))


def _decoded(obj: Object) -> Managed:
    try:
        return managedfields.decode(obj["metadata"].get("managedFields"))
    except ValueError as error:
        raise Plain(str(error)) from error


def _owners(kind: Kind, managed: Managed) -> Managed:
    """Those who own the parent's replicas, as owners of the Scale's."""
    path = _parent_path(kind)
    return {
        key: entry._replace(api_version=API_VERSION, fields=_OWNED)
        for key, entry in managed.items()
        if entry.api_version == kind.api_version and contains(entry.fields, path)
    }


def _parent_path(kind: Kind) -> tuple[str, ...]:
    return tuple(map(field_element, simple_keys(_paths(kind).spec_replicas)))


def _with_scale(kind: Kind, parent: Object, scale: Object) -> Object:
    """The parent with the Scale's replicas, owners and, if the client gave one, resourceVersion."""
    path = _paths(kind).spec_replicas
    replicas = (scale.get("spec") or {}).get("replicas") or 0
    if replicas == _UNSET:
        raise BadRequest(f'the spec replicas field "{path}" cannot be empty')
    # Members on the path may be new.
    changed: Object = defaulted(set_path(parent, path, replicas), kind.schema)
    version = scale["metadata"].get("resourceVersion")
    if version:
        changed = set_path(changed, ".metadata.resourceVersion", version)
    return managedfields.with_managed(changed, _parents_owners(kind, _decoded(parent), _decoded(scale)))


def _parents_owners(kind: Kind, managed: Managed, owners: Managed) -> Managed:
    """The parent's managers, given who owns the Scale now."""
    path, replicas = _parent_path(kind), from_fields([simple_keys(_paths(kind).spec_replicas)])
    made: Managed = {}
    for key, entry in managed.items():
        if entry.api_version != kind.api_version:
            continue
        lost = contains(entry.fields, path) and key not in owners
        fields = difference(entry.fields, replicas) if lost else entry.fields
        if fields:
            made[key] = entry._replace(fields=fields)
    for key, entry in owners.items():
        if key not in made and contains(entry.fields, _PATH):
            made[key] = _as_parents(kind, entry, replicas, managed.get(key))
    return made


def _as_parents(kind: Kind, entry: Entry, replicas: FieldSet, known: Entry | None) -> Entry:
    # kube-apiserver looks times up under the Scale's version, where an updater's is never found.
    return entry._replace(api_version=kind.api_version, fields=replicas, time=known.time if known else "")
