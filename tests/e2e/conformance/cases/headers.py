"""The headers of answers."""

from dataclasses import replace

from tests.e2e.conformance.steps import (
    APPLY,
    MERGE,
    TABLE,
    YAML,
    Cases,
    Step,
    create,
    delete,
    merge,
    operations,
    read,
    site,
    watch,
)

ALICE = {"Authorization": "Bearer usertoken"}


def _shown(*steps: Step) -> tuple[Step, ...]:
    return tuple(replace(step, with_headers=True) for step in steps)


CASES: Cases = {
    "reads": _shown(
        create(),
        *(read(path, headers) for path in ("", "/a") for headers in ({}, TABLE, {"Accept": "application/yaml"})),
        read("/a/status"),
        read("/a/scale"),
        watch(resourceVersion="0"),
        watch(TABLE, resourceVersion="0"),
        read("/apis/{GROUP}/v1alpha1"),
        read("/apis/{GROUP}"),
        Step("HEAD"),
    ),
    "writes": _shown(
        create(),
        Step(
            "POST",
            raw="{apiVersion: {GROUP}/v1alpha1, kind: Website, metadata: {name: b}, spec: {gitRepo: 'https://x'}}",
            headers=YAML,
        ),
        merge({"spec": {"branch": "x"}}),
        operations(),
        Step("PATCH", "/c", {**site("c")}, {"fieldManager": "m"}, APPLY),
        Step("PUT", "/a", site()),
        delete(),
        delete(path=""),
    ),
    "refusals": _shown(
        read("/none"),
        create("Bad_Name"),
        Step("POST", raw="x", headers={"Content-Type": "text/plain"}),
        read(headers={"Accept": "text/plain"}),
        Step("PATCH", "", {}, headers=MERGE),
        Step("PUT", "", site()),
        Step("OPTIONS"),
        read("/a/none"),
        read("", ALICE),
        read("", {"Authorization": "Bearer nobody"}),
        read("/apis/{GROUP}/v1alpha1/nothing/here"),
        read("", limit="x"),
        read("", resourceVersion="999999999", timeoutSeconds="1"),
    ),
    "compression": (
        *(create(name, annotations={"a": "x" * 65000}) for name in ("a", "b")),
        *_shown(
            *(Step("HEAD", headers={"Accept-Encoding": coding}) for coding in ("gzip", "identity", "br", "gzip;q=0"))
        ),
        create("c", annotations={"a": "x" * 65000}),
        *_shown(*(Step("HEAD", headers={"Accept-Encoding": coding}) for coding in ("gzip", "identity", "br", "*"))),
        *_shown(Step("HEAD", "/a", headers={"Accept-Encoding": "gzip"})),
    ),
}
