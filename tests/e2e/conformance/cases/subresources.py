"""/status and /scale."""

from typing import Any

from tests.e2e.conformance.steps import (
    APPLY,
    JSON_PATCH,
    MERGE,
    PUT,
    READY,
    YAML,
    Cases,
    Step,
    create,
    delete,
    merge,
    operations,
    read,
    saved,
    site,
)

NEVER = {"dryRun": "All"}
STATUSES: tuple[Any, ...] = (
    *(5, [], {}, {"replicas": 2**40}, {"readyReplicas": "x"}, {"url": 5}, {"conditions": 5}, {"conditions": [5]}),
    *({"conditions": [None]}, {"conditions": [{}]}, {"conditions": [READY, READY]}, {"selector": 5}, {"foo": 1}),
    *({"conditions": [{**READY, "observedGeneration": "x"}]}, {"observedGeneration": 1.5}),
)
SCALE = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "a"}, "spec": {"replicas": 3}}
SCALES: tuple[Any, ...] = (
    *({}, [], 5, {**SCALE, "metadata": None}, {**SCALE, "metadata": 5}, {**SCALE, "metadata": {"name": 5}}),
    *({**SCALE, "spec": None}, {**SCALE, "spec": 5}, {**SCALE, "kind": "X"}, {**SCALE, "apiVersion": "v1"}),
    *({**SCALE, "kind": ""}, {**SCALE, "apiVersion": ""}, {**SCALE, "foo": 1}, {**SCALE, "status": {"replicas": 9}}),
    *({**SCALE, "spec": {"replicas": value}} for value in (None, -1, 101, 2**31, "x", 1.5, 2.0)),
    *({**SCALE, "metadata": {"name": "a", "namespace": "other"}}, {**SCALE, "metadata": {"name": "a", "foo": 1}}),
    *({**SCALE, "metadata": {"name": "a", "uid": "x"}}, {**SCALE, "metadata": {"name": "a", "resourceVersion": "x"}}),
    {**SCALE, "metadata": {"name": "a", "ownerReferences": [{}, {}]}},
)
SCALE_PATCHES: tuple[Any, ...] = (
    *({"spec": {"replicas": value}} for value in (None, -1, 101, 2**31, "x", 1.5)),
    *(
        {"spec": 5},
        {"spec": None},
        {"spec": {"foo": 1}},
        {"foo": 1},
        {"kind": "X"},
        {"kind": None},
        {"apiVersion": "v1"},
    ),
    *({"metadata": {"name": "b"}}, {"metadata": {"name": None}}, {"metadata": {"namespace": "x"}}, {"metadata": None}),
    *({"metadata": {"uid": "x"}}, {"metadata": {"name": 5}}, {"metadata": {"foo": 1}}, [], 5, None),
)
STRICTLY = {**NEVER, "fieldValidation": "Strict"}

TIMES = (
    *("0000-01-01T00:00:00Z", "0000-02-29T00:00:00Z", "0001-02-29T00:00:00Z", "2020-00-01T00:00:00Z"),
    *("2020-01-00T00:00:00Z", "2020-01-01T00:00:00,5Z", "2020-01-01T00:00:00.Z", "2020-01-01T00:00:00+24:00"),
    *("2020-01-01t00:00:00z", "2020-01-01T00:00:60Z", "2020-01-01T00:00:00+0530"),
)
_LARGE = ("1e15", "9007199254740991.0", "9007199254740992.0", "9007199254740993", "-1e17", "9.3e18")
_COUNTS = ("2.0", "2e0", "-1.0", "300.0", "3000000000.0", "1e16", "1e300", "2.5")


def _counted(count: str, name: str = "a") -> str:
    site = f'{{"apiVersion":"{{GROUP}}/v1alpha1","kind":"Website","metadata":{{"name":"{name}"}}'
    return f'{site},"spec":{{"gitRepo":"https://x","replicas":{count}}},"status":{{"replicas":{count}}}}}'


CASES: Cases = {
    "times": (
        create(),
        *(merge({"status": {"conditions": [{**READY, "lastTransitionTime": time}]}}, "/a/status") for time in TIMES),
    ),
    "large-numbers": (
        create(),
        *(
            Step("PATCH", "/a/status", raw=f'{{"status":{{"observedGeneration":{number}}}}}', headers=MERGE)
            for number in _LARGE
        ),
        *(
            Step(
                "PATCH",
                "/a/status",
                raw=f'{{"apiVersion":"{{GROUP}}/v1alpha1","kind":"Website","metadata":{{"name":"a"}},'
                f'"status":{{"observedGeneration":{number}}}}}',
                headers=APPLY,
                query={"fieldManager": "m", "force": "true"},
            )
            for number in _LARGE
        ),
    ),
    "counts": (
        create(),
        *(Step("POST", raw=_counted(count, f"a{number}")) for number, count in enumerate(_COUNTS)),
        *(Step("POST", raw=_counted(count, f"y{number}"), headers=YAML) for number, count in enumerate(_COUNTS[:2])),
        *(
            Step("PATCH", path, raw=f'{{"{half}":{{"replicas":{count}}}}}', headers=MERGE)
            for path, half in (("/a", "spec"), ("/a", "status"), ("/a/status", "status"), ("/a/status", "spec"))
            for count in _COUNTS
        ),
        Step("PATCH", "/a", raw='[{"op":"add","path":"/spec/replicas","value":2.0}]', headers=JSON_PATCH),
        Step("PATCH", "/a", raw=_counted("2.0"), headers=APPLY, query={"fieldManager": "m", "force": "true"}),
        merge({"status": {"readyReplicas": 1.0, "observedGeneration": 2.0}}, "/a/status"),
        read(),
    ),
    "status-faults": (
        saved(),
        *(Step("PUT", "/a/status", {**site(**PUT), "status": each}, NEVER) for each in STATUSES),
        *(merge({"status": each}, "/a/status", **STRICTLY) for each in STATUSES),
    ),
    "status-takes-nothing-else": (
        saved(),
        Step("PUT", "/a/status", {**site(labels={"x y": "z"}, finalizers=["bad name"], **PUT), "status": {"url": "x"}}),
        merge({"metadata": {"name": "b"}}, "/a/status"),
        merge({"metadata": {"namespace": "b"}}, "/a/status"),
        merge({"metadata": {"resourceVersion": "1"}}, "/a/status"),
        operations({"op": "remove", "path": "/apiVersion"}, path="/a/status"),
        merge({"status": {}}, "/a/status"),
        merge({"status": {"conditions": []}}, "/a/status"),
        read(),
    ),
    "scale-update": (
        saved(),
        *(Step("PUT", "/a/scale", each, query) for each in SCALES for query in (NEVER, STRICTLY)),
        *(Step("PUT", "/a/scale", raw=raw, query=NEVER) for raw in ("", "{", "null")),
        Step("PUT", "/a/scale", {**SCALE, "spec": {}}),
        read(),
    ),
    "scale-fields": (
        create(),
        *(
            Step("PUT", "/a/scale", raw=f'{{"metadata":{{"name":"a","{name}":1}},"{name}":1}}', query=query)
            for name in ("\\u007f", '\\"', "é", "\\u2028")
            for query in (NEVER, STRICTLY)
        ),
    ),
    "scale-patch": (
        saved(),
        *(merge(each, "/a/scale", **query) for each in SCALE_PATCHES for query in (NEVER, STRICTLY)),
        *(operations({"op": "remove", "path": path}, path="/a/scale", **NEVER) for path in ("/spec", "/kind", "/none")),
        operations({"op": "test", "path": "/metadata/managedFields/0/manager", "value": "compare"}, path="/a/scale"),
        read(),
    ),
    "status": (
        saved(),
        Step(
            "PUT", "/a/status", site(spec={"gitRepo": "https://other"}, status={"url": "u"}, labels={"x": "y"}, **PUT)
        ),
        merge({"status": {"conditions": [READY]}, "spec": {"branch": "x"}}, "/a/status"),
        merge({"status": {"conditions": [{"type": "Ready"}]}}, "/a/status"),
        merge({"status": {"conditions": [READY, READY]}}, "/a/status"),
        merge({"status": {"conditions": [{**READY, "lastTransitionTime": "noon"}]}}, "/a/status"),
        merge({"status": {"replicas": -1}}, "/a/status"),
        merge({"status": {"foo": 1}}, "/a/status"),
        merge({"status": None}, "/a/status"),
        read("/a/status"),
        delete(path="/a/status"),
        Step("POST", "/a/status", site()),
    ),
    "scale": (
        saved(),
        read("/a/scale"),
        merge({"spec": {"replicas": 3}}, "/a/scale"),
        merge({"spec": {"replicas": -1}}, "/a/scale"),
        merge({"spec": {"replicas": 200}}, "/a/scale"),
        merge({"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 2}}, "/a/scale"),
        operations({"op": "replace", "path": "/spec/replicas", "value": 4}, path="/a/scale"),
        Step(
            "PUT",
            "/a/scale",
            {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "a"}, "spec": {"replicas": 5}},
        ),
        Step(
            "PUT",
            "/a/scale",
            {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "b"}, "spec": {"replicas": 5}},
        ),
        read(),
        read("/none/scale"),
    ),
}
