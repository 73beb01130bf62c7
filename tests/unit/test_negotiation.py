"""Accept headers; answers were recorded from a kube-apiserver 1.36 that serves a custom resource."""

import pytest

from apiserver.http.negotiation import (
    JSON,
    YAML,
    Format,
    check_stream,
    negotiate,
    negotiate_discovery,
    negotiate_plain,
    wants_pretty,
)
from apiserver.machinery.errors import NotAcceptable

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
KUBECTL = f"{TABLE},application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"


def test_long_header() -> None:
    """Only clauses that end within the first 16 KiB count: a megabyte of them would take a second."""
    before = "text/xyz," + "text/x," * 2337
    assert len(before) + len(JSON) == 16 * 1024
    assert negotiate(f"{before[2:]}{JSON},{YAML}") == Format(JSON)
    for accept in (f"{before}{JSON}2", f"{before}text/x,{JSON}", "*/*;" + "x=y;" * 200_000):
        with pytest.raises(NotAcceptable):
            negotiate(accept)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", JSON),
        ("application/json", JSON),
        ("application/yaml", YAML),
        ("*/*", JSON),
        ("*", JSON),
        ("application/*", JSON),
        ("*/*, application/yaml", YAML),
        ("application/yaml;q=0.5, */*", JSON),
        ("application/json;q=0.5, application/yaml", YAML),
        ("application/yaml, application/json", YAML),
        ("application/json, application/yaml", JSON),
        ("application/yaml;q=0", YAML),
        ("application/json;q=0, application/yaml", YAML),
        ("application/json;q=x, application/yaml", YAML),
        ("text/html, */*;q=0.1", JSON),
        ("application/json ; charset=utf-8", JSON),
        ("application/vnd.kubernetes.protobuf;q=1, application/json;q=0.5", JSON),
        ("application/json;stream=watch", JSON),
        ("application/json;sv=", JSON),
        ("application/json;sv=x, application/yaml", YAML),
        ("application/json;sv=v1", JSON),
        ("application/json;as=;g=;v=", JSON),
        ("application/json;as=x=y", JSON),
        ("application/json/", JSON),
        ("application/json;q= 0.5, application/yaml;q=0.4", YAML),
        ("application/json;stream=x, application/yaml", YAML),
        ("application/yaml;stream=watch, application/json", JSON),
        ("*/*, application/yaml;q=0.1", YAML),
        ("application/yaml;q=0.1, */*;q=0.2, application/json;q=0", JSON),
        (",".join(f"text/x{n}" for n in range(40)) + ",application/yaml", YAML),
    ],
)
def test_media_type(accept: str, media_type: str) -> None:
    """The best acceptable clause wins: by q, then the more specific, then the earlier, in goautoneg's order."""
    assert negotiate(accept) == Format(media_type)


ACCEPTED = "application/json, application/yaml, application/vnd.kubernetes.protobuf"


@pytest.mark.parametrize(
    "accept",
    [
        *("text/html", "application/vnd.kubernetes.protobuf", "application/json;sv=x", ",", "application"),
        *("APPLICATION/JSON", "application/json/x", "*/json", "json", "application/json;stream=x"),
        "application/json;as=Foo;v=v1;g=meta.k8s.io",
        "application/json;as=Table;v=v9;g=meta.k8s.io",
        "application/json;as=Table;v=v1;g=example.com",
        "application/json;as=Table;g=meta.k8s.io",
        "application/json;g=meta.k8s.io",
        'application/json;as="Table";v="v1";g="meta.k8s.io"',
    ],
)
def test_nothing_acceptable(accept: str) -> None:
    """Without an acceptable clause the answer is 406 with what there is."""
    with pytest.raises(NotAcceptable) as caught:
        negotiate(accept)

    assert caught.value.message == f"only the following media types are accepted: {ACCEPTED}"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (TABLE, Format(JSON, False, "Table", "v1")),
        (KUBECTL, Format(JSON, False, "Table", "v1")),
        ("application/json;as=Table;v=v9;g=meta.k8s.io,application/json", Format()),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io", Format(JSON, False, "Table", "v1beta1")),
        ("application/yaml;as=Table;v=v1;g=meta.k8s.io", Format(YAML, False, "Table", "v1")),
        (
            "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,"
            "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json",
            Format(JSON, False, "PartialObjectMetadata", "v1"),
        ),
        (
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
            Format(JSON, False, "PartialObjectMetadataList", "v1"),
        ),
    ],
)
def test_conversions(accept: str, expected: Format) -> None:
    """A clause may ask for a Table or partial metadata; an unknown conversion leaves it to the next clause."""
    assert negotiate(accept) == expected


@pytest.mark.parametrize(("accept", "pretty"), [("pretty=1", True), ("pretty=true", False), ("pretty=0", False)])
def test_pretty_parameter(accept: str, pretty: bool) -> None:
    """Only the literal 1 counts in an Accept header."""
    assert negotiate(f"application/json;{accept}").pretty is pretty


def test_discovery() -> None:
    """The root of the groups may be asked for everything below it, in the one version there is."""
    aggregated = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
    assert negotiate_discovery(aggregated.format("v2")).target == "APIGroupDiscoveryList"
    assert negotiate_discovery(f"{aggregated.format('v2beta1')},application/json") == Format()
    with pytest.raises(NotAcceptable):
        negotiate_discovery(aggregated.format("v2beta1"))


def test_watch_is_no_yaml() -> None:
    """A watch has no YAML, and says so in words of its own."""
    check_stream(negotiate("application/json;stream=watch"))
    with pytest.raises(NotAcceptable) as caught:
        check_stream(negotiate("application/yaml"))

    assert caught.value.message == (
        "only the following media types are accepted: "
        "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
    )


@pytest.mark.parametrize("accept", [TABLE, "application/json;sv=v1", "text/html"])
def test_status_is_not_converted(accept: str) -> None:
    """A Status cannot be a Table: a clause that asks for one does not count."""
    with pytest.raises(NotAcceptable):
        negotiate_plain(accept)
    assert negotiate_plain(f"{accept},application/yaml") == Format(YAML)


@pytest.mark.parametrize(
    ("query", "user_agent", "pretty"),
    [
        (None, "kubectl/v1.36", False),
        (None, "", False),
        (None, "curl/8", True),
        (None, "Wget/1.21", True),
        (None, "Mozilla/5.0 (X11)", True),
        (None, "Mozilla/4.0", False),
        (["true"], "kubectl", True),
        (["1"], "kubectl", True),
        (["T"], "kubectl", True),
        (["yes"], "kubectl", False),
        (["false"], "curl/8", False),
        (["0"], "curl/8", False),
        ([""], "kubectl", False),
        ([""], "curl/8", True),
    ],
)
def test_wants_pretty(query: list[str] | None, user_agent: str, pretty: bool) -> None:
    """?pretty decides as Go's ParseBool; without it browsers, curl and Wget get indented JSON."""
    assert wants_pretty(query, user_agent) is pretty
