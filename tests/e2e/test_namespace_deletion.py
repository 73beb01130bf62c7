"""kube-controller-manager's deletion of namespaces that hold objects of the kind."""

import orjson

from tests.controlplane.kubectl import UNTIL_SOON, Kubectl, Object
from tests.controlplane.process import SOON, eventually
from tests.controlplane.server import APIServerProcess
from tests.e2e.conftest import new_namespace
from tests.e2e.garbage import await_collector
from tests.e2e.websites import GROUP, condition, create, manifest, website

MANY = 60
HELD = [f"site-{number}" for number in (0, 30, 59)]
"""Those with a finalizer."""


def _fill(kubectl: Kubectl) -> None:
    objects = [website(f"site-{number}", replicas=0) for number in range(MANY)]
    for item in objects:
        item["metadata"]["finalizers"] = ["example.com/hold"] if item["metadata"]["name"] in HELD else []
    kubectl("create", "-f", "-", stdin=manifest(*objects))


def _names(kubectl: Kubectl) -> list[str]:
    return [item["metadata"]["name"] for item in kubectl.get("websites")["items"]]


def _condition(kubectl: Kubectl, kind: str) -> Object:
    """The namespace's condition of this type, or {}."""
    text = kubectl("get", "namespace", kubectl.namespace, "--ignore-not-found", "-o", "json")
    return condition(orjson.loads(text), kind) if text else {}


def _await_message(kubectl: Kubectl, kind: str, message: str) -> None:
    what = f"the namespace says: {message}"
    eventually(lambda: message in _condition(kubectl, kind).get("message", ""), SOON, what)


def _gone(kubectl: Kubectl) -> bool:
    return not kubectl("get", "namespace", kubectl.namespace, "--ignore-not-found", "-o", "name")


def test_finalizers_hold_the_namespace(cluster: Kubectl) -> None:
    """All but the objects with finalizers go; the namespace's conditions count those; it goes after them."""
    _fill(cluster)
    cluster("delete", "namespace", cluster.namespace, "--wait=false")
    eventually(lambda: sorted(_names(cluster)) == sorted(HELD), SOON, "only those with finalizers are left")
    assert all("deletionTimestamp" in item["metadata"] for item in cluster.get("websites")["items"])

    content = f"Some resources are remaining: websites.{GROUP} has {len(HELD)} resource instances"
    _await_message(cluster, "NamespaceContentRemaining", content)
    finalizers = (
        f"Some content in the namespace has finalizers remaining: example.com/hold in {len(HELD)} resource instances"
    )
    _await_message(cluster, "NamespaceFinalizersRemaining", finalizers)
    for failure in ("DiscoveryFailure", "GroupVersionParsingFailure", "ContentFailure"):
        assert _condition(cluster, f"NamespaceDeletion{failure}")["status"] == "False"

    for name in HELD:
        cluster("patch", "website", name, "--type=merge", '--patch={"metadata":{"finalizers":null}}')
    eventually(lambda: _gone(cluster), SOON, "the namespace is gone")


def test_server_away(registered: APIServerProcess, cluster: Kubectl) -> None:
    """While the server is away, the namespace stays and a condition of it names the group; it goes afterwards."""
    create(cluster, replicas=0)
    registered.kill()
    try:
        _await_unavailable(cluster, registered.manifests.api_service)
        cluster("delete", "namespace", cluster.namespace, "--wait=false")
        _await_message(cluster, "NamespaceDeletionDiscoveryFailure", f"{GROUP}/v1alpha1")
    finally:
        registered.start()
    registered.wait_available()
    eventually(lambda: _gone(cluster), SOON, "the namespace is gone")
    # The garbage collector was turned away meanwhile, and tries again ever more slowly: the next test needs it.
    await_collector(new_namespace(cluster), "website")


def _await_unavailable(kubectl: Kubectl, api_service: Object) -> None:
    name = api_service["metadata"]["name"]
    kubectl("wait", "--for=condition=Available=False", f"apiservice/{name}", UNTIL_SOON)
