"""Options of lists: revisions, pages and tokens in all combinations, what is wrong first told first."""

from base64 import urlsafe_b64encode
from itertools import product
from typing import Any

import orjson

from tests.e2e.conformance.steps import CAUGHT_UP, LABELLED, Cases, Step, create, listed, merge, read

_MATCHES: tuple[dict[str, str], ...] = (
    *({}, {"resourceVersionMatch": "Exact"}, {"resourceVersionMatch": "NotOlderThan"}),
    {"resourceVersionMatch": "exact"},
)
_LIMITS: tuple[dict[str, str], ...] = ({}, {"limit": "1"})
_REVISIONS = ("", "0", "{rv}", "x")


def token(**members: Any) -> str:
    """A continue token that nobody has given."""
    document = orjson.dumps({"v": "meta.k8s.io/v1", "rv": -1, **members})
    return urlsafe_b64encode(document).rstrip(b"=").decode()


def _raw(document: bytes) -> str:
    return urlsafe_b64encode(document).rstrip(b"=").decode()


_TOKENS = (
    *(
        token(start=start)
        for start in ("a\0", "/a\0", "a", "b", "zzz", "/", "", "//a", "../a", "a/../b", "a/", ".", "./a")
    ),
    *(token(start="a\0", rv=revision) for revision in (0, -2, 1.5, "5", None, True, 2**63)),
    *(token(start="a", v=version) for version in ("", "meta.k8s.io/v2", 5)),
    *(token(start=5), token(start=None), token(start="a", more=1), "!!", "a b", "a", "e30", "bnVsbA", "a\nb"),
    *map(_raw, (b"[]", b'"x"', b"{", b'{"v":"meta.k8s.io/v1","rv":-1,"start":"a"} x')),
    _raw(b'{"V":"meta.k8s.io/v1","RV":-1,"Start":"a"}'),
)
_ODD: tuple[dict[str, str], ...] = (
    *(
        {"limit": text}
        for text in ("", " 1", "1.5", "+1", "01", "0x10", "1_0", "9223372036854775807", "9223372036854775808")
    ),
    *({"timeoutSeconds": text} for text in ("", "x", "-1", "5")),
    *({"sendInitialEvents": text} for text in ("", "false", "x")),
    *({"export": text} for text in ("", "0", "true", "x")),
    *({"timeout": text} for text in ("x", "0", "-5s", "1d", "1", "")),
    {"allowWatchBookmarks": "true"},
    {"watch": "0"},
    {"watch": "false"},
    {"fieldManager": "x", "dryRun": "x", "includeObject": "x", "exact": "1"},
)
_BESIDE: tuple[dict[str, str], ...] = (
    *({"resourceVersion": text} for text in ("", "0", "5", "x")),
    {"resourceVersionMatch": "Exact"},
    {"resourceVersionMatch": "NotOlderThan", "resourceVersion": "0"},
    {"resourceVersionMatch": "x"},
    {"labelSelector": "t=y", "limit": "1"},
    {"fieldSelector": "metadata.name=b", "limit": "1"},
    {"limit": "x"},
    {"labelSelector": "="},
)
_FAULTS = (
    *({"labelSelector": "="}, {"fieldSelector": "foo"}, {"fieldSelector": "foo=x"}, {"limit": "x"}),
    *({"resourceVersionMatch": "x"}, {"resourceVersion": "x"}, {"continue": "x"}, {"sendInitialEvents": "true"}),
)

CASES: Cases = {
    "revisions": (
        Step("POST", body=LABELLED[0].body, save={"rv": "metadata.resourceVersion"}),
        create("b"),
        create("c"),
        merge({"spec": {"branch": "x"}}, "/b"),
        Step("DELETE", "/c"),
        CAUGHT_UP,
        *(
            listed({"resourceVersion": revision, **match, **limit})
            for revision, match, limit in product(_REVISIONS, _MATCHES, _LIMITS)
        ),
        *(read("", resourceVersion=text) for text in ("-1", "+1", "01x", "1.0", "18446744073709551616")),
        *(read("", resourceVersionMatch=text) for text in ("", "x")),
    ),
    "future": (
        *(read("", resourceVersion=text) for text in ("99999999", "18446744073709551615", "9223372036854775808")),
        read("", resourceVersion="9223372036854775807", resourceVersionMatch="Exact"),
        read("/a", resourceVersion="99999999"),
    ),
    "tokens": (*LABELLED, *(read("", token=text, limit="1") for text in _TOKENS)),
    "continued": (
        *LABELLED,
        Step("GET", query={"limit": "1"}, save={"token": "metadata.continue"}),
        *(listed({"continue": "{token}", **beside}) for beside in _BESIDE),
        *(listed({"continue": "bad", **beside}) for beside in _BESIDE),
    ),
    "continued-from-the-cache": (
        *LABELLED,
        create("d"),
        Step("GET", query={"limit": "1"}, save={"token": "metadata.continue"}),
        Step("DELETE", "/c"),
        CAUGHT_UP,
        *(
            listed({"continue": "{token}", "limit": "1", "resourceVersion": "0", **more})
            for more in ({}, {"labelSelector": "t"}, {"resourceVersionMatch": "NotOlderThan"})
        ),
        read("", token=token(start="a\0"), limit="1", resourceVersion="0"),
    ),
    "selected-pages": (
        *LABELLED,
        *(
            listed({"limit": "1", **selectors})
            for selectors in (
                *({"labelSelector": text} for text in ("", "t", "t=y", "none")),
                *({"fieldSelector": f"metadata.name{text}"} for text in ("=b", "!=a", "=none", "=a,metadata.name=b")),
                {"fieldSelector": "metadata.name=a", "labelSelector": "t"},
            )
        ),
    ),
    "odd": (create(), *(listed(query, path) for path, query in product(("", "/a", "/a/scale"), _ODD))),
    "order-of-faults": tuple(
        listed({**one, **another}) for one, another in product(_FAULTS, _FAULTS) if not one.keys() & another.keys()
    ),
}
