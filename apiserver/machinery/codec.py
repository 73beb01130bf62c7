"""Request bodies as objects: parse, check the type, prune, default (wire.md 3.3, 3.4).

Texts are those of k8s.io/apimachinery's codecs for unstructured objects.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson
import yaml

from apiserver.machinery import errors, gojson
from apiserver.machinery.errors import BadRequest, Object, UnsupportedMediaType
from apiserver.machinery.kind import Kind
from apiserver.machinery.meta import OBJECT_META
from apiserver.machinery.schema import apply_defaults, prune
from apiserver.machinery.unmarshal import meta_fault

JSON, YAML = "application/json", "application/yaml"
MEDIA_TYPES = (JSON, YAML, "application/vnd.kubernetes.protobuf")
_EXCERPT = 30
EXPANDED_LIMIT = 10 * 1024 * 1024
"""Characters of a YAML document with its aliases written out."""
DEPTH_LIMIT = 200


@dataclass(slots=True)
class Decoded:
    """A parsed body: `tree` as sent, `faults` what strict decoding objects to."""

    tree: Any
    faults: list[str] = field(default_factory=list)


class YAMLError(ValueError):
    """A body that is no YAML, in one line."""


class _Loader(yaml.CSafeLoader):
    """YAML as far as it means JSON, with the scalars that Go's YAML reader knows: no timestamps, no base 60."""

    duplicates: list[str]


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        key = key if isinstance(key, str) else orjson.dumps(key).decode()
        if key in made:
            loader.duplicates.append(f'line {key_node.start_mark.line + 1}: key "{key}" already set in map')
        made[key] = loader.construct_object(value_node, deep=True)
    merged = made.pop("<<", None)
    for part in [merged] if isinstance(merged, dict) else merged or ():
        made = {**part, **made}
    return made


def _construct_bool(loader: _Loader, node: yaml.ScalarNode) -> bool:
    return str(loader.construct_scalar(node)).lower() in ("y", "yes", "true", "on")


def _construct_int(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node)).replace("_", "")
    return int(text, 8 if re.match(r"[-+]?0[0-7]", text) else 0)


def _construct_float(loader: _Loader, node: yaml.ScalarNode) -> int | float:
    value = float(str(loader.construct_scalar(node)))
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


_SCALARS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"[yYnN]|yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", list("yYnNtTfFoO")),
    ("int", r"[-+]?(0b[01_]+|0o?[0-7_]+|0[xX][0-9a-fA-F_]+|0|[1-9][0-9_]*)", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
)
_Loader.yaml_implicit_resolvers = {}
for _name, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(rf"(?:{_pattern})\Z"), _first)
_Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)
_Loader.add_constructor("tag:yaml.org,2002:bool", _construct_bool)
_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)


def parse_yaml(data: bytes) -> tuple[Any, list[str]]:
    """(tree, duplicate keys). Raises YAMLError."""
    try:
        _check_depth(data)
        loader = _Loader(data)
        loader.duplicates = []
        try:
            # What follows a first document is not looked at.
            tree = loader.get_data()
        finally:
            loader.dispose()
        if _written_out(tree, {}) > EXPANDED_LIMIT:
            raise YAMLError("yaml: document contains excessive aliasing")
        # What JSON cannot say (sets, binary, not a number) is refused here rather than stored.
        return orjson.loads(orjson.dumps(tree)), loader.duplicates
    except yaml.MarkedYAMLError as error:
        raise YAMLError(_marked(error)) from error
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        raise YAMLError(" ".join(str(error).split())) from error


def _marked(error: yaml.MarkedYAMLError) -> str:
    """libyaml's error with the line that Go's port of it names."""
    lines = [mark.line for mark in (error.problem_mark, error.context_mark) if mark]
    line = next(filter(None, lines), 0)
    line += bool(line) and isinstance(error, yaml.scanner.ScannerError)
    return f"yaml: line {line}: {error.problem}" if line else f"yaml: {error.problem}"


def _check_depth(data: bytes) -> None:
    """The C composer recurses without a limit: nesting must be refused before it overflows the stack."""
    depth = 0
    for event in yaml.parse(data, _Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH_LIMIT:
                raise YAMLError(f"yaml: exceeded max depth of {DEPTH_LIMIT}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.DocumentEndEvent):
            return


def _written_out(value: Any, sizes: dict[int, int]) -> int:
    """About how long the tree is without aliases; `sizes` are those of the parts already seen, by id."""
    if not isinstance(value, dict | list):
        return len(value) if isinstance(value, str) else 1
    if id(value) not in sizes:
        children = value.values() if isinstance(value, dict) else value
        sizes[id(value)] = 1 + sum(_written_out(child, sizes) for child in children)
    return sizes[id(value)]


def media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def parse(data: bytes, content_type: str) -> Decoded:
    """Raises UnsupportedMediaType, gojson.GoJSONError, YAMLError."""
    kind = media_type(content_type) or JSON
    if kind == JSON:
        tree, duplicates = gojson.decode_with_duplicates(data)
        return Decoded(tree, [f'duplicate field "{path}"' for path in duplicates])
    if kind == YAML:
        tree, duplicates = parse_yaml(data)
        return Decoded(tree, [_YAML_FAULT + "\n  ".join(["", *duplicates])] if duplicates else [])
    raise UnsupportedMediaType.accepting(MEDIA_TYPES)


_YAML_FAULT = "yaml: unmarshal errors:"


def _excerpt(data: bytes) -> str:
    """The start of a body for an error text: as it is when it looks like an object, else in hex."""
    if not data:
        return "<empty>"
    shown = data[:_EXCERPT]
    text = shown.decode("utf-8", "replace") if data.startswith(b"{") else shown.hex()
    return text + (" ..." if len(data) > _EXCERPT else "")


def _unrecognized(data: bytes, kind_name: str, text: str) -> BadRequest:
    head = f"the object provided is unrecognized (must be of type {kind_name}): {text}"
    return BadRequest(f"{head} ({_excerpt(data)})")


def parse_object(data: bytes, content_type: str, kind_name: str) -> Decoded:
    """A create's or update's body as sent: an object whose apiVersion and kind, if it has them, are strings. Raises
    BadRequest, UnsupportedMediaType."""
    unrecognized = partial(_unrecognized, data, kind_name)
    try:
        decoded = parse(data, content_type)
    except gojson.GoJSONError as error:
        raise unrecognized(f"couldn't get version/kind; json parse error: {error}") from error
    except YAMLError as error:
        raise unrecognized(str(error)) from error
    fault = _type_meta_fault(decoded.tree)
    if fault:
        raise unrecognized(f"couldn't get version/kind; json parse error: {fault}")
    return Decoded(decoded.tree or {}, decoded.faults)


def decode_object(kind: Kind, data: bytes, content_type: str) -> Decoded:
    """A create's or update's body as this kind's object: pruned, defaulted, metadata present. Raises BadRequest,
    Invalid (another kind), UnsupportedMediaType."""
    decoded = parse_object(data, content_type, kind.kind)
    unrecognized, tree = partial(_unrecognized, data, kind.kind), decoded.tree
    if not tree.get("kind"):
        raise unrecognized(f"Object 'Kind' is missing in '{data.decode('utf-8', 'replace')}'")
    if (tree.get("apiVersion") or "").count("/") > 1:
        raise unrecognized(f"unexpected GroupVersion string: {tree['apiVersion']}")
    return coerce(kind, decoded)


_TYPE_META = (("APIVersion", "apiVersion"), ("Kind", "kind"))


def _type_meta_fault(tree: Any) -> str:
    """What keeps Go from reading apiVersion and kind."""
    if tree is not None and not isinstance(tree, dict):
        members = (f'{key} string "json:\\"{name},omitempty\\""' for key, name in _TYPE_META)
        go_type = f"struct {{ {'; '.join(members)} }}"
        return f"json: cannot unmarshal {gojson.type_name(tree)} into Go value of type {go_type}"
    for _, key in _TYPE_META:
        member = (tree or {}).get(key)
        if member is not None and not isinstance(member, str):
            return f"json: cannot unmarshal {gojson.type_name(member)} into Go struct field .{key} of type string"
    return ""


def decode_untyped(data: bytes, content_type: str) -> Object:
    """A body that is no object of a kind (options, Scale): any JSON object. Raises BadRequest, UnsupportedMediaType."""
    prefix = "couldn't get version/kind; json parse error: "
    try:
        tree = parse(data, content_type).tree
    except gojson.GoJSONError as error:
        raise BadRequest(f"{prefix}{error}") from error
    except YAMLError as error:
        raise BadRequest(str(error)) from error
    if fault := _type_meta_fault(tree):
        raise BadRequest(prefix + fault)
    return tree or {}


def coerce(kind: Kind, decoded: Decoded) -> Decoded:
    """The tree as this kind's object; unknown fields are added to the faults. Raises BadRequest, Refused."""
    tree: Object = decoded.tree
    if tree.get("apiVersion") != kind.api_version:
        # No schema is known for a version of the group that is not served.
        version = tree.get("apiVersion") or ""
        same_group = not version or version.rpartition("/")[0] == kind.group
        others = [key for key in tree if key not in ("apiVersion", "kind", "metadata")] if same_group else []
        foreign = [f'unknown field "{key}"' for key in others]
        expected = f"does not match the expected API version ({kind.api_version})"
        error = BadRequest(f"the API version in the data ({tree.get('apiVersion') or ''}) {expected}")
        raise Refused(error, decoded.faults + foreign)
    unknown: list[str] = []
    obj: Object = prune({key: value for key, value in tree.items() if key != "metadata"}, kind.schema, unknown)
    unknown.sort()
    obj["metadata"] = _coerce_meta(kind, tree.get("metadata"), unknown)
    faults = decoded.faults + [f'unknown field "{path}"' for path in unknown]
    if obj.get("kind") != kind.kind:
        name = obj["metadata"].get("name", "")
        fault = errors.invalid("kind", obj.get("kind"), f"must be {kind.kind}")
        raise Refused(errors.Invalid.of(kind.resource, name, [fault], str(obj.get("kind"))), faults)
    apply_defaults(obj, kind.schema)
    return Decoded(obj, faults)


def patched_fault(document: Object) -> str:
    """Why a patch's result cannot be read as an object at all, "" when it can."""
    if not document.get("kind"):
        return f"Object 'Kind' is missing in '{orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode()}'"
    return _type_meta_fault(document) or meta_fault(document.get("metadata"))


class Refused(Exception):
    """A body that is refused as `error` says; its faults may still be worth a warning."""

    def __init__(self, error: errors.APIError, faults: list[str]) -> None:
        super().__init__(error.message)
        self.error = error
        self.faults = faults


def _coerce_meta(kind: Kind, meta: Any, unknown: list[str]) -> Object:
    fault = meta_fault(meta)
    if fault:
        raise BadRequest(f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {fault}')
    return coerced_meta(meta or {}, unknown)


def coerced_meta(meta: Object, unknown: list[str]) -> Object:
    """Metadata, right in its types, as Go's ObjectMeta keeps it: null and what is empty are absent, unknown fields
    too (their paths go to `unknown`), a null item is its type's zero value."""
    texts = {key: meta[key] for key in ("labels", "annotations") if meta.get(key)}
    filled = {key: {name: value or "" for name, value in members.items()} for key, members in texts.items()}
    pruned: Object = prune({**meta, **filled}, OBJECT_META, unknown, "metadata")
    for key, zero in (("finalizers", ""), ("ownerReferences", {}), ("managedFields", {})):
        if None in pruned.get(key, ()):
            pruned[key] = [zero if item is None else item for item in pruned[key]]
    return {key: value for key, value in pruned.items() if value not in ("", {}, [])}


def strict_error(faults: list[str]) -> str:
    return "strict decoding error: " + ", ".join(faults)


Refuse = Callable[[str], errors.APIError]


def check_faults(faults: list[str], field_validation: str, refuse: Refuse) -> list[str]:
    """The warnings that these faults give; with Strict raises what `refuse` makes of them."""
    if not faults or field_validation == "Ignore":
        return []
    if field_validation == "Strict":
        raise refuse(strict_error(faults))
    return [line.strip() for fault in faults for line in fault.removeprefix(_YAML_FAULT).split("\n") if line]


def dedup_owners(meta: Object, when: str = "") -> str:
    """Drops owner references that repeat an earlier one, in place; returns a warning, or "". A patch's are dropped
    `when` its result has gone through mutating admission."""
    kept: list[Object] = []
    repeated = []
    for owner in meta.get("ownerReferences") or ():
        if owner in kept:
            repeated.append(owner.get("uid", ""))
        else:
            kept.append(owner)
    if not repeated:
        return ""
    meta["ownerReferences"] = kept
    return (
        f".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, and "
        "may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: "
        + ", ".join(repeated)
    )


AFTER_ADMISSION = " after mutating admission happens"
