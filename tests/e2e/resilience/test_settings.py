"""Flags that are about Pods reach the Websites there are."""

from tests.controlplane.kubectl import Kubectl, Object
from tests.controlplane.process import SOON, eventually
from tests.controlplane.server import DEFAULTS
from tests.e2e.resilience.conftest import Replica, StartReplica, registered
from tests.e2e.websites import website


def containers(kubectl: Kubectl) -> dict[str, Object]:
    found = kubectl.get("deployment", "kubia-website")["spec"]["template"]["spec"]["containers"]
    return {container["name"]: container for container in found}


def test_changed_flags_roll_out(start_replica: StartReplica, kubectl: Kubectl) -> None:
    """Another image, and limits that are given up: after a restart the Deployments say so, and then rest."""
    replica = start_replica("one", *DEFAULTS)
    with registered(replica, kubectl):
        _roll_out(replica, kubectl)


def _roll_out(replica: Replica, kubectl: Kubectl) -> None:
    with replica.server.http() as client:
        client.post(replica.collection, json=website()).raise_for_status()
    eventually(lambda: containers(kubectl), SOON, "the Deployment")
    assert set(containers(kubectl)["nginx"]["resources"]) == {"requests", "limits"}
    flags = ("--nginx-limits=", "--git-sync-image=example.com/git-sync:v4.7.1", "--git-sync-requests=cpu=0.5")
    replica.server.flags = (*replica.server.flags, *flags)
    replica.server.restart()
    eventually(lambda: "limits" not in containers(kubectl)["nginx"]["resources"], SOON, "the limits are gone")
    git_sync = containers(kubectl)["git-sync"]
    assert git_sync["image"] == "example.com/git-sync:v4.7.1"
    assert git_sync["resources"]["requests"] == {"cpu": "500m"}
    written = len(replica.writes("deployments"))
    replica.server.restart()
    with replica.server.http() as client:
        labels = 'result="success"'
        eventually(lambda: labels in client.get("/metrics").text, SOON, "it was looked at")
    assert len(replica.writes("deployments")) == written
