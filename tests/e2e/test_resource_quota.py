"""ResourceQuota: what kube-controller-manager counts of the kind, and that nobody refuses anything."""

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.kubectl import Kubectl, Object
from tests.controlplane.process import eventually
from tests.e2e.websites import GROUP, create

WITHIN = 120.0
"""Seconds for the quota controller, which looks for new kinds every 30 s."""
RESOURCE = f"websites.{GROUP}"
COUNT = f"count/{RESOURCE}"


def _quota(name: str, number: int) -> Object:
    spec = {"hard": {name: str(number)}}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": spec}


def _await_status(kubectl: Kubectl, member: str, number: int) -> None:
    def there() -> bool:
        status = kubectl.get("resourcequota", "few").get("status", {})
        return bool(status.get(member) == {COUNT: str(number)})

    eventually(there, WITHIN, f"{number} in status.{member}")


def test_objects_are_counted_and_never_refused(control_plane: ControlPlane, cluster: Kubectl) -> None:
    """status.used is counted again when objects go, beyond what is allowed too; a create beyond it is not refused,
    because kube-apiserver has no admission for what it hands on to an aggregated server."""
    names = [create(cluster, f"site-{number}", replicas=0)["metadata"]["name"] for number in range(4)]
    log = control_plane.processes["kube-controller-manager"]
    counts = f'"QuotaMonitor created object count evaluator" resource="{RESOURCE}"'
    eventually(lambda: counts in log.text(), WITHIN, "the quota controller has found the kind")
    cluster.apply(_quota(COUNT, 2))
    _await_status(cluster, "hard", 2)
    cluster("delete", "website", names.pop())
    _await_status(cluster, "used", 3)
    create(cluster, "beyond", replicas=0)
    cluster("delete", "website", *names)
    _await_status(cluster, "used", 1)


def test_objects_of_the_cluster_are_refused(cluster: Kubectl) -> None:
    """What kube-apiserver keeps itself is refused beyond the same kind of quota: the difference is aggregation."""
    cluster.apply(_quota("count/configmaps", 0))

    def refused() -> str:
        # kube-apiserver learns of the quota in its own time.
        return cluster.run("create", "configmap", "more", "--dry-run=server").err

    assert "exceeded quota: few, requested: count/configmaps=1" in eventually(refused, WITHIN, "refused")
