"""JSON trees as bytes, as Kubernetes writes them (wire.md 4): compact, indented or YAML."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import orjson
import yaml

from apiserver.machinery.errors import go_float

# Go's encoder writes these characters of a JSON string escaped (wire.md 0.1 item 39).
_ESCAPES = ((b"<", b"\\u003c"), (b">", b"\\u003e"), (b"&", b"\\u0026"))
_LINE_ENDS = (("\u2028".encode(), b"\\u2028"), ("\u2029".encode(), b"\\u2029"))
_STRING_TAG, _FLOAT_TAG = "tag:yaml.org,2002:str", "tag:yaml.org,2002:float"
_LINE = 80
# Truth values, numbers and dates that PyYAML reads as strings, other readers do not; Go's writer quotes them.
_AMBIGUOUS = re.compile(
    r"[yYnN]|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?0[xXoObB][0-9a-fA-F_]+|\d{4}-\d{1,2}-\d{1,2}"
)


# A float of orjson's with an exponent where Go's encoder writes none: it does from 1e21 on, and below 1e-6.
_EXPONENT = rb"[0-9]e(?:-6|\+1[6-9]|\+20)(?![0-9])"
_EXPONENTS = re.compile(_EXPONENT)
_NO_NUMBERS = rb'(?:"(?:[^"\\]|\\.)*+"|[^"0-9-])++'
"""As long as can be, for each match is a call: a document may be a megabyte of strings, one of them "1e-6"."""
_PARTS = re.compile(_NO_NUMBERS + rb"|-?(?:[0-9]\.)?[0-9]*" + _EXPONENT)


def go_json(data: bytes) -> bytes:
    """orjson's JSON as Go writes it; most often the same bytes."""
    if (b"e-6" in data or b"e+" in data) and _EXPONENTS.search(data):
        data = _PARTS.sub(_written_out, data)
    # To look for a single byte, or for one that is not ASCII, costs next to nothing.
    for raw, escaped in _ESCAPES if data.isascii() else (*_ESCAPES, *_LINE_ENDS):
        if raw in data:
            data = data.replace(raw, escaped)
    return data


def _written_out(found: re.Match[bytes]) -> bytes:
    part = found[0]
    return format(Decimal(part.decode()), "f").encode() if part[:1] in b"-0123456789" else part


def encode(value: Any) -> bytes:
    """Compact JSON, keys sorted as a custom resource's are, no newline."""
    return go_json(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))


def encode_ordered(value: Any) -> bytes:
    """Compact JSON in the order that the caller built (Status, discovery: Go structs), no newline."""
    return go_json(orjson.dumps(value))


def indent(data: bytes) -> bytes:
    """JSON bytes again, two spaces a level, no newline at the end."""
    return go_json(orjson.dumps(orjson.loads(data), option=orjson.OPT_INDENT_2))


class _Dumper(yaml.CSafeDumper):
    """Block style; what would read as another type is double-quoted, as Go's YAML writer does."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_str(dumper: yaml.CSafeDumper, value: str) -> yaml.ScalarNode:
    plain = dumper.resolve(yaml.ScalarNode, value, (True, False)) == _STRING_TAG  # type: ignore[no-untyped-call]
    style = "|" if "\n" in value else None if plain and value and not _AMBIGUOUS.fullmatch(value) else '"'
    return dumper.represent_scalar(_STRING_TAG, value, style=style)


def _represent_float(dumper: yaml.CSafeDumper, value: float) -> yaml.ScalarNode:
    return dumper.represent_scalar(_FLOAT_TAG, go_float(value))


_Dumper.add_representer(str, _represent_str)
_Dumper.add_representer(float, _represent_float)
# For PyYAML a float with an exponent has a point, too.
_Dumper.add_implicit_resolver(_FLOAT_TAG, re.compile(r"-?[0-9]+e[-+][0-9]+\Z"), list("-0123456789"))


def to_yaml(data: bytes) -> bytes:
    """JSON bytes as YAML, keys sorted."""
    tree = orjson.loads(data)
    return yaml.dump(tree, Dumper=_Dumper, allow_unicode=True, width=_LINE, sort_keys=True).encode()


ITEM = b'"ITEM"'
"""Stands where a list's items will."""


class Layout(NamedTuple):
    """Another layout of JSON: `document` converts all of it, `items` what stands within a list, separated by commas,
    and `separator` stands between two such parts; ITEM becomes `item`."""

    document: Callable[[bytes], bytes]
    items: Callable[[bytes], bytes]
    separator: bytes
    item: bytes
    is_yaml: bool = False


def _indent_items(data: bytes) -> bytes:
    return indent(b'{"":[%b]}' % data).removeprefix(b'{\n  "": [\n').removesuffix(b"\n  ]\n}")


INDENTED = Layout(indent, _indent_items, b",\n", b"    " + ITEM)
AS_YAML = Layout(to_yaml, lambda data: to_yaml(b"[%b]" % data), b"", b"- ITEM\n", is_yaml=True)
