"""Answers that differ from kube-apiserver's, each for a reason."""

from dataclasses import dataclass

AGGREGATED = "aggregated"
"""Part of the name of every target behind the aggregator."""


@dataclass(frozen=True)
class Difference:
    """`steps`: name of the case -> the numbers of its steps, from 0. `where`: part of the target's name, or all."""

    reason: str
    steps: dict[str, tuple[int, ...]]
    where: str = ""


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "on an update kube-apiserver leaves the first segment out of the path in a format's message",
        {"subresources/status": (5,)},
    ),
)


def reason(case: str, step: int, target: str) -> str:
    """Why the answer to this step differs there; empty when it must not."""
    found = (each.reason for each in DIFFERENCES if step in each.steps.get(case, ()) and each.where in target)
    return next(found, "")
