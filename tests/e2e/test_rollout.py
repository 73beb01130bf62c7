"""Websites on a cluster with a node: Deployments become available, so Websites become Ready, and stay right."""

import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import orjson
import pytest

from apiserver import certificates
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.kubectl import UNTIL_SOON, Kubectl, Object
from tests.controlplane.nodes import Nodes
from tests.controlplane.process import SOON, eventually, in_time
from tests.e2e.conftest import Target, new_namespace
from tests.e2e.websites import GROUP, condition, create

NODE_PORTS = range(32767, 30000, -1)
REPAIRED_WITHIN = 2.0
"""Seconds from a child's change to its repair: a requirement."""


@pytest.fixture(scope="module")
def nodes(control_plane: ControlPlane) -> Iterator[Nodes]:
    """The scheduler and a node that kwok plays."""
    with Nodes(control_plane) as running:
        yield running


@pytest.fixture
def restricted(nodes: Nodes, cluster_target: Target) -> Kubectl:
    """kubectl in a fresh namespace that admits restricted Pods only."""
    kubectl = new_namespace(cluster_target.kubectl)
    kubectl("label", "namespace", kubectl.namespace, "pod-security.kubernetes.io/enforce=restricted")
    return kubectl


def ready(kubectl: Kubectl) -> Object:
    """The Website, when it is Ready as it is now and nothing of it changes any more."""
    for wanted in ("Ready", "Progressing=False"):
        kubectl("wait", "website/kubia", f"--for=condition={wanted}", UNTIL_SOON)
    return kubectl.get("website", "kubia")


def states(item: Object) -> dict[str, str]:
    return {entry["type"]: entry["status"] for entry in item["status"]["conditions"]}


def told(kubectl: Kubectl, reason: str) -> Object:
    """The Event of this reason about the Website, when it is there."""

    def event() -> Object | None:
        listed = kubectl.get("events.events.k8s.io", f"--field-selector=reason={reason},regarding.name=kubia")
        items: list[Object] = listed["items"]
        assert len(items) <= 1, f"{reason} is told more than once"
        return items[0] if items else None

    return eventually(event, SOON, f"event {reason}")


def deployed(kubectl: Kubectl) -> Object:
    return kubectl.get("deployment", "kubia-website")


def test_website_becomes_ready_and_tells_the_story(restricted: Kubectl) -> None:
    """`kubectl wait`, `kubectl get` and `kubectl describe` say what there is: conditions, numbers, url, Events."""
    create(restricted, replicas=2)
    item = ready(restricted)
    status = item["status"]
    assert states(item) == {"Ready": "True", "Progressing": "False", "Degraded": "False"}
    assert (status["replicas"], status["readyReplicas"]) == (2, 2)
    assert status["url"] == f"http://kubia-website.{restricted.namespace}.svc"
    assert len(restricted.get("pods", "-l", status["selector"])["items"]) == 2
    for reason in ("Created", "Ready"):
        assert told(restricted, reason)["reportingController"] == "website-controller"
    assert restricted("get", "ws", "kubia", "--no-headers").split()[2] == "True"
    story = restricted("describe", "ws", "kubia")
    for words in ("ReplicasReady", "Created Deployment kubia-website and Service kubia-website.", "2 of 2 replicas"):
        assert words in story


def test_update_is_rolled_out(restricted: Kubectl) -> None:
    """Another repository, branch and number of replicas: Ready again means that the Pods are the new ones."""
    create(restricted)
    ready(restricted)
    spec = {"gitRepo": "https://example.com/other.git", "branch": "dev", "replicas": 3}
    patch = orjson.dumps({"spec": spec}).decode()
    restricted("patch", "website", "kubia", "--type=merge", f"--patch={patch}")
    item = ready(restricted)
    assert item["status"]["observedGeneration"] == item["metadata"]["generation"]

    def settled() -> bool:
        pods = restricted.get("pods", "-l", item["status"]["selector"])["items"]
        arguments = [pod["spec"]["containers"][1]["args"][:2] for pod in pods]
        return arguments == [["--repo=https://example.com/other.git", "--ref=dev"]] * 3

    eventually(settled, SOON, "three new Pods and no old one")


def test_lost_replica_is_degraded_until_it_is_back(restricted: Kubectl) -> None:
    """A Pod that is not ready any more makes the Website Degraded, with an Event; a new one heals it."""
    create(restricted, replicas=2)
    selector = ready(restricted)["status"]["selector"]
    pod = restricted.get("pods", "-l", selector)["items"][0]["metadata"]["name"]
    lost = [{"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}]
    patch = orjson.dumps({"status": {"conditions": lost}}).decode()
    restricted("patch", "pod", pod, "--subresource=status", "--type=strategic", f"--patch={patch}")
    restricted("wait", "website/kubia", "--for=condition=Degraded", UNTIL_SOON)
    assert told(restricted, "ReplicasUnavailable")["type"] == "Warning"
    restricted("delete", "pod", pod, "--wait=false")
    assert states(ready(restricted))["Degraded"] == "False"


def test_paused_rollout_is_told_until_it_goes_on(restricted: Kubectl) -> None:
    """A change that somebody's `kubectl rollout pause` keeps from the Pods is Degraded, not progress; it is Ready after
    `kubectl rollout resume`."""
    create(restricted)
    ready(restricted)
    restricted("rollout", "pause", "deployment", "kubia-website")
    restricted("patch", "website", "kubia", "--type=merge", '--patch={"spec":{"branch":"dev"}}')
    restricted("wait", "website/kubia", "--for=condition=Degraded", UNTIL_SOON)
    assert told(restricted, "DeploymentPaused")["type"] == "Warning"
    assert "paused" in condition(restricted.get("website", "kubia"), "Ready")["message"]
    restricted("rollout", "resume", "deployment", "kubia-website")
    assert states(ready(restricted))["Degraded"] == "False"


def test_autoscaler_has_the_last_word_on_replicas(restricted: Kubectl) -> None:
    """What a HorizontalPodAutoscaler sets on the Deployment stays, also through a rollout of something else. When it
    has gone, a person's `kubectl scale` gives the number back to the Website."""
    create(restricted, replicas=1)
    ready(restricted)
    restricted("autoscale", "deployment", "kubia-website", "--min=3", "--max=5", "--cpu=80%")
    eventually(lambda: deployed(restricted)["spec"]["replicas"] == 3, SOON, "the autoscaler has scaled")
    restricted("patch", "website", "kubia", "--type=merge", '--patch={"spec":{"branch":"dev"}}')
    ready(restricted)
    assert restricted.get("website", "kubia")["status"]["replicas"] == 3
    live = deployed(restricted)
    assert live["spec"]["replicas"] == 3
    assert "--ref=dev" in live["spec"]["template"]["spec"]["containers"][1]["args"]
    restricted("delete", "horizontalpodautoscaler", "kubia-website")

    def given_back() -> bool:
        # The autoscaler's controller may not have seen yet that it has gone, and scale once more.
        replicas = deployed(restricted)["spec"]["replicas"]
        if replicas != 1:
            restricted("scale", "deployment", "kubia-website", "--replicas=2")
        return bool(replicas == 1)

    eventually(given_back, SOON, "the Website's number")


def test_autoscaler_scales_the_website(restricted: Kubectl) -> None:
    """A HorizontalPodAutoscaler on the Website writes its spec.replicas, and the Deployment follows."""
    create(restricted, replicas=1)
    ready(restricted)
    target = {"apiVersion": f"{GROUP}/v1alpha1", "kind": "Website", "name": "kubia"}
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 4}
    scaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "kubia"}}
    restricted.apply(scaler | {"spec": spec})
    eventually(lambda: deployed(restricted)["spec"]["replicas"] == 2, SOON, "the Deployment has followed")
    assert ready(restricted)["spec"]["replicas"] == 2


def test_what_others_say_of_a_child_stays(restricted: Kubectl) -> None:
    """Annotations, labels, a restart's mark, a sidecar and the node port are left alone while ours is repaired."""
    create(restricted)
    ready(restricted)
    given = _node_port(restricted)
    port = next(port for port in NODE_PORTS if port != given and _takes(restricted, port))
    restricted("annotate", "deployment,service", "kubia-website", "example.com/note=kept")
    restricted("rollout", "restart", "deployment", "kubia-website")
    container = {"name": "sidecar", "image": "example.com/sidecar:1", "securityContext": _restricted_container()}
    patch = orjson.dumps({"spec": {"template": {"spec": {"containers": [container]}}}}).decode()
    restricted("patch", "deployment", "kubia-website", "--type=strategic", f"--patch={patch}")
    restricted("set", "image", "deployment/kubia-website", "nginx=example.com/another:1")

    def repaired() -> Object | None:
        live = deployed(restricted)
        return live if "another" not in orjson.dumps(live["spec"]).decode() else None

    live = eventually(repaired, SOON, "our image is back")
    pod = live["spec"]["template"]
    assert {entry["name"] for entry in pod["spec"]["containers"]} == {"nginx", "git-sync", "sidecar"}
    assert "kubectl.kubernetes.io/restartedAt" in pod["metadata"]["annotations"]
    assert live["metadata"]["annotations"]["example.com/note"] == "kept"
    assert restricted.get("service", "kubia-website")["metadata"]["annotations"]["example.com/note"] == "kept"
    assert _node_port(restricted) == port


def _node_port(kubectl: Kubectl) -> int:
    """The Service's."""
    return int(kubectl.get("service", "kubia-website")["spec"]["ports"][0]["nodePort"])


def _takes(kubectl: Kubectl, port: int) -> bool:
    """Gives the Service this node port, unless another one has it."""
    patch = orjson.dumps([{"op": "replace", "path": "/spec/ports/0/nodePort", "value": port}]).decode()
    result = kubectl.run("patch", "service", "kubia-website", "--type=json", f"--patch={patch}")
    assert result.code == 0 or "provided port is already allocated" in result.err, result.err
    return result.code == 0


def _restricted_container() -> Object:
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


@dataclass(frozen=True)
class Harm:
    """A child's collection, and what somebody writes into its spec."""

    prefix: str
    plural: str
    spec: Object


HARMS = [Harm("/apis/apps/v1", "deployments", {"replicas": 7}), Harm("/api/v1", "services", {"type": "ClusterIP"})]


@pytest.mark.parametrize("change", ["edited", "deleted"])
@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.plural)
def test_child_is_repaired_in_two_seconds(
    restricted: Kubectl, control_plane: ControlPlane, harm: Harm, change: str
) -> None:
    """A Deployment or Service that somebody edits or deletes is as it must be within 2 s."""
    create(restricted)
    ready(restricted)
    path = f"{harm.prefix}/namespaces/{restricted.namespace}/{harm.plural}/kubia-website"
    with control_plane.http() as client:
        in_time(lambda: _repair_time(client, path, harm.spec if change == "edited" else None), REPAIRED_WITHIN)


def _repair_time(client: httpx.Client, path: str, harm: Object | None) -> float:
    """Seconds from the answer to a harmful request (None: a deletion) until the child is right again."""
    before = client.get(path).json()
    if harm is None:
        client.delete(path).raise_for_status()
    else:
        merge = {"Content-Type": "application/merge-patch+json"}
        client.patch(path, json={"spec": harm}, headers=merge).raise_for_status()
    started = time.monotonic()

    def repaired() -> bool:
        answer = client.get(path)
        if answer.status_code != httpx.codes.OK:
            return False
        live = answer.json()
        another = live["metadata"]["uid"] != before["metadata"]["uid"]
        right = all(
            live["spec"][name] == before["spec"][name] for name in ("replicas", "type") if name in before["spec"]
        )
        return right and another == (harm is None)

    eventually(repaired, SOON, "the child is right again")
    return time.monotonic() - started


def test_foreign_child_is_left_alone_until_it_goes(restricted: Kubectl) -> None:
    """A Service of that name that somebody else has made is not touched: condition and Event say so, one Event however
    often it is tried. When it goes, the Website heals by itself."""
    foreign = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kubia-website"}}
    restricted.apply(foreign | {"spec": {"ports": [{"port": 9}], "selector": {"app": "foreign"}}})
    before = restricted.get("service", "kubia-website")
    create(restricted)
    restricted("wait", "website/kubia", "--for=condition=Degraded", UNTIL_SOON)
    degraded = condition(restricted.get("website", "kubia"), "Degraded")
    assert degraded["reason"] == "NameConflict"
    assert "Service kubia-website" in degraded["message"]
    event = told(restricted, "NameConflict")
    assert (event["type"], event["note"]) == ("Warning", degraded["message"])
    assert restricted.get("service", "kubia-website") == before
    series = eventually(lambda: told(restricted, "NameConflict").get("series"), SOON, "the Event became a series")
    assert series["count"] >= 2
    restricted("delete", "service", "kubia-website")
    item = ready(restricted)
    assert told(restricted, "NameConflict")["metadata"]["uid"] == event["metadata"]["uid"]
    assert states(item) == {"Ready": "True", "Progressing": "False", "Degraded": "False"}
    owner = restricted.get("service", "kubia-website")["metadata"]["ownerReferences"][0]
    assert owner["uid"] == item["metadata"]["uid"]


class _Thoughtful(BaseHTTPRequestHandler):
    """Takes a request, and does not answer it until the client has gone."""

    def do_POST(self) -> None:
        self.rfile.read()


@pytest.fixture
def thoughtful(tmp_path: Path) -> Iterator[Object]:
    """The clientConfig of a webhook that takes requests and answers none."""
    ca = certificates.make_ca("webhook-ca")
    certificates.store(tmp_path, "webhook", certificates.issue(ca, "webhook", ips=("127.0.0.1",), server=True))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "webhook.crt", tmp_path / "webhook.key")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Thoughtful) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield {"url": f"https://127.0.0.1:{server.server_port}/", "caBundle": b64encode(ca.cert_pem).decode()}
        server.shutdown()


@pytest.mark.parametrize("listening", [False, True])
def test_webhook_that_does_not_answer_is_told_until_it_is_gone(
    restricted: Kubectl, thoughtful: Object, listening: bool
) -> None:
    """A Service that the cluster cannot admit is the cluster's own error (500), and its answer is in the condition, at
    once where nobody listens, else when kube-apiserver has waited for as long as the webhook may take."""
    name = f"absent-{restricted.namespace}.example.com"
    client = thoughtful if listening else {"url": "https://127.0.0.1:1/"}
    restricted.apply(_webhook(name, restricted.namespace, client))
    try:
        # kube-apiserver learns of the webhook in its own time.
        eventually(lambda: "calling webhook" in _tried(restricted), SOON, "the webhook is asked")
        create(restricted)
        restricted("wait", "website/kubia", "--for=condition=Degraded", UNTIL_SOON)
        degraded = condition(restricted.get("website", "kubia"), "Degraded")
        assert degraded["reason"] == "ApplyFailed"
        assert "The Service is refused: Internal error occurred: failed calling webhook" in degraded["message"]
        assert told(restricted, "ApplyFailed")["type"] == "Warning"
    finally:
        restricted("delete", "validatingwebhookconfiguration", name)
    ready(restricted)


def _tried(kubectl: Kubectl) -> str:
    """What kubectl says of a Service that it would create."""
    return kubectl.run("create", "service", "clusterip", "tried", "--tcp=80", "--dry-run=server").err


def _webhook(name: str, namespace: str, client: Object) -> Object:
    """Asked about Services of the namespace, for longer than the ten seconds that are the default."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["services"]}
    webhook = {
        "name": name,
        "rules": [rule],
        "clientConfig": client,
        "timeoutSeconds": 15,
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [webhook],
    }
