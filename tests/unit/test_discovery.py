"""Discovery documents; shapes and hashes are those that a real kube-apiserver gave."""

from hashlib import sha512

import pytest

from apiserver.machinery import discovery
from apiserver.machinery.document import Document
from apiserver.machinery.kind import Kind, Scale

THINGS = Kind(
    "example.com",
    "v1alpha1",
    "Thing",
    "things",
    short_names=("th",),
    categories=("all",),
    scale=Scale(".spec.replicas", ".status.replicas"),
    has_status=True,
)
BOXES = Kind("example.com", "v1alpha1", "Box", "boxes", namespaced=False)
NEWER = Kind("example.com", "v1beta1", "Thing", "things")
NAMESPACES = Kind("", "v1", "Namespace", "namespaces", namespaced=False)
OTHER = Kind("apps", "v1", "Deployment", "deployments")
KINDS = (THINGS, BOXES, NEWER, NAMESPACES, OTHER)
VERBS = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]


def test_versions_are_in_order_of_preference() -> None:
    """Stable first, newest first among equals, unknown forms last."""
    shuffled = [
        "foo10",
        "v2",
        "v11alpha2",
        "v10beta3",
        "v1",
        "v10",
        "v3beta1",
        "foo1",
        "v12alpha1",
        "v11beta2",
        "v11beta10",
    ]
    kinds = [Kind("example.com", version, "Thing", "things") for version in shuffled]
    preferred = "v10 v2 v1 v11beta10 v11beta2 v10beta3 v3beta1 v12alpha1 v11alpha2 foo1 foo10"
    assert discovery.group_versions(kinds) == {"example.com": preferred.split()}


def test_core_group_is_apart() -> None:
    """/api knows only the core group, /apis all the others."""
    assert discovery.api_versions(KINDS, "127.0.0.1:443") == {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:443"}],
    }
    assert [group["name"] for group in discovery.api_group_list(KINDS)["groups"]] == ["apps", "example.com"]
    (core,) = discovery.aggregated(KINDS, core=True)["items"]
    assert core["metadata"] == {}
    assert [item["metadata"] for item in discovery.aggregated(KINDS)["items"]] == [
        {"name": "apps"},
        {"name": "example.com"},
    ]


def test_api_group() -> None:
    """The preferred version is the first one."""
    beta = {"groupVersion": "example.com/v1beta1", "version": "v1beta1"}
    alpha = {"groupVersion": "example.com/v1alpha1", "version": "v1alpha1"}
    assert discovery.api_group(KINDS, "example.com") == {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": "example.com",
        "versions": [beta, alpha],
        "preferredVersion": beta,
    }
    with pytest.raises(KeyError):
        discovery.api_group(KINDS, "example.org")


def test_api_resource_list() -> None:
    """Resources by name, each followed by its subresources; Scale tells its own group and version."""
    document = discovery.api_resource_list(KINDS, "example.com", "v1alpha1")
    boxes, things, status, scale = document.pop("resources")
    assert document == {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "example.com/v1alpha1"}
    assert boxes == {
        "name": "boxes",
        "singularName": "box",
        "namespaced": False,
        "kind": "Box",
        "verbs": VERBS,
        "storageVersionHash": discovery.storage_version_hash(BOXES),
    }
    assert (things["name"], things["shortNames"], things["categories"]) == ("things", ["th"], ["all"])
    verbs = ["get", "patch", "update"]
    entry = {"name": "things/status", "singularName": "", "namespaced": True, "kind": "Thing", "verbs": verbs}
    assert status == entry
    assert scale == {**entry, "name": "things/scale", "group": "autoscaling", "version": "v1", "kind": "Scale"}


def test_core_resource_list_names_the_version_alone() -> None:
    """The core group has no name to put before it."""
    assert discovery.api_resource_list(KINDS, "", "v1")["groupVersion"] == "v1"


def test_storage_version_hash() -> None:
    """The very value that kube-apiserver shows for its namespaces."""
    assert discovery.storage_version_hash(NAMESPACES) == "Q3oi5N2YM8M="


def test_aggregated() -> None:
    """One document says all; a resource without subresources, short names or categories has no such members."""
    document = discovery.aggregated(KINDS)
    assert (document["kind"], document["apiVersion"]) == ("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2")
    beta, alpha = document["items"][1]["versions"]
    assert (beta["version"], beta["freshness"]) == ("v1beta1", "Current")
    boxes, things = alpha["resources"]
    assert boxes == {
        "resource": "boxes",
        "responseKind": {"group": "example.com", "version": "v1alpha1", "kind": "Box"},
        "scope": "Cluster",
        "singularResource": "box",
        "verbs": VERBS,
    }
    assert (things["scope"], things["shortNames"], things["categories"]) == ("Namespaced", ["th"], ["all"])
    status, scale = things["subresources"]
    assert (status["subresource"], status["responseKind"]) == ("status", things["responseKind"])
    assert scale["responseKind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}


def test_document_is_tagged_by_its_bytes() -> None:
    """The entity tag is the body's SHA-512 in upper-case hex, and does not depend on the order of keys."""
    document = Document.of({"b": 1, "a": 2})
    assert document.body == b'{"a":2,"b":1}'
    assert document.etag == f'"{sha512(document.body).hexdigest().upper()}"'
    assert Document.of({"a": 2, "b": 1}) == document
