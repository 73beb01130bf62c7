"""Structural schemas, made from pydantic models: the OpenAPI v3 subset that a CustomResourceDefinition may use, without
references (k8s.io/apiextensions-apiserver `pkg/apiserver/schema`). `pruning.py` and `schemacheck.py` use them.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from apiserver.machinery.errors import Object

PRESERVE = "x-kubernetes-preserve-unknown-fields"
INT_OR_STRING = "x-kubernetes-int-or-string"
SCHEMALESS: Object = {"type": "object", PRESERVE: True}
MAX_EXACT = 2**53
"""Whole floats from here on may have been others when they were written."""
T = TypeVar("T")
_KEPT = frozenset(
    (
        *("type", "format", "description", "default", "enum", "pattern", "minimum", "maximum", "multipleOf"),
        *("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
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
    document = model.model_json_schema(mode="validation", schema_generator=_Generator)
    return _structural(document, document.get("$defs", {}), model.__name__)


class _Generator(GenerateJsonSchema):
    """pydantic's, which leaves out a default that is computed."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        computed = {_COMPUTED: True} if "default_factory" in schema else {}
        return {**super().default_schema(schema), **computed}


_COMPUTED = "default_factory"
_UNION = "a union of several types has no structural schema; declare one type"
_REFUSED = {
    _COMPUTED: "a default_factory has no place in a schema; write the default itself",
    "oneOf": _UNION,
    "uniqueItems": "a set has no structural schema; declare a list and mark it as a ListSet",
    "prefixItems": "a tuple has no structural schema; declare a list",
}


def _structural(node: Object, definitions: Object, where: str) -> Object:
    node, definitions = _written_out(node, definitions, where)
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


def _written_out(node: Object, definitions: Object, where: str) -> tuple[Object, Object]:
    """The node with what it refers to, and the definitions that it may still refer to. Raises ValueError for what has
    no place in a structural schema."""
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        if name not in definitions:
            raise ValueError(f"{where}: {name} contains itself, which a structural schema cannot say")
        others = {k: v for k, v in definitions.items() if k != name}
        return _written_out({**definitions[name], **{k: v for k, v in node.items() if k != "$ref"}}, others, where)
    for keyword, reason in _REFUSED.items():
        if keyword in node:
            raise ValueError(f"{where}: {reason}")
    if "anyOf" in node:
        return _written_out(_optional(node, where), definitions, where)
    if len(node.get("allOf", ())) == 1:
        rest = {k: v for k, v in node.items() if k != "allOf"}
        return _written_out({**node["allOf"][0], **rest}, definitions, where)
    return node, definitions


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
        raise ValueError(f"{where}: {_UNION}")
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
        schema[PRESERVE] = True
    if "items" in node:
        schema["items"] = _structural(node["items"], definitions, where)


TYPES = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    dict: "object",
    list: "array",
    type(None): "null",
}
"""The JSON Schema names of types."""


def once_a_schema(make: Callable[[Object], T]) -> Callable[[Object], T]:
    """A decorator: what is made of a schema, which must not change any more, is made once. It is found by the schema's
    id, which stays taken because the schema is kept with it."""
    made: dict[int, tuple[Object, T]] = {}

    def get(schema: Object) -> T:
        known = made.get(id(schema))
        if known is None:
            known = made[id(schema)] = schema, make(schema)
        return known[1]

    return get
