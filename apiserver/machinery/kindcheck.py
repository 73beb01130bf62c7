"""What is wrong with a kind as its author wrote it, found at the start and not at the first request.

The rules are those for the definition of a custom resource (k8s.io/apiextensions-apiserver
`pkg/apis/apiextensions/validation`, `pkg/controller/status` for names), and that what a kind points to is there.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

from pydantic import BaseModel, PydanticUserError

from apiserver.machinery.errors import Object
from apiserver.machinery.jsonpath import compile_path, simple_keys
from apiserver.machinery.kind import Kind
from apiserver.machinery.names import is_dns1123_subdomain
from apiserver.machinery.schema import PRESERVE
from apiserver.machinery.schemacheck import validate

_TUPLES = ("short_names", "categories", "columns", "selectable_fields")
_COLUMN_TYPES = ("integer", "number", "string", "boolean", "date")
_SCALARS = ("string", "integer", "number", "boolean")
_is_label = re.compile("[a-z]([-a-z0-9]{0,61}[a-z0-9])?").fullmatch


class KindError(ValueError):
    """A kind that cannot be served, or that is not there and a controller needs it; one sentence for its author."""


def check(kinds: Sequence[Kind]) -> None:
    """Raises KindError for kinds that cannot be served, or not beside each other."""
    for kind in kinds:
        if fault := _first_fault(kind):
            raise KindError(f"kind {kind.kind} of {kind.api_version}: {fault}")
    for one, other in combinations(kinds, 2):
        if one.group == other.group and (fault := _clash(one, other)):
            raise KindError(f"kinds {one.kind} of {one.api_version} and {other.kind} of {other.api_version}: {fault}")


def _first_fault(kind: Kind) -> str | None:
    try:
        return next(_faults(kind), None)
    except (ValueError, PydanticUserError) as error:
        return str(error).partition("\n")[0]


def _faults(kind: Kind) -> Iterator[str]:
    yield from _shape_faults(kind)
    yield from _name_faults(kind)
    yield from _schema_faults(kind.schema, "")
    yield from _column_faults(kind)
    yield from _selectable_faults(kind)
    yield from _scale_faults(kind)


def _shape_faults(kind: Kind) -> Iterator[str]:
    for field in _TUPLES:
        if not isinstance(getattr(kind, field), tuple):
            yield f"{field} must be a tuple; one of a single item ends in a comma"
    for field in ("spec", "status"):
        model = getattr(kind, field)
        if model is not None and not (isinstance(model, type) and issubclass(model, BaseModel)):
            yield f"{field} must be a class that is derived from pydantic's BaseModel"
    if kind.spec is None and kind.status is not None:
        yield "a status model needs a spec model beside it"


def _name_faults(kind: Kind) -> Iterator[str]:
    if kind.group and is_dns1123_subdomain(kind.group):
        yield f"group {kind.group!r} must be a DNS subdomain, such as example.com"
    named = [("version", kind.version), ("plural", kind.plural), ("kind", kind.singular)]
    named += [("short name", name) for name in kind.short_names]
    named += [("category", name) for name in kind.categories]
    for what, name in named:
        if not _is_label(name):
            yield f"{what} {name!r} must be up to 63 lowercase letters, digits and '-', beginning with a letter"
    if not kind.kind[:1].isupper():
        yield "kind must be in CamelCase"


def _schema_faults(schema: Object, path: str) -> Iterator[str]:
    yield from _keyword_faults(schema, path)
    for name, child in schema.get("properties", {}).items():
        yield from _schema_faults(child, f"{path}.{name}".removeprefix("."))
    for keyword in ("items", "additionalProperties"):
        if keyword in schema:
            yield from _schema_faults(schema[keyword], f"{path}[*]")


def _keyword_faults(schema: Object, path: str) -> Iterator[str]:
    if "default" in schema:
        for fault in validate(schema["default"], schema, path):
            yield f"{path}: the default does not fit ({fault})"
    try:
        re.compile(schema.get("pattern", ""))
    except re.error as error:
        yield f"{path}: the pattern is none of Python's ({error})"
    relation = schema.get("x-kubernetes-list-type")
    if relation and schema.get("type") != "array":
        yield f"{path}: ListMap and ListSet are for lists"
    elif relation == "map":
        yield from _key_faults(schema["items"], schema["x-kubernetes-list-map-keys"], path)
    elif relation == "set" and schema["items"].get("type") not in _SCALARS:
        yield f"{path}: a ListSet is of scalars; items that are objects are told apart by a ListMap"
    if "x-kubernetes-map-type" in schema and schema.get("type") != "object":
        yield f"{path}: AtomicMap is for objects"


def _key_faults(items: Object, keys: Sequence[str], path: str) -> Iterator[str]:
    if not keys:
        yield f"{path}: ListMap needs the name of a key"
    for key in keys:
        field = items.get("properties", {}).get(key)
        if field is None or field.get("type") not in _SCALARS:
            yield f"{path}: ListMap({key!r}) names no scalar field of the items"
        elif key not in items.get("required", ()) and "default" not in field:
            yield f"{path}: {key!r} tells items apart, so it must be required or have a default"


def _column_faults(kind: Kind) -> Iterator[str]:
    for column in kind.columns:
        compile_path(column.path)
        if not column.name:
            yield f"the column of {column.path} needs a name"
        if column.type not in _COLUMN_TYPES:
            yield f"column {column.name!r}: type {column.type!r} must be one of {', '.join(_COLUMN_TYPES)}"
        if _names_members_only(column.path) and _at(kind.schema, column.path) is None:
            yield f"column {column.name!r}: there is no field {column.path}"


def _names_members_only(path: str) -> bool:
    try:
        simple_keys(path)
    except ValueError:
        return False
    return True


def _selectable_faults(kind: Kind) -> Iterator[str]:
    for path in kind.selectable_fields:
        field = _at(kind.schema, path)
        if path.startswith("."):
            yield f"selectable field {path!r} must have no leading dot"
        elif field is None or field.get("type", "string") not in ("string", "boolean", "integer"):
            yield f"selectable field {path!r} is no string, boolean or integer of the models"


def _scale_faults(kind: Kind) -> Iterator[str]:
    if kind.scale is None:
        return
    for path, type_, roots in (
        (kind.scale.spec_replicas, "integer", ("spec",)),
        (kind.scale.status_replicas, "integer", ("status",)),
        (kind.scale.selector, "string", ("spec", "status")),
    ):
        if not path and type_ == "string":
            continue
        field = _at(kind.schema, path)
        if simple_keys(path)[0] not in roots or field is None or field.get("type", type_) != type_:
            yield f"scale: {path} is no {type_} below {' or '.join(roots)} of the models"


def _at(schema: Object, path: str) -> Object | None:
    """The schema of what a path of members leads to: {} where anything may be, None where there is nothing."""
    for key in simple_keys(path):
        if key in schema.get("properties", {}):
            schema = schema["properties"][key]
        elif schema.get(PRESERVE) or schema == {"type": "object"}:
            return {}
        elif "additionalProperties" in schema:
            schema = schema["additionalProperties"]
        else:
            return None
    return schema


def _clash(one: Kind, other: Kind) -> str | None:
    """Why kinds of one group cannot be served beside each other."""
    if one.version != other.version and one.plural == other.plural:
        return "one version of a kind is served, there is no conversion"
    if one.kind == other.kind:
        return "two kinds have one name"
    if both := _answers_to(one) & _answers_to(other):
        return f"both answer to {min(both)!r}"
    return None


def _answers_to(kind: Kind) -> set[Any]:
    return {kind.plural, kind.singular, *kind.short_names}
