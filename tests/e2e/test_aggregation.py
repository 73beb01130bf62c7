"""What only a cluster has: the APIService, RBAC, and controllers that read the group through the aggregator."""

import pytest

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.kubectl import Kubectl, Object
from tests.controlplane.process import SOON, eventually
from tests.e2e.conftest import Target
from tests.e2e.websites import API, GROUP, condition, create, manifest, website

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def test_api_service_is_available(cluster: Kubectl) -> None:
    """The aggregator reports the APIService as Available."""

    def passed() -> Object | None:
        found = cluster.get("apiservice", f"v1alpha1.{GROUP}")
        available = condition(found, "Available")
        return found if (available.get("status"), available.get("reason")) == ("True", "Passed") else None

    service = eventually(passed, SOON, "it is available")
    assert not service["spec"].get("insecureSkipTLSVerify")


def test_discovery_is_merged(cluster_target: Target) -> None:
    """The cluster's aggregated discovery holds the group, and not as stale."""

    def current() -> Object | None:
        document = client.get("/apis", headers={"Accept": AGGREGATED}).json()
        groups = {item["metadata"]["name"]: item for item in document["items"]}
        found: Object = groups[GROUP]["versions"][0]
        return found if found["freshness"] == "Current" else None

    with cluster_target.http() as client:
        version = eventually(current, SOON, "it is current")
    assert [item["resource"] for item in version["resources"]] == ["websites"]


@pytest.mark.parametrize("path", ["/openapi/v2", f"/openapi/v3{API}"])
def test_openapi_is_merged(cluster_target: Target, path: str) -> None:
    """The cluster's OpenAPI documents hold the kind."""

    def published() -> bool:
        return b"gitRepo" in client.get(path).content

    with cluster_target.http() as client:
        eventually(published, SOON, f"the kind is in {path}")


def test_rights_of_the_role_view(control_plane: ControlPlane, cluster: Kubectl) -> None:
    """Whoever has the cluster's role "view" may read Websites, and no more; `kubectl auth can-i` says the same."""
    alice = control_plane.kubectl("alice").within(cluster.namespace)
    assert alice.run("auth", "can-i", "list", "websites").out == "no\n"
    cluster("create", "rolebinding", "alice", "--clusterrole=view", "--user=alice")
    create(cluster)
    eventually(lambda: "kubia" in alice.run("get", "websites").out, SOON, "alice may list")
    assert alice.run("auth", "can-i", "list", "websites").out == "yes\n"
    assert alice.run("auth", "can-i", "create", "websites").out == "no\n"
    error = alice.refused("delete", "website", "kubia")
    assert f'User "alice" cannot delete resource "websites" in API group "{GROUP}"' in error


def test_terminating_namespace(cluster: Kubectl) -> None:
    """Creating in a namespace that is being terminated is 403 as kube-apiserver says it."""
    held = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hold", "finalizers": ["example.com/hold"]}}
    cluster.apply(held)
    cluster("delete", "namespace", cluster.namespace, "--wait=false")
    words = f"unable to create new content in namespace {cluster.namespace} because it is being terminated"

    def refused() -> str:
        # Informers learn of the deletion in their own time.
        return cluster.run("create", "--dry-run=server", "-f", "-", stdin=manifest(website())).err

    error = eventually(refused, SOON, "refused")
    assert "(Forbidden)" in error
    assert f'websites.{GROUP} "kubia" is forbidden: {words}' in error
    cluster("patch", "configmap", "hold", "--type=merge", '--patch={"metadata":{"finalizers":null}}')


def test_audit_id_of_the_aggregator_is_kept(cluster_target: Target) -> None:
    """One Audit-Id for kube-apiserver and for us; each of the two adds its header to the answer."""
    with cluster_target.http() as client:
        answer = client.get(f"{API}/websites", headers={"Audit-Id": "e2e-audit-id"})
    assert answer.headers.get_list("Audit-Id", split_commas=True) == ["e2e-audit-id"] * 2
