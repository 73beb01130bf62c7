"""OpenAPI definitions of the types that every kind's API speaks of: meta/v1 and autoscaling/v1 Scale.

The names are Kubernetes' own, so that clients and the aggregator know the types again. A reference is written
`{"$ref": NAME}`; openapi.py makes the version's form of it. Shared types carry no group-version-kind: the aggregator
publishes them already, and two definitions that claim the same kind confuse clients.
"""

from apiserver.machinery.errors import Object

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
SCALE = "io.k8s.api.autoscaling.v1.Scale"


_TEXT: Object = {"type": "string", "default": ""}
"""An item that is a text. Defaults are the zero values that Kubernetes publishes for what Go always writes."""


def _text(description: str, **extra: object) -> Object:
    return {"type": "string", "description": description, **extra}


def _flag(description: str) -> Object:
    return {"type": "boolean", "description": description}


def _integer(description: str, bits: int = 64, **extra: object) -> Object:
    return {"type": "integer", "format": f"int{bits}", "description": description, **extra}


def _meta(name: str, description: str) -> Object:
    return {"$ref": META + name, "description": description}


def _list(items: Object, description: str, list_type: str = "atomic", **extra: object) -> Object:
    return {"type": "array", "items": items, "description": description, "x-kubernetes-list-type": list_type, **extra}


def _texts_by_key(description: str) -> Object:
    return {"type": "object", "additionalProperties": _TEXT, "description": description}


def _object(description: str, properties: Object, required: tuple[str, ...] = ()) -> Object:
    schema: Object = {"type": "object", "description": description, "properties": properties}
    return {**schema, "required": list(required)} if required else schema


API_VERSION = _text("The versioned schema of this representation of an object, GROUP/VERSION.")
KIND = _text("The REST resource that this object represents, in CamelCase.")
OBJECT_METADATA = _meta("ObjectMeta", "Standard object's metadata.")
LIST_METADATA = _meta("ListMeta", "Standard list metadata.")
_TYPE: Object = {"apiVersion": API_VERSION, "kind": KIND}
_RESOURCE_VERSION = _text(
    "Opaque version of the state, for change detection, concurrency control and watches. Read-only."
)

_OBJECT_META = _object(
    "ObjectMeta is metadata that all persisted objects have, whatever their kind.",
    {
        "annotations": _texts_by_key("Arbitrary data set by tools, not queryable."),
        "creationTimestamp": _meta("Time", "When the server created the object. Read-only."),
        "deletionGracePeriodSeconds": _integer("Seconds granted for a graceful end before removal. Read-only."),
        "deletionTimestamp": _meta(
            "Time", "When deletion was asked for; the object goes once it has no finalizers. Read-only."
        ),
        "finalizers": _list(
            _TEXT,
            "Who must still act before the object may be removed; entries of a deleted object can only be taken away.",
            "set",
            **{"x-kubernetes-patch-strategy": "merge"},
        ),
        "generateName": _text("Prefix from which the server makes a unique name when there is no name."),
        "generation": _integer("Sequence number of the desired state. Read-only."),
        "labels": _texts_by_key("Keys and values to organize and select objects by."),
        "managedFields": _list(
            {"$ref": META + "ManagedFieldsEntry", "default": {}}, "Which manager owns which fields; kept by the server."
        ),
        "name": _text("Unique within the namespace; required unless generateName is given. Cannot be updated."),
        "namespace": _text(
            "The space within which the name is unique; empty for cluster-scoped kinds. Cannot be updated."
        ),
        "ownerReferences": _list(
            {"$ref": META + "OwnerReference", "default": {}},
            "Objects that this one depends on; it is garbage-collected when all of them are gone.",
            "map",
            **{
                "x-kubernetes-list-map-keys": ["uid"],
                "x-kubernetes-patch-merge-key": "uid",
                "x-kubernetes-patch-strategy": "merge",
            },
        ),
        "resourceVersion": _RESOURCE_VERSION,
        "selfLink": _text("Deprecated: no longer set by the system."),
        "uid": _text("Unique in time and space, set by the server on creation. Read-only."),
    },
)

_LIST_META = _object(
    "ListMeta is metadata of lists and of other answers that are not stored.",
    {
        "continue": _text("Set when more items are available: the token to ask for them with."),
        "remainingItemCount": _integer("Number of items not in this answer; unset when it is not known or zero."),
        "resourceVersion": _RESOURCE_VERSION,
        "selfLink": _text("Deprecated: no longer set by the system."),
    },
)

_OWNER_REFERENCE = {
    **_object(
        "OwnerReference identifies an owning object, in the same namespace or cluster-scoped.",
        {
            "apiVersion": _text("API version of the owner.", default=""),
            "blockOwnerDeletion": _flag("Whether a foreground deletion of the owner waits for this object."),
            "controller": _flag("Whether the owner is the managing controller."),
            "kind": _text("Kind of the owner.", default=""),
            "name": _text("Name of the owner.", default=""),
            "uid": _text("UID of the owner.", default=""),
        },
        ("apiVersion", "kind", "name", "uid"),
    ),
    "x-kubernetes-map-type": "atomic",
}

_MANAGED_FIELDS_ENTRY = _object(
    "ManagedFieldsEntry is the set of fields that one manager set in one way.",
    {
        "apiVersion": _text("Version of the resource that the fields are written in."),
        "fieldsType": _text("Format of the fields: FieldsV1."),
        "fieldsV1": _meta("FieldsV1", "The fields."),
        "manager": _text("Who set the fields."),
        "operation": _text("How: Apply or Update."),
        "subresource": _text("Name of the subresource through which they were set, empty for the object itself."),
        "time": _meta("Time", "When an entry was last changed."),
    },
)

_PRECONDITIONS = _object(
    "Preconditions must hold for an operation to be carried out.",
    {
        "resourceVersion": _text("The resourceVersion the object must have."),
        "uid": _text("The UID the object must have."),
    },
)

_DELETE_OPTIONS = _object(
    "DeleteOptions may be given when deleting an object.",
    {
        **_TYPE,
        "dryRun": _list(_TEXT, "All: go through every stage, persist nothing."),
        "gracePeriodSeconds": _integer("Seconds before the object is removed; zero means at once."),
        "orphanDependents": _flag("Deprecated: use propagationPolicy. Whether dependents are kept."),
        "preconditions": _meta("Preconditions", "What must hold; 409 Conflict otherwise."),
        "propagationPolicy": _text("How dependents are treated: Orphan, Background or Foreground."),
    },
)

_STATUS = _object(
    "Status is an answer that is no other object: an error, or the success of a deletion.",
    {
        **_TYPE,
        "code": _integer("HTTP status code.", 32),
        "details": _meta("StatusDetails", "More about the reason."),
        "message": _text("Description for people."),
        "metadata": {**LIST_METADATA, "default": {}},
        "reason": _text("Why the status is Failure, one CamelCase word."),
        "status": _text("Success or Failure."),
    },
)

_STATUS_DETAILS = _object(
    "StatusDetails is more about an answer; which members are set depends on the reason.",
    {
        "causes": _list({"$ref": META + "StatusCause", "default": {}}, "The single faults behind a failure."),
        "group": _text("Group of the resource."),
        "kind": _text("Kind or resource that the answer is about."),
        "name": _text("Name of the resource."),
        "retryAfterSeconds": _integer("Seconds to wait before another try.", 32),
        "uid": _text("UID of the resource."),
    },
)

_STATUS_CAUSE = _object(
    "StatusCause is one fault.",
    {
        "field": _text("Path of the field at fault."),
        "message": _text("Description for people."),
        "reason": _text("Machine-readable description."),
    },
)

META_DEFINITIONS: dict[str, Object] = {
    META + "DeleteOptions": _DELETE_OPTIONS,
    META + "FieldsV1": {"type": "object", "description": "FieldsV1 is a set of fields as a trie, in JSON."},
    META + "ListMeta": _LIST_META,
    META + "ManagedFieldsEntry": _MANAGED_FIELDS_ENTRY,
    META + "ObjectMeta": _OBJECT_META,
    META + "OwnerReference": _OWNER_REFERENCE,
    META + "Patch": {"type": "object", "description": "Patch is the body of a PATCH request."},
    META + "Preconditions": _PRECONDITIONS,
    META + "Status": _STATUS,
    META + "StatusCause": _STATUS_CAUSE,
    META + "StatusDetails": _STATUS_DETAILS,
    META + "Time": {"type": "string", "format": "date-time", "description": "Time is an RFC 3339 time in UTC."},
}

SCALE_DEFINITIONS: dict[str, Object] = {
    SCALE: _object(
        "Scale is a request to run a number of instances, and how many there are.",
        {
            **_TYPE,
            "metadata": {**OBJECT_METADATA, "default": {}},
            "spec": {"$ref": SCALE + "Spec", "description": "What is asked for.", "default": {}},
            "status": {"$ref": SCALE + "Status", "description": "What is seen. Read-only.", "default": {}},
        },
    ),
    SCALE + "Spec": _object(
        "ScaleSpec is the wanted scale.", {"replicas": _integer("Number of instances to run.", 32, default=0)}
    ),
    SCALE + "Status": _object(
        "ScaleStatus is the seen scale.",
        {
            "replicas": _integer("Number of instances seen.", 32, default=0),
            "selector": _text("Label selector of the instances, in the form of the query parameter."),
        },
        ("replicas",),
    ),
}
