"""Server-side apply."""

from tests.e2e.conformance.steps import APPLY, PARTIAL, READY, TABLE, Cases, Step, apply, create, merge, read, site
from tests.e2e.websites import REPO

_IDENTITY = '"apiVersion":"{GROUP}/v1alpha1","kind":"Website","metadata":{"name":"a"}'

CASES: Cases = {
    "plain": (
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
    "finalizers": tuple(
        Step("PATCH", f"/{name}", site(name, finalizers=finalizers), {"fieldManager": "m", **options}, APPLY)
        for name, finalizers, options in (
            ("a", ["x", "y.z", "y.z/ok", "orphan"], {}),
            ("a", ["x", "y.z", "y.z/ok", "orphan"], {}),
            ("a", ["x", "more"], {"dryRun": "All"}),
            ("a", ["x", "more"], {}),
            ("b", ["x"], {"dryRun": "All"}),
        )
    ),
    "faults": (
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
    "created-with": tuple(
        Step("PATCH", "/a", site(**meta), {"fieldManager": "m", **query}, {**APPLY, **headers})
        for meta in ({"resourceVersion": "1"}, {"resourceVersion": "0"}, {"resourceVersion": "x"}, {"selfLink": "/x"})
        for query, headers in (({"dryRun": "All"}, {}), ({"dryRun": "All"}, TABLE), ({"dryRun": "All"}, PARTIAL))
    ),
    "repeated": (
        create(query={"fieldManager": "creator"}),
        *(
            Step("PATCH", "/a", raw=f"{{{_IDENTITY},{members}}}", query={"fieldManager": "m", **query}, headers=APPLY)
            for members in (
                '"spec":{"branch":"a","branch":"b"}',
                '"spec":{"branch":"c","branch":"d","gitRepo":"https://other"}',
                '"spec":{"branch":"c","branch":"d","gitRepo":5}',
                '"spec":{"branch":"c","branch":"d","replicas":-1}',
            )
            for query in ({"fieldValidation": "Strict"}, {"force": "true", "fieldValidation": "Strict"}, {})
        ),
        Step(
            "PATCH",
            "/a/scale",
            raw='{apiVersion: autoscaling/v1, kind: Scale, metadata: {name: a, name: a}, spec: {replicas: "x"}}',
            query={"fieldManager": "m", "fieldValidation": "Strict"},
            headers=APPLY,
        ),
    ),
    "odd-keys": (
        apply({"gitRepo": REPO}),
        *(
            apply({}, "m", "/a/status", {"conditions": [{**READY, "type": key}]})
            for key in ({"a": 1}, {"b": None}, [{"a": 1}, "x"], 9.3e18, 1.5, True, None)
        ),
    ),
    "status": (
        apply({"gitRepo": REPO}),
        apply({}, "s", "/a/status", {"conditions": [READY], "url": "u"}),
        apply({}, "t", "/a/status", {"conditions": [{**READY, "type": "Other"}]}),
        apply({}, "t", "/a/status", {"conditions": [{**READY, "status": "False"}]}),
        apply({}, "s", "/a/status", {"url": "v"}),
        apply({"gitRepo": REPO}, "one", status={"url": "ignored"}),
        Step("PATCH", "/none/status", site("none", {}), {"fieldManager": "x"}, APPLY),
        read(),
    ),
    "over-update": (
        create(query={"fieldManager": "creator"}, labels={"x": "1"}),
        apply({"gitRepo": REPO, "branch": "b"}),
        apply({"gitRepo": "https://other"}),
        merge({"metadata": {"managedFields": [{}]}}),
        apply({"gitRepo": REPO}, "two"),
        apply({"gitRepo": "https://third"}, "two"),
        read(),
    ),
}
