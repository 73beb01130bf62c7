"""Lists: selectors, pages, revisions, tables."""

from tests.e2e.conformance.steps import CAUGHT_UP, LABELLED, PARTIAL, PARTIALS, TABLE, Cases, Step, listed, read

CASES: Cases = {
    "endless-digits": (
        read("", limit="9" * 5000),
        read("", resourceVersion="9" * 5000),
        read(resourceVersion="9" * 5000),
    ),
    "signed-zeros": (
        *LABELLED,
        *(listed({name: text}) for name in ("limit", "timeoutSeconds") for text in ("-0", "+0", "-00")),
        *(read("", watch="1", timeoutSeconds="1", limit=text) for text in ("-0", "-1")),
        Step("DELETE", "/none", query={"gracePeriodSeconds": "-0"}),
    ),
    "durations": tuple(
        listed({"timeout": text}, path)
        for path in ("", "/none")
        for text in (
            *("1h30m", ".5s", "1.s", "1.5.5s", "5 s", "3d", "1\n", '1"', "\\", "\0", "\x7f", "é", "1µs", "٣s", "1s٣"),
            *("2562047h", "2562048h", "9223372036854775808", "99999999999999999999ns", "-1h", "+1h", "--1h", "1h-1m"),
        )
    ),
    "selectors-and-tables": (
        *LABELLED,
        *(
            read("", labelSelector=text)
            for text in ("t=x", "t!=x", "t in (x,y)", "!t", "n>0", "t=x,n=1", "=", "a b", "t in (", "n>x", "t=a b", ",")
        ),
        *(
            read("", fieldSelector=text)
            for text in (
                "metadata.name=b",
                "metadata.name!=b",
                "metadata.namespace={ns}",
                "spec.x=1",
                "x",
                "metadata.name=a,metadata.name=b",
                "",
            )
        ),
        *(read("", limit=text) for text in ("0", "-1", "x", "3", "4")),
        *(read("", headers) for headers in (TABLE, PARTIALS, PARTIAL)),
        *(read("", TABLE, includeObject=text) for text in ("None", "Object", "x")),
        read("/a", TABLE),
        read("/a", PARTIAL),
        read("/a", PARTIALS),
    ),
    "empty": (read(""), read("", TABLE), read("", PARTIALS), read("", {"Accept": "application/yaml"})),
    "pages": (
        *LABELLED,
        Step("GET", query={"limit": "2"}, save={"token": "metadata.continue"}),
        read("", limit="2", token="{token}"),
        read("", resourceVersion="5", token="{token}"),
        read("", resourceVersionMatch="Exact", token="{token}"),
        *(read("", token=token) for token in ("x", "garbage", "e30", "eyJ2IjoieCJ9")),
    ),
    "revisions": (
        *LABELLED,
        CAUGHT_UP,
        *(read("", resourceVersion=text) for text in ("0", "x", "-1")),
        read("", resourceVersion="0", resourceVersionMatch="Exact"),
        read("", resourceVersion="5", resourceVersionMatch="x"),
        read("", resourceVersionMatch="NotOlderThan"),
        read("", sendInitialEvents="true"),
        read("", resourceVersion="1", resourceVersionMatch="Exact"),
    ),
}
