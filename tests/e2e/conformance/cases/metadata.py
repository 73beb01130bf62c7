"""Rules for metadata, on each way to write it."""

from typing import Any

from tests.e2e.conformance.steps import APPLY, OWNER, Cases, Step, create, delete, merge, read, saved, site

NEVER = {"dryRun": "All"}
NAMES = ("a_b", ".a", "a.", "a-", "a b", "é", "a/b", "a%b", "..", "a\n", "*")
KEYS = (
    *("", "a/", "/a", "a/b/c", "A/b", "a.b/c", "-a", "é", "x" * 63, "x" * 64, "x" * 254 + "/x", "x/" + "a" * 64),
    *("a..b/c", "a\n", "x" * 64 + "/" + "b" * 64 + "!", " "),
)
VALUES = ("", "-a", "a b", "é", "a" * 63, "a" * 64, "a/b", ".", "a" * 64 + "!")
FINALIZERS: tuple[list[Any], ...] = (
    *([""], ["a"], ["a.b"], ["a/b", "a/b"], ["orphan"], ["kubernetes"], ["a b"], ["a/b/c"], ["x" * 64], ["b", "a"]),
    *(["orphan", "foregroundDeletion"], ["foregroundDeletion", "orphan", "x"], [None]),
)
OWNERS: tuple[list[Any], ...] = (
    *([{}], [OWNER, {**OWNER, "name": "y"}], [{**OWNER, "apiVersion": ""}], [{**OWNER, "apiVersion": "a/b/c"}]),
    *([{**OWNER, "apiVersion": "/"}], [{**OWNER, "apiVersion": "/v1"}], [{**OWNER, "apiVersion": "a/"}]),
    *(
        [{**OWNER, "kind": "Event", "apiVersion": "/v1"}],
        [{**OWNER, "kind": "Event", "apiVersion": "events.k8s.io/v1"}],
    ),
    *([{**OWNER, "controller": True}, {**OWNER, "uid": "2", "controller": False}], [{**OWNER, "controller": "x"}]),
    *([OWNER, {**OWNER, "uid": "2"}, OWNER, {**OWNER, "uid": "2"}], [{**OWNER, "uid": 5}], ["x"], [[]]),
)
TIMES = (
    *("", "x", "2020", "2020-01-01", "2020-13-01T00:00:00Z", "2020-02-30T00:00:00Z", "2020-01-01T24:00:00Z"),
    *("2020-01-01T00:60:00Z", "2020-01-01T00:00:60Z", "2020-01-01T00:00:00", "2020-01-01T00:00:00+25:00"),
    *(
        "é",
        '2020-01-01T00:00:00"',
        "\n",
        "2020-01-01T00:00:00Z\x7f",
        "2020-01-01T00:00:00Zx",
        "2020-01-01T00:00:00.5Z",
        "2020-01-01T1:00:00+02:00",
        "2020-01-01t00:00:00Z",
    ),
)
CHANGES: tuple[tuple[str, Any], ...] = (
    *(("labels", {"a": None}), ("labels", {"a b": "c"}), ("labels", {"a": 5}), ("annotations", {"a": True})),
    *(("annotations", {"a": "x" * 262144}), ("finalizers", ["a b"]), ("finalizers", ["orphan", "foregroundDeletion"])),
    *(("uid", ""), ("uid", "x"), ("generation", -1), ("generation", 1e3), ("generation", 1.5), ("generation", "x")),
    *(("creationTimestamp", None), ("creationTimestamp", "2020-01-01T00:00:00Z"), ("generateName", "X_")),
    *(("deletionTimestamp", "2020-01-01T00:00:00Z"), ("deletionGracePeriodSeconds", 5), ("foo", 1)),
    *(("managedFields", []), ("managedFields", [{}]), ("managedFields", [{"manager": "x"}]), ("labels", [])),
)
VERSIONS = ("", "0", "01", "x", "-1", " 1", "99999999", "99999999999999999999", 5, None)


def managed(**members: Any) -> list[dict[str, Any]]:
    """An entry that a client has written itself."""
    fields: dict[str, Any] = {"f:spec": {"f:branch": {}}}
    made = {"manager": "x", "operation": "Update", "apiVersion": "{GROUP}/v1alpha1", "time": "2020-01-01T00:00:00Z"}
    return [{**made, "fieldsType": "FieldsV1", "fieldsV1": fields, **members}]


ENTRIES: tuple[Any, ...] = (
    *(managed(), managed() * 2, managed(operation="Apply"), managed(operation="x"), managed(apiVersion="")),
    *(managed(fieldsType="x"), managed(time=None), managed(time="x"), managed(manager=""), managed(fieldsV1={})),
    *(managed(fieldsV1=None), managed(fieldsV1={"f:spec": 5}), managed(fieldsV1={"f:metadata": {"f:name": {}}})),
    *(managed(manager="a" * 129), managed(manager="a\nb"), managed(extra=1), [{}], [{}, {}], [], None, [None], "x"),
)


def tried(**meta: Any) -> Step:
    return create(query=NEVER, **meta)


def put(**meta: Any) -> Step:
    return Step("PUT", "/a", site(**{"resourceVersion": "{rv}", **meta}), NEVER)


def patched(**meta: Any) -> Step:
    return merge({"metadata": meta}, **NEVER)


CASES: Cases = {
    "names": tuple(create(name, query=NEVER) for name in NAMES),
    "generated-twice": (
        create(),
        create(generateName="g-"),
        create(finalizers=["x/y"], name="b"),
        delete(path="/b"),
        create("b"),
        create("b", generateName="g-"),
    ),
    "label-keys": tuple(tried(labels={key: "v"}) for key in KEYS),
    "label-values": tuple(tried(labels={"k": value}) for value in VALUES),
    "annotation-keys": tuple(tried(annotations={key: "v"}) for key in KEYS),
    "annotation-size": (tried(annotations={"k": "x" * 262144}), tried(annotations={"k": "é" * 131072})),
    "finalizers": tuple(tried(finalizers=each) for each in FINALIZERS),
    "warned-and-refused": (
        saved(),
        create(finalizers=["x"]),
        create("b", finalizers=["x"], resourceVersion="5"),
        create("b", finalizers=["x"], labels={"a b": "c"}),
        create("b", finalizers=["x"], query=NEVER),
        put(finalizers=["x"], labels={"a b": "c"}),
        put(finalizers=["x"], resourceVersion="1"),
        put(finalizers=["x"], uid="x"),
        patched(finalizers=["x"]),
        merge({"metadata": {"finalizers": ["x"]}}),
        put(finalizers=["y"], resourceVersion="1"),
        merge({"metadata": {"finalizers": ["x", "y"]}}, "/a/status"),
    ),
    "owners": tuple(tried(ownerReferences=each) for each in OWNERS),
    "owners-update": (saved(), *(put(ownerReferences=each) for each in OWNERS)),
    "owners-patch": (saved(), *(patched(ownerReferences=each) for each in OWNERS)),
    "times": tuple(tried(creationTimestamp=each) for each in TIMES),
    "update": (saved(labels={"x": "y"}, finalizers=["a/b"]), *(put(**{key: value}) for key, value in CHANGES)),
    "patch": (saved(labels={"x": "y"}, finalizers=["a/b"]), *(patched(**{key: value}) for key, value in CHANGES)),
    "managers": tuple(tried(managedFields=each) for each in ENTRIES),
    "managers-update": (saved(), *(put(managedFields=each, labels={"l": "n"}) for each in ENTRIES)),
    "managers-patch": (saved(), *(patched(managedFields=each, labels={"l": "n"}) for each in ENTRIES)),
    "several-faults": (
        saved(),
        tried(labels={"a a": "1"}, annotations={"a a": "1"}, finalizers=["b b"], ownerReferences=[{}]),
        put(labels={"a a": "1"}, annotations={"a a": "1"}, finalizers=["b b"], ownerReferences=[{}]),
        patched(labels={"a a": "1"}, uid="x", finalizers=["b b"]),
    ),
    "versions": (
        *(create(f"c{number}", resourceVersion=each) for number, each in enumerate(("5", "x", "0", ""))),
        saved(),
        create(resourceVersion="5"),
        *(put(resourceVersion=each) for each in VERSIONS),
        *(patched(resourceVersion=each) for each in VERSIONS),
    ),
    "namespaces": (
        saved(),
        *(tried(namespace=each) for each in ("", "other", "{ns}", None)),
        put(namespace="other", name="b"),
        patched(namespace="other"),
        patched(name="b", namespace="other"),
    ),
    "self-link": (
        saved(),
        merge({"metadata": {"selfLink": "/x", "labels": {"a": "b"}}}),
        merge({"metadata": {"selfLink": "/x", "labels": {"a": "c"}}}, **NEVER),
        merge({"metadata": {"selfLink": "/x"}}, **NEVER),
        merge({"metadata": {"selfLink": "/x"}, "status": {"url": "u"}}, "/a/status"),
        Step("PATCH", "/a", site(selfLink="/x", labels={"a": "d"}), {"fieldManager": "m", "force": "true"}, APPLY),
        read(),
    ),
    "other-uid": (
        saved(),
        put(uid="00000000-0000-0000-0000-000000000000"),
        Step("PUT", "/a", site(uid="00000000-0000-0000-0000-000000000000")),
    ),
    "while-deleting": (
        saved(finalizers=["x/y"]),
        delete(),
        patched(finalizers=["x/y", "x/z"]),
        patched(deletionTimestamp=None, deletionGracePeriodSeconds=None),
        patched(deletionTimestamp="2020-01-01T00:00:00Z"),
        patched(deletionGracePeriodSeconds=5),
        patched(finalizers=[]),
        merge({"metadata": {"finalizers": None}, "spec": {"gitRepo": "bad"}}),
        merge({"metadata": {"finalizers": None}}),
        read(),
    ),
}
