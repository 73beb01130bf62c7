"""YAML bodies as JSON trees, as Go's reader makes them, and what is refused for the server's sake."""

from typing import Any

import pytest

from apiserver.machinery.codec import YAMLError, parse_yaml

SCALARS: list[tuple[str, Any]] = [
    ("2026-01-02", "2026-01-02"),
    ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
    ("12:30", "12:30"),
    ("=", "="),
    ("1e3", 1000),
    ("0x1F", 31),
    ("0X1f", 31),
    ("012", 10),
    ("0o7", 7),
    ("0b11", 3),
    ("08", 8),
    ("1_000", 1000),
    ("-5", -5),
    ("0", 0),
    (".5", 0.5),
    ("1.0", 1),
    ("y", True),
    ("No", False),
    ("on", True),
    ("nO", "nO"),
    ("~", None),
    ("", None),
    ("null", None),
    ('"1"', "1"),
    ("'y'", "y"),
    ("1.2.3", "1.2.3"),
]


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_yaml_scalars(text: str, value: Any) -> None:
    """YAML's plain scalars are what Go's reader makes of them; dates and times of day are text."""
    tree, _ = parse_yaml(f"a: {text}\n".encode())

    assert (tree["a"], type(tree["a"])) == (value, type(value))


def test_yaml_keys_are_text() -> None:
    """JSON's keys are strings."""
    assert parse_yaml(b"1: a\ntrue: b\n")[0] == {"1": "a", "true": "b"}


def test_yaml_aliases() -> None:
    """Aliases are written out, and a merge fills in what is not there."""
    assert parse_yaml(b"a: &x {p: 1, q: 2}\nb: *x\nc:\n  <<: *x\n  q: 3\n") == (
        {"a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 2}, "c": {"p": 1, "q": 3}},
        [],
    )


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"a: &x [*x]", "found unconstructable recursive node"),
        (b"a: !!python/object:os.system x", "could not determine a constructor"),
        (b"a: !!binary aGk=", "not JSON serializable"),
        (b"a: 99999999999999999999", "exceeds 64-bit range"),
        (b"a: \x00", "control characters are not allowed"),
    ],
)
def test_yaml_that_is_no_json(data: bytes, text: str) -> None:
    """What JSON cannot say is refused."""
    with pytest.raises(YAMLError, match=text):
        parse_yaml(data)


def test_yaml_bomb() -> None:
    """Aliases of aliases, which would fill the memory when written out, are refused."""
    layers = [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(YAMLError, match="excessive aliasing"):
        parse_yaml("\n".join(["a0: &a0 [lol, lol]", *layers]).encode())


@pytest.mark.parametrize("data", [b"[" * 200_000, b"- " * 100_000 + b"a", b"{a: " * 100_000])
def test_deep_yaml(data: bytes) -> None:
    """Nesting that would overflow the stack of the C library is refused."""
    with pytest.raises(YAMLError, match="exceeded max depth"):
        parse_yaml(data)


def test_only_the_first_document_counts() -> None:
    """What follows it is not even read."""
    assert parse_yaml(b"a: 1\n---\nb: [") == ({"a": 1}, [])


@pytest.mark.parametrize(
    ("data", "line"),
    [(b"a: b: c", ""), (b"x: 1\na: b: c", "line 2: "), (b"a: 1\nb: [1\nc: 2\n", "line 2: "), (b"a: {", "line 1: ")],
)
def test_faults_name_their_line(data: bytes, line: str) -> None:
    """Go's reader counts from 0, except while it scans, and does not name the first line."""
    with pytest.raises(YAMLError) as caught:
        parse_yaml(data)
    assert str(caught.value).startswith(f"yaml: {line}")
    assert ("line" in str(caught.value)) == bool(line)
