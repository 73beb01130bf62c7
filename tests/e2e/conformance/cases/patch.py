"""Merge patches and JSON patches."""

from tests.e2e.conformance.steps import JSON_PATCH, MERGE, Cases, Step, create, merge, operations, read

CASES: Cases = {
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
