"""What a request asks for, read from method, path and query (k8s.io/apiserver's RequestInfo)."""

import pytest

from apiserver.machinery.request import RequestInfo, first, is_broken, parse_query, parse_request, truthy

APIS = "/apis/extensions.example.com/v1alpha1"


def summary(info: RequestInfo) -> tuple[str, str, str, str, str, str, str]:
    assert info.is_resource
    return info.verb, info.group, info.version, info.namespace, info.resource, info.name, info.subresource


E = "extensions.example.com"
V = "v1alpha1"
RESOURCES = [
    ("GET", f"{APIS}/namespaces/ns/websites", ("list", E, V, "ns", "websites", "", "")),
    ("GET", f"{APIS}/namespaces/ns/websites/", ("list", E, V, "ns", "websites", "", "")),
    ("POST", f"{APIS}/namespaces/ns/websites", ("create", E, V, "ns", "websites", "", "")),
    ("DELETE", f"{APIS}/namespaces/ns/websites", ("deletecollection", E, V, "ns", "websites", "", "")),
    ("GET", f"{APIS}/namespaces/ns/websites/a", ("get", E, V, "ns", "websites", "a", "")),
    ("HEAD", f"{APIS}/namespaces/ns/websites/a", ("get", E, V, "ns", "websites", "a", "")),
    ("PUT", f"{APIS}/namespaces/ns/websites/a", ("update", E, V, "ns", "websites", "a", "")),
    ("PATCH", f"{APIS}/namespaces/ns/websites/a", ("patch", E, V, "ns", "websites", "a", "")),
    ("DELETE", f"{APIS}/namespaces/ns/websites/a", ("delete", E, V, "ns", "websites", "a", "")),
    ("GET", f"{APIS}/namespaces/ns/websites/a/status", ("get", E, V, "ns", "websites", "a", "status")),
    ("PUT", f"{APIS}/namespaces/ns/websites/a/scale", ("update", E, V, "ns", "websites", "a", "scale")),
    ("GET", f"{APIS}/namespaces/ns/websites/a/x/y", ("get", E, V, "ns", "websites", "a", "x")),
    ("GET", f"{APIS}/websites", ("list", E, V, "", "websites", "", "")),
    ("GET", f"{APIS}/clusterthings/a", ("get", E, V, "", "clusterthings", "a", "")),
    ("GET", f"{APIS}/watch/websites", ("watch", E, V, "", "websites", "", "")),
    ("GET", f"{APIS}/watch/namespaces/ns/websites", ("watch", E, V, "ns", "websites", "", "")),
    ("GET", f"{APIS}/watch/namespaces/ns/websites/a", ("watch", E, V, "ns", "websites", "a", "")),
    ("DELETE", f"{APIS}/watch/namespaces/ns/websites", ("watch", E, V, "ns", "websites", "", "")),
    ("POST", f"{APIS}/watch/namespaces/ns/websites/a", ("watch", E, V, "ns", "websites", "a", "")),
    ("GET", f"{APIS}/proxy/namespaces/ns/websites/a", ("proxy", E, V, "ns", "websites", "a", "")),
    ("OPTIONS", f"{APIS}/namespaces/ns/websites", ("", E, V, "ns", "websites", "", "")),
    ("GET", "/api/v1/namespaces", ("list", "", "v1", "", "namespaces", "", "")),
    ("POST", "/api/v1/namespaces", ("create", "", "v1", "", "namespaces", "", "")),
    ("GET", "/api/v1/namespaces/ns", ("get", "", "v1", "ns", "namespaces", "ns", "")),
    ("GET", "/api/v1/namespaces/ns/status", ("get", "", "v1", "ns", "namespaces", "ns", "status")),
    ("PUT", "/api/v1/namespaces/ns/finalize", ("update", "", "v1", "ns", "namespaces", "ns", "finalize")),
    ("GET", "/api/v1/namespaces/ns/services", ("list", "", "v1", "ns", "services", "", "")),
    ("GET", "/api/v1/namespaces/ns/services/a", ("get", "", "v1", "ns", "services", "a", "")),
    ("GET", "/api/v1/services", ("list", "", "v1", "", "services", "", "")),
]


@pytest.mark.parametrize(("method", "path", "expected"), RESOURCES)
def test_resource_paths(method: str, path: str, expected: tuple[str, ...]) -> None:
    """Every shape of a resource path gives verb, group, version, namespace, resource, name and subresource."""
    assert summary(parse_request(method, path, b"")) == expected


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/healthz", "/api", "/api/v1", "/apis", f"/apis/{E}", APIS, "/openapi/v3", "/metrics", "/apisx/a/b/c"),
        *(f"/{APIS}/websites", f"{APIS}/watch", f"{APIS}/watch/"),
    ],
)
def test_other_paths(path: str) -> None:
    """Discovery and what is outside the API trees, or looks so, is no resource request; its verb is the method."""
    info = parse_request("GET", path, b"")

    assert not info.is_resource
    assert (info.verb, info.path) == ("get", path)


def test_collection() -> None:
    """A path without a name is a collection, also when a field selector names one object."""
    assert parse_request("GET", f"{APIS}/websites", b"fieldSelector=metadata.name%3Da").collection
    assert not parse_request("GET", f"{APIS}/namespaces/ns/websites/a", b"").collection


@pytest.mark.parametrize(
    ("method", "query", "name"),
    [
        ("GET", b"fieldSelector=metadata.name%3Da", "a"),
        ("GET", b"fieldSelector=metadata.name%3D%3Da,metadata.namespace%3Db&watch=1", "a"),
        ("GET", b"fieldSelector=metadata.name!%3Da", ""),
        ("GET", b"fieldSelector=metadata.name%3D..", ""),
        ("GET", b"fieldSelector=metadata.name", ""),
        ("GET", b"fieldSelector=metadata.name%3Da," + b"metadata.name%3Da," * 600, ""),
        ("GET", b"", ""),
        ("DELETE", b"fieldSelector=metadata.name%3Da", ""),
    ],
)
def test_selected_name(method: str, query: bytes, name: str) -> None:
    """Who lists or watches one name is authorized for that name, unless it takes long to find out."""
    assert parse_request(method, f"{APIS}/websites", query).name == name


@pytest.mark.parametrize(
    ("path", "broken"),
    [(b"/a", False), (b"/a%20b", False), (b"/a%", True), (b"/a%2", True), (b"/%zz", True), (b"/%25", False)],
)
def test_is_broken(path: bytes, broken: bool) -> None:
    """An escape has two digits."""
    assert is_broken(path) is broken


@pytest.mark.parametrize(
    ("query", "verb"),
    [
        *((query, "watch") for query in (b"watch=1", b"watch=true", b"watch=x", b"watch", b"watch=")),
        *((query, "list") for query in (b"watch=0", b"watch=false", b"watch=False", b"")),
    ],
)
def test_watch_query(query: bytes, verb: str) -> None:
    """?watch is on unless it says 0 or false."""
    assert parse_request("GET", f"{APIS}/websites", query).verb == verb


def test_watch_of_one_object() -> None:
    """Only a collection is watched by ?watch; an object is so by the old /watch/ path, which keeps its name."""
    assert parse_request("GET", f"{APIS}/namespaces/ns/websites/a", b"watch=1").verb == "get"
    info = parse_request("GET", f"{APIS}/watch/namespaces/ns/websites/a", b"")
    assert (info.verb, info.name, info.is_watch) == ("watch", "a", True)


def test_watch_query_is_for_reads_only() -> None:
    """?watch does not turn a write into a watch."""
    assert parse_request("DELETE", f"{APIS}/namespaces/ns/websites", b"watch=1").verb == "deletecollection"


@pytest.mark.parametrize(
    ("selector", "name"),
    [
        *[("metadata.name%3Da", "a"), ("metadata.name%3D%3Da", "a"), ("metadata.namespace%3Dx,metadata.name%3Da", "a")],
        *[("metadata.name!%3Da", ""), ("metadata.name", ""), ("metadata.name%3D", ""), ("metadata.namespace%3Da", "")],
    ],
)
def test_name_of_a_field_selector(selector: str, name: str) -> None:
    """A list or watch that selects one name is authorized for that name."""
    assert parse_request("GET", f"{APIS}/websites", f"fieldSelector={selector}".encode()).name == name
    assert parse_request("GET", f"{APIS}/websites", f"watch=1&fieldSelector={selector}".encode()).name == name


def test_field_selector_of_a_create_names_nothing() -> None:
    """Only list, watch and deletecollection look at a field selector."""
    assert parse_request("POST", f"{APIS}/namespaces/ns/websites", b"fieldSelector=metadata.name%3Da").name == ""


def test_query_values() -> None:
    """Repeated parameters keep their order; plus and percent escapes are decoded, empty values kept."""
    expected = {"a": ["1", "é"], "b": ["x y"], "c": [""], "d": [""], "": ["e"]}

    assert parse_query(b"a=1&b=x+y&a=%C3%A9&c&d=&&=e") == expected


@pytest.mark.parametrize("pair", [b"a;b=1", b"a=1;b", b"a=%zz", b"%1=x", b"a=%"])
def test_malformed_pairs_are_dropped(pair: bytes) -> None:
    """A pair with a semicolon or a broken escape is left out, the others stay."""
    assert parse_query(b"ok=1&" + pair + b"&more=2") == {"ok": ["1"], "more": ["2"]}


def test_escaped_semicolon() -> None:
    """An escaped semicolon is an ordinary character."""
    assert parse_query(b"fieldSelector=metadata.name%3Da%3Bb") == {"fieldSelector": ["metadata.name=a;b"]}


def test_first() -> None:
    """A scalar parameter is its first value."""
    assert first({"a": ["1", "2"]}, "a") == "1"
    assert first({}, "a", "d") == "d"


def test_truthy() -> None:
    """Absent is false; any value but 0 and false is true."""
    assert [truthy({"a": [value]}, "a") for value in ("", "1", "yes", "0", "false", "FALSE")] == [
        *(True, True, True),
        *(False, False, False),
    ]
    assert not truthy({}, "a")
