"""YAML bodies as JSON trees, as Go's reader makes them, and what is refused for the server's sake."""

from typing import Any

import pytest

from apiserver.machinery.goyaml import YAMLError, parse_yaml

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
    ("6_.684", 6.684),
    ("3E45__", 3e45),
    (".81_5", 0.815),
    ("._5", "._5"),
    ("9" * 300, float("9" * 300)),
    ("9" * 5000, "9" * 5000),
    ("0xFFFFFFFFFFFFFFFFFF", "0xFFFFFFFFFFFFFFFFFF"),
    ("-9223372036854775809", -9223372036854775809.0),
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


@pytest.mark.parametrize(
    ("text", "value", "faults"),
    [
        ("{a: 1, <<: {a: 2}}", {"a": 2}, ["a"]),
        ("{<<: [{a: 1, b: 1}, {a: 2, c: 3}]}", {"a": 1, "b": 1, "c": 3}, ["a"]),
        ("{<<: {a: 1}, <<: {b: 2}}", {"a": 1, "b": 2}, []),
        ("{!!merge <<: {<<: {a: 1}, b: 2}}", {"a": 1, "b": 2}, []),
        ('{"<<": {a: 1}}', {"<<": {"a": 1}}, []),
        ("{!!str <<: 1}", {"<<": 1}, []),
        ("[<<, {a: <<}]", ["<<", {"a": "<<"}], []),
    ],
)
def test_yaml_merges(text: str, value: Any, faults: list[str]) -> None:
    """Only a plain << merges, whatever is in a map already, of several maps the last first (as recorded)."""
    assert parse_yaml(text.encode()) == (value, [f'line 1: key "{key}" already set in map' for key in faults])


@pytest.mark.parametrize("text", ["1", "[1]", "~", "x", "[[{a: 1}]]", "[{a: 1}, 1]"])
def test_yaml_merges_maps_only(text: str) -> None:
    """What is no map is told, as go-yaml tells it."""
    with pytest.raises(YAMLError, match=r"^yaml: map merge requires map or sequence of maps as the value$"):
        parse_yaml(f"<<: {text}".encode())


@pytest.mark.parametrize(
    ("text", "found", "wanted"),
    [
        ("!!int x", "str", "int"),
        ("!!int ''", "null", "int"),
        ("!!int 1.0", "float", "int"),
        ("!!bool 1", "int", "bool"),
        ("!!bool x", "str", "bool"),
        ("!!null x", "str", "null"),
        ("!!float y", "bool", "float"),
    ],
)
def test_yaml_tags_must_fit(text: str, found: str, wanted: str) -> None:
    """A tag does not make a value what it is not; an integer is a float, too."""
    value = text.partition(" ")[2].strip("'")
    with pytest.raises(YAMLError, match=rf"^yaml: cannot decode !!{found} `{value}` as a !!{wanted}$"):
        parse_yaml(text.encode())
    assert parse_yaml(b"[!!float 0x10, !!float 1_0, !!int 0o7, !!str 1]")[0] == [16, 10, 7, "1"]


def test_yaml_keys_are_text() -> None:
    """JSON's keys are strings; that 1 and "1" become one is no repetition for YAML."""
    assert parse_yaml(b'{1: a, "1": b, yes: c, 1: d}') == (
        {"1": "d", "true": "c"},
        ["line 1: key 1 already set in map"],
    )
    assert parse_yaml(b"1: a\ntrue: b\n")[0] == {"1": "a", "true": "b"}


def test_yaml_aliases() -> None:
    """Aliases are written out; what is merged and what is written is set in the order of the document."""
    assert parse_yaml(b"a: &x {p: 1, q: 2}\nb: *x\nc:\n  <<: *x\n  q: 3\n") == (
        {"a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 2}, "c": {"p": 1, "q": 3}},
        ['line 5: key "q" already set in map'],
    )


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"a: &x [*x]", "yaml: anchor 'x' value contains itself"),
        (b"a: *x", "yaml: unknown anchor 'x' referenced"),
        (b"a: .inf", "json: unsupported value: +Inf"),
        (b"a: -.Inf", "json: unsupported value: -Inf"),
        (b"a: .NaN", "json: unsupported value: NaN"),
        (b"a: !!binary '?'", "yaml: !!binary value contains invalid base64 data"),
        (b"{~: b}", 'unsupported map key of type: %!s(<nil>), key: <nil>, value: "b"'),
        (b"{[a]: b}", 'yaml: invalid map key: []interface {}{"a"}'),
        (b"{{a: 1}: b}", 'yaml: invalid map key: map[interface {}]interface {}{"a":1}'),
        (b"a: \x00", "yaml: control characters are not allowed"),
        (b"a: b: c", "yaml: mapping values are not allowed in this context"),
        (b"x: y\na: b: c", "yaml: line 2: mapping values are not allowed in this context"),
        (b"x:\na: [b\n", "yaml: line 2: did not find expected ',' or ']'"),
    ],
)
def test_yaml_that_is_no_json(data: bytes, text: str) -> None:
    """What JSON cannot say is refused in Go's words."""
    with pytest.raises(YAMLError) as caught:
        parse_yaml(data)

    assert str(caught.value) == text


def test_yaml_documents() -> None:
    """The first of several documents counts, whatever follows."""
    assert parse_yaml(b"a: 1\n---\nb: [") == ({"a": 1}, [])
    assert parse_yaml(b"---\n") == (None, [])


@pytest.mark.parametrize(
    ("text", "value"),
    [("!!binary aGk=", "hi"), ("!x y", "y"), ("!x [z]", ["z"]), ("!!python/object:os.system y", "y"), ("!!int '5'", 5)],
)
def test_yaml_tags(text: str, value: Any) -> None:
    """A tag that Go does not know says nothing."""
    assert parse_yaml(f"a: {text}".encode())[0] == {"a": value}


def test_large_yaml_numbers() -> None:
    """An integer beyond 64 bits is a float, a float beyond those is text."""
    assert parse_yaml(b"[99999999999999999999, 1e500]")[0] == [1e20, "1e500"]


def test_yaml_bomb() -> None:
    """Aliases of aliases, which would fill the memory when written out, are refused."""
    layers = [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(YAMLError, match="excessive aliasing"):
        parse_yaml("\n".join(["a0: &a0 [lol, lol]", *layers]).encode())


def test_yaml_bomb_of_merges() -> None:
    """Maps that are merged into many others, which each would have a copy, are refused; a few are merged."""
    members = ", ".join(f"k{number}: 1" for number in range(1000))
    text = f"a: &a {{{members}}}\nb:\n" + "- {<<: *a, c: 2}\n" * 10
    tree, _ = parse_yaml(text.encode())
    assert [len(merged) for merged in tree["b"]] == [1001] * 10
    with pytest.raises(YAMLError, match="excessive aliasing"):
        parse_yaml((text + "- {<<: *a}\n" * 20_000).encode())


@pytest.mark.parametrize("data", [b"a: [" + b"1," * 400_000 + b"]", b"- a\n" * 400_000, b"? a\n" * 400_000])
def test_many_nodes(data: bytes) -> None:
    """A body of 3 MiB may have more than a million nodes, which would take half a gigabyte until they are JSON."""
    with pytest.raises(YAMLError, match="more than 400000 nodes"):
        parse_yaml(data)


@pytest.mark.parametrize("data", [b"[" * 200_000, b"- " * 100_000 + b"a", b"{a: " * 100_000])
def test_deep_yaml(data: bytes) -> None:
    """Nesting that would overflow the stack of the C library is refused."""
    with pytest.raises(YAMLError, match="exceeded max depth"):
        parse_yaml(data)
