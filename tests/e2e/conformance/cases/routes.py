"""Paths and methods that are or are not there, discovery."""

from tests.e2e.conformance.steps import MERGE, Cases, Step, create, read, site

CASES: Cases = {
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
    "line-ends": tuple(
        read(f"{path}%0A")
        for path in (
            "/apis/{GROUP}",
            "/apis/{GROUP}/v1alpha1",
            "/apis/{GROUP}/v1alpha1/",
            "",
            "/a",
            "/a/status",
            "/a/scale/",
        )
    ),
    "discovery": (read("/apis/{GROUP}"), read("/apis/{GROUP}/v1alpha1")),
}
