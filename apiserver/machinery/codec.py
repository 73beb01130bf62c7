"""Request bodies as objects: parse, check the type, prune, default (wire.md 3.3, 3.4).

Texts are those of k8s.io/apimachinery's codecs for unstructured objects.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from apiserver.machinery import errors, gojson
from apiserver.machinery.encoding import encode
from apiserver.machinery.errors import BadRequest, Object, UnsupportedMediaType
from apiserver.machinery.goyaml import YAMLError, parse_yaml
from apiserver.machinery.jsonpath import compile_path, set_path
from apiserver.machinery.kind import Kind
from apiserver.machinery.meta import OBJECT_META
from apiserver.machinery.names import parse_group_version
from apiserver.machinery.pruning import defaulted, prune
from apiserver.machinery.remember import remembered
from apiserver.machinery.unmarshal import meta_fault

JSON, YAML = "application/json", "application/yaml"
MEDIA_TYPES = (JSON, YAML, "application/vnd.kubernetes.protobuf")
_EXCERPT = 30
_MAX_UNKNOWN_META = 100


@dataclass(slots=True)
class Decoded:
    """A parsed body: `tree` as sent, `faults` what strict decoding objects to."""

    tree: Any
    faults: list[str] = field(default_factory=list)


_WORD = r"[!#$%&'*+.^_`|~\w-]+"
_PARAMETER = re.compile(rf'\s*;\s*({_WORD})\s*=\s*("(?:[^"\\]|\\.)*"|{_WORD})\s*', re.ASCII)


@remembered(1024, longest=256)
def media_type(content_type: str) -> str:
    """In lower case; JSON where nothing is said. Raises UnsupportedMediaType for what Go cannot parse."""
    if not content_type:
        return JSON
    name, semicolon, rest = content_type.partition(";")
    seen, at = set[str](), 0
    parameters = (semicolon + rest).rstrip().removesuffix(";")
    while at < len(parameters):
        found = _PARAMETER.match(parameters, at)
        if found is None or found[1].lower() in seen:
            raise UnsupportedMediaType.accepting(MEDIA_TYPES)
        seen.add(found[1].lower())
        at = found.end()
    return name.strip().lower()


def input_type(content_type: str) -> str:
    """The media type of a body that is to be an object. Raises UnsupportedMediaType."""
    kind = media_type(content_type)
    if kind not in (JSON, YAML):
        raise UnsupportedMediaType.accepting(MEDIA_TYPES)
    return kind


def parse(data: bytes, content_type: str) -> Decoded:
    """Raises UnsupportedMediaType, gojson.GoJSONError, YAMLError."""
    if input_type(content_type) == JSON:
        tree, duplicates = gojson.decode_with_duplicates(data)
        return Decoded(tree, duplicate_faults(duplicates))
    tree, duplicates = parse_yaml(data)
    return Decoded(tree, [_YAML_FAULT + "\n  ".join(["", *duplicates])] if duplicates else [])


def duplicate_faults(paths: list[str]) -> list[str]:
    """The decoder quotes what it names, and pruning does not."""
    return [f"duplicate field {errors.quoted(path)}" for path in paths]


_YAML_FAULT = "yaml: unmarshal errors:"


def _excerpt(data: bytes) -> str:
    """The start of a body for an error text: as it is when it looks like an object, else in hex."""
    if not data:
        return "<empty>"
    shown = data[:_EXCERPT]
    text = gojson.utf8_text(shown) if data.startswith(b"{") else shown.hex()
    return text + (" ..." if len(data) > _EXCERPT else "")


def decode_object(kind: Kind, data: bytes, content_type: str, checked: bool = True) -> Decoded:
    """A create's or update's body as an object, this kind's pruned and defaulted, metadata present. `checked`: Go
    decodes it strictly, and says otherwise what has no kind. Raises BadRequest, UnsupportedMediaType."""

    def unrecognized(text: str) -> BadRequest:
        head = f"the object provided is unrecognized (must be of type {kind.kind}): {text}"
        return BadRequest(f"{head} ({_excerpt(data)})")

    try:
        decoded = parse(data, content_type)
    except gojson.GoJSONError as error:
        raise unrecognized(f"{_NO_TYPE}{error}") from error
    except YAMLError as error:
        raise unrecognized(str(error)) from error
    if fault := type_meta_fault(decoded.tree):
        raise unrecognized(fault)
    tree: Object = decoded.tree or {}
    if not tree.get("kind"):
        if checked:
            raise unrecognized(f"{_NO_KIND} '{gojson.utf8_text(data)}'")
        shown = encode(decoded.tree) if input_type(content_type) == YAML else data
        said = {**tree, "kind": kind.kind, "apiVersion": tree.get("apiVersion") or kind.api_version}
        raise _unfit(kind, said, f"{_NO_KIND} '{gojson.utf8_text(shown)}'")
    if parse_group_version(tree.get("apiVersion") or "") is None:
        raise unrecognized(f"unexpected GroupVersion string: {tree['apiVersion']}")
    try:
        return coerce(kind, Decoded(tree, decoded.faults))
    except NotAnObject as error:
        raise _unfit(kind, tree, str(error)) from error


def _unfit(kind: Kind, tree: Object, text: str) -> BadRequest:
    """What says which kind it is, but cannot be read as this one."""
    _, version = parse_group_version(tree.get("apiVersion") or "") or ("", "")
    return BadRequest(f"{tree['kind']} in version {errors.quoted(version)} cannot be handled as a {kind.kind}: {text}")


def faulty(obj: Object, text: str) -> BadRequest:
    """What could be read, and so is known by the kind that it says it is, but not without faults."""
    kind, (_, version) = obj["kind"], parse_group_version(obj.get("apiVersion") or "") or ("", "")
    if not version:
        return BadRequest(errors.NO_VERSION)
    return BadRequest(f"{kind} in version {errors.quoted(version)} cannot be handled as a {kind}: {text}")


def check_version(kind: Kind, obj: Object) -> None:
    """Raises BadRequest for another group or version."""
    group, version = parse_group_version(obj.get("apiVersion") or "") or ("", "")
    if (group, version) != (kind.group, kind.version):
        text = f"does not match the expected API version ({kind.api_version})"
        raise BadRequest(f"the API version in the data ({group}{'/' * bool(group)}{version}) {text}")


_NO_KIND = "Object 'Kind' is missing in"
_NO_TYPE = "couldn't get version/kind; json parse error: "
_TYPE_META = (("APIVersion", "apiVersion"), ("Kind", "kind"))


def type_meta_fault(tree: Any) -> str:
    """What keeps Go from reading apiVersion and kind, "" if nothing does."""
    if tree is not None and not isinstance(tree, dict):
        members = (f'{key} string "json:\\"{name},omitempty\\""' for key, name in _TYPE_META)
        go_type = f"struct {{ {'; '.join(members)} }}"
        return f"{_NO_TYPE}json: cannot unmarshal {gojson.type_name(tree)} into Go value of type {go_type}"
    for _, key in _TYPE_META:
        member = (tree or {}).get(key)
        if member is not None and not isinstance(member, str):
            where = f"Go struct field .{key} of type string"
            return f"{_NO_TYPE}json: cannot unmarshal {gojson.type_name(member)} into {where}"
    return ""


def decode_untyped(data: bytes, content_type: str) -> Object:
    """A body that is no object of a kind (options, Scale): any JSON object. Raises BadRequest, UnsupportedMediaType."""
    try:
        tree = parse(data, content_type).tree
    except gojson.GoJSONError as error:
        raise BadRequest(f"{_NO_TYPE}{error}") from error
    except YAMLError as error:
        raise BadRequest(str(error)) from error
    if fault := type_meta_fault(tree):
        raise BadRequest(fault)
    obj: Object = tree or {}
    if parse_group_version(obj.get("apiVersion") or "") is None:
        raise BadRequest(f"unexpected GroupVersion string: {obj['apiVersion']}")
    return obj


def delete_options_type_fault(body: Object, data: bytes) -> str:
    """What keeps a body from being DeleteOptions, "" if nothing does; those without kind or version have the default
    ones. `data` is what it was decoded from."""
    kind = body.get("kind") or "DeleteOptions"
    group, version = parse_group_version(body.get("apiVersion") or "") or ("", "")
    if not version and group not in ("", _META_GROUP):
        return f"Object 'apiVersion' is missing in '{gojson.utf8_text(data)}'"
    if not version:
        group, version = _META_GROUP, "v1"
    return "" if kind == "DeleteOptions" else errors.unregistered(kind, f"{group}/{version}" if group else version)


_META_GROUP = "meta.k8s.io"


class NotAnObject(ValueError):
    """A tree that no object of a kind can be made of."""


def coerce(kind: Kind, decoded: Decoded) -> Decoded:
    """The tree, which has a kind, as an object; one of this kind is pruned and defaulted, and what is unknown in it is
    added to the faults. Raises NotAnObject."""
    tree: Object = decoded.tree
    if "apiVersion" in tree and tree["apiVersion"] is None:
        raise NotAnObject(".apiVersion accessor error: <nil> is of the type <nil>, expected string")
    meta, unknown = _coerce_meta(tree.get("metadata"))
    group, version = parse_group_version(tree.get("apiVersion") or "") or ("", "")
    obj = {key: value for key, value in tree.items() if key != "metadata"}
    if (group, tree["kind"]) == (kind.group, kind.kind):
        # No schema is known for a version that is not served.
        served = version == kind.version
        fields: list[str] = []
        obj = prune(obj, kind.schema if served else _UNSERVED, fields)
        unknown += sorted(fields)
        if served:
            obj = defaulted(_with_counts(kind, tree, obj), kind.schema)
    return Decoded({**obj, "metadata": meta}, decoded.faults + [f'unknown field "{path}"' for path in unknown])


def _with_counts(kind: Kind, written: Object, obj: Object) -> Object:
    """What /scale reads is judged as it was written, where 1.0 is no integer; all else Go writes anew before that."""
    for path in (kind.scale.spec_replicas, kind.scale.status_replicas) if kind.scale else ():
        get = compile_path(path)
        value = get(written)
        if type(value) is float and get(obj) is not None:
            obj = set_path(obj, path, value)
    return obj


_UNSERVED: Object = {"properties": {"apiVersion": {}, "kind": {}}}


def patched_fault(document: Object) -> str:
    """Why a patch's result cannot be read as an object at all, "" when it can."""
    if fault := type_meta_fault(document):
        return fault
    if not document.get("kind"):
        return f"{_NO_KIND} '{encode(document).decode()}'"
    version = document.get("apiVersion") or ""
    return f"unexpected GroupVersion string: {version}" if parse_group_version(version) is None else ""


def _coerce_meta(meta: Any) -> tuple[Object, list[str]]:
    """(metadata as Go's struct has it, unknown fields in the order of their names). Raises NotAnObject."""
    if fault := meta_fault(meta):
        raise NotAnObject(fault)
    unknown: list[str] = []
    coerced = coerced_meta(meta or {}, unknown)
    if len(unknown) > 1:
        unknown = []
        prune(orjson.loads(orjson.dumps(meta, option=orjson.OPT_SORT_KEYS)), OBJECT_META, unknown, "metadata")
    return coerced, unknown[:_MAX_UNKNOWN_META]


def coerced_meta(meta: Object, unknown: list[str]) -> Object:
    """Metadata, right in its types, as Go's ObjectMeta keeps it: null and what is empty are absent, unknown fields
    too (their paths go to `unknown`), a null item is its type's zero value."""
    pruned: Object = prune(meta, OBJECT_META, unknown, "metadata")
    return {key: _without_nulls(key, value) for key, value in pruned.items() if value or value == 0}


def _without_nulls(key: str, value: Any) -> Any:
    """A label, annotation or item that is null is its type's zero value."""
    if type(value) is dict and None in value.values():
        return {name: member or "" for name, member in value.items()}
    if type(value) is list and None in value:
        zero: Any = "" if key == "finalizers" else {}
        return [zero if item is None else item for item in value]
    return value


def strict_error(faults: list[str]) -> str:
    return "strict decoding error: " + ", ".join(faults)


Refuse = Callable[[str], errors.APIError]


def check_faults(faults: list[str], field_validation: str, refuse: Refuse) -> list[str]:
    """The warnings that these faults give; with Strict raises what `refuse` makes of them."""
    if not faults or field_validation == "Ignore":
        return []
    if field_validation == "Strict":
        raise refuse(strict_error(faults))
    return [line for fault in faults for line in _warnings_of(fault)]


def _warnings_of(fault: str) -> list[str]:
    """What YAML has against a body is one error, but a warning a line."""
    if not fault.startswith(_YAML_FAULT):
        return [fault]
    return [line.strip() for line in fault.removeprefix(_YAML_FAULT).split("\n") if line]


def dedup_owners(meta: Object, warning: str) -> list[str]:
    """Drops owner references that occurred before, in place; returns the `warning` with their uids, if any."""
    owners = meta.get("ownerReferences")
    if not owners:
        return []
    first: dict[bytes, Object] = {}
    repeated = []
    for owner in owners:
        # A look-up each: there may be as many as a body holds.
        key = orjson.dumps(owner, option=orjson.OPT_SORT_KEYS)
        if key in first:
            repeated.append(owner.get("uid", ""))
        first.setdefault(key, owner)
    if not repeated:
        return []
    meta["ownerReferences"] = list(first.values())
    return [warning + ", ".join(repeated)]


_FIX_OWNERS = (
    "; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your "
    "requests; duplicate UID(s) observed: "
)
REPEATED_OWNERS = f".metadata.ownerReferences contains duplicate entries{_FIX_OWNERS}"
REPEATED_OWNERS_PATCHED = (
    f".metadata.ownerReferences contains duplicate entries after mutating admission happens{_FIX_OWNERS}"
)
