"""Options of deletes in query and body, what is left of an object that finalizers hold, deletes of many."""

from itertools import product
from typing import Any

from tests.e2e.conformance.steps import (
    CAUGHT_UP,
    LABELLED,
    PARTIAL,
    PARTIALS,
    TABLE,
    YAML,
    Cases,
    Step,
    create,
    delete,
    read,
    saved,
)

_DRY = {"dryRun": ["All"]}


def _options(**members: Any) -> dict[str, Any]:
    return {"kind": "DeleteOptions", "apiVersion": "v1", **members}


_REFUSED: tuple[dict[str, Any], ...] = (
    *({"preconditions": {"uid": "x", "resourceVersion": "1"}}, {"preconditions": {"uid": ""}}, {"preconditions": 5}),
    *({"preconditions": {"uid": 5}}, {"preconditions": {"resourceVersion": "x"}}, {"dryRun": ["x"]}, {"dryRun": "All"}),
    *(
        {"dryRun": ["All", "x"]},
        {"dryRun": ["All", None]},
        {"propagationPolicy": "x"},
        {"propagationPolicy": ""},
        {"propagationPolicy": 5},
    ),
    *({"orphanDependents": "x"}, {"orphanDependents": False, "propagationPolicy": "x"}, {"gracePeriodSeconds": "x"}),
    *({"gracePeriodSeconds": 1.5}, {"ignoreStoreReadErrorWithClusterBreakingPotential": "x"}),
)
_TAKEN: tuple[dict[str, Any], ...] = (
    *({"preconditions": {"uid": "{uid}", "resourceVersion": "{rv}"}}, {"preconditions": {}}, {"preconditions": None}),
    *({"dryRun": ["All", "All"]}, {"gracePeriodSeconds": -5}, {"foo": 1}, {"orphanDependents": False}),
    *({"propagationPolicy": "Foreground"}, {"propagationPolicy": "Orphan"}, {"orphanDependents": True}),
)
_TYPES: tuple[dict[str, Any], ...] = (
    *({"kind": "Foo", "apiVersion": "v1"}, {"kind": 5, "apiVersion": "v1"}, {"kind": "DeleteOptions", "apiVersion": 5}),
    *(
        {"kind": "DeleteOptions", "apiVersion": version, **_DRY}
        for version in ("v2", "foo/v1", "apps/v1", "meta.k8s.io/v1")
    ),
    *({"kind": "DeleteOptions", "apiVersion": "{GROUP}/v1alpha1", **_DRY}, {"kind": "DeleteOptions", **_DRY}),
    *({"apiVersion": "v1", **_DRY}, _DRY, {"kind": "Website", "apiVersion": "{GROUP}/v1alpha1", **_DRY}),
)
_QUERIES: tuple[dict[str, str], ...] = (
    *(
        {"dryRun": "x"},
        {"dryRun": ""},
        {"gracePeriodSeconds": "x"},
        {"gracePeriodSeconds": ""},
        {"propagationPolicy": "x"},
    ),
    *({"orphanDependents": "true", "propagationPolicy": "Orphan"}, {"uid": "x"}, {"resourceVersion": "1"}),
    *({"uid": "{uid}", "resourceVersion": "1"}, {"timeout": "x"}),
    *(
        {"dryRun": "All", **more}
        for more in (
            *({}, {"propagationPolicy": ""}, {"propagationPolicy": "Foreground"}, {"orphanDependents": "x"}),
            *({"orphanDependents": "false"}, {"orphanDependents": ""}, {"gracePeriodSeconds": "-1"}, {"uid": "{uid}"}),
            *({"preconditions": "x"}, {"labelSelector": "="}, {"resourceVersion": "{rv}"}, {"fieldManager": "x"}),
        )
    ),
)
_POLICIES: tuple[dict[str, Any], ...] = (
    *({}, {"propagationPolicy": "Background"}, {"propagationPolicy": "Foreground"}, {"propagationPolicy": "Orphan"}),
    *({"orphanDependents": True}, {"orphanDependents": False}),
)
_HOLD = "example.com/x"
_HELD = ([_HOLD], [_HOLD, "orphan"], ["foregroundDeletion", _HOLD])
_COLLECTION: tuple[dict[str, str], ...] = (
    *({"labelSelector": "="}, {"fieldSelector": "x"}, {"fieldSelector": "spec.x=1"}, {"limit": "x"}, {"dryRun": "x"}),
    *({"resourceVersion": "x"}, {"resourceVersionMatch": "x"}, {"sendInitialEvents": "1"}, {"timeoutSeconds": "x"}),
    *(
        {"continue": "x"},
        {"propagationPolicy": "x"},
        {"gracePeriodSeconds": "x"},
        {"resourceVersionMatch": "NotOlderThan"},
    ),
    *(
        {"labelSelector": "none"},
        {"dryRun": "All", "limit": "2"},
        {"dryRun": "All", "fieldSelector": "metadata.name=a"},
    ),
    *({"dryRun": "All", "resourceVersion": "0", "resourceVersionMatch": "Exact"}, {"dryRun": "All", "watch": "1"}),
)


def _held(number: int, finalizers: list[str], policies: tuple[dict[str, Any], dict[str, Any]]) -> tuple[Step, ...]:
    path = f"/f{number}"
    first, second = (Step("DELETE", path, _options(**policy)) for policy in policies)
    return create(path[1:], finalizers=finalizers), first, second, read(path)


CASES: Cases = {
    "refused": (saved(), *(delete(_options(**members)) for members in _REFUSED), read()),
    "taken": (saved(), *(delete(_options(**{**_DRY, **members})) for members in _TAKEN), read()),
    "types": (saved(), *map(delete, _TYPES), read()),
    "types-defaulted": (
        create(),
        *(
            delete({**_DRY, "kind": kind, **({} if version is None else {"apiVersion": version})})
            for kind in (None, "", "Foo", "DeleteOptions")
            for version in (None, "", "v1", "/", "/v1", "a/", "v1//", "foo/v1", "meta.k8s.io/v1")
        ),
        delete({**_DRY, "kind": "Foo", "apiVersion": None}),
        delete({**_DRY, "apiVersion": "v1//"}),
    ),
    "bodies": (
        saved(),
        *(Step("DELETE", "/a", raw=raw) for raw in ("[]", "5", '"x"', "nope", "{}x", " ", '{"a":1,}')),
        *(Step("DELETE", "/a", raw=raw, headers=YAML) for raw in ("{", "[]", "nope", "dryRun: [All]")),
        *(
            Step("DELETE", "/a", raw='{"dryRun":["All"]}', headers={"Content-Type": media_type})
            for media_type in ("text/plain", "application/json;charset=utf-8", "application/merge-patch+json", "x")
        ),
        Step("DELETE", "/a", raw="null"),
        create(),
        Step("DELETE", "/a", raw="", headers=YAML),
    ),
    "queries": (saved(), *(delete(**query) for query in _QUERIES), delete(_options(), dryRun="All"), read()),
    "missing": (
        delete(),
        delete(_options(preconditions={"uid": "x"})),
        delete(dryRun="All"),
        delete(propagationPolicy="x"),
        Step("DELETE", "/a", raw="{"),
        *(Step("DELETE", path) for path in ("/Bad_Name", "/..", "/.", "/a%25")),
        *(Step(method, "/..") for method in ("GET", "PUT")),
    ),
    "held": tuple(
        step
        for number, (finalizers, first, second) in enumerate(product(_HELD, _POLICIES, _POLICIES[:4:2]))
        for step in _held(number, finalizers, (first, second))
    ),
    "formats": (
        create(finalizers=[_HOLD]),
        *(
            Step("DELETE", "/a", headers=headers)
            for headers in (TABLE, PARTIAL, PARTIALS, {"Accept": "application/yaml"})
        ),
        delete(orphanDependents="false"),
    ),
    "collection-options": (
        *LABELLED,
        *(delete(path="", **query) for query in _COLLECTION),
        *(Step("DELETE", raw=raw) for raw in ("{", '{"kind":"Foo","apiVersion":"v1"}')),
        *(Step("DELETE", body=_options(**members)) for members in ({"dryRun": ["x"]}, {"propagationPolicy": "x"})),
        *(
            Step("DELETE", query={"dryRun": "All", "includeObject": include}, headers=headers)
            for headers, include in ((TABLE, "None"), (TABLE, "x"), (PARTIAL, ""), (PARTIALS, ""))
        ),
        read(""),
    ),
    "collection-at-revision": (
        saved(),
        create("b"),
        CAUGHT_UP,
        *(
            Step("DELETE", body=_options(**_DRY), query={"resourceVersion": "{rv}", **query})
            for query in (
                *({}, {"resourceVersionMatch": "NotOlderThan"}, {"resourceVersionMatch": "Exact"}),
                *({"fieldSelector": "metadata.name=b"}, {"labelSelector": "none"}, {"limit": "5"}),
            )
        ),
        *(delete(path="", resourceVersion="{rv}", **query) for query in ({"uid": "x"}, {})),
        read(""),
    ),
    "collection-pages": (
        *LABELLED,
        Step("DELETE", query={"limit": "1"}, save={"token": "metadata.continue"}),
        Step("DELETE", query={"limit": "1", "continue": "{token}"}),
        read(""),
        create("h", finalizers=[_HOLD]),
        *(Step("DELETE", body=_options(propagationPolicy=policy)) for policy in ("Foreground", "Background")),
        read(""),
    ),
}
