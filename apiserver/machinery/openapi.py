"""OpenAPI documents of the kinds, v3 for each group and version and v2 for all (wire.md 1.7 to 1.9, 6.6).

They depend on the kinds alone, so every replica and every restart publishes the same bytes.
"""

from collections.abc import Callable, Iterable, Sequence

from apiserver.machinery.discovery import group_versions
from apiserver.machinery.document import Document
from apiserver.machinery.errors import Object
from apiserver.machinery.kind import Kind
from apiserver.machinery.openapi_meta import (
    API_VERSION,
    KIND,
    LIST_METADATA,
    META_DEFINITIONS,
    OBJECT_METADATA,
    SCALE_DEFINITIONS,
)
from apiserver.machinery.openapi_paths import (
    DOCUMENT_TYPES,
    PARAMETERS,
    PATH_PARAMETERS,
    Operation,
    Path,
    definition_name,
    group_version_kind,
    paths,
    tag,
)
from apiserver.machinery.schema import PRESERVE

_TITLE = "Kubernetes extension API server"
_BEARER: Object = {
    "BearerToken": {
        "description": "Bearer Token authentication",
        "in": "header",
        "name": "authorization",
        "type": "apiKey",
    }
}
_DESCRIPTIONS = {200: "OK", 201: "Created", 202: "Accepted"}
_UNAUTHORIZED: Object = {"401": {"description": "Unauthorized"}}


def v3_index(kinds: Sequence[Kind]) -> Object:
    """The answer at /openapi/v3: where each document is; the hash lets clients keep it for ever."""
    entries = {}
    for group, versions in group_versions(kinds).items():
        for version in versions:
            path = v3_path(group, version)
            document = Document.of(v3_document(kinds, group, version))
            entries[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={document.hash}"}
    return {"paths": entries}


def v3_path(group: str, version: str) -> str:
    """What the document of a group and version is called below /openapi/v3/."""
    return f"apis/{group}/{version}" if group else f"api/{version}"


def v3_document(kinds: Sequence[Kind], group: str, version: str) -> Object:
    """OpenAPI 3.0 of one group and version."""
    served = [kind for kind in kinds if (kind.group, kind.version) == (group, version)]
    return {
        "openapi": "3.0.0",
        "info": {"title": _TITLE, "version": "unversioned"},
        "paths": {path.path: _v3_path_item(path, kind) for kind in served for path in paths(kind)},
        "components": {
            "schemas": {name: _v3_schema(schema) for name, schema in _definitions(served).items()},
            "securitySchemes": _BEARER,
        },
    }


def v2_document(kinds: Sequence[Kind]) -> Object:
    """OpenAPI 2.0 of all kinds."""
    return {
        "swagger": "2.0",
        "info": {"title": _TITLE, "version": "unversioned"},
        "paths": {path.path: _v2_path_item(path, kind) for kind in kinds for path in paths(kind)},
        "definitions": {name: _v2_schema(schema) for name, schema in _definitions(kinds).items()},
        "securityDefinitions": _BEARER,
        "security": [{"BearerToken": []}],
    }


def _definitions(kinds: Iterable[Kind]) -> dict[str, Object]:
    definitions = dict(META_DEFINITIONS)
    for kind in kinds:
        name = definition_name(kind)
        definitions |= {name: _definition(kind), f"{name}List": _list_definition(kind, name)}
        if kind.scale:
            definitions |= SCALE_DEFINITIONS
    return definitions


def _definition(kind: Kind) -> Object:
    properties = {"apiVersion": API_VERSION, "kind": KIND, **kind.schema.get("properties", {})}
    definition = {
        **kind.schema,
        "properties": {**properties, "metadata": OBJECT_METADATA},
        "x-kubernetes-group-version-kind": [group_version_kind(kind)],
    }
    if kind.description:
        definition["description"] = kind.description
    if kind.selectable_fields:
        definition["x-kubernetes-selectable-fields"] = [{"fieldPath": path} for path in kind.selectable_fields]
    return definition


def _list_definition(kind: Kind, item: str) -> Object:
    return {
        "type": "object",
        "description": f"{kind.list_kind} is a list of {kind.kind}.",
        "properties": {
            "apiVersion": API_VERSION,
            "items": {"type": "array", "items": {"$ref": item}, "description": f"List of {kind.plural}."},
            "kind": KIND,
            "metadata": LIST_METADATA,
        },
        "required": ["items"],
        "x-kubernetes-group-version-kind": [{**group_version_kind(kind), "kind": kind.list_kind}],
    }


def _with_children(schema: Object, convert: Callable[[Object], Object]) -> Object:
    """The schema with its direct children converted."""
    result = dict(schema)
    if "properties" in schema:
        result["properties"] = {name: convert(child) for name, child in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            result[key] = convert(schema[key])
    return result


def _v3_ref(name: str) -> Object:
    return {"$ref": f"#/components/schemas/{name}"}


def _v3_schema(schema: Object) -> Object:
    if "$ref" in schema:
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        # Nothing may stand beside a reference in OpenAPI 3.0.
        return {"allOf": [_v3_ref(schema["$ref"])], **rest} if rest else _v3_ref(schema["$ref"])
    return _with_children(schema, _v3_schema)


def _v3_path_item(path: Path, kind: Kind) -> Object:
    item: Object = {operation.method: _v3_operation(operation, kind) for operation in path.operations}
    return {**item, "parameters": [_v3_parameter(name) for name in path.parameters]}


def _v3_parameter(name: str) -> Object:
    type_, description = PARAMETERS[name]
    return {"name": name, "description": description, **_place(name), "schema": {"type": type_, "uniqueItems": True}}


def _place(name: str) -> Object:
    return {"in": "path", "required": True} if name in PATH_PARAMETERS else {"in": "query"}


def _v3_content(media_types: Sequence[str], definition: str) -> Object:
    return {media_type: {"schema": _v3_ref(definition)} for media_type in media_types}


def _v3_operation(operation: Operation, kind: Kind) -> Object:
    answers = {
        str(code): {"description": _DESCRIPTIONS[code], "content": _v3_content(DOCUMENT_TYPES, definition)}
        for code, definition in operation.responses.items()
    }
    result = {**_common(operation, kind), "responses": {**answers, **_UNAUTHORIZED}}
    if operation.parameters:
        result["parameters"] = [_v3_parameter(name) for name in operation.parameters]
    if operation.body:
        body: Object = {"content": _v3_content(operation.consumes, operation.body)}
        result["requestBody"] = {**body, "required": True} if operation.body_required else body
    return result


def _common(operation: Operation, kind: Kind) -> Object:
    return {
        "description": operation.description,
        "operationId": operation.id,
        "tags": [tag(kind)],
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": operation.group_version_kind,
    }


def _v2_ref(name: str) -> Object:
    return {"$ref": f"#/definitions/{name}"}


def _v2_schema(schema: Object) -> Object:
    """As kube-apiserver reduces a custom resource's schema: clients that validate by OpenAPI v2 know no defaults and
    no nulls, and take listed properties for all there are. Where anything goes, nothing may be said."""
    if "$ref" in schema:
        return {**schema, **_v2_ref(schema["$ref"])}
    if "x-kubernetes-group-version-kind" in schema and schema.get(PRESERVE):
        return {key: value for key, value in schema.items() if key not in ("properties", PRESERVE)}
    if schema.get(PRESERVE) or schema.get("nullable"):
        return {key: value for key, value in schema.items() if key == "description" or key.startswith("x-kubernetes-")}
    dropped = ("default", "nullable", "allOf", "anyOf", "oneOf", "not")
    return _with_children({key: value for key, value in schema.items() if key not in dropped}, _v2_schema)


def _v2_path_item(path: Path, kind: Kind) -> Object:
    item: Object = {operation.method: _v2_operation(operation, kind) for operation in path.operations}
    return {**item, "parameters": [_v2_parameter(name) for name in path.parameters]}


def _v2_parameter(name: str) -> Object:
    type_, description = PARAMETERS[name]
    return {"name": name, "description": description, **_place(name), "type": type_, "uniqueItems": True}


def _v2_operation(operation: Operation, kind: Kind) -> Object:
    answers = {
        str(code): {"description": _DESCRIPTIONS[code], "schema": _v2_ref(definition)}
        for code, definition in operation.responses.items()
    }
    result = {
        **_common(operation, kind),
        "consumes": list(operation.consumes),
        "produces": list(DOCUMENT_TYPES),
        "schemes": ["https"],
        "responses": {**answers, **_UNAUTHORIZED},
    }
    parameters = [*_v2_body(operation), *(_v2_parameter(name) for name in operation.parameters)]
    return {**result, "parameters": parameters} if parameters else result


def _v2_body(operation: Operation) -> list[Object]:
    if not operation.body:
        return []
    body: Object = {"name": "body", "in": "body", "schema": _v2_ref(operation.body)}
    return [{**body, "required": True} if operation.body_required else body]
