"""What is said about a Website."""

import pytest

from apiserver.machinery.errors import Object
from reconciler.website.status import Seen, desired_status
from tests.unit.reconciling import LATER, NOW, condition, deployment, merged, service, website

COMPLETE = {"observedGeneration": 1, "replicas": 2, "readyReplicas": 2, "updatedReplicas": 2}
STUCK = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}
QUOTA = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
FINE = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "message": "progressing"}


def status_of(live: Object, of: Object | None = None) -> Object:
    return desired_status(of or website(), Seen(live, service()), NOW)


def states(status: Object) -> dict[str, str]:
    return {entry["type"]: entry["status"] for entry in status["conditions"]}


def test_status_of_a_ready_website() -> None:
    """All wanted replicas are ready and up to date; the rest is what autoscalers and people need."""
    status = status_of(deployment(**COMPLETE))
    conditions = status.pop("conditions")

    assert status == {
        "replicas": 2,
        "readyReplicas": 2,
        "selector": "app.kubernetes.io/instance=kubia,app.kubernetes.io/name=website",
        "url": "http://kubia-website.ns.svc",
        "observedGeneration": 2,
    }
    assert conditions[0] == {
        "type": "Ready",
        "status": "True",
        "reason": "ReplicasReady",
        "message": "2 of 2 replicas are ready, 2 are up to date.",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
        "observedGeneration": 2,
    }
    assert states({"conditions": conditions}) == {"Ready": "True", "Progressing": "False", "Degraded": "False"}


@pytest.mark.parametrize(
    ("status", "reason", "progressing", "degraded"),
    [
        ({}, "RolloutInProgress", "True", "False"),
        ({"observedGeneration": 0, "readyReplicas": 2, "updatedReplicas": 2}, "RolloutInProgress", "True", "False"),
        ({"observedGeneration": 1, "readyReplicas": 1, "updatedReplicas": 2}, "RolloutInProgress", "True", "False"),
        ({"observedGeneration": 1, "readyReplicas": 2, "updatedReplicas": 1}, "RolloutInProgress", "True", "False"),
        ({"observedGeneration": 1, "conditions": [FINE]}, "RolloutInProgress", "True", "False"),
        ({"observedGeneration": 1, "conditions": [FINE, QUOTA]}, "FailedCreate", "False", "True"),
        ({"observedGeneration": 1, "conditions": [STUCK]}, "ProgressDeadlineExceeded", "False", "True"),
    ],
)
def test_website_that_is_not_ready(status: Object, reason: str, progressing: str, degraded: str) -> None:
    """Not processed yet, replicas missing or old: it is progressing. With the Deployment's own failure, degraded."""
    found = status_of(deployment(**status))

    assert states(found) == {"Ready": "False", "Progressing": progressing, "Degraded": degraded}
    assert condition(found)["reason"] == reason
    assert condition(found)["message"].endswith((".", "timed out", "exceeded quota"))


@pytest.mark.parametrize("degraded", ["True", "False"])
def test_lost_replicas_are_degraded(degraded: str) -> None:
    """Fewer ready than there were is Degraded until they are back; fewer than newly asked for is progress."""
    before = website()
    before["status"] = status_of(deployment(**COMPLETE))
    if degraded == "False":
        before["metadata"]["generation"] += 1
    fewer = deployment(**COMPLETE | {"readyReplicas": 1})
    for _ in range(2):
        before["status"] = status_of(fewer, before)
        assert states(before["status"]) == {"Ready": "False", "Progressing": "True", "Degraded": degraded}
    before["status"] = status_of(deployment(**COMPLETE), before)

    assert states(before["status"]) == {"Ready": "True", "Progressing": "False", "Degraded": "False"}


def test_deleted_replicas_are_lost() -> None:
    """Also when they are looked at before the cluster has begun to replace them."""
    before = website()
    before["status"] = status_of(deployment(**COMPLETE))
    for there in (1, 2):
        fewer = deployment(**COMPLETE | {"replicas": there, "updatedReplicas": there, "readyReplicas": 1})
        before["status"] = status_of(fewer, before)
        assert condition(before["status"], "Degraded")["reason"] == "ReplicasUnavailable"
        assert states(before["status"]) == {"Ready": "False", "Progressing": "True", "Degraded": "True"}


def test_old_replicas_are_still_going() -> None:
    """What was asked for is served; the rollout is complete when those of the earlier state have gone."""
    found = status_of(deployment(**COMPLETE | {"replicas": 3, "readyReplicas": 3}))

    assert states(found) == {"Ready": "True", "Progressing": "True", "Degraded": "False"}
    assert condition(found, "Progressing")["message"] == "1 old replicas are going."


@pytest.mark.parametrize(
    ("told", "reason", "progressing", "degraded"),
    [(FINE, "RolloutInProgress", "True", "False"), (STUCK, "ProgressDeadlineExceeded", "False", "True")],
)
def test_old_replicas_do_not_stand_in_for_new_ones(told: Object, reason: str, progressing: str, degraded: str) -> None:
    """Those that are ready may be the old ones: a rollout whose new Pods do not become ready is not Ready, also of a
    Website that was complete before (with other flags of the server), and its failure is told."""
    before = website()
    before["status"] = status_of(deployment(**COMPLETE))
    found = status_of(deployment(**COMPLETE | {"replicas": 3, "conditions": [told]}), before)

    assert states(found) == {"Ready": "False", "Progressing": progressing, "Degraded": degraded}
    assert condition(found)["reason"] == reason
    assert condition(found)["message"].startswith("2 of 2 replicas are ready, 2 are up to date, 1 are old")


def test_rollout_of_a_complete_website_is_no_loss() -> None:
    """With other flags of the server and the same generation: while old Pods are replaced, fewer may be ready."""
    before = website()
    before["status"] = status_of(deployment(**COMPLETE))
    fewer = deployment(**COMPLETE | {"updatedReplicas": 1, "readyReplicas": 1})

    assert states(status_of(fewer, before)) == {"Ready": "False", "Progressing": "True", "Degraded": "False"}


def test_paused_rollout_has_stopped() -> None:
    """Somebody has paused the Deployment, so what is served stays old; what needs no rollout goes on."""
    paused = deployment(**COMPLETE | {"updatedReplicas": 0})
    paused["spec"]["paused"] = True
    found = status_of(paused)
    scaled = merged(paused, {"status": COMPLETE | {"readyReplicas": 1}})

    assert states(found) == {"Ready": "False", "Progressing": "False", "Degraded": "True"}
    assert condition(found)["reason"] == "DeploymentPaused"
    told = "2 of 2 replicas are ready, 0 are up to date, 2 are old: the Deployment is paused."
    assert condition(found)["message"] == told
    assert condition(status_of(scaled))["reason"] == "RolloutInProgress"
    assert states(status_of(merged(scaled, {"status": COMPLETE})))["Ready"] == "True"


def test_deployment_that_is_being_deleted() -> None:
    """While its finalizers keep it the cluster neither rolls it out nor replaces its Pods; what is wanted may be served
    all the same."""
    before = website()
    before["status"] = status_of(deployment(**COMPLETE))
    going = deployment(**COMPLETE)
    going["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    assert states(status_of(going, before))["Ready"] == "True"
    for counts in ({"updatedReplicas": 0}, {"readyReplicas": 1}, {"updatedReplicas": 0, "conditions": [STUCK]}):
        found = status_of(merged(going, {"status": counts}), before)
        assert states(found) == {"Ready": "False", "Progressing": "True", "Degraded": "False"}
        assert condition(found)["reason"] == "Replacing"
        assert condition(found)["message"] == "The Deployment is being deleted; another is made when it has gone."


def test_no_replicas_wanted_is_ready() -> None:
    """A Website scaled to zero has what it wants."""
    none = deployment(observedGeneration=1)
    none["spec"]["replicas"] = 0

    assert states(status_of(none, website(replicas=0)))["Ready"] == "True"


def test_autoscaled_replicas_are_what_is_wanted() -> None:
    """How many there must be is what the Deployment says, which may be an autoscaler's word."""
    scaled = deployment(**COMPLETE | {"readyReplicas": 5, "updatedReplicas": 5})
    scaled["spec"]["replicas"] = 5

    assert condition(status_of(scaled))["message"] == "5 of 5 replicas are ready, 5 are up to date."


def test_more_replicas_by_an_autoscaler_are_progress() -> None:
    """A Website that was complete has lost nothing when its Deployment is to have more: those that are new are under
    way, however often it is looked at. When fewer are ready than there were, some are lost."""
    before = website()
    before["status"] = status_of(deployment(**COMPLETE))
    scaled = deployment(**COMPLETE | {"replicas": 5, "updatedReplicas": 5})
    scaled["spec"]["replicas"] = 5
    lost = merged(scaled, {"status": {"readyReplicas": 1}})
    assert states(status_of(lost, before))["Degraded"] == "True"
    for _ in range(2):
        before["status"] = status_of(scaled, before)
        assert states(before["status"]) == {"Ready": "False", "Progressing": "True", "Degraded": "False"}


@pytest.mark.parametrize(("readiness", "time"), [(1, "2026-01-02T03:04:05Z"), (2, "2026-01-02T04:00:00Z")])
def test_transition_time_moves_with_the_status_only(readiness: int, time: str) -> None:
    """Another message keeps lastTransitionTime, another status sets it."""
    before = website()
    before["status"] = status_of(deployment(observedGeneration=1), before)
    live = deployment(observedGeneration=1, readyReplicas=readiness, updatedReplicas=2)

    assert condition(desired_status(before, Seen(live, service()), LATER))["lastTransitionTime"] == time


def test_long_message_is_cut() -> None:
    """A webhook may refuse a child with a text as long as it likes; three conditions have it, and a Condition's message
    has 32,768 characters at the most."""
    found = desired_status(website(), Seen({}, service(), ("ApplyFailed", "é" * 700_000)), NOW)

    assert {entry["message"] for entry in found["conditions"]} == {"é" * 32_768}


def test_other_conditions_are_kept() -> None:
    """A condition that somebody else reports stays."""
    other = {"type": "Paid", "status": "True"}

    assert status_of(deployment(), {**website(), "status": {"conditions": [other]}})["conditions"][0] == other


@pytest.mark.parametrize("foreign", ["Deployment", "Service"])
def test_child_that_is_not_ours_counts_for_nothing(foreign: str) -> None:
    """What somebody else's child says does not get into the status."""
    live, exposed = deployment(**COMPLETE), service()
    (live if foreign == "Deployment" else exposed)["metadata"]["ownerReferences"] = []
    status = desired_status(website(), Seen(live, exposed, ("NameConflict", "It is taken.")), NOW)

    assert states(status) == {"Ready": "False", "Progressing": "False", "Degraded": "True"}
    assert {entry["reason"] for entry in status["conditions"]} == {"NameConflict"}
    assert status["replicas"] == (0 if foreign == "Deployment" else 2)
    assert ("url" in status) is (foreign == "Deployment")


def test_children_that_are_still_going() -> None:
    """Without children of its own a Website waits for those of an earlier one."""
    status = desired_status(website(), Seen({}, {}), NOW)

    assert states(status) == {"Ready": "False", "Progressing": "True", "Degraded": "False"}
    assert condition(status)["reason"] == "Replacing"
