"""Structural schemas: made from pydantic models, then used to prune, default and validate JSON trees.

A structural schema is the OpenAPI v3 subset that a CustomResourceDefinition may use, without references. Texts and
order of checks are those that kube-apiserver gives for a custom resource (k8s.io/apiextensions-apiserver
`pkg/apiserver/schema` and `validation`); the recorded answers in wire.md's reference are the source.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from apiserver.machinery import errors
from apiserver.machinery.errors import FieldError, Object
from apiserver.machinery.gotime import days_of

PRESERVE = "x-kubernetes-preserve-unknown-fields"
INT_OR_STRING = "x-kubernetes-int-or-string"
NO_FIELD = "<nil>"
"""What stands for the field of a fault that names none."""
SCHEMALESS: Object = {"type": "object", PRESERVE: True}
_KEPT = frozenset(
    (
        *("type", "format", "description", "default", "enum", "pattern", "minimum", "maximum", "multipleOf"),
        *("minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"),
        *("required", "nullable"),
    )
)


def schema_of(spec: type[BaseModel] | None, status: type[BaseModel] | None, description: str = "") -> Object:
    """The schema of a whole object; `spec` is required when it has a required member of its own."""
    if spec is None:
        return dict(SCHEMALESS)
    properties: Object = {
        "apiVersion": {"type": "string", "description": _API_VERSION},
        "kind": {"type": "string", "description": _KIND},
        "metadata": {"type": "object"},
        "spec": from_model(spec),
    }
    if status is not None:
        properties["status"] = from_model(status)
    schema: Object = {"type": "object", "properties": properties}
    if description:
        schema["description"] = description
    if "required" in properties["spec"]:
        schema["required"] = ["spec"]
    return schema


_API_VERSION = "The versioned schema of this representation of an object, GROUP/VERSION."
_KIND = "The REST resource that this object represents, in CamelCase."


def from_model(model: type[BaseModel]) -> Object:
    """The structural schema of a pydantic model. Raises ValueError for what a structural schema cannot say."""
    document = model.model_json_schema(mode="validation")
    return _structural(document, document.get("$defs", {}), model.__name__)


def _structural(node: Object, definitions: Object, where: str) -> Object:
    if "$ref" in node:
        target = definitions[node["$ref"].rpartition("/")[2]]
        return _structural({**target, **{k: v for k, v in node.items() if k != "$ref"}}, definitions, where)
    if "anyOf" in node:
        return _structural(_optional(node, where), definitions, where)
    if len(node.get("allOf", ())) == 1:
        rest = {k: v for k, v in node.items() if k != "allOf"}
        return _structural({**node["allOf"][0], **rest}, definitions, where)
    schema = {key: value for key, value in node.items() if key in _KEPT or key.startswith("x-kubernetes-")}
    if "default" in schema:
        schema["default"] = _without_nulls(schema["default"])
    if schema.get("default", ...) is None:
        del schema["default"]
    for bound, name in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if bound in node:
            schema[name], schema[bound] = node[bound], True
    if "const" in node:
        schema["enum"] = [node["const"]]
    _add_children(schema, node, definitions, where)
    return schema


def _without_nulls(value: Any) -> Any:
    """A default in which null stands for absent."""
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: _without_nulls(member) for key, member in value.items() if member is not None}


def _optional(node: Object, where: str) -> Object:
    """`X | None`: an optional X. Null stands for absent, as everywhere in Kubernetes' own types."""
    choices = [choice for choice in node["anyOf"] if choice.get("type") != "null"]
    if len(choices) != 1:
        raise ValueError(f"{where}: a union of several types has no structural schema; declare one type")
    return {**choices[0], **{key: value for key, value in node.items() if key != "anyOf"}}


def _add_children(schema: Object, node: Object, definitions: Object, where: str) -> None:
    if "properties" in node:
        properties = node["properties"].items()
        schema["properties"] = {k: _structural(v, definitions, f"{where}.{k}") for k, v in properties}
        if node.get("additionalProperties") is True:
            schema[PRESERVE] = True
    elif isinstance(node.get("additionalProperties"), dict):
        schema["additionalProperties"] = _structural(node["additionalProperties"], definitions, where)
    elif node.get("type") == "object" or not node.keys() & {"type", "enum", INT_OR_STRING}:
        schema["type"] = "object"
        schema[PRESERVE] = True
    if "items" in node:
        schema["items"] = _structural(node["items"], definitions, where)


def prune(value: Any, schema: Object, unknown: list[str], path: str = "") -> Any:
    """A copy of `value` without fields that the schema does not name (their paths go to `unknown`) and without nulls
    where the schema does not allow them, so that a null means "absent" and gets the default."""
    if isinstance(value, dict):
        return _prune_object(value, schema, unknown, path)
    if isinstance(value, list):
        items = schema.get("items")
        if items is None:
            return copied(value)
        return [prune(item, items, unknown, f"{path}[{index}]") for index, item in enumerate(value)]
    # A float that is not exact any more is no integer for kube-apiserver's validation.
    inexact = type(value) is float and abs(value) >= _MAX_EXACT and schema.get("type") == "integer"
    return value if inexact else _scalar(value, schema)


def _scalar(value: Any, schema: Object) -> Any:
    # JSON has no integers: 1.0 and 1e3 are whole numbers too, and Go writes them so; beyond 64 bits are only floats.
    if isinstance(value, float) and value.is_integer() and schema.get("type", "number") in ("integer", "number"):
        return int(value) if abs(value) < _MAX_WHOLE else value
    return float(value) if type(value) is int and not -_MAX_WHOLE <= value < _MAX_WHOLE else value


_MAX_WHOLE, _MAX_EXACT = 2**63, 2**53


def with_integers(value: Any, schema: Object) -> Any:
    """A copy of `value` with whole numbers as such, whatever way they were written."""
    if isinstance(value, dict):
        properties, rest = schema.get("properties", {}), schema.get("additionalProperties") or {}
        return {key: with_integers(member, properties.get(key, rest)) for key, member in value.items()}
    if isinstance(value, list):
        return [with_integers(item, schema.get("items") or {}) for item in value]
    return _scalar(value, schema)


def copied(value: Any) -> Any:
    """copy.deepcopy for JSON, several times as fast; whole numbers become integers."""
    if isinstance(value, dict):
        return {key: copied(member) for key, member in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else _scalar(value, {})


def _prune_object(value: Object, schema: Object, unknown: list[str], path: str) -> Object:
    properties: Mapping[str, Object] = schema.get("properties", {})
    rest: Object | None = schema.get("additionalProperties")
    preserved = schema.get(PRESERVE, False)
    pruned: Object = {}
    for key, member in value.items():
        child = properties.get(key, rest)
        at = f"{path}.{key}" if path else key
        if child is not None:
            if member is not None or child.get("nullable"):
                pruned[key] = prune(member, child, unknown, at)
        elif preserved:
            pruned[key] = copied(member)
        else:
            unknown.append(at)
    return pruned


def apply_defaults(value: Any, schema: Object) -> None:
    """Fills absent fields that have a default, in place; a default below an absent object is not reached. Null is
    absent too where the schema does not allow it."""
    if isinstance(value, dict):
        properties: Mapping[str, Object] = schema.get("properties", {})
        for key, child in properties.items():
            if "default" in child and value.get(key) is None and not (key in value and child.get("nullable")):
                value[key] = copied(child["default"])
            if key in value:
                apply_defaults(value[key], child)
        rest = schema.get("additionalProperties")
        if rest:
            for key in value.keys() - properties.keys():
                apply_defaults(value[key], rest)
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            apply_defaults(item, schema["items"])


def validate(value: Any, schema: Object, path: str = "") -> Iterator[FieldError]:
    """Field errors of `value`, members in its own order; see `validate_distinct` for what lists must not repeat."""
    expected = _expected_type(schema)
    actual = _actual_type(value, expected)
    if expected not in (actual, ""):
        yield from _validate_type(actual, expected, schema, path)
    if actual == "string":
        yield from _validate_string(value, schema, path)
    elif actual == "array":
        yield from _validate_list(value, schema, path)
    elif actual in ("integer", "number"):
        yield from _validate_number(value, schema, path)
    if value is not None and "enum" in schema and value not in schema["enum"]:
        yield errors.not_supported(path, value, schema["enum"])
    if actual == "object":
        yield from _validate_object(value, schema, path)


def _actual_type(value: Any, expected: str) -> str:
    """A whole float is an integer where one may stand (github.com/go-openapi/validate `type.go`)."""
    whole = "integer" in expected and type(value) is float and value.is_integer() and abs(value) < _MAX_EXACT
    return "integer" if whole else type_of(value)


def _expected_type(schema: Object) -> str:
    """The name of the type that a value must have, "" where any will do."""
    expected: str = schema.get("type", "")
    return _INT_OR_STRING_TYPES if not expected and schema.get(INT_OR_STRING) else expected


_INT_OR_STRING_TYPES = "integer,string"


def _validate_type(actual: str, expected: str, schema: Object, path: str) -> Iterator[FieldError]:
    """`actual` is another type than the schema's."""
    if actual in _ALSO.get(expected, ()) or (actual == "null" and schema.get("nullable")):
        return
    # A format stands for the type, except before what can have any format.
    if "format" in schema and actual in _GO_FORMATS:
        expected, actual = schema["format"], _GO_FORMATS[actual]
    yield errors.type_invalid(path, actual, f'{path} in body must be of type {expected}: "{actual}"')


def type_of(value: Any) -> str:
    """The JSON Schema name of a value's type."""
    return _TYPES[type(value)]


_TYPES = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    dict: "object",
    list: "array",
    type(None): "null",
}
_ALSO = {"number": ("integer",), _INT_OR_STRING_TYPES: ("integer", "string")}
_GO_FORMATS = {"boolean": "", "integer": "int64", "number": "float64", "object": ""}


def _validate_object(value: Object, schema: Object, path: str) -> Iterator[FieldError]:
    prefix = f"{path}." if path else ""
    if len(value) < schema.get("minProperties", 0):
        text = f"{path} in body should have at least {schema['minProperties']} properties"
        yield errors.invalid(path, len(value), text)
    if len(value) > schema.get("maxProperties", len(value)):
        yield errors.too_many(path, len(value), schema["maxProperties"])
    for key, member, child in _members(value, schema):
        yield from validate(member, child, prefix + key)
    for key in schema.get("required", ()):
        if key not in value:
            yield errors.required(prefix + key)


def _members(value: Object, schema: Object) -> Iterator[tuple[str, Any, Object]]:
    """(key, member, schema) for each member that the schema describes."""
    properties: Mapping[str, Object] = schema.get("properties", {})
    rest = schema.get("additionalProperties")
    for key, member in value.items():
        child = properties.get(key, rest)
        if child is not None:
            yield key, member, child


def _validate_list(value: list[Any], schema: Object, path: str) -> Iterator[FieldError]:
    if "items" in schema:
        for index, item in enumerate(value):
            yield from validate(item, schema["items"], f"{path}[{index}]")
    if len(value) < schema.get("minItems", 0):
        yield errors.invalid(path, len(value), f"{path} in body should have at least {schema['minItems']} items")
    if len(value) > schema.get("maxItems", len(value)):
        yield errors.too_many(path, len(value), schema["maxItems"])


def validate_distinct(value: Any, schema: Object, path: str = "") -> Iterator[FieldError]:
    """Items of a set, and the keys of a list-map's items, occur once; a value that repeats is reported once."""
    if isinstance(value, dict):
        for key, member, child in _members(value, schema):
            yield from validate_distinct(member, child, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        yield from _repeated(value, schema, path)
        if "items" in schema:
            for index, item in enumerate(value):
                yield from validate_distinct(item, schema["items"], f"{path}[{index}]")


def _repeated(value: list[Any], schema: Object, path: str) -> Iterator[FieldError]:
    identities: list[Any] = value
    if schema.get("x-kubernetes-list-type") == "map":
        for index, item in enumerate(value):
            if not isinstance(item, dict | None):
                text = "must be an object for an array of list-type map"
                yield errors.invalid(f"{path}[{index}]", item, text)
                return
        keys = schema.get("x-kubernetes-list-map-keys", ())
        identities = [{key: item[key] for key in keys if key in item} if item else {} for item in value]
    elif schema.get("x-kubernetes-list-type") != "set":
        return
    seen: Counter[bytes] = Counter()
    for index, identity in enumerate(identities):
        canonical = orjson.dumps(identity, option=orjson.OPT_SORT_KEYS)
        seen[canonical] += 1
        if seen[canonical] == 2:
            yield errors.duplicate(f"{path}[{index}]", identity)


def _validate_string(value: str, schema: Object, path: str) -> Iterator[FieldError]:
    """The first fault of length and pattern only, as the reference does."""
    if len(value) > schema.get("maxLength", len(value)):
        yield errors.too_long(path, schema["maxLength"])
    elif len(value) < schema.get("minLength", 0):
        yield errors.invalid(path, value, f"{path} in body should be at least {schema['minLength']} chars long")
    elif "pattern" in schema and not _pattern(schema["pattern"]).search(value):
        yield errors.invalid(path, value, f"{path} in body should match '{schema['pattern']}'")
    if schema.get("format") == "date-time" and not is_date_time(value):
        yield errors.type_invalid(path, value, f"{path} in body must be of type date-time: {errors.quoted(value)}")


@lru_cache(maxsize=1024)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


_DATE_TIME = re.compile(
    r"(\d{4})-(0[1-9]|1[0-2])-(\d{2})[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d([.,]\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


def is_date_time(value: str) -> bool:
    """RFC 3339, as github.com/go-openapi/strfmt reads it."""
    found = _DATE_TIME.fullmatch(value)
    return found is not None and 1 <= int(found[3]) <= days_of(int(found[1]), int(found[2]))


def _validate_number(value: float, schema: Object, path: str) -> Iterator[FieldError]:
    if schema.get("type") == "integer":
        yield from _validate_range(value, schema.get("format", ""), path)
    if "multipleOf" in schema and value % schema["multipleOf"]:
        yield errors.invalid(path, value, f"{path} in body should be a multiple of {schema['multipleOf']}")
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and (value < low or (value == low and schema.get("exclusiveMinimum"))):
        bound = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        yield errors.invalid(path, value, f"{path} in body should be {bound} {low}")
    if high is not None and (value > high or (value == high and schema.get("exclusiveMaximum"))):
        bound = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        yield errors.invalid(path, value, f"{path} in body should be {bound} {high}")


def _validate_range(value: float, number_format: str, path: str) -> Iterator[FieldError]:
    """The one fault that the reference reports without its field."""
    bits = 31 if number_format == "int32" else 63
    if not (value == int(value) and -(2**bits) <= value < 2**bits):
        described = f"with format {number_format}" if number_format else "(default format)"
        yield errors.invalid(NO_FIELD, "", f"Checked value must be of type integer {described} in {path}")


def validate_model(value: Any, model: type[BaseModel], path: str) -> Iterator[FieldError]:
    """What only the model itself can say (its validators), once the schema found nothing."""
    try:
        model.model_validate(value)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            where = path + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"])
            yield errors.invalid(where, fault["input"], fault["msg"].removeprefix("Value error, "))
