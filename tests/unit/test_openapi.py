"""OpenAPI documents; the structure is that of kube-apiserver's documents for custom resources."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, Field

from apiserver.machinery.document import Document
from apiserver.machinery.errors import Object
from apiserver.machinery.kind import Kind, Scale
from apiserver.machinery.openapi import v2_document, v3_document, v3_index
from apiserver.machinery.openapi_paths import PARAMETERS, PATCH_TYPES, definition_name, tag


class Spec(BaseModel):
    """What is wanted."""

    repo: str = Field(min_length=1, description="Where it is.")
    replicas: int = Field(default=1, ge=0)
    anything: dict[str, Any] = Field(default={}, description="Whatever.")


class Status(BaseModel):
    """What is seen."""

    ready: bool | None = None


THINGS = Kind(
    "extensions.example.com",
    "v1alpha1",
    "Thing",
    "things",
    spec=Spec,
    status=Status,
    scale=Scale(".spec.replicas", ".status.replicas"),
    selectable_fields=("spec.repo",),
    description="Thing is a thing.",
)
BOXES = Kind("extensions.example.com", "v1alpha1", "Box", "boxes", namespaced=False)
NAMESPACES = Kind("", "v1", "Namespace", "namespaces", namespaced=False)
LEASES = Kind("coordination.k8s.io", "v1", "Lease", "leases")
KINDS = (THINGS, BOXES, NAMESPACES, LEASES)
ROOT = "/apis/extensions.example.com/v1alpha1"
COLLECTION = f"{ROOT}/namespaces/{{namespace}}/things"
ITEM = f"{COLLECTION}/{{name}}"
THING = "com.example.extensions.v1alpha1.Thing"
GROUP_VERSION_KIND = {"group": "extensions.example.com", "kind": "Thing", "version": "v1alpha1"}

V3 = v3_document(KINDS, "extensions.example.com", "v1alpha1")
V2 = v2_document(KINDS)


def references(node: object) -> Iterator[str]:
    """Every reference in the tree."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def operations(document: Object) -> Iterator[Object]:
    """Every operation of every path."""
    for item in document["paths"].values():
        yield from (operation for method, operation in item.items() if method != "parameters")


def test_index_points_to_each_group_and_version() -> None:
    """By a URL that changes with the document's bytes."""
    index = v3_index(KINDS)["paths"]
    assert sorted(index) == ["api/v1", "apis/coordination.k8s.io/v1", ROOT.removeprefix("/")]
    expected = f"/openapi/v3{ROOT}?hash={Document.of(V3).hash}"
    assert index["apis/extensions.example.com/v1alpha1"]["serverRelativeURL"] == expected


def test_documents_are_stable() -> None:
    """The same kinds give the same bytes, whatever their order."""
    assert Document.of(v2_document(KINDS[::-1])) == Document.of(V2)
    assert Document.of(v3_document(KINDS[::-1], "extensions.example.com", "v1alpha1")) == Document.of(V3)


def test_paths() -> None:
    """A namespaced kind has a path across namespaces; subresources hang below the object."""
    assert sorted(V3["paths"]) == sorted(
        (
            *(COLLECTION, ITEM, f"{ITEM}/status", f"{ITEM}/scale", f"{ROOT}/things"),
            *(f"{ROOT}/boxes", f"{ROOT}/boxes/{{name}}"),
        )
    )
    assert {"/api/v1/namespaces", "/api/v1/namespaces/{name}"} <= set(V2["paths"])
    assert set(V3["paths"]) < set(V2["paths"])


@pytest.mark.parametrize(
    ("path", "method", "action", "operation_id"),
    [
        (COLLECTION, "get", "list", "listExtensionsExampleComV1alpha1NamespacedThing"),
        (COLLECTION, "post", "post", "createExtensionsExampleComV1alpha1NamespacedThing"),
        (COLLECTION, "delete", "deletecollection", "deleteExtensionsExampleComV1alpha1CollectionNamespacedThing"),
        (ITEM, "get", "get", "readExtensionsExampleComV1alpha1NamespacedThing"),
        (ITEM, "put", "put", "replaceExtensionsExampleComV1alpha1NamespacedThing"),
        (ITEM, "patch", "patch", "patchExtensionsExampleComV1alpha1NamespacedThing"),
        (ITEM, "delete", "delete", "deleteExtensionsExampleComV1alpha1NamespacedThing"),
        (f"{ITEM}/status", "patch", "patch", "patchExtensionsExampleComV1alpha1NamespacedThingStatus"),
        (f"{ITEM}/scale", "get", "get", "readExtensionsExampleComV1alpha1NamespacedThingScale"),
        (f"{ROOT}/things", "get", "list", "listExtensionsExampleComV1alpha1ThingForAllNamespaces"),
        (f"{ROOT}/boxes", "get", "list", "listExtensionsExampleComV1alpha1Box"),
        ("/api/v1/namespaces/{name}", "get", "get", "readCoreV1Namespace"),
        (
            "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases",
            "post",
            "post",
            "createCoordinationV1NamespacedLease",
        ),
    ],
)
def test_operation_ids(path: str, method: str, action: str, operation_id: str) -> None:
    """Ids follow the rule of every Kubernetes API, and each operation tells its verb."""
    operation = V2["paths"][path][method]
    assert (operation["x-kubernetes-action"], operation["operationId"]) == (action, operation_id)


def test_operation_ids_are_unique() -> None:
    """As OpenAPI demands."""
    ids = [operation["operationId"] for operation in operations(V2)]
    assert len(ids) == len(set(ids))


def test_operations_tell_the_kind() -> None:
    """kubectl finds operations by the kind they are about, those of subresources too."""
    for path in (ITEM, f"{ITEM}/status", f"{ITEM}/scale"):
        assert V3["paths"][path]["patch"]["x-kubernetes-group-version-kind"] == GROUP_VERSION_KIND


def test_patch_never_offers_strategic_merge() -> None:
    """kubectl apply chooses its patch by this list."""
    for path in (ITEM, f"{ITEM}/status", f"{ITEM}/scale"):
        assert set(V3["paths"][path]["patch"]["requestBody"]["content"]) == set(PATCH_TYPES)
        assert V2["paths"][path]["patch"]["consumes"] == list(PATCH_TYPES)
    assert not any("strategic" in media_type for media_type in PATCH_TYPES)


def test_parameters() -> None:
    """Writes can be validated and tried, lists selected, paged and watched, deletions graded."""
    item, collection = V3["paths"][ITEM], V3["paths"][COLLECTION]
    names = {
        key: {parameter["name"] for parameter in operation["parameters"]}
        for key, operation in {"patch": item["patch"], "list": collection["get"], "delete": item["delete"]}.items()
    }
    assert names["patch"] == {"dryRun", "fieldManager", "fieldValidation", "force"}
    assert {"labelSelector", "fieldSelector", "limit", "continue", "watch", "sendInitialEvents"} < names["list"]
    assert names["delete"] == {"dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy"}
    assert [parameter["name"] for parameter in item["parameters"]] == ["name", "namespace", "pretty"]
    assert [parameter["in"] for parameter in item["parameters"]] == ["path", "path", "query"]
    used = {parameter["name"] for path in V3["paths"].values() for parameter in path["parameters"]}
    used |= {parameter["name"] for operation in operations(V3) for parameter in operation.get("parameters", ())}
    assert used == set(PARAMETERS)


def test_bodies() -> None:
    """A body must be given, except for the options of a deletion."""
    item = V3["paths"][ITEM]
    assert item["put"]["requestBody"]["required"] is True
    assert "required" not in item["delete"]["requestBody"]
    assert "requestBody" not in item["get"]
    body = V2["paths"][COLLECTION]["post"]["parameters"][0]
    assert body == {"name": "body", "in": "body", "required": True, "schema": {"$ref": f"#/definitions/{THING}"}}


def test_responses() -> None:
    """What each operation can answer."""
    codes = {method: sorted(V3["paths"][ITEM][method]["responses"]) for method in ("get", "put", "patch", "delete")}
    assert codes == {
        "get": ["200", "401"],
        "put": ["200", "201", "401"],
        "patch": ["200", "201", "401"],
        "delete": ["200", "202", "401"],
    }
    assert sorted(V3["paths"][COLLECTION]["post"]["responses"]) == ["200", "201", "202", "401"]


@pytest.mark.parametrize(
    ("document", "prefix", "definitions"),
    [(V3, "#/components/schemas/", V3["components"]["schemas"]), (V2, "#/definitions/", V2["definitions"])],
)
def test_references_resolve(document: Object, prefix: str, definitions: Object) -> None:
    """No reference leads nowhere."""
    assert {reference.removeprefix(prefix) for reference in references(document)} <= set(definitions)


def test_definition_names() -> None:
    """The group reversed, as for custom resources; Kubernetes' own groups have the names they are known by."""
    assert definition_name(THINGS) == THING
    assert definition_name(NAMESPACES) == "io.k8s.api.core.v1.Namespace"
    assert definition_name(LEASES) == "io.k8s.api.coordination.v1.Lease"
    assert definition_name(Kind("apps", "v1", "Deployment", "deployments")) == "io.k8s.api.apps.v1.Deployment"
    assert (tag(THINGS), tag(NAMESPACES)) == ("extensionsExampleCom_v1alpha1", "core_v1")


def test_v3_schema_is_the_kinds_own() -> None:
    """With metadata's type and the kind's identity added."""
    schema = V3["components"]["schemas"][THING]
    assert schema["description"] == "Thing is a thing."
    assert schema["required"] == ["spec"]
    assert schema["x-kubernetes-group-version-kind"] == [GROUP_VERSION_KIND]
    assert schema["x-kubernetes-selectable-fields"] == [{"fieldPath": "spec.repo"}]
    assert schema["properties"]["spec"]["properties"]["replicas"]["default"] == 1
    reference = {"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
    assert schema["properties"]["metadata"]["allOf"] == [reference]


def test_v2_schema_is_reduced_to_what_v2_clients_know() -> None:
    """No defaults, and no constraint where anything goes."""
    spec = V2["definitions"][THING]["properties"]["spec"]["properties"]
    assert spec["replicas"] == {"type": "integer", "minimum": 0}
    assert spec["anything"] == {"description": "Whatever.", "x-kubernetes-preserve-unknown-fields": True}
    assert spec["repo"] == {"type": "string", "minLength": 1, "description": "Where it is."}


def test_kind_without_schema() -> None:
    """v3 tells what every object has; v2 says nothing, lest a client refuse the rest."""
    name = "com.example.extensions.v1alpha1.Box"
    assert sorted(V3["components"]["schemas"][name]["properties"]) == ["apiVersion", "kind", "metadata"]
    identity = [{"group": "extensions.example.com", "kind": "Box", "version": "v1alpha1"}]
    assert V2["definitions"][name] == {"type": "object", "x-kubernetes-group-version-kind": identity}


def test_list_definition() -> None:
    """A list of the kind is a kind of its own."""
    schema = V3["components"]["schemas"][f"{THING}List"]
    assert schema["properties"]["items"]["items"] == {"$ref": f"#/components/schemas/{THING}"}
    assert schema["x-kubernetes-group-version-kind"] == [{**GROUP_VERSION_KIND, "kind": "ThingList"}]


def test_shared_types_claim_no_kind() -> None:
    """The aggregator publishes them too, and a kind claimed twice confuses clients."""
    for name, schema in V2["definitions"].items():
        assert ("x-kubernetes-group-version-kind" in schema) == (
            not name.startswith("io.k8s.apimachinery") and "Scale" not in name
        )
