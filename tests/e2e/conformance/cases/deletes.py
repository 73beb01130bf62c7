"""Deletes of one and of many, finalizers, preconditions."""

from tests.e2e.conformance.steps import LABELLED, Cases, Step, create, delete, merge, read, saved

CASES: Cases = {
    "propagation": (
        create(),
        delete({"propagationPolicy": "Foreground"}),
        read(),
        create("b"),
        delete(path="/b", propagationPolicy="Orphan"),
        read("/b"),
        create("c", finalizers=["example.com/x"]),
        delete(path="/c", propagationPolicy="Background"),
        delete(path="/c", orphanDependents="true"),
    ),
    "plain": (
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
    "finalizers": (
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
    "collection": (
        *LABELLED,
        delete(path="", labelSelector="t", dryRun="All"),
        delete(path="", labelSelector="t=x"),
        delete(path="", fieldSelector="spec.x=1"),
        delete(path=""),
        read(""),
    ),
}
