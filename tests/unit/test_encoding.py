"""JSON and YAML as Kubernetes writes them; the YAML was recorded from a kube-apiserver 1.36 and its YAML library."""

import json
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from apiserver.machinery.encoding import encode, encode_ordered, indent, to_yaml


def test_encode() -> None:
    """Compact, keys sorted, no newline, characters outside ASCII as they are."""
    assert encode({"b": 1, "a": {"z": None, "y": "ü"}}) == '{"a":{"y":"ü","z":null},"b":1}'.encode()


def test_encode_ordered() -> None:
    """The caller's order stays, at every level."""
    assert encode_ordered({"kind": "Status", "apiVersion": {"b": 1, "a": 2}}) == (
        b'{"kind":"Status","apiVersion":{"b":1,"a":2}}'
    )


def test_html_is_escaped() -> None:
    """Go escapes what could end a script element, and the two line separators of JavaScript."""
    escaped = b'"\\u003cb\\u003e \\u0026 \\u2028\\u2029"'

    assert encode("<b> & \u2028\u2029") == escaped
    assert encode_ordered("<b> & \u2028\u2029") == escaped
    assert indent(escaped) == escaped


def test_encoded_values_survive() -> None:
    """Escapes change the bytes, not the value."""
    value = {"<k>": 'a & b "quoted" \\u003c \n'}

    assert orjson.loads(encode(value)) == value
    assert orjson.loads(indent(encode(value))) == value


def test_indent() -> None:
    """Two spaces a level, the order of keys as it was, empty collections on one line, no newline at the end."""
    assert indent(b'{"b":[],"a":{"c":[1,{}]}}') == (
        b'{\n  "b": [],\n  "a": {\n    "c": [\n      1,\n      {}\n    ]\n  }\n}'
    )


def test_large_integers() -> None:
    """64 bits are exact."""
    assert encode({"n": 2**63 - 1}) == b'{"n":9223372036854775807}'
    assert indent(b"9223372036854775807") == b"9223372036854775807"


def test_floats() -> None:
    """Without an exponent from 1e-6 on and below 1e21 (encoding/json); what looks like one in a text stays."""
    written = b"[0.000001,-0.0000015,1e-7,0.00001,10000000000000000,-125000000000000000,100000000000000000000,1e+21]"
    value = [1e-6, -1.5e-6, 1e-7, 1e-5, 1e16, -1.25e17, 1e20, 1e21]

    assert encode(value) == encode_ordered(value) == written
    assert indent(encode({"1e-6": 1e-6, "n": 'a "2e+17'})) == b'{\n  "1e-6": 0.000001,\n  "n": "a \\"2e+17"\n}'
    assert encode(['1e-6 \\" 1e+16', 1.2e160, 1.1e-60]) == b'["1e-6 \\\\\\" 1e+16",1.2e+160,1.1e-60]'


JSON = st.recursive(
    st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([1e-6, 2.5e17, -1e20])
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(st.sampled_from('a"\\\\1-.e6+7 ,:[')),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["1e-6", "a", '"']), inner),
)


@given(JSON)
def test_any_floats(value: Any) -> None:
    """Whatever stands around them, the values stay, and exponents are where Go has them."""
    numbers: list[str] = []

    def read(number: str) -> float:
        numbers.append(number)
        return float(number)

    assert json.loads(encode(value), parse_float=read, parse_int=read) == value
    assert all(("e" in number) == (not 1e-6 <= abs(float(number)) < 1e21) for number in numbers if float(number))


def test_floats_in_yaml() -> None:
    """With an exponent below 1e-4 and from 1e6 on, as recorded."""
    document = b'[1000000.5,0.000001,1e+22,18446744073709552000,10000000000000000000,123456.789,"1e+22"]'
    listed = ("1.0000005e+06", "1e-06", "1e+22", "1.8446744073709552e+19", "10000000000000000000", "123456.789")

    assert to_yaml(document).decode() == "".join(f"- {each}\n" for each in (*listed, '"1e+22"'))


def test_yaml_of_an_object() -> None:
    """The recorded document: sorted keys, lists not indented, what reads as another type in double quotes."""
    document = (
        b'{"spec":{"replicas":1,"gitRepo":"https://github.com/luksa/x.git"},"metadata":{"managedFields":[{"fieldsV1":'
        b'{"f:metadata":{"f:labels":{".":{},"f:n":{}}}},"manager":"conform","time":"2026-01-02T03:04:05Z"}],'
        b'"labels":{"t":"x","n":"1"},"resourceVersion":"12"},"kind":"Website"}'
    )

    assert to_yaml(document).decode() == (
        "kind: Website\n"
        "metadata:\n"
        "  labels:\n"
        '    "n": "1"\n'
        "    t: x\n"
        "  managedFields:\n"
        "  - fieldsV1:\n"
        "      f:metadata:\n"
        "        f:labels:\n"
        "          .: {}\n"
        "          f:n: {}\n"
        "    manager: conform\n"
        '    time: "2026-01-02T03:04:05Z"\n'
        '  resourceVersion: "12"\n'
        "spec:\n"
        "  gitRepo: https://github.com/luksa/x.git\n"
        "  replicas: 1\n"
    )


RECORDED = {
    "1e3": '"1e3"',
    "12e03": '"12e03"',
    "+.5e-3": '"+.5e-3"',
    "0x1F": '"0x1F"',
    "0X1": '"0X1"',
    "0b11": '"0b11"',
    "0o7": '"0o7"',
    "012": '"012"',
    "08": '"08"',
    "+1": '"+1"',
    "1.": '"1."',
    ".5": '".5"',
    "1_000": '"1_000"',
    "12:30": '"12:30"',
    ".inf": '".inf"',
    ".nan": '".nan"',
    "yes": '"yes"',
    "y": '"y"',
    "N": '"N"',
    "on": '"on"',
    "True": '"True"',
    "null": '"null"',
    "~": '"~"',
    "": '""',
    "2026-01-02": '"2026-01-02"',
    "2026-1-2": '"2026-1-2"',
    "2026-01-02T03:04:05Z": '"2026-01-02T03:04:05Z"',
    "NaN": "NaN",
    "nO": "nO",
    "1e": "1e",
    "0.1.2": "0.1.2",
    "1,000": "1,000",
    "_1": "_1",
    "a#b": "a#b",
    "it's": "it's",
    "<b>&": "<b>&",
    "x:": "'x:'",
    "a: b": "'a: b'",
    " lead": "' lead'",
    "trail ": "'trail '",
    "a #b": "'a #b'",
    "-": "'-'",
    "[": "'['",
    "*x": "'*x'",
    "!x": "'!x'",
    "@x": "'@x'",
    '"q"': "'\"q\"'",
    "a\tb": '"a\\tb"',
    "line1\nline2\n": "|\n  line1\n  line2",
    "line1\nline2": "|-\n  line1\n  line2",
    "a\n\nb": "|-\n  a\n\n  b",
    "a\nb ": '"a\\nb "',
}


@pytest.mark.parametrize(("text", "written"), RECORDED.items())
def test_yaml_of_a_string(text: str, written: str) -> None:
    """A string is plain where every reader takes it for one."""
    assert to_yaml(orjson.dumps({"a": text})).decode() == f"a: {written}\n"


def test_yaml_of_repeated_parts() -> None:
    """Equal parts are written out, not referred to."""
    part = {"x": ["long enough to be worth an alias"] * 2}

    assert b"&" not in to_yaml(orjson.dumps({"a": part, "b": part}))


def test_yaml_is_the_same_document() -> None:
    """What is written reads back as what it was."""
    value = {text: text for text in RECORDED} | {"n": [1, -2, 1.5, True, None, [], {}, [[1]]], "big": 2**63 - 1}

    assert yaml.safe_load(to_yaml(orjson.dumps(value))) == value
