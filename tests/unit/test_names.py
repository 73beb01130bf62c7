"""Validators of names and labels; the texts are those that a real kube-apiserver gave."""

import pytest

from apiserver.machinery import names

ENDS = "and must start and end with an alphanumeric character"
NAME_PART = (
    f"name part must consist of alphanumeric characters, '-', '_' or '.', {ENDS} (e.g. 'MyName',  or 'my.name',  "
    "or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
SUBDOMAIN = (
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', {ENDS} "
    "(e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL = (
    f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', {ENDS} "
    "(e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
VALUE = (
    f"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', {ENDS} "
    "(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
KEY = (
    f"a valid label key must consist of alphanumeric characters, '-', '_' or '.', {ENDS} (e.g. 'MyName',  "
    "or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an "
    "optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
)


@pytest.mark.parametrize("name", ["a", "a.b", "1-2.3", "a" * 253])
def test_subdomain_accepts(name: str) -> None:
    """Lower case letters, digits, dashes and dots, up to 253 characters."""
    assert names.is_dns1123_subdomain(name) == []


@pytest.mark.parametrize("name", ["", "A", "-a", "a-", "a..b", ".a", "a_b", "a\n", "é"])
def test_subdomain_refuses(name: str) -> None:
    """Anything else is told the whole rule."""
    assert names.is_dns1123_subdomain(name) == [SUBDOMAIN]


def test_subdomain_length_is_a_fault_of_its_own() -> None:
    """A name that is too long and malformed has both faults, the length first."""
    assert names.is_dns1123_subdomain("a" * 254) == ["must be no more than 253 characters"]
    assert names.is_dns1123_subdomain("_" * 254) == ["must be no more than 253 characters", SUBDOMAIN]


def test_label() -> None:
    """A label has no dots, which a valid subdomain is told in fewer words."""
    assert names.is_dns1123_label("a-1") == []
    assert names.is_dns1123_label("a.b") == ["must not contain dots"]
    assert names.is_dns1123_label("A") == [LABEL]
    assert names.is_dns1123_label("a" * 64) == ["must be no more than 63 characters"]


def test_label_value() -> None:
    """Empty or up to 63 bytes that begin and end alphanumerically."""
    assert [names.is_label_value(value) for value in ("", "A_b.c-1", "1")] == [[], [], []]
    assert names.is_label_value("-a") == [VALUE]
    assert names.is_label_value("a" * 64) == ["must be no more than 63 bytes"]
    assert names.is_label_value("é" * 32) == ["must be no more than 63 bytes", VALUE]


@pytest.mark.parametrize("key", ["a", "A_b.c", "example.com/a", "a" * 253 + "/" + "b" * 63])
def test_qualified_name_accepts(key: str) -> None:
    """A name, with or without a DNS subdomain before a slash."""
    assert names.is_qualified_name(key) == []


@pytest.mark.parametrize(
    ("key", "faults"),
    [
        ("", ["name part must be non-empty", NAME_PART]),
        ("a/", ["name part must be non-empty", NAME_PART]),
        ("-a", [NAME_PART]),
        ("/b", ["prefix part must be non-empty"]),
        ("a.B/c", [f"prefix part {SUBDOMAIN}"]),
        ("-/-", [f"prefix part {SUBDOMAIN}", NAME_PART]),
        ("a" * 254 + "/a", ["prefix part must be no more than 253 bytes"]),
        ("a" * 64, ["name part must be no more than 63 bytes"]),
        ("a/b/c", [KEY]),
    ],
)
def test_qualified_name_refuses(key: str, faults: list[str]) -> None:
    """Each part has its own faults, the prefix's first."""
    assert names.is_qualified_name(key) == faults


@pytest.mark.parametrize(
    ("api_version", "expected"),
    [
        *(("v1", ("", "v1")), ("apps/v1", ("apps", "v1")), ("/v1", ("", "v1")), ("apps/", ("apps", ""))),
        *(("", ("", "")), ("/", ("", "")), ("a/b/c", None)),
    ],
)
def test_group_version(api_version: str, expected: tuple[str, str] | None) -> None:
    """A bare version is of the core group; several slashes are no version."""
    assert names.parse_group_version(api_version) == expected
