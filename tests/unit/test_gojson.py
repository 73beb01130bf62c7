"""apiserver.machinery.gojson: Go's words for broken JSON, and repeated keys."""

from typing import Any

import pytest

from apiserver.machinery.gojson import GoJSONError, decode, decode_with_duplicates, type_name

END = "unexpected end of JSON input"


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (b"", END),
        (b"  \n", END),
        (b"{", END),
        (b"[1,", END),
        (b'{"a":', END),
        (b'"abc', END),
        (b"x", "invalid character 'x' looking for beginning of value"),
        (b"[1,]", "invalid character ']' looking for beginning of value"),
        (b"{x", "invalid character 'x' looking for beginning of object key string"),
        (b'{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b'{"a":1 "b"}', "invalid character '\"' after object key:value pair"),
        (b"[1 2]", "invalid character '2' after array element"),
        (b"[1}", "invalid character '}' after array element"),
        (b"{} {}", "invalid character '{' after top-level value"),
        (b"01", "invalid character '1' after top-level value"),
        (b'"a\nb"', "invalid character '\\n' in string literal"),
        (b'"\\x"', "invalid character 'x' in string escape code"),
        (b'"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"),
        (b"trye", "invalid character 'y' in literal true (expecting 'u')"),
        (b"fals", "invalid character ' ' in literal false (expecting 'e')"),
        (b"NaN", "invalid character 'N' looking for beginning of value"),
        (b"nan", "invalid character 'a' in literal null (expecting 'u')"),
        (b"Infinity", "invalid character 'I' looking for beginning of value"),
        (b"-Infinity", "invalid character 'I' in numeric literal"),
        (b"-", "invalid character ' ' in numeric literal"),
        (b"1.x", "invalid character 'x' after decimal point in numeric literal"),
        (b"1e+", "invalid character ' ' in exponent of numeric literal"),
        (b"'", "invalid character '\\'' looking for beginning of value"),
        (b"\x00", "invalid character '\\x00' looking for beginning of value"),
        ("é".encode(), "invalid character 'Ã' looking for beginning of value"),
        (b"[" * 1025, "invalid character '[' exceeded max depth"),
        (b"1e999", "json: cannot unmarshal number 1e999 into Go value of type float64"),
    ],
)
def test_errors_are_worded_as_go_words_them(document: bytes, text: str) -> None:
    """Every state of Go's scanner has its own text, with the byte that it stopped at."""
    with pytest.raises(GoJSONError) as caught:
        decode(document)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("document", "value"),
    [
        (b' {"a": [1, -0.5, true, null, "x"]} ', {"a": [1, -0.5, True, None, "x"]}),
        (b'"\xff"', "\ufffd"),
        (b'"\xf0\x90\x80"', "\ufffd\ufffd\ufffd"),
        (b'"\xe2\x82\xe2\x82\xac"', "\ufffd\ufffd\u20ac"),
        (b'["\\ud800", 12, 1.5]', ["\ufffd", 12, 1.5]),
        (b'["\xff", 123456789012345678901234567890]', ["\ufffd", 1.2345678901234568e29]),
        (b'{"a":1,"a":2}', {"a": 2}),
    ],
)
def test_what_go_accepts_is_accepted(document: bytes, value: Any) -> None:
    """Go is lenient about encodings; a repeated key's last value counts."""
    assert decode(document) == value


@pytest.mark.parametrize(
    ("document", "paths"),
    [
        (b'{"a":1}', []),
        (b'{"a":"x:y:z","b":{"a":1}}', []),
        (b'{"spec":{"bar":1,"bar":2,"bar":3}}', ["spec.bar"]),
        (b'{"spec":{"list":[{"foo":1,"foo":2},{"foo":1}]}}', ["spec.list[0].foo"]),
        (b'{"a":{"x":1},"b":1,"b":1,"a":{"y":1,"y":2}}', ["b", "a", "a.y"]),
        (b'{"a":1,"\\u0061":2}', ["a"]),
        (b'{"a":"\\u003a","b":1,"b":2}', ["b"]),
        (b'[{"op":1,"op":2}]', ["[0].op"]),
        (b'{"a":"\xff","a":1}', ["a"]),
    ],
)
def test_repeated_keys_are_reported_once_in_order(document: bytes, paths: list[str]) -> None:
    """Each repeated key is named by its path, where it is repeated first."""
    value, found = decode_with_duplicates(document)
    assert found == paths
    assert value == decode(document)


def test_at_most_a_hundred_repeated_keys_are_reported() -> None:
    """Strict decoding stops collecting at 100, as sigs.k8s.io/json does."""
    members = ",".join(f'"k{i}":1,"k{i}":2' for i in range(150))
    assert len(decode_with_duplicates(f"{{{members}}}".encode())[1]) == 100


@pytest.mark.parametrize(
    ("value", "name"),
    [({}, "object"), ([], "array"), ("", "string"), (True, "bool"), (1, "number"), (1.5, "number"), (None, "null")],
)
def test_values_have_gos_type_names(value: Any, name: str) -> None:
    """The names are those of "json: cannot unmarshal ... into Go value"."""
    assert type_name(value) == name
