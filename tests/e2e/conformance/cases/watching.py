"""Watches: from every kind of revision, in every format, by the deprecated paths too; what is refused and in which words."""

from itertools import product

from tests.e2e.conformance.steps import MERGE, PARTIAL, TABLE, Cases, Step, create, delete, merge, saved, site

_STREAM = {"watch": "1", "timeoutSeconds": "1"}
_CREATED = (
    saved(labels={"t": "x"}),
    create("b", labels={"t": "y"}),
    merge({"metadata": {"labels": {"t": "y"}}}),
    merge({"metadata": {"labels": {"t": "x"}}}),
    create("c", finalizers=["example.com/x"]),
    delete(path="/b"),
    delete(path="/c"),
    merge({"metadata": {"finalizers": None}}, "/c"),
)
_REVISIONS: tuple[dict[str, str], ...] = (
    *({}, {"resourceVersion": ""}, {"resourceVersion": "0"}, {"resourceVersion": "{rv}"}, {"resourceVersion": "x"}),
)
_INITIAL: tuple[dict[str, str], ...] = ({}, {"sendInitialEvents": "true"}, {"sendInitialEvents": "false"})
_MATCHES: tuple[dict[str, str], ...] = (
    *({}, {"resourceVersionMatch": "NotOlderThan"}, {"resourceVersionMatch": "Exact"}, {"resourceVersionMatch": "x"}),
)
_INITIAL_EVENTS = {"sendInitialEvents": "1", "resourceVersionMatch": "NotOlderThan"}
_ACCEPT = (
    *("application/yaml", "application/yaml,application/json", "application/json;stream=x", "text/plain", "*/*"),
    *("application/json;pretty=1", "application/json;as=Table;v=v9;g=meta.k8s.io", "application/json;sv=v1"),
    *("application/yaml;as=Table;v=v1;g=meta.k8s.io", "application/json;as=Table;v=v1beta1;g=meta.k8s.io"),
    "application/json;as=PartialObjectMetadata;v=v1beta1;g=meta.k8s.io",
)
_ODD: tuple[dict[str, str], ...] = (
    *({"limit": "1"}, {"limit": "x"}, {"continue": "x"}, {"timeout": "x"}, {"pretty": "1"}, {"dryRun": "All"}),
    *({**_INITIAL_EVENTS, "sendInitialEvents": ""}, {**_INITIAL_EVENTS, "continue": "x"}, {"allowWatchBookmarks": "0"}),
    *({"labelSelector": text} for text in ("t=x", "!t", "none", "=", ",")),
    *({"fieldSelector": f"metadata.name{text}"} for text in ("=a", "!=a", "=none", "", "=a,metadata.name=b")),
    *({"fieldSelector": "spec.x=1"}, {"fieldSelector": "metadata.namespace=other"}),
)
_PATHS = (
    *("watch/namespaces/{ns}/websites", "watch/namespaces/{ns}/websites/", "watch/namespaces/{ns}/websites/a"),
    *(
        "watch/namespaces/{ns}/websites/none",
        "watch/namespaces/{ns}/websites/a/status",
        "watch/nopes",
        "websites/watch",
    ),
    *(
        "watch/namespaces/{ns}/websites/a/nope",
        "watch/watch/websites",
        "watch/namespaces",
        "watch/namespaces/{ns}/status",
    ),
)


def stream(query: dict[str, str], headers: dict[str, str] | None = None, path: str = "") -> Step:
    """A second of a watch."""
    return Step("GET", path, query={**_STREAM, **query}, headers=headers or {})


def _deprecated(path: str, query: dict[str, str], method: str = "GET") -> Step:
    return Step(method, f"/apis/{{GROUP}}/v1alpha1/{path}", query={"timeoutSeconds": "1", **query})


CASES: Cases = {
    "revisions": (
        *_CREATED,
        *(
            stream({**revision, **initial, **match})
            for revision, initial, match in product(_REVISIONS, _INITIAL, _MATCHES)
        ),
        stream({"resourceVersion": "99999999", **_INITIAL_EVENTS}),
        stream({"resourceVersion": "18446744073709551615", **_INITIAL_EVENTS}),
        *(stream({"resourceVersion": text}) for text in ("-1", "18446744073709551616")),
    ),
    "accept": (
        *_CREATED,
        *(
            stream({"resourceVersion": revision}, {"Accept": accept})
            for accept in _ACCEPT
            for revision in ("{rv}", "x")
        ),
        stream({"resourceVersion": "{rv}"}, {"User-Agent": "curl/8"}),
    ),
    "tables": (
        *_CREATED,
        *(
            stream({"resourceVersion": "{rv}", "includeObject": text}, TABLE)
            for text in ("None", "Metadata", "Object", "x", "")
        ),
        stream({"resourceVersion": "{rv}", "includeObject": "x"}),
        stream({"labelSelector": "t=y", "resourceVersion": "{rv}"}, TABLE),
        stream({"labelSelector": "t=y", "resourceVersion": "{rv}"}, PARTIAL),
    ),
    "initial-events": (
        create(),
        *(
            stream({**_INITIAL_EVENTS, "allowWatchBookmarks": "1", **more}, headers)
            for headers, more in (
                *((TABLE, {"includeObject": text}) for text in ("None", "Metadata", "Object")),
                *((PARTIAL, {}), (None, {"labelSelector": "none"}), (None, {"fieldSelector": "metadata.name=a"})),
            )
        ),
    ),
    "odd": (*_CREATED, *(stream({"resourceVersion": "{rv}", **query}) for query in _ODD), *map(stream, _ODD)),
    "whether": (
        create(),
        *(
            Step("GET", path, query={"watch": text, "timeoutSeconds": "1"})
            for path, text in product(("", "/a"), ("1", "true", "yes", "", "0", "false", "FALSE"))
        ),
        *(stream({"timeoutSeconds": text}) for text in ("x", "", "1.5")),
    ),
    "paths": (
        *_CREATED,
        *(_deprecated(path, {}) for path in _PATHS),
        *(_deprecated(path, {"resourceVersion": "{rv}", "fieldSelector": "metadata.name=a"}) for path in _PATHS),
        *(_deprecated(_PATHS[2], {"fieldSelector": text}) for text in ("metadata.name=b", "metadata.namespace={ns}")),
        _deprecated(_PATHS[2], {"labelSelector": "t=y"}),
        *(_deprecated(_PATHS[0], {"resourceVersion": "{rv}"}, method) for method in ("DELETE", "OPTIONS")),
        Step("PUT", "/apis/{GROUP}/v1alpha1/watch/namespaces/{ns}/websites/a/status", site()),
        Step("PATCH", "/apis/{GROUP}/v1alpha1/proxy/namespaces/{ns}/websites/a", {}, headers=MERGE),
    ),
}
