"""Type errors in the words of Go's JSON decoder, for what is decoded into a Go struct: metadata and options."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from apiserver.machinery.encoding import encode
from apiserver.machinery.errors import Object
from apiserver.machinery.gojson import type_name
from apiserver.machinery.gotime import time_fault
from apiserver.machinery.meta import OBJECT_META
from apiserver.machinery.pruning import with_integers
from apiserver.machinery.schema import PRESERVE, TYPES

_GO_TYPES = {
    "string": "string",
    "integer": "int64",
    "boolean": "bool",
    "array": "[]string",
    "object": "map[string]string",
}
_GO_FIELDS = {
    ("ObjectMeta", "managedFields"): "[]v1.ManagedFieldsEntry",
    ("ObjectMeta", "ownerReferences"): "[]v1.OwnerReference",
    ("ObjectMeta", "uid"): "types.UID",
    ("OwnerReference", "uid"): "types.UID",
    ("ManagedFieldsEntry", "operation"): "v1.ManagedFieldsOperationType",
    ("Scale", "metadata"): "v1.ObjectMeta",
    ("Scale", "spec"): "v1.ScaleSpec",
    ("Scale", "status"): "v1.ScaleStatus",
    ("DeleteOptions", "preconditions"): "v1.Preconditions",
    ("DeleteOptions", "propagationPolicy"): "v1.DeletionPropagation",
    ("Preconditions", "uid"): "types.UID",
}
_STRING: Object = {"type": "string"}
_DELETE_OPTIONS: Object = {
    "type": "object",
    "properties": {
        "dryRun": {"type": "array", "items": _STRING},
        "gracePeriodSeconds": {"type": "integer"},
        "ignoreStoreReadErrorWithClusterBreakingPotential": {"type": "boolean"},
        "orphanDependents": {"type": "boolean"},
        "preconditions": {"type": "object", "properties": {"resourceVersion": _STRING, "uid": _STRING}},
        "propagationPolicy": _STRING,
    },
}


def _go_type(schema: Object) -> str:
    return "int32" if schema.get("format") == "int32" else _GO_TYPES[schema["type"]]


Fault = Callable[[Any], str]
"""What keeps a value from being decoded into a Go type, "" if nothing does."""
Faults = Mapping[type, Fault]
"""By the type of the value; nothing is wrong with one of another type."""


def go_struct(schema: Object, go_type: str) -> Fault:
    """Of values for the Go struct that `schema` describes."""
    faults = _faults(schema, "", "", go_type)
    return lambda value: _fault(value, faults)


def _fault(value: Any, faults: Faults) -> str:
    find = faults.get(type(value))
    return find(value) if find else ""


def _faults(schema: Object, struct: str, path: str, go_type: str) -> Faults:
    """Of values at `path`, which is a field of `struct`. Null is every type's zero value."""
    if schema.get(PRESERVE):
        return {}
    wrong = _wrong_type(schema, struct, path, go_type)
    made = {kind: wrong for kind, name in TYPES.items() if name not in (schema["type"], "null")}
    match schema["type"]:
        case "string" if schema.get("format") == "date-time":
            made[str] = time_fault
        case "integer":
            limit = 2 ** (31 if schema.get("format") == "int32" else 63)
            made[int] = lambda value: "" if -limit <= value < limit else wrong(value)
        case "array":
            made[list] = _first_of(_faults(schema["items"], struct, path, go_type.removeprefix("[]")), list)
        case "object" if "additionalProperties" in schema:
            made[dict] = _first_of(_faults(schema["additionalProperties"], struct, path, "string"), dict.values)
        case "object":
            made[dict] = _member_fault(schema["properties"], path, go_type)
    return made


def _wrong_type(schema: Object, struct: str, path: str, go_type: str) -> Fault:
    where = f"struct field {struct}.{path}" if path else "value"

    def fault(value: Any) -> str:
        is_number = type(value) in (int, float) and schema["type"] == "integer"
        shown = f"number {encode(value).decode()}" if is_number else type_name(value)
        return f"json: cannot unmarshal {shown} into Go {where} of type {go_type}"

    return fault


def _first_of(faults: Faults, parts: Callable[[Any], Iterable[Any]]) -> Fault:
    def fault(value: Any) -> str:
        for part in parts(value):
            if found := _fault(part, faults):
                return found
        return ""

    return fault


def _member_fault(properties: Mapping[str, Object], path: str, go_type: str) -> Fault:
    """The first fault in the order of the struct's fields."""
    struct = go_type.removeprefix("v1.")
    members = {
        key: _faults(child, struct, f"{path}.{key}" if path else key, _GO_FIELDS.get((struct, key)) or _go_type(child))
        for key, child in properties.items()
    }

    def fault(value: Object) -> str:
        found = {key: text for key, member in value.items() if (text := _fault(member, members.get(key, {})))}
        return next(found[key] for key in members if key in found) if found else ""

    return fault


delete_options_fault = go_struct(_DELETE_OPTIONS, "v1.DeleteOptions")
_object_meta_fault = go_struct(OBJECT_META, "v1.ObjectMeta")


def meta_fault(meta: Any) -> str:
    """What is wrong with an object's metadata, "" if nothing is. Whole numbers are integers however they are written,
    since Go writes metadata anew before it reads it into a struct."""
    return _object_meta_fault(meta) and _object_meta_fault(with_integers(meta, OBJECT_META))
