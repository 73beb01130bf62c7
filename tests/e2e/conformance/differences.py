"""Answers that differ from kube-apiserver's, each for a reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

AGGREGATED, STANDALONE = "aggregated", "standalone"
"""Where: behind the aggregator, without a cluster."""


@dataclass(frozen=True)
class Difference:
    """`steps`: name of the case -> the numbers of its steps, from 0. `where`: everywhere when empty.
    `always`: False when chance decides whether they differ."""

    reason: str
    steps: Mapping[str, Sequence[int]]
    where: str = ""
    always: bool = True


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "a watch starts at any revision that storage has the history of; kube-apiserver's starts at none from before "
        "the server did, and had more revisions than these then",
        {"watches/first-revision": (0, 1)},
        always=False,
    ),
    Difference(
        "the aggregator makes 200 without a media type of the answer to a request with Expect: 100-continue: it takes "
        "the interim 100 for the answer's code, which it gets when it sends headers and body apart",
        {"forwarding/headers": (1,)},
        AGGREGATED,
        always=False,
    ),
    Difference(
        "without a cluster there is no revision from before the first namespaces; kube-apiserver's first revisions go "
        "with its first compaction, minutes after its start",
        {"lists/revisions": (11,)},
        STANDALONE,
    ),
    Difference(
        "without a cluster the garbage collector runs in the server, and may be done before the next request",
        {
            "deletes/propagation": (2, 5),
            "deleting/held": range(144),
            "deleting/collection-pages": (7, 8, 9),
        },
        STANDALONE,
        always=False,
    ),
)


def difference(case: str, step: int, target: str) -> Difference | None:
    """Why the answer to this step differs there, if it may."""
    return next((each for each in DIFFERENCES if step in each.steps.get(case, ()) and each.where in target), None)


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
