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


@dataclass(frozen=True)
class OpenAPIDifference:
    """`paths`: patterns of JSON pointers into the documents, such as v3/info/title."""

    reason: str
    paths: tuple[str, ...]


_META = "v3/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1."
_COLLECTION = "*/paths/*/{namespace}/websites"
OPENAPI = (
    OpenAPIDifference("the document is another server's", ("v3/info/*",)),
    OpenAPIDifference("how to authenticate is published, as Go's aggregated servers do", ("*/securitySchemes",)),
    OpenAPIDifference(
        "which kinds the shared types are is left to kube-apiserver, which publishes it already: two definitions that "
        "claim one kind confuse clients",
        (
            "v3/components/schemas/io.k8s.api.autoscaling.v1.Scale/x-kubernetes-group-version-kind",
            f"{_META}DeleteOptions/x-kubernetes-group-version-kind",
            f"{_META}Status/x-kubernetes-group-version-kind",
        ),
    ),
    OpenAPIDifference(
        "a collection is deleted with DeleteOptions, and not with the options of a watch, as for built-in kinds",
        (
            *(f"{_COLLECTION}/delete/parameters/{name}" for name in ("allowWatchBookmarks", "sendInitialEvents")),
            *(f"{_COLLECTION}/delete/parameters/{name}" for name in ("watch", "dryRun", "gracePeriodSeconds")),
            *(f"{_COLLECTION}/delete/parameters/{name}" for name in ("orphanDependents", "propagationPolicy", "body")),
            f"{_COLLECTION}/delete/requestBody",
        ),
    ),
    OpenAPIDifference(
        "an apply that creates answers 201, which is published as for built-in kinds",
        (f"{_COLLECTION}/{{name}}/patch/responses/201",),
    ),
    OpenAPIDifference(
        "there are no lists by shards, which are alpha and off by default in Kubernetes 1.36",
        ("*/parameters/shardSelector", f"{_META}ListMeta/properties/shardInfo", f"{_META}ShardInfo"),
    ),
    OpenAPIDifference(
        "there is no unsafe deletion of objects that cannot be read: nothing is encrypted in storage",
        ("*/ignoreStoreReadErrorWithClusterBreakingPotential",),
    ),
)
