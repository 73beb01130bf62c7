"""Uninstalling: the server is scaled down, the APIService goes first; Websites stay in storage, children stay in the
cluster, and an installation on the same data finds both."""

from tests.controlplane.kubectl import Kubectl, Object
from tests.controlplane.process import SOON, eventually
from tests.e2e.garbage import await_collector
from tests.e2e.resilience.conftest import StartReplica
from tests.e2e.websites import create

API_SERVICE = "v1alpha1.extensions.example.com"
BLOCKED = "NamespaceDeletionDiscoveryFailure"


def test_uninstall_and_install_again(start_replica: StartReplica, kubectl: Kubectl) -> None:
    """While the server is gone and the APIService is not, a namespace cannot be deleted; without the APIService it is.
    Children outlive both. Afterwards Website and children are the same ones, and are looked after."""
    server = start_replica("one").server
    server.register()
    server.wait_available()
    item = create(kubectl)
    before = eventually(lambda: _children(kubectl), SOON, "both children")
    # Whose owner the garbage collector has only heard of, it takes without an APIService for left behind.
    await_collector(kubectl, "website")
    assert server.stop() == 0
    eventually(lambda: not _is_available(kubectl), SOON, "the aggregator has noticed")
    _delete_namespace(kubectl, "doomed")
    eventually(lambda: _condition(kubectl, "doomed") == "True", SOON, "the namespace is held up")
    kubectl("delete", "apiservice", API_SERVICE)
    eventually(lambda: "NotFound" in kubectl.run("get", "namespace", "doomed").err, SOON, "the namespace is gone")
    assert _children(kubectl) == before
    server.start()
    server.register()
    server.wait_available()
    again = kubectl.get("website", item["metadata"]["name"])
    assert (again["metadata"]["uid"], again["spec"]) == (item["metadata"]["uid"], item["spec"])
    assert _children(kubectl) == before
    kubectl("delete", "service", "kubia-website", "--wait=false")
    eventually(lambda: _children(kubectl) not in (None, before), SOON, "the Service is back")
    kubectl("delete", "apiservice", API_SERVICE)


def _children(kubectl: Kubectl) -> list[str] | None:
    """The uids of both; None until both are there."""
    found = kubectl.run(
        "get", "deployment/kubia-website", "service/kubia-website", "-o", "jsonpath={.items[*].metadata.uid}"
    )
    return found.out.split() if found.code == 0 else None


def _is_available(kubectl: Kubectl) -> bool:
    conditions = kubectl.get("apiservice", API_SERVICE)["status"]["conditions"]
    return any(each["type"] == "Available" and each["status"] == "True" for each in conditions)


def _delete_namespace(kubectl: Kubectl, name: str) -> None:
    namespace: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    kubectl.apply(namespace)
    kubectl("delete", "namespace", name, "--wait=false")


def _condition(kubectl: Kubectl, namespace: str) -> str:
    """What the namespace says of BLOCKED."""
    conditions = kubectl.get("namespace", namespace).get("status", {}).get("conditions", [])
    return next((str(each["status"]) for each in conditions if each["type"] == BLOCKED), "")
