"""Watches, each a second long."""

from tests.e2e.conformance.steps import PARTIAL, TABLE, Cases, create, delete, merge, read, saved, watch

CASES: Cases = {
    "first-revision": (watch(resourceVersion="1"), watch(resourceVersion="1", allowWatchBookmarks="true")),
    "events": (
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
}
