"""Type errors in the words of Go's JSON decoder, for what is decoded into a Go struct: metadata and options."""

from typing import Any

from apiserver.machinery.errors import Object
from apiserver.machinery.gojson import type_name
from apiserver.machinery.gotime import time_fault
from apiserver.machinery.meta import OBJECT_META
from apiserver.machinery.schema import PRESERVE, type_of, with_integers

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


def meta_fault(meta: Any) -> str:
    """What is wrong with an object's metadata, "" if nothing is. Null is every type's zero value; whole numbers are
    integers however they are written, since Go writes metadata anew before it reads it into a struct."""
    if isinstance(meta, dict):
        meta = with_integers(meta, OBJECT_META)
    return struct_fault(meta, OBJECT_META, "v1.ObjectMeta")


def delete_options_fault(body: Object) -> str:
    """What is wrong with a DeleteOptions body, "" if nothing is."""
    return struct_fault(body, _DELETE_OPTIONS, "v1.DeleteOptions")


def struct_fault(value: Any, schema: Object, go_type: str) -> str:
    """What keeps a value from being decoded into a Go struct that `schema` describes, "" if nothing does."""
    return _fault(value, schema, "", "", go_type)


def _fault(value: Any, schema: Object, struct: str, path: str, go_type: str) -> str:
    """The first fault below `path`, which is a field of `struct`."""
    if value is None or schema.get(PRESERVE):
        return ""
    if type_of(value) != schema["type"] or _overflows(value, schema):
        where = f"struct field {struct}.{path}" if path else "value"
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and schema["type"] == "integer"
        shown = f"number {value}" if is_number else type_name(value)
        return f"json: cannot unmarshal {shown} into Go {where} of type {go_type}"
    if schema.get("format") == "date-time":
        return time_fault(value)
    if isinstance(value, list):
        item_type = go_type.removeprefix("[]")
        return next(filter(None, (_fault(item, schema["items"], struct, path, item_type) for item in value)), "")
    return _member_fault(value, schema, struct, path, go_type) if isinstance(value, dict) else ""


def _overflows(value: Any, schema: Object) -> bool:
    return schema.get("format") == "int32" and not -(2**31) <= value < 2**31


def _member_fault(value: Object, schema: Object, struct: str, path: str, go_type: str) -> str:
    if "additionalProperties" in schema:
        rest = schema["additionalProperties"]
        return next(filter(None, (_fault(member, rest, struct, path, "string") for member in value.values())), "")
    struct = go_type.removeprefix("v1.")
    for key, child in schema["properties"].items():
        if value.get(key) is None:
            continue
        go_type = _GO_FIELDS.get((struct, key)) or _go_type(child)
        fault = _fault(value[key], child, struct, f"{path}.{key}" if path else key, go_type)
        if fault:
            return fault
    return ""
