"""Replacing an object."""

from tests.e2e.conformance.steps import PUT, Cases, Step, saved, site
from tests.e2e.websites import REPO

CASES: Cases = {
    "plain": (
        saved(),
        Step("PUT", "/a", site(spec={"gitRepo": REPO, "branch": "b"}, **PUT)),
        Step("PUT", "/a", site(**PUT)),
        Step("PUT", "/a", site()),
        Step("PUT", "/b", site("b", **PUT)),
        Step("PUT", "/a", site("b", **PUT)),
        Step("PUT", "/a", site(None, **PUT)),
    ),
    "faults": (
        saved(),
        Step("PUT", "/a", site(spec={"gitRepo": "x"}, **PUT)),
        Step("PUT", "/a", site(uid="00000000-0000-0000-0000-000000000000", **PUT)),
        Step("PUT", "/a", site(labels={"a b": "c"}, **PUT)),
        Step("PUT", "/a", site(spec={"gitRepo": REPO, "x": 1}, **PUT)),
        Step("PUT", "/a", site(namespace="other", **PUT)),
        Step("PUT", "/a", site(resourceVersion="x")),
    ),
    "keeps-system-fields": (
        saved(),
        Step("PUT", "/a", site(generation=9, creationTimestamp=None, labels={"x": "y"}, **PUT)),
    ),
}
