"""From a Website to its Deployment and Service, and back into status."""

import time
from itertools import count

import httpx
import orjson

from tests.controlplane.kubectl import UNTIL_SOON, Kubectl, Object
from tests.controlplane.process import SOON, eventually, in_time
from tests.controlplane.server import APIServerProcess
from tests.e2e.conftest import Target
from tests.e2e.garbage import await_collector
from tests.e2e.websites import API, GROUP, condition, create, manifest, website
from tests.unit.test_quantity import CANONICAL

CHILDREN_WITHIN = 2.0
"""Seconds from the create until both children exist: a requirement."""


def _exists(kubectl: Kubectl) -> bool:
    found = kubectl.run("get", "deployment/kubia-website", "service/kubia-website", "-o", "name")
    return found.code == 0


def _gone(kubectl: Kubectl) -> bool:
    names = kubectl("get", "deployments,services", "--ignore-not-found", "-o", "name")
    return "kubia-website" not in names


def _await_collector(kubectl: Kubectl) -> None:
    """Until it knows both children: it takes a Website whose children it has not seen for one that has none."""
    for kind in ("deployment", "service"):
        await_collector(kubectl, kind)


def test_children_exist_within_two_seconds(target: Target, kubectl: Kubectl) -> None:
    """Deployment and Service exist within 2 s of the create."""
    names = (f"site-{number}" for number in count())
    with target.http() as client:
        in_time(lambda: _making_time(client, kubectl.namespace, next(names)), CHILDREN_WITHIN)


def _making_time(client: httpx.Client, namespace: str, name: str) -> float:
    """Seconds from the answer to the create until both children are seen."""
    client.post(f"{API}/namespaces/{namespace}/websites", json=website(name)).raise_for_status()
    created = time.monotonic()
    deployment = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}-website"
    service = f"/api/v1/namespaces/{namespace}/services/{name}-website"
    eventually(
        lambda: client.get(deployment).is_success and client.get(service).is_success, SOON, "both children exist"
    )
    return time.monotonic() - created


def test_children_belong_to_the_website(kubectl: Kubectl) -> None:
    """Both have the Website as their controller; the Deployment clones its repository, the Service is a NodePort."""
    item = create(kubectl, branch="dev", replicas=2)
    eventually(lambda: _exists(kubectl), SOON)
    deployment = kubectl.get("deployment", "kubia-website")
    service = kubectl.get("service", "kubia-website")
    for child in (deployment, service):
        owner = child["metadata"]["ownerReferences"][0]
        assert (owner["kind"], owner["name"], owner["uid"]) == ("Website", "kubia", item["metadata"]["uid"])
        assert owner["controller"] is True
    assert deployment["spec"]["replicas"] == 2
    assert item["spec"]["gitRepo"] in orjson.dumps(deployment["spec"]["template"]).decode()
    assert service["spec"]["type"] == "NodePort"


def test_children_go_with_the_website(kubectl: Kubectl) -> None:
    """Deployment and Service are gone after the delete."""
    create(kubectl)
    eventually(lambda: _exists(kubectl), SOON)
    kubectl("delete", "website", "kubia")
    eventually(lambda: _gone(kubectl), SOON, "both children are gone")


def test_recreated_website_has_children_of_its_own(kubectl: Kubectl) -> None:
    """A Website that is deleted and created again at once gets new children, whatever becomes of the old ones."""
    create(kubectl)
    eventually(lambda: _exists(kubectl), SOON)
    kubectl("delete", "website", "kubia")
    uid = create(kubectl)["metadata"]["uid"]

    def owned() -> bool:
        found = kubectl.run("get", "deployment/kubia-website", "service/kubia-website", "-o", "json")
        items = orjson.loads(found.out)["items"] if found.code == 0 else []
        return [item["metadata"]["ownerReferences"][0]["uid"] for item in items] == [uid, uid]

    eventually(owned, SOON, "both children belong to the new Website")


def test_namespace_goes_with_its_websites(kubectl: Kubectl) -> None:
    """A namespace with Websites and their children can be deleted; nobody makes them again."""
    create(kubectl)
    eventually(lambda: _exists(kubectl), SOON)
    kubectl("delete", "namespace", kubectl.namespace, UNTIL_SOON)


def test_foreground_deletion_waits_for_the_children(kubectl: Kubectl) -> None:
    """With --cascade=foreground the Website goes last."""
    create(kubectl)
    eventually(lambda: _exists(kubectl), SOON)
    _await_collector(kubectl)
    kubectl("delete", "website", "kubia", "--cascade=foreground", UNTIL_SOON)
    assert _gone(kubectl)


def test_orphans_stay(kubectl: Kubectl) -> None:
    """With --cascade=orphan the children stay, and nobody controls them."""
    create(kubectl)
    eventually(lambda: _exists(kubectl), SOON)
    _await_collector(kubectl)
    kubectl("delete", "website", "kubia", "--cascade=orphan", UNTIL_SOON)
    _await_collector(kubectl)
    for child in ("deployment", "service"):
        assert "ownerReferences" not in kubectl.get(child, "kubia-website")["metadata"]


def test_children_follow_updates(kubectl: Kubectl) -> None:
    """A change of the repository reaches the Deployment."""
    create(kubectl)
    eventually(lambda: _exists(kubectl), SOON)
    patch = '{"spec":{"gitRepo":"https://example.com/other.git"}}'
    kubectl("patch", "website", "kubia", "--type=merge", f"--patch={patch}")

    def followed() -> bool:
        return "https://example.com/other.git" in kubectl("get", "deployment", "kubia-website", "-o", "json")

    eventually(followed, SOON, "the Deployment clones the other repository")


def test_deleted_children_come_back(kubectl: Kubectl) -> None:
    """Level-triggered: a child that somebody deletes is made again."""
    create(kubectl)
    eventually(lambda: _exists(kubectl), SOON)
    before = kubectl.get("service", "kubia-website")["metadata"]["uid"]
    kubectl("delete", "service", "kubia-website", "--wait=false")

    def again() -> bool:
        found = kubectl.run("get", "service", "kubia-website", "-o", "jsonpath={.metadata.uid}")
        return found.code == 0 and found.out != before

    eventually(again, SOON, "the Service is back")


def test_foreign_child_that_contradicts_nothing_is_left_alone(kubectl: Kubectl) -> None:
    """A Service without selector and type says nothing that an apply would conflict with; it is not the Website's."""
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kubia-website"}}
    backend = service | {"spec": {"ports": [{"name": "database", "port": 5432}]}}
    kubectl("apply", "--server-side", "-f", "-", stdin=manifest(backend))
    before = kubectl.get("service", "kubia-website")
    create(kubectl)
    degraded = eventually(lambda: condition(kubectl.get("website", "kubia"), "Degraded"), SOON, "status is written")
    assert degraded["reason"] == "NameConflict"
    assert kubectl.get("service", "kubia-website") == before


def test_status_is_written(kubectl: Kubectl) -> None:
    """Status holds what was seen: generation, replicas, selector, and a Ready condition: False, no kubelet runs."""
    create(kubectl, replicas=2)

    def reported() -> Object:
        item = kubectl.get("website", "kubia")
        assert condition(item, "Ready")
        assert item["status"]["observedGeneration"] == item["metadata"]["generation"]
        return item

    status = eventually(reported, SOON, "status is written")["status"]
    assert status.get("readyReplicas", 0) == 0
    assert status["selector"]
    ready = condition({"status": status}, "Ready")
    assert ready["status"] == "False"
    assert {"reason", "message", "lastTransitionTime"} <= ready.keys()


def test_describe_shows_events(kubectl: Kubectl) -> None:
    """`kubectl describe` ends with what the reconciler has done."""
    create(kubectl)
    words = "Created Deployment kubia-website and Service kubia-website."
    eventually(lambda: words in kubectl("describe", "website", "kubia"), SOON, "an Event")
    assert "Created" in kubectl("get", "events.events.k8s.io", "--no-headers")


def test_ready_when_its_pods_are(cluster: Kubectl) -> None:
    """When the Deployment's Pods become ready (here by hand: no kubelet runs), the Website becomes Ready."""
    create(cluster)
    _come_up(cluster)
    item = cluster.get("website", "kubia")
    assert item["status"]["readyReplicas"] == 1
    assert cluster("get", "website", "kubia", "--no-headers").split()[2] == "True"


def test_old_pods_do_not_make_a_website_ready(cluster: Kubectl) -> None:
    """A change whose Pods do not come up is not Ready, though the old Pod serves on and is ready; when the new one is,
    the Website is."""
    create(cluster)
    _come_up(cluster)
    cluster("patch", "website", "kubia", "--type=merge", '--patch={"spec":{"branch":"dev"}}')

    def both() -> Object | None:
        item = cluster.get("website", "kubia")
        return item if item["status"]["replicas"] == 2 else None

    ready = condition(eventually(both, SOON, "an old Pod and a new one"), "Ready")
    assert (ready["status"], ready["reason"], ready["observedGeneration"]) == ("False", "RolloutInProgress", 2)
    _come_up(cluster)


def _come_up(kubectl: Kubectl) -> None:
    """The Pods that are not ready become so, and with them the Website."""
    selector = eventually(
        lambda: kubectl.get("website", "kubia").get("status", {}).get("selector"), SOON, "status.selector"
    )
    pods = eventually(lambda: kubectl.get("pods", "-l", selector)["items"], SOON, "a Pod is created")
    for pod in pods:
        if not condition(pod, "Ready"):
            _mark_ready(kubectl, pod["metadata"]["name"])
    kubectl("wait", "website/kubia", "--for=condition=Ready", UNTIL_SOON)


def _mark_ready(kubectl: Kubectl, pod: str) -> None:
    conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]
    patch = orjson.dumps({"status": {"phase": "Running", "conditions": conditions}}).decode()
    kubectl("patch", "pod", pod, "--subresource=status", "--type=merge", f"--patch={patch}")


def test_missed_events_are_made_up_for(registered: APIServerProcess, cluster: Kubectl) -> None:
    """What happened while the server was down is done after its restart: it lists, it does not only watch."""
    create(cluster)
    eventually(lambda: _exists(cluster), SOON)
    registered.kill()
    try:
        cluster("delete", "deployment", "kubia-website", "--cascade=background")
    finally:
        registered.start()
    registered.wait_available()
    eventually(lambda: _exists(cluster), SOON, "the Deployment is back after a restart")
    assert f"website.{GROUP}/kubia" in cluster("get", "websites", "-o", "name")


def test_quantities_are_written_as_the_cluster_has_them(cluster: Kubectl) -> None:
    """What a limit is turned into is what kube-apiserver gives back: another form would be a difference for ever."""
    quotas = [
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": f"q-{number}"},
            "spec": {"hard": {"cpu": text}},
        }
        for number, text in enumerate(CANONICAL)
    ]
    given = cluster("apply", "--dry-run=server", "-o", "json", "-f", "-", stdin=manifest(*quotas))
    assert [item["spec"]["hard"]["cpu"] for item in orjson.loads(given)["items"]] == list(CANONICAL.values())
