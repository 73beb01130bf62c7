"""The paths of a kind and what can be done at them, in no version of OpenAPI yet (wire.md 1.9, 6.6).

Operation ids, tags and the kinds' definition names follow the rules of k8s.io/apiserver `pkg/endpoints/openapi`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from apiserver.machinery.errors import Object
from apiserver.machinery.kind import Kind
from apiserver.machinery.openapi_meta import META, SCALE

DOCUMENT_TYPES = ("application/json", "application/yaml")
PATCH_TYPES = ("application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml")

LIST = (
    *("allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion"),
    *("resourceVersionMatch", "sendInitialEvents", "timeoutSeconds", "watch"),
)
WRITE = ("dryRun", "fieldManager", "fieldValidation")
PATCH = (*WRITE, "force")
DELETE = ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy")
DELETE_COLLECTION = (
    *("continue", *DELETE, "fieldSelector", "labelSelector", "limit", "resourceVersion", "resourceVersionMatch"),
    "timeoutSeconds",
)
PATH_PARAMETERS = ("name", "namespace")

# Name of a parameter: its type and what it is for.
PARAMETERS: Mapping[str, tuple[str, str]] = {
    "allowWatchBookmarks": ("boolean", "Whether a watch may carry BOOKMARK events."),
    "continue": ("string", "The continue token of the page before; not for watches."),
    "dryRun": ("string", "All: go through every stage, persist nothing."),
    "fieldManager": ("string", "Who makes the change, at most 128 printable characters; required to apply."),
    "fieldSelector": ("string", "Restricts the objects by their fields; everything by default."),
    "fieldValidation": ("string", "What to do about unknown and duplicate fields: Ignore, Warn (default) or Strict."),
    "force": ("boolean", "Whether to take over fields that others own; for apply only."),
    "gracePeriodSeconds": ("integer", "Seconds before the object is removed; zero means at once."),
    "labelSelector": ("string", "Restricts the objects by their labels; everything by default."),
    "limit": ("integer", "Most items to return; when there are more, metadata.continue is set. Not for watches."),
    "name": ("string", "Name of the object."),
    "namespace": ("string", "Namespace of the object."),
    "orphanDependents": ("boolean", "Deprecated: use propagationPolicy. Whether dependents are kept."),
    "pretty": ("string", "If true, the answer is indented."),
    "propagationPolicy": ("string", "How dependents are treated: Orphan, Background or Foreground."),
    "resourceVersion": ("string", "Which state to serve the request from, the most recent by default."),
    "resourceVersionMatch": ("string", "How resourceVersion applies to a list: Exact or NotOlderThan."),
    "sendInitialEvents": ("boolean", "Whether a watch begins with the present state; needs resourceVersionMatch."),
    "timeoutSeconds": ("integer", "Longest time for the call, whether or not anything happens."),
    "watch": ("boolean", "Stream changes of the objects instead of listing them."),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """`body` and the values of `responses` are names of definitions; a body of DeleteOptions may be left out."""

    method: str
    action: str
    id: str
    description: str
    group_version_kind: Object
    responses: Mapping[int, str]
    parameters: tuple[str, ...] = ()
    body: str = ""
    consumes: tuple[str, ...] = DOCUMENT_TYPES

    @property
    def body_required(self) -> bool:
        return not self.body.endswith(".DeleteOptions")


@dataclass(frozen=True, slots=True)
class Path:
    """`parameters` are those that all operations of the path have."""

    path: str
    parameters: tuple[str, ...]
    operations: tuple[Operation, ...]


def definition_name(kind: Kind) -> str:
    """`com.example.extensions.v1alpha1.Foo`, and for Kubernetes' own groups as they call themselves."""
    group = kind.group or "core"
    if "." not in group or group.endswith(".k8s.io"):
        package = f"io.k8s.api.{group.partition('.')[0]}"
    else:
        package = ".".join(reversed(group.split(".")))
    return f"{package}.{kind.version}.{kind.kind}"


def group_version_kind(kind: Kind) -> Object:
    return {"group": kind.group, "kind": kind.kind, "version": kind.version}


def _words(group: str) -> list[str]:
    name = (group or "core").removesuffix(".k8s.io")
    return [word for word in re.split(r"[^A-Za-z0-9]+", name) if word]


def _capitalized(word: str) -> str:
    return word[0].upper() + word[1:]


def tag(kind: Kind) -> str:
    first, *rest = _words(kind.group)
    return f"{first}{''.join(map(_capitalized, rest))}_{kind.version}"


def _operation_id(kind: Kind, verb: str, subject: str) -> str:
    group = "".join(map(_capitalized, _words(kind.group)))
    return f"{verb}{group}{_capitalized(kind.version)}{subject}"


def paths(kind: Kind) -> Iterator[Path]:
    """Every path at which objects of the kind are served."""
    root = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}"
    scope = ("namespace",) if kind.namespaced else ()
    collection = f"{root}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"
    item = f"{collection}/{{name}}"
    yield Path(collection, (*scope, "pretty"), _collection_operations(kind))
    yield Path(item, ("name", *scope, "pretty"), _item_operations(kind, "", definition_name(kind)))
    for subresource in kind.subresources:
        target = SCALE if subresource == "scale" else definition_name(kind)
        operations = _item_operations(kind, subresource, target)
        yield Path(f"{item}/{subresource}", ("name", *scope, "pretty"), operations)
    if kind.namespaced:
        yield Path(f"{root}/{kind.plural}", ("pretty", *LIST), (_list(kind, f"{kind.kind}ForAllNamespaces", ()),))


def _subject(kind: Kind) -> str:
    return f"Namespaced{kind.kind}" if kind.namespaced else kind.kind


def _list(kind: Kind, subject: str, parameters: tuple[str, ...] = LIST) -> Operation:
    return Operation(
        "get",
        "list",
        _operation_id(kind, "list", subject),
        f"list or watch objects of kind {kind.kind}",
        group_version_kind(kind),
        {200: f"{definition_name(kind)}List"},
        parameters,
    )


def _collection_operations(kind: Kind) -> tuple[Operation, ...]:
    subject, target, about = _subject(kind), definition_name(kind), group_version_kind(kind)
    return (
        _list(kind, subject),
        Operation(
            "post",
            "post",
            _operation_id(kind, "create", subject),
            f"create a {kind.kind}",
            about,
            {200: target, 201: target, 202: target},
            WRITE,
            target,
        ),
        Operation(
            "delete",
            "deletecollection",
            _operation_id(kind, "delete", f"Collection{subject}"),
            f"delete collection of {kind.kind}",
            about,
            {200: META + "Status"},
            DELETE_COLLECTION,
            META + "DeleteOptions",
        ),
    )


def _item_operations(kind: Kind, subresource: str, target: str) -> tuple[Operation, ...]:
    """Of the object itself (`subresource` is "") or of one of its subresources; these cannot be deleted."""
    subject = _subject(kind) + subresource.capitalize()
    about = group_version_kind(kind)
    what = f"{subresource} of the specified {kind.kind}" if subresource else f"the specified {kind.kind}"
    ids = {verb: _operation_id(kind, verb, subject) for verb in ("read", "replace", "patch", "delete")}
    get = Operation("get", "get", ids["read"], f"read {what}", about, {200: target}, ("resourceVersion",))
    put = Operation("put", "put", ids["replace"], f"replace {what}", about, {200: target, 201: target}, WRITE, target)
    # Only an apply to the object itself can create it.
    patched = {200: target} if subresource else {200: target, 201: target}
    patch = Operation(
        "patch",
        "patch",
        ids["patch"],
        f"partially update {what}",
        about,
        patched,
        PATCH,
        META + "Patch",
        PATCH_TYPES,
    )
    if subresource:
        return get, put, patch
    status = META + "Status"
    responses = {200: status, 202: status}
    options = META + "DeleteOptions"
    delete = Operation("delete", "delete", ids["delete"], f"delete a {kind.kind}", about, responses, DELETE, options)
    return get, put, patch, delete
