"""Merge patches and JSON patches."""

import json
from typing import Any

from tests.e2e.conformance.steps import JSON_PATCH, MERGE, Cases, Step, create, merge, operations, read

NEVER = {"dryRun": "All"}
POINTERS = (
    *("", "/", "spec", "/spec/a/b", "/metadata/finalizers/-", "/metadata/finalizers/0", "/metadata/finalizers/2"),
    *("/metadata/finalizers/3", "/metadata/finalizers/-1", "/metadata/finalizers/x", "/metadata/labels/a~1b"),
    *("/metadata/labels/a~2b", "/metadata/labels/", "/apiVersion", "/kind", "/metadata/resourceVersion"),
)
ODD_OPERATIONS: tuple[Any, ...] = (
    *(
        [],
        [None],
        [{}],
        [[]],
        [5],
        5,
        "x",
        {},
        None,
        [{"op": 5}],
        [{"op": "add", "path": 5}],
        [{"op": "ADD", "path": "/x"}],
    ),
    *([{"op": "add", "value": "x"}], [{"op": "add", "path": "/spec/branch", "value": "x", "foo": 1}]),
    *([{"op": "move", "from": "/spec", "path": "/spec/x"}], [{"op": "move", "path": "/spec/x"}]),
    *([{"op": "copy", "from": "/none/none", "path": "/spec/x"}], [{"op": "copy", "from": "", "path": "/spec/x"}]),
)
ODD_MERGES = (
    *('{"spec":{"branch":"x","branch":"y"}}', '{"kind":null}', '{"apiVersion":null}', '{"metadata":null}'),
    *('{"metadata":[]}', '{"":1}', '{"spec":{"x":{"a":null,"b":[null,{"c":null}]}}}', '{"kind":5}', '{"apiVersion":5}'),
    *('{"apiVersion":"{GROUP}/v2"}', '{"apiVersion":"a/b/c"}', '{"Spec":{"gitRepo":"x"}}', "[{}]", "{}}", "null"),
    *('{"metadata":{"labels":{"a":null,"b":"","c":"v"}}}', '{"metadata":{"name":null}}', '{"spec":{"branch":"<>&"}}'),
)


def pointed(pointer: str) -> tuple[Step, ...]:
    """Every operation there."""
    names = ("add", "remove", "replace", "test")
    return tuple(operations({"op": name, "path": pointer, "value": "x/w"}, **NEVER) for name in names)


def thrice(raw: str, headers: dict[str, str]) -> tuple[Step, ...]:
    """As a warning, as an error, and without a word."""
    queries = (NEVER, {**NEVER, "fieldValidation": "Strict"}, {**NEVER, "fieldValidation": "Ignore"})
    return tuple(Step("PATCH", "/a", raw=raw, query=query, headers=headers) for query in queries)


KEPT = create(labels={"a": "1", "b": "2"}, finalizers=["x/y", "x/z"])
CASES: Cases = {
    "pointers": (KEPT, *(step for pointer in POINTERS for step in pointed(pointer))),
    "odd-operations": (KEPT, *(step for each in ODD_OPERATIONS for step in thrice(json.dumps(each), JSON_PATCH))),
    "odd-merges": (KEPT, *(step for raw in ODD_MERGES for step in thrice(raw, MERGE))),
    "repeated-unknown": (
        KEPT,
        *thrice('[{"op":"test","path":"/kind","value":"Website","x":1,"x":{"y":1,"y":2}}]', JSON_PATCH),
        *thrice('[{"op":"test","op":"test","path":"/kind","value":"Website","from":"","from":""}]', JSON_PATCH),
    ),
    "quoted-fields": (
        KEPT,
        *(
            step
            for name in ("\\u007f", '\\"', "é", "\\u2028")
            for step in (
                *thrice(f'[{{"op":"test","path":"/kind","value":"Website","{name}":1}}]', JSON_PATCH),
                *thrice(f'{{"spec":{{"{name}":1,"{name}":2}}}}', MERGE),
            )
        ),
    ),
    "no-json": (KEPT, *(step for raw in ("", "[", "nope") for step in (*thrice(raw, MERGE), *thrice(raw, JSON_PATCH)))),
    "merge": (
        create(labels={"a": "1"}),
        merge({"metadata": {"labels": {"a": None, "b": "2"}}, "spec": {"branch": "dev"}}),
        merge({}),
        merge({"spec": {"gitRepo": None}}),
        merge({"spec": None}),
        merge({"spec": []}),
        merge({"metadata": {"name": "b"}}),
        merge({"metadata": {"namespace": "b"}}),
        merge({"metadata": {"uid": "b"}}),
        merge({"metadata": {"resourceVersion": "1"}}),
        merge({"metadata": {"labels": {"a": 5}}}),
        merge({"kind": "Page"}),
        merge({"apiVersion": "x/v1"}),
        merge({"spec": {"foo": 1}}, fieldValidation="Strict"),
        merge({"spec": {"branch": "x"}}, dryRun="All"),
        merge({"spec": {"branch": "x"}}, force="true"),
        merge({"metadata": {"generateName": "x-", "creationTimestamp": None, "generation": 77}}),
        merge({}, "/none"),
        read(),
    ),
    "bodies": (
        create(),
        *(Step("PATCH", "/a", raw=raw, headers=MERGE) for raw in ("[1]", "{", '"x"', "5", "null", "")),
        *(
            Step("PATCH", "/a", raw=raw, headers=JSON_PATCH)
            for raw in ("{}", "[", "[1]", "null", "[]", '[{"op":"x"}]', '[{"op":"add"}]')
        ),
        Step("PATCH", "/a", {}, headers={"Content-Type": "application/json"}),
        Step("PATCH", "/a", {}, headers={"Content-Type": "application/strategic-merge-patch+json"}),
    ),
    "json": (
        create(labels={"a/b": "1"}),
        operations(
            {"op": "add", "path": "/spec/branch", "value": "dev"},
            {"op": "test", "path": "/spec/branch", "value": "dev"},
        ),
        operations({"op": "test", "path": "/spec/branch", "value": "x"}),
        operations({"op": "remove", "path": "/spec/none"}),
        operations({"op": "remove", "path": "/metadata/labels/a~1b"}),
        operations({"op": "replace", "path": "/spec/gitRepo", "value": 5}),
        operations({"op": "move", "from": "/spec/branch", "path": "/spec/gitRepo"}),
        operations({"op": "copy", "from": "/spec/gitRepo", "path": "/spec/branch"}),
        operations({"op": "remove", "path": "/metadata"}),
        operations({"op": "replace", "path": "", "value": {}}),
        operations({"op": "add", "path": "/spec/foo", "value": 1}),
    ),
}
