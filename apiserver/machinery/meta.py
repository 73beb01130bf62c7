"""The building blocks that a kind's models are written with, and metadata's own schema."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, WithJsonSchema

from apiserver.machinery.errors import Object
from apiserver.machinery.schema import INT_OR_STRING, PRESERVE

int32 = Annotated[int, Field(json_schema_extra={"format": "int32"})]
int64 = Annotated[int, Field(json_schema_extra={"format": "int64"})]
timestamp = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
IntOrString = Annotated[int | str, WithJsonSchema({INT_OR_STRING: True})]


def ListMap(*keys: str) -> Any:
    """A list whose items are told apart by these members, so that several writers can each own items."""
    extra: dict[str, Any] = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}
    return Field(json_schema_extra=extra)


ListSet = Field(json_schema_extra={"x-kubernetes-list-type": "set"})
"""A list of distinct scalars, owned one by one."""

AtomicMap = Field(json_schema_extra={"x-kubernetes-map-type": "atomic"})
"""An object that is owned and replaced as a whole, as lists without a marker are."""

Nullable = Field(json_schema_extra={"nullable": True})
"""A field in which null is a value of its own rather than an absent field."""


class Condition(BaseModel):
    """One aspect of the object's state at a point in time (meta/v1 Condition)."""

    type: str = Field(description="What the condition is about, in CamelCase.")
    status: str = Field(description="True, False or Unknown.")
    reason: str = Field(description="Why the condition last changed, one CamelCase word.")
    message: str = Field(description="The same for people to read; may be empty.")
    lastTransitionTime: timestamp = Field(description="When status last changed.")
    observedGeneration: int64 | None = Field(default=None, description="The metadata.generation it was computed from.")


_STRING: Object = {"type": "string"}
_TIME: Object = {"type": "string", "format": "date-time"}
_INT64: Object = {"type": "integer", "format": "int64"}
_BOOL: Object = {"type": "boolean"}
_STRINGS: Object = {"type": "object", "additionalProperties": {"type": "string", "nullable": True}}
_OWNER: Object = {
    "type": "object",
    "properties": {
        "apiVersion": _STRING,
        "blockOwnerDeletion": _BOOL,
        "controller": _BOOL,
        "kind": _STRING,
        "name": _STRING,
        "uid": _STRING,
    },
}
_MANAGED_FIELDS_ENTRY: Object = {
    "type": "object",
    "properties": {
        "apiVersion": _STRING,
        "fieldsType": _STRING,
        "fieldsV1": {"type": "object", PRESERVE: True},
        "manager": _STRING,
        "operation": _STRING,
        "subresource": _STRING,
        "time": _TIME,
    },
}

OBJECT_META: Object = {
    "type": "object",
    "properties": {
        "annotations": _STRINGS,
        "creationTimestamp": _TIME,
        "deletionGracePeriodSeconds": _INT64,
        "deletionTimestamp": _TIME,
        "finalizers": {"type": "array", "items": _STRING},
        "generateName": _STRING,
        "generation": _INT64,
        "labels": _STRINGS,
        "managedFields": {"type": "array", "items": _MANAGED_FIELDS_ENTRY},
        "name": _STRING,
        "namespace": _STRING,
        "ownerReferences": {"type": "array", "items": _OWNER},
        "resourceVersion": _STRING,
        "selfLink": _STRING,
        "uid": _STRING,
    },
}
"""meta/v1 ObjectMeta, for decoding; kinds leave `metadata` open in their own schema."""
