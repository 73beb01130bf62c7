"""What to say about a Website: status and its conditions. Pure.

Ready: what the spec asks for is served. Progressing: a change is under way. Degraded: something is wrong that will not
pass by itself, or served less than it did.
"""

from dataclasses import dataclass
from datetime import datetime

from apiserver.machinery.errors import Object
from reconciler.conditions import Verdict, found, updated
from reconciler.ownership import is_controlled_by
from reconciler.website.children import selector

_LOST = "ReplicasUnavailable"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a reconcile found: the children as they are, {} for one that is not there, and why one could not be made
    what it must be, if so: reason and sentence."""

    deployment: Object
    service: Object
    failure: tuple[str, str] | None = None


def desired_status(website: Object, seen: Seen, now: datetime) -> Object:
    """A child that the Website does not control says nothing."""
    meta = website["metadata"]
    ours = is_ours(seen.deployment, website)
    counts = (seen.deployment.get("status") or {}) if ours else {}
    status: Object = {
        "replicas": counts.get("replicas", 0),
        "readyReplicas": counts.get("readyReplicas", 0),
        "selector": ",".join(f"{key}={value}" for key, value in sorted(selector(website).items())),
        "observedGeneration": meta["generation"],
        "conditions": updated(website, verdicts(website, seen), now),
    }
    if is_ours(seen.service, website):
        status["url"] = f"http://{seen.service['metadata']['name']}.{meta['namespace']}.svc"
    return status


def is_ours(child: Object, website: Object) -> bool:
    return bool(child) and is_controlled_by(child, website)


def verdicts(website: Object, seen: Seen) -> list[Verdict]:
    """Ready, Progressing and Degraded."""
    if seen.failure is not None:
        return _broken(*seen.failure)
    deployment = seen.deployment
    if not is_ours(deployment, website) or not is_ours(seen.service, website):
        return _under_way("Replacing", "The children of an earlier object of this name are still going.")
    status, wanted = deployment.get("status") or {}, deployment["spec"]["replicas"]
    if status.get("observedGeneration", 0) < deployment["metadata"]["generation"]:
        return _under_way("RolloutInProgress", "The Deployment's change has not been taken up yet.")
    up_to_date, ready = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
    old = max(0, status.get("replicas", 0) - up_to_date)
    text = f"{ready} of {wanted} replicas are ready, {up_to_date} are up to date" + (f", {old} are old" if old else "")
    # A Deployment does not say which are ready: it may be the old ones.
    if up_to_date >= wanted and ready - old >= wanted:
        return _complete(f"{text}.", old)
    if deployment["metadata"].get("deletionTimestamp"):
        return _under_way("Replacing", "The Deployment is being deleted; another is made when it has gone.")
    failure = next(filter(_is_failure, status.get("conditions") or []), None)
    if failure is not None:
        return _broken(failure["reason"], f"{text}: {failure['message']}")
    if old and deployment["spec"].get("paused"):
        return _broken("DeploymentPaused", f"{text}: the Deployment is paused.")
    if not old and _has_lost(website, ready):
        return [
            Verdict("Ready", False, _LOST, f"{text}."),
            Verdict("Progressing", True, _LOST, "Lost replicas are being replaced."),
            Verdict("Degraded", True, _LOST, f"{text}."),
        ]
    return _under_way("RolloutInProgress", f"{text}.")


def _complete(message: str, old: int) -> list[Verdict]:
    """`old`: how many replicas of an earlier state have still to go."""
    progressing = Verdict("Progressing", False, "RolloutComplete", "Nothing is changing.")
    if old > 0:
        progressing = Verdict("Progressing", True, "RolloutInProgress", f"{old} old replicas are going.")
    return [
        Verdict("Ready", True, "ReplicasReady", message),
        progressing,
        Verdict("Degraded", False, "AsExpected", "Nothing is wrong."),
    ]


def _under_way(reason: str, message: str) -> list[Verdict]:
    return [
        Verdict("Ready", False, reason, message),
        Verdict("Progressing", True, reason, message),
        Verdict("Degraded", False, "AsExpected", "Nothing is wrong."),
    ]


def _broken(reason: str, message: str) -> list[Verdict]:
    return [
        Verdict("Ready", False, reason, message),
        Verdict("Progressing", False, reason, message),
        Verdict("Degraded", True, reason, message),
    ]


def _is_failure(condition: Object) -> bool:
    """A Deployment's condition that says why it does not get on."""
    return (condition["type"], condition["status"]) in (("ReplicaFailure", "True"), ("Progressing", "False"))


def _has_lost(website: Object, ready: int) -> bool:
    """Whether fewer replicas are ready than when all were, since the spec last changed. An autoscaler's new ones, which
    do not change it, have never been."""
    before = found(website, "Ready")
    if before.get("observedGeneration") != website["metadata"]["generation"]:
        return False
    fewer = ready < website["status"].get("readyReplicas", 0)
    return bool(before["reason"] == _LOST or (before["status"] == "True" and fewer))
