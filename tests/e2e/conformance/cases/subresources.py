"""/status and /scale."""

from tests.e2e.conformance.steps import PUT, READY, Cases, Step, delete, merge, operations, read, saved, site

CASES: Cases = {
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
}
