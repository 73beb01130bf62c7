"""ResourceQuota: what kube-controller-manager counts of the kind, and that nobody refuses anything."""

import itertools

from tests.controlplane.kubectl import Kubectl, Object
from tests.controlplane.process import SOON, eventually
from tests.e2e.conftest import Target
from tests.e2e.websites import GROUP, create

COUNT = f"count/websites.{GROUP}"


def _quota(name: str, number: int) -> Object:
    spec = {"hard": {name: str(number)}}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": spec}


def _await_first_count(target: Target, namespace: str, number: int) -> None:
    """Every change of the limit is a count of what the controller knows by then; the limit ends as 1 or 2."""
    limits = itertools.cycle([1, 2])
    headers = {"Content-Type": "application/merge-patch+json"}

    with target.http() as client:

        def counted() -> bool:
            answer = client.patch(
                f"/api/v1/namespaces/{namespace}/resourcequotas/few", json=_quota(COUNT, next(limits)), headers=headers
            )
            return bool(answer.raise_for_status().json()["status"].get("used") == {COUNT: str(number)})

        eventually(counted, SOON, f"{number} are counted")


def _await_count(kubectl: Kubectl, number: int) -> None:
    def counted() -> bool:
        return bool(kubectl.get("resourcequota", "few")["status"]["used"] == {COUNT: str(number)})

    eventually(counted, SOON, f"{number} are counted")


def test_objects_are_counted_and_never_refused(cluster_target: Target, cluster: Kubectl) -> None:
    """status.used is counted when the limit changes and when objects go, beyond what is allowed too; a create beyond it
    is not refused, because kube-apiserver has no admission for what it hands on to an aggregated server."""
    names = [create(cluster, f"site-{number}", replicas=0)["metadata"]["name"] for number in range(4)]
    cluster.apply(_quota(COUNT, 2))
    _await_first_count(cluster_target, cluster.namespace, 4)
    cluster("delete", "website", names.pop())
    _await_count(cluster, 3)
    create(cluster, "beyond", replicas=0)
    cluster("delete", "website", *names)
    _await_count(cluster, 1)


def test_objects_of_the_cluster_are_refused(cluster: Kubectl) -> None:
    """What kube-apiserver keeps itself is refused beyond the same kind of quota: the difference is aggregation."""
    cluster.apply(_quota("count/configmaps", 0))

    def refused() -> str:
        # kube-apiserver learns of the quota in its own time.
        return cluster.run("create", "configmap", "more", "--dry-run=server").err

    assert "exceeded quota: few, requested: count/configmaps=1" in eventually(refused, SOON, "refused")
