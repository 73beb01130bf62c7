"""Conditions as Kubernetes' API conventions have them (meta/v1 Condition, apimachinery `meta.SetStatusCondition`)."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from apiserver.machinery.errors import Object

_LONGEST_MESSAGE = 32768
"""Characters (meta/v1 Condition)."""


class Verdict(NamedTuple):
    """What there is to say about a condition: `reason` is one CamelCase word, `message` a sentence."""

    type: str
    status: bool
    reason: str
    message: str


def found(obj: Object, kind: str) -> Object:
    """The object's condition of this type, or {}."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    return next((condition for condition in conditions if condition["type"] == kind), {})


def updated(obj: Object, verdicts: Iterable[Verdict], now: datetime) -> list[Object]:
    """The object's conditions with these as they are now, others kept; lastTransitionTime moves with status only."""
    ours = [_condition(obj, verdict, now) for verdict in verdicts]
    types = {condition["type"] for condition in ours}
    before = (obj.get("status") or {}).get("conditions") or []
    return [*(condition for condition in before if condition["type"] not in types), *ours]


def _condition(obj: Object, verdict: Verdict, now: datetime) -> Object:
    before, status = found(obj, verdict.type), str(verdict.status)
    time = before["lastTransitionTime"] if before.get("status") == status else now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "type": verdict.type,
        "status": status,
        "reason": verdict.reason,
        "message": verdict.message[:_LONGEST_MESSAGE],
        "lastTransitionTime": time,
        "observedGeneration": obj["metadata"]["generation"],
    }
