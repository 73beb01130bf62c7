"""Creating: names, types, defaults, unknown and repeated fields, options."""

from typing import Any

from tests.e2e.conformance.steps import OWNER, STRICT, YAML, Cases, Step, create, read, site
from tests.e2e.websites import REPO

WRONG_SPECS: tuple[Any, ...] = ([], "x", 5, {"gitRepo": None}, {"gitRepo": [REPO]})

CASES: Cases = {
    "plain": (create(), read(), create()),
    "generated": (create(None, generateName="gen-"), create(None)),
    "names": tuple(create(name) for name in ("Bad_Name", "-a", "a..b", "x" * 254)),
    "generate-names": (create(None, generateName="Bad_"), create(None, generateName="gen-", finalizers=["x"])),
    "types": tuple(create(spec=spec) for spec in WRONG_SPECS),
    "ranges": tuple(create(spec={"gitRepo": REPO, "replicas": count}) for count in (101, -1, 1.5, "1", True, 2**40)),
    "nulls": (create(spec={"gitRepo": REPO, "replicas": None, "branch": None}), read()),
    "long-repo": (create(spec={"gitRepo": "https://" + "x" * 2048}),),
    "labels": (create(labels={"a b": "c"}), create(labels={"a": "b c"}), create(labels={"x/y/z": "1"})),
    "label-types": (create(labels={"a": 5}), create(labels=[]), create(labels="x"), create(labels=None)),
    "annotations": (create(annotations={"a b": "c"}), create(annotations={"a": "x" * 270000})),
    "owners": (
        create(ownerReferences=[{**OWNER, "uid": ""}]),
        create(ownerReferences=[{**OWNER, "kind": "Event"}]),
        create(ownerReferences=[{**OWNER, "controller": True}, {**OWNER, "uid": "2", "controller": True}]),
    ),
    "repeated-owners": (create(ownerReferences=[OWNER, OWNER]),),
    "finalizers": (create(finalizers=["plain"]), create(finalizers=["orphan", "foregroundDeletion"])),
    "null-items": (create(ownerReferences=[None]), create(finalizers=[None])),
    "metadata-types": (
        Step("POST", body={**site(), "metadata": 5}),
        Step("POST", body={**site(), "metadata": None}),
        Step("POST", body={**site(), "metadata": {"name": 5}}),
        Step("POST", body={**site(), "metadata": {"name": "a", "finalizers": "x"}}),
    ),
    "unknown": (
        create(spec={"gitRepo": REPO, "x": 1, "y": {"z": 1}}),
        create("b", foo=1),
        create("b", query=STRICT),
    ),
    "unknown-strict": (
        create(spec={"gitRepo": REPO, "x": 1, "y": 2}, query=STRICT),
        create(foo=1, query=STRICT),
        Step("POST", body={**site(), "extra": 1}, query=STRICT),
    ),
    "duplicates": (
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
    "system-fields": (
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
    "malformed": tuple(
        Step("POST", raw=raw)
        for raw in ("", "{", "[]", '"x"', "nope", "{} {}", '{"kind":"Website"}', '{"a":1,}', "null")
    ),
    "yaml": (
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
    "media-type": (Step("POST", raw="x", headers={"Content-Type": "text/plain"}),),
    "other-kind": (
        Step("POST", body={**site(), "kind": "Page"}),
        Step("POST", body={**site(), "apiVersion": "v1"}),
    ),
    "namespaces": (
        create(namespace="other"),
        Step("POST", "/apis/{GROUP}/v1alpha1/namespaces/none-such/websites", site()),
    ),
    "options": tuple(
        create(query=query)
        for query in (
            *({"dryRun": "All"}, {"dryRun": "x"}, {"fieldValidation": "x"}, {"fieldManager": "x" * 129}),
            *({"fieldManager": "a\tb"}, {"fieldManager": "mine"}),
        )
    ),
}
