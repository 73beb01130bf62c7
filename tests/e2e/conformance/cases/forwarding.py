"""What someone between client and server could change: methods, users, oddities of paths and queries."""

from tests.e2e.conformance.steps import MERGE, Cases, Step, create, delete, read, site

ALICE = {"Authorization": "Bearer usertoken"}
STRANGER = {"Authorization": "Bearer nobody"}
COLLECTION = "/apis/{GROUP}/v1alpha1/namespaces/{ns}/websites"

CASES: Cases = {
    "users": (
        create(),
        *(read(path, headers) for path in ("", "/a", "/a/status") for headers in (ALICE, STRANGER)),
        Step("POST", body=site("b"), headers=ALICE),
        Step("PUT", "/a", site(), headers=ALICE),
        Step("PATCH", "/a", {}, headers=MERGE | ALICE),
        Step("DELETE", "/a", headers=ALICE),
        Step("DELETE", headers=ALICE),
        Step("GET", query={"watch": "1", "timeoutSeconds": "1"}, headers=ALICE),
        read("/apis/{GROUP}/v1alpha1", ALICE),
        read("/apis/{GROUP}/v1alpha1/websites", ALICE),
    ),
    "methods": tuple(Step(method, path) for path in ("", "/a") for method in ("HEAD", "OPTIONS", "TRACE", "COPY")),
    "paths": (
        create(),
        read(f"{COLLECTION}/"),
        read(f"{COLLECTION}/a/"),
        read(f"{COLLECTION}//a"),
        read(f"{COLLECTION}/a%2Fstatus"),
        read(f"{COLLECTION}/%61"),
        read(f"{COLLECTION}/A"),
        read("/apis/{GROUP}/v1alpha1/"),
        read("/apis/{GROUP}/"),
        read("/apis/{GROUP}/v1alpha1/namespaces/{ns}"),
        read("/apis/{GROUP}/v1alpha1/namespaces/{ns}/"),
        read("/apis/{GROUP}/v1alpha1/watch/namespaces/{ns}/websites", timeoutSeconds="1"),
    ),
    "queries": (
        create(),
        read("/a", unknown="1"),
        read("/a", timeout="x"),
        read("", timeout="x"),
        read("", timeoutSeconds="x"),
        read("", watch="x", timeoutSeconds="1"),
        read("", limit=" 1"),
        read("", labelSelector="a;b"),
        read("", labelSelector="a=%"),
        read("", labelSelector="é"),
        read("/a", pretty="x"),
        delete(gracePeriodSeconds="x"),
        delete(orphanDependents="x"),
    ),
    "headers": (
        Step("POST", body=site(), headers={"Content-Encoding": "gzip"}),
        Step("POST", body=site("b"), headers={"Expect": "100-continue"}),
        read("", {"Range": "bytes=0-1"}),
        read("", {"If-None-Match": "*"}),
        read("/a", {"X-Remote-User": "alice", "X-Remote-Group": "nobody"}),
        read("/a", {"Impersonate-User": "alice"}),
        read("/a", {"Impersonate-User": "admin", "Impersonate-Group": "system:masters"}),
        read("/a", {"Impersonate-Group": "system:masters"}),
        read("/a", {"X-HTTP-Method-Override": "DELETE"}),
    ),
    "hosts": tuple(
        read("", {"Host": text}) for text in ("other", "a:1", "[::1]:5", "", "a b", "a/b", "a\\b", "a@b", "a#")
    ),
    "tokens": tuple(
        read(path, {"Authorization": text})
        for path in ("", "/apis/{GROUP}/v1alpha1")
        for text in ("Bearer  admintoken", "Bearer   x", "Bearer", "bearer admintoken", "Basic  eDp5")
    ),
    "impersonation": (
        *(
            Step(method, path, body, headers={**ALICE, "Impersonate-User": user, **more})
            for method, path, body, more in (
                ("GET", "", None, {}),
                ("POST", "", site(), {}),
                ("PATCH", "/a/status", {}, MERGE),
                ("GET", "/apis/{GROUP}/v1alpha1", None, {}),
                ("GET", "", None, {"Impersonate-Group": "g"}),
                ("GET", "", None, {"Impersonate-Uid": "1"}),
            )
            for user in ("eve", "system:serviceaccount:ns:sa", "system:node:n", "system:node:N", "system:anonymous")
        ),
        read("", {"Impersonate-User": "system:node:n"}),
        *(read("", {**ALICE, f"Impersonate-{name}": ""}) for name in ("User", "Uid", "Group", "Extra-x", "Other")),
        *(read("", {f"Impersonate-{name}": "x"}) for name in ("Uid", "Group", "Extra-x", "Other")),
        read("", {"Impersonate-Group": 'g"', "Impersonate-Extra-b": "1", "Impersonate-Extra-A": ""}),
        read("", {"Impersonate-User": "eve", "Impersonate-Group": "system:masters"}),
        read("", {"Impersonate-User": "eve", "Impersonate-Extra-Scopes": "x"}),
    ),
}
