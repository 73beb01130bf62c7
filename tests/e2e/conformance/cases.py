"""Requests whose answers must be those of kube-apiserver; each case runs in a namespace of its own."""

from typing import Any

from tests.e2e.conformance.exchange import Step
from tests.e2e.websites import REPO

MERGE = {"Content-Type": "application/merge-patch+json"}
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}
YAML = {"Content-Type": "application/yaml"}
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
PARTIAL = {"Accept": "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"}
PARTIALS = {"Accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}
STRICT = {"fieldValidation": "Strict"}


def site(name: str | None = "a", spec: Any = None, status: Any = None, **meta: Any) -> dict[str, Any]:
    """A manifest; keywords go into metadata."""
    named = {"name": name, **meta} if name else dict(meta)
    made = {"apiVersion": "{GROUP}/v1alpha1", "kind": "Website", "metadata": named}
    made["spec"] = {"gitRepo": REPO} if spec is None else spec
    return made if status is None else {**made, "status": status}


def create(name: str | None = "a", spec: Any = None, query: dict[str, str] | None = None, **meta: Any) -> Step:
    return Step("POST", body=site(name, spec, **meta), query=query or {})


def saved(**meta: Any) -> Step:
    """Creates `a` and keeps its uid and resourceVersion."""
    return Step("POST", body=site(**meta), save={"uid": "metadata.uid", "rv": "metadata.resourceVersion"})


def merge(body: Any, path: str = "/a", **query: str) -> Step:
    return Step("PATCH", path, body, query, MERGE)


def operations(*body: Any, path: str = "/a", **query: str) -> Step:
    return Step("PATCH", path, list(body), query, JSON_PATCH)


def apply(spec: Any, manager: str = "one", path: str = "/a", status: Any = None, **query: str) -> Step:
    body = site("a", spec, status) if spec is not None else {**site("a", {}, status), "spec": {}}
    return Step("PATCH", path, body, {"fieldManager": manager, **query}, APPLY)


def read(path: str = "/a", headers: dict[str, str] | None = None, token: str = "", **query: str) -> Step:
    """`token` continues a list."""
    return Step("GET", path, query={**query, **({"continue": token} if token else {})}, headers=headers or {})


def delete(body: Any = None, path: str = "/a", **query: str) -> Step:
    return Step("DELETE", path, body, query)


def watch(headers: dict[str, str] | None = None, **query: str) -> Step:
    return Step("GET", query={"watch": "1", "timeoutSeconds": "1", **query}, headers=headers or {})


READY = {"type": "Ready", "status": "True", "reason": "R", "message": "m", "lastTransitionTime": "2020-01-01T00:00:00Z"}
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "1"}
LABELLED = (create("a", labels={"t": "x", "n": "1"}), create("b", labels={"t": "y"}), create("c"))
PUT = {"resourceVersion": "{rv}"}

WRONG_SPECS: tuple[Any, ...] = ([], "x", 5, {"gitRepo": None}, {"gitRepo": [REPO]})

CASES: dict[str, tuple[Step, ...]] = {
    "create": (create(), read(), create()),
    "create-generated": (create(None, generateName="gen-"), create(None)),
    "create-names": tuple(create(name) for name in ("Bad_Name", "-a", "a..b", "x" * 254)),
    "create-generate-names": (create(None, generateName="Bad_"), create(None, generateName="gen-", finalizers=["x"])),
    "create-types": tuple(create(spec=spec) for spec in WRONG_SPECS),
    "create-ranges": tuple(
        create(spec={"gitRepo": REPO, "replicas": count}) for count in (101, -1, 1.5, "1", True, 2**40)
    ),
    "create-nulls": (create(spec={"gitRepo": REPO, "replicas": None, "branch": None}), read()),
    "create-long-repo": (create(spec={"gitRepo": "https://" + "x" * 2048}),),
    "create-labels": (create(labels={"a b": "c"}), create(labels={"a": "b c"}), create(labels={"x/y/z": "1"})),
    "create-label-types": (create(labels={"a": 5}), create(labels=[]), create(labels="x"), create(labels=None)),
    "create-annotations": (create(annotations={"a b": "c"}), create(annotations={"a": "x" * 270000})),
    "create-owners": (
        create(ownerReferences=[{**OWNER, "uid": ""}]),
        create(ownerReferences=[{**OWNER, "kind": "Event"}]),
        create(ownerReferences=[{**OWNER, "controller": True}, {**OWNER, "uid": "2", "controller": True}]),
    ),
    "create-repeated-owners": (create(ownerReferences=[OWNER, OWNER]),),
    "create-finalizers": (create(finalizers=["plain"]), create(finalizers=["orphan", "foregroundDeletion"])),
    "create-null-items": (create(ownerReferences=[None]), create(finalizers=[None])),
    "endless-digits": (
        read("", limit="9" * 5000),
        read("", resourceVersion="9" * 5000),
        read(resourceVersion="9" * 5000),
    ),
    "create-metadata-types": (
        Step("POST", body={**site(), "metadata": 5}),
        Step("POST", body={**site(), "metadata": None}),
        Step("POST", body={**site(), "metadata": {"name": 5}}),
        Step("POST", body={**site(), "metadata": {"name": "a", "finalizers": "x"}}),
    ),
    "create-unknown": (
        create(spec={"gitRepo": REPO, "x": 1, "y": {"z": 1}}),
        create("b", foo=1),
        create("b", query=STRICT),
    ),
    "create-unknown-strict": (
        create(spec={"gitRepo": REPO, "x": 1, "y": 2}, query=STRICT),
        create(foo=1, query=STRICT),
        Step("POST", body={**site(), "extra": 1}, query=STRICT),
    ),
    "create-duplicates": (
        Step(
            "POST",
            raw='{"apiVersion":"{GROUP}/v1alpha1","kind":"Website","metadata":{"name":"a","name":"b"},"spec":{"gitRepo":"https://x","gitRepo":"https://y"}}',
        ),
        Step(
            "POST",
            raw='{"apiVersion":"{GROUP}/v1alpha1","kind":"Website","metadata":{"name":"a"},"spec":{"gitRepo":"https://x","gitRepo":"https://y"}}',
            query=STRICT,
        ),
    ),
    "create-system-fields": (
        create(
            uid="x",
            creationTimestamp="2001-01-01T00:00:00Z",
            generation=7,
            selfLink="/x",
            deletionTimestamp="2001-01-01T00:00:00Z",
        ),
        create("b", resourceVersion="5"),
        Step("POST", body=site("c", status={"url": "http://x"})),
    ),
    "create-malformed": tuple(
        Step("POST", raw=raw)
        for raw in ("", "{", "[]", '"x"', "nope", "{} {}", '{"kind":"Website"}', '{"a":1,}', "null")
    ),
    "create-yaml": (
        Step(
            "POST",
            raw="apiVersion: {GROUP}/v1alpha1\nkind: Website\nmetadata: {name: a}\nspec: {gitRepo: 'https://x', foo: 1}\n",
            headers=YAML,
        ),
        Step(
            "POST",
            raw="apiVersion: {GROUP}/v1alpha1\nkind: Website\nmetadata: {name: b}\nspec: {gitRepo: 5}\n",
            headers=YAML,
        ),
    ),
    "create-media-type": (Step("POST", raw="x", headers={"Content-Type": "text/plain"}),),
    "create-other-kind": (
        Step("POST", body={**site(), "kind": "Page"}),
        Step("POST", body={**site(), "apiVersion": "v1"}),
    ),
    "create-namespaces": (
        create(namespace="other"),
        Step("POST", "/apis/{GROUP}/v1alpha1/namespaces/none-such/websites", site()),
    ),
    "create-options": tuple(
        create(query=query)
        for query in (
            *({"dryRun": "All"}, {"dryRun": "x"}, {"fieldValidation": "x"}, {"fieldManager": "x" * 129}),
            *({"fieldManager": "a\tb"}, {"fieldManager": "mine"}),
        )
    ),
    "formats": (
        create(),
        *(
            read(headers={"Accept": accept})
            for accept in ("application/yaml", "text/plain", "text/*,application/*;q=0.1", "*/*")
        ),
        read(pretty="true"),
        read(headers={"User-Agent": "curl/8"}),
    ),
    "get": (read("/none"), saved(), read(resourceVersion="0"), read(resourceVersion="x"), read(resourceVersion="{rv}")),
    "update": (
        saved(),
        Step("PUT", "/a", site(spec={"gitRepo": REPO, "branch": "b"}, **PUT)),
        Step("PUT", "/a", site(**PUT)),
        Step("PUT", "/a", site()),
        Step("PUT", "/b", site("b", **PUT)),
        Step("PUT", "/a", site("b", **PUT)),
        Step("PUT", "/a", site(None, **PUT)),
    ),
    "update-faults": (
        saved(),
        Step("PUT", "/a", site(spec={"gitRepo": "x"}, **PUT)),
        Step("PUT", "/a", site(uid="00000000-0000-0000-0000-000000000000", **PUT)),
        Step("PUT", "/a", site(labels={"a b": "c"}, **PUT)),
        Step("PUT", "/a", site(spec={"gitRepo": REPO, "x": 1}, **PUT)),
        Step("PUT", "/a", site(namespace="other", **PUT)),
        Step("PUT", "/a", site(resourceVersion="x")),
    ),
    "update-keeps-system-fields": (
        saved(),
        Step("PUT", "/a", site(generation=9, creationTimestamp=None, labels={"x": "y"}, **PUT)),
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
    "merge-patch": (
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
    "patch-bodies": (
        create(),
        *(Step("PATCH", "/a", raw=raw, headers=MERGE) for raw in ("[1]", "{", '"x"', "5", "null", "")),
        *(
            Step("PATCH", "/a", raw=raw, headers=JSON_PATCH)
            for raw in ("{}", "[", "[1]", "null", "[]", '[{"op":"x"}]', '[{"op":"add"}]')
        ),
        Step("PATCH", "/a", {}, headers={"Content-Type": "application/json"}),
        Step("PATCH", "/a", {}, headers={"Content-Type": "application/strategic-merge-patch+json"}),
    ),
    "json-patch": (
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
    "apply": (
        apply({"gitRepo": REPO, "branch": "b"}),
        apply({"gitRepo": REPO, "branch": "b"}),
        apply({"gitRepo": REPO}),
        apply({"gitRepo": "https://other"}, "two"),
        apply({"gitRepo": "https://other"}, "two", force="true"),
        apply({"gitRepo": REPO, "replicas": 2}, "one"),
        apply({"replicas": 3}, "three"),
        apply({"replicas": 4}, "four", force="true"),
        merge({"spec": {"branch": "z"}}, fieldManager="five"),
        apply({"branch": "y"}, "six"),
        apply({}, "one"),
        read(),
    ),
    "apply-faults": (
        apply({"gitRepo": "x"}),
        apply({}),
        apply({"gitRepo": REPO, "foo": 1}),
        apply({"gitRepo": 5}),
        apply({"gitRepo": REPO, "replicas": "x"}),
        Step("PATCH", "/a", site(spec={"gitRepo": REPO}), headers=APPLY),
        Step("PATCH", "/b", site("a"), {"fieldManager": "x"}, APPLY),
        Step("PATCH", "/a", {**site(), "apiVersion": "x/v1"}, {"fieldManager": "x"}, APPLY),
        Step("PATCH", "/a", raw="a: [", query={"fieldManager": "x"}, headers=APPLY),
        Step("PATCH", "/a", site(managedFields=[{"manager": "x"}]), {"fieldManager": "x"}, APPLY),
        Step("PATCH", "/a", site(uid="x"), {"fieldManager": "x"}, APPLY),
        apply({"gitRepo": REPO}, dryRun="All"),
        read(),
    ),
    "apply-status": (
        apply({"gitRepo": REPO}),
        apply({}, "s", "/a/status", {"conditions": [READY], "url": "u"}),
        apply({}, "t", "/a/status", {"conditions": [{**READY, "type": "Other"}]}),
        apply({}, "t", "/a/status", {"conditions": [{**READY, "status": "False"}]}),
        apply({}, "s", "/a/status", {"url": "v"}),
        apply({"gitRepo": REPO}, "one", status={"url": "ignored"}),
        Step("PATCH", "/none/status", site("none", {}), {"fieldManager": "x"}, APPLY),
        read(),
    ),
    "apply-over-update": (
        create(query={"fieldManager": "creator"}, labels={"x": "1"}),
        apply({"gitRepo": REPO, "branch": "b"}),
        apply({"gitRepo": "https://other"}),
        merge({"metadata": {"managedFields": [{}]}}),
        apply({"gitRepo": REPO}, "two"),
        apply({"gitRepo": "https://third"}, "two"),
        read(),
    ),
    "list": (
        *LABELLED,
        *(
            read("", labelSelector=text)
            for text in ("t=x", "t!=x", "t in (x,y)", "!t", "n>0", "t=x,n=1", "=", "a b", "t in (", "n>x", "t=a b", ",")
        ),
        *(
            read("", fieldSelector=text)
            for text in (
                "metadata.name=b",
                "metadata.name!=b",
                "metadata.namespace={ns}",
                "spec.x=1",
                "x",
                "metadata.name=a,metadata.name=b",
                "",
            )
        ),
        *(read("", limit=text) for text in ("0", "-1", "x", "3", "4")),
        *(read("", headers) for headers in (TABLE, PARTIALS, PARTIAL)),
        *(read("", TABLE, includeObject=text) for text in ("None", "Object", "x")),
        read("/a", TABLE),
        read("/a", PARTIAL),
        read("/a", PARTIALS),
    ),
    "list-empty": (read(""), read("", TABLE), read("", PARTIALS), read("", {"Accept": "application/yaml"})),
    "list-pages": (
        *LABELLED,
        Step("GET", query={"limit": "2"}, save={"token": "metadata.continue"}),
        read("", limit="2", token="{token}"),
        read("", resourceVersion="5", token="{token}"),
        read("", resourceVersionMatch="Exact", token="{token}"),
        *(read("", token=token) for token in ("x", "garbage", "e30", "eyJ2IjoieCJ9")),
    ),
    "list-revisions": (
        *LABELLED,
        *(read("", resourceVersion=text) for text in ("0", "x", "-1")),
        read("", resourceVersion="0", resourceVersionMatch="Exact"),
        read("", resourceVersion="5", resourceVersionMatch="x"),
        read("", resourceVersionMatch="NotOlderThan"),
        read("", sendInitialEvents="true"),
    ),
    "watch": (
        saved(labels={"t": "x"}),
        merge({"metadata": {"labels": {"t": "y"}}}),
        create("b"),
        merge({"metadata": {"labels": {"t": "x"}}}),
        delete(),
        watch(resourceVersion="{rv}"),
        watch(resourceVersion="{rv}", labelSelector="t=x"),
        watch(resourceVersion="{rv}", fieldSelector="metadata.name=b"),
        watch(resourceVersion="0"),
        watch(),
        watch(TABLE, resourceVersion="{rv}"),
        watch(PARTIAL, resourceVersion="{rv}"),
        watch(resourceVersion="x"),
        watch(labelSelector="=", resourceVersion="{rv}"),
        watch(sendInitialEvents="true", resourceVersionMatch="NotOlderThan", allowWatchBookmarks="true"),
        watch(sendInitialEvents="true"),
        watch(resourceVersionMatch="Exact", resourceVersion="{rv}"),
        watch({"Accept": "application/yaml"}),
        read("/b", watch="1", timeoutSeconds="1", resourceVersion="0"),
    ),
    "delete": (
        saved(),
        delete({"preconditions": {"uid": "x"}}),
        delete({"preconditions": {"resourceVersion": "1"}}),
        delete(dryRun="All"),
        delete({"dryRun": ["All"]}),
        delete(dryRun="x"),
        delete(propagationPolicy="x"),
        delete({"propagationPolicy": "Background", "orphanDependents": True}),
        Step("DELETE", "/a", raw="{"),
        delete({"kind": "Website", "apiVersion": "v1"}),
        delete({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "{uid}"}}),
        delete(),
    ),
    "delete-finalizers": (
        create(finalizers=["example.com/x"]),
        delete(dryRun="All"),
        delete(),
        delete(),
        create(),
        merge({"metadata": {"finalizers": ["example.com/x", "example.com/y"]}}),
        merge({"spec": {"branch": "late"}}),
        merge({"metadata": {"deletionTimestamp": None}}),
        merge({"metadata": {"finalizers": []}}),
        read(),
    ),
    "delete-collection": (
        *LABELLED,
        delete(path="", labelSelector="t", dryRun="All"),
        delete(path="", labelSelector="t=x"),
        delete(path="", fieldSelector="spec.x=1"),
        delete(path=""),
        read(""),
    ),
    "routes": (
        create(),
        read("/a/none"),
        read("/a/status/x"),
        Step("PATCH", "", {}, headers=MERGE),
        Step("PUT", "", site()),
        Step("POST", "/a", site()),
        read("/apis/{GROUP}/v1alpha1/namespaces/{ns}/pages"),
        read("/apis/{GROUP}/v1alpha1/pages"),
        read("/apis/{GROUP}/v9/namespaces/{ns}/websites"),
        Step("POST", "/apis/{GROUP}/v1alpha1/websites", site()),
        Step("DELETE", "/apis/{GROUP}/v1alpha1/websites"),
        read("/apis/{GROUP}/v1alpha1/websites", fieldSelector="metadata.namespace={ns}"),
    ),
    "discovery": (read("/apis/{GROUP}"), read("/apis/{GROUP}/v1alpha1")),
}
