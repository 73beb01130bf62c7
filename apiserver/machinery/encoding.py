"""JSON trees as bytes, as Kubernetes writes them (wire.md 4): compact, indented or YAML."""

import re
from typing import Any

import orjson
import yaml

# Go's encoder writes these characters of a JSON string escaped (wire.md 0.1 item 39).
_ESCAPES = ((b"<", b"\\u003c"), (b">", b"\\u003e"), (b"&", b"\\u0026"))
_LINE_ENDS = (("\u2028".encode(), b"\\u2028"), ("\u2029".encode(), b"\\u2029"))
_STRING_TAG = "tag:yaml.org,2002:str"
_LINE = 80
# Truth values, numbers and dates that PyYAML reads as strings, other readers do not; Go's writer quotes them.
_AMBIGUOUS = re.compile(
    r"[yYnN]|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?0[xXoObB][0-9a-fA-F_]+|\d{4}-\d{1,2}-\d{1,2}"
)


def escape_html(data: bytes) -> bytes:
    """JSON as Go writes it; the same bytes where nothing is to be escaped."""
    # To look for a single byte, or for one that is not ASCII, costs next to nothing.
    for raw, escaped in _ESCAPES if data.isascii() else (*_ESCAPES, *_LINE_ENDS):
        if raw in data:
            data = data.replace(raw, escaped)
    return data


def encode(value: Any) -> bytes:
    """Compact JSON, keys sorted as a custom resource's are, no newline."""
    return escape_html(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))


def encode_ordered(value: Any) -> bytes:
    """Compact JSON in the order that the caller built (Status, discovery: Go structs), no newline."""
    return escape_html(orjson.dumps(value))


def indent(data: bytes) -> bytes:
    """JSON bytes again, two spaces a level, no newline at the end."""
    return escape_html(orjson.dumps(orjson.loads(data), option=orjson.OPT_INDENT_2))


class _Dumper(yaml.CSafeDumper):
    """Block style; what would read as another type is double-quoted, as Go's YAML writer does."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_str(dumper: yaml.CSafeDumper, value: str) -> yaml.ScalarNode:
    plain = dumper.resolve(yaml.ScalarNode, value, (True, False)) == _STRING_TAG  # type: ignore[no-untyped-call]
    style = "|" if "\n" in value else None if plain and value and not _AMBIGUOUS.fullmatch(value) else '"'
    return dumper.represent_scalar(_STRING_TAG, value, style=style)


_Dumper.add_representer(str, _represent_str)


def to_yaml(data: bytes) -> bytes:
    """JSON bytes as YAML, keys sorted."""
    tree = orjson.loads(data)
    return yaml.dump(tree, Dumper=_Dumper, allow_unicode=True, width=_LINE, sort_keys=True).encode()
