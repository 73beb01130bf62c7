"""JSON as Go reads it: the values are orjson's, the error texts those of Go's encoding/json.

Decoding is orjson's as long as it succeeds. Only what it refuses is looked at byte by byte: either to word the error,
or because Go is the more lenient one (bytes that are no UTF-8 and lone surrogates become U+FFFD).
"""

import codecs
import json
import math
import re
from collections.abc import Iterator
from typing import Any

import orjson

MAX_DEPTH = 200
"""Levels of a document. Go stops at 10000; here everything that is read can be written again, wrapped in a list, and
walked by recursion."""
MAX_DUPLICATES = 100
_END = "unexpected end of JSON input"
_SPACE = re.compile(rb"[ \t\r\n]*")
_DIGITS = re.compile(rb"[0-9]*")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_HEX = frozenset(b"0123456789abcdefABCDEF")
_LITERALS = {ord("t"): b"true", ord("f"): b"false", ord("n"): b"null"}
_ESCAPED_COLON = re.compile(rb"\\u003a", re.IGNORECASE)
_GO_TYPES: dict[type, str] = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "bool",
    int: "number",
    float: "number",
}


class GoJSONError(ValueError):
    """A document that Go could not decode, in Go's words."""


def _replaced(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 - nothing is encoded with this
    return "\ufffd", error.start + 1


codecs.register_error("replace-bytes", _replaced)


def utf8_text(data: bytes) -> str:
    """UTF-8 as Go reads it: each byte that is none, and not each attempt at a character, becomes U+FFFD."""
    return data.decode("utf-8", "replace-bytes")


def decode(data: bytes) -> Any:
    """The value of a JSON document; of repeated keys the last one counts. Raises GoJSONError."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        check_syntax(data)
        value = _decode_leniently(data)
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and depth(value) > MAX_DEPTH:
        raise GoJSONError("exceeded max depth")
    return value


def depth(value: Any) -> int:
    """How many levels of objects and arrays there are."""
    levels, layer = 0, [value]
    while layer := [each for each in layer if isinstance(each, dict | list)]:
        levels += 1
        layer = [member for each in layer for member in (each.values() if isinstance(each, dict) else each)]
    return levels


def decode_with_duplicates(data: bytes) -> tuple[Any, list[str]]:
    """Like `decode`, with the paths of repeated keys, such as `spec.list[0].foo`: in the document's order, each once,
    at most 100 (sigs.k8s.io/json's strict decoding). Raises GoJSONError."""
    value = decode(data)
    written = orjson.dumps(value)
    # A dropped member takes at least its own colon along; escaped colons could hide that.
    if data.count(b":") == written.count(b":") and not _ESCAPED_COLON.search(data):
        return value, []
    pairs = json.loads(utf8_text(data), object_pairs_hook=_Pairs, parse_int=_parse_int)
    paths = dict.fromkeys(_duplicates(pairs, ""))
    return value, list(paths)[:MAX_DUPLICATES]


def type_name(value: Any) -> str:
    """What Go's "json: cannot unmarshal ... into Go value of type" calls a value."""
    return _GO_TYPES.get(type(value), "null")


class _Pairs(list[tuple[str, Any]]):
    """An object's members in order, repeated ones included; told apart from an array by its type."""


def _duplicates(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, _Pairs):
        seen = set()
        for key, member in value:
            at = f"{path}.{key}" if path else key
            if key in seen:
                yield at
            seen.add(key)
            yield from _duplicates(member, at)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _duplicates(item, f"{path}[{index}]")


def _decode_leniently(data: bytes) -> Any:
    """A syntactically correct document that orjson refused."""
    tree = json.loads(utf8_text(data), parse_float=_parse_float, parse_int=_parse_int)
    written = json.dumps(tree, ensure_ascii=False)
    return json.loads(written.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def _parse_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise GoJSONError(f"json: cannot unmarshal number {text} into Go value of type float64")
    return value


def _parse_int(text: str) -> int | float:
    """Go keeps what fits 64 bits and makes the rest a float."""
    if len(text) < 19 or (len(text) < 21 and -(2**63) <= int(text) < 2**63):
        return int(text)
    return _parse_float(text)


def check_syntax(data: bytes) -> None:
    """Raises GoJSONError where Go's scanner stops."""
    # Go feeds a last space to see whether the document could end there.
    source = data + b" "
    closers: list[int] = []
    at, expected = 0, "value"
    while True:
        at = _end_of(_SPACE, source, at)
        if at == len(source):
            if expected == "end":
                return
            raise GoJSONError(_END)
        at, expected = _step(source, at, expected, closers)


def _end_of(pattern: re.Pattern[bytes], source: bytes, at: int) -> int:
    match = pattern.match(source, at)
    return match.end() if match else at


def _step(source: bytes, at: int, expected: str, closers: list[int]) -> tuple[int, str]:
    """Scans one token: (where it ends, what has to follow). `closers` are the brackets still to come."""
    char = source[at]
    if expected == "end":
        raise _invalid(char, "after top-level value")
    if expected == "colon":
        if char != ord(":"):
            raise _invalid(char, "after object key")
        return at + 1, "value"
    if expected == "separator":
        return at + 1, _separate(char, closers)
    if expected in ("first key", "first value") and char == closers[-1]:
        closers.pop()
        return at + 1, _after(closers)
    if expected in ("first key", "key"):
        if char != ord('"'):
            raise _invalid(char, "looking for beginning of object key string")
        return _scan_string(source, at + 1), "colon"
    return _scan_value(source, at, closers)


def _after(closers: list[int]) -> str:
    return "separator" if closers else "end"


def _separate(char: int, closers: list[int]) -> str:
    """What follows the character after a complete member or element."""
    in_object = closers[-1] == ord("}")
    if char == closers[-1]:
        closers.pop()
        return _after(closers)
    if char != ord(","):
        raise _invalid(char, "after object key:value pair" if in_object else "after array element")
    return "key" if in_object else "value"


def _scan_value(source: bytes, at: int, closers: list[int]) -> tuple[int, str]:
    char = source[at]
    if char in b"{[":
        # ASCII has each closing bracket two after its opening one.
        closers.append(char + 2)
        if len(closers) > MAX_DEPTH:
            raise _invalid(char, "exceeded max depth")
        return at + 1, "first key" if char == ord("{") else "first value"
    if char == ord('"'):
        return _scan_string(source, at + 1), _after(closers)
    if char in _LITERALS:
        return _scan_literal(source, at, _LITERALS[char]), _after(closers)
    if char in b"-0123456789":
        return _scan_number(source, at), _after(closers)
    raise _invalid(char, "looking for beginning of value")


def _scan_string(source: bytes, at: int) -> int:
    """From behind the opening quote to behind the closing one."""
    while True:
        at = _end_of(_PLAIN, source, at)
        if at == len(source):
            raise GoJSONError(_END)
        char = source[at]
        if char == ord('"'):
            return at + 1
        if char != ord("\\"):
            raise _invalid(char, "in string literal")
        at = _scan_escape(source, at + 1)


def _scan_escape(source: bytes, at: int) -> int:
    """From behind the backslash to behind the escape."""
    code = _char(source, at)
    if code in b'bfnrt\\/"':
        return at + 1
    if code != ord("u"):
        raise _invalid(code, "in string escape code")
    for position in range(at + 1, at + 5):
        if _char(source, position) not in _HEX:
            raise _invalid(source[position], "in \\u hexadecimal character escape")
    return at + 5


def _char(source: bytes, at: int) -> int:
    if at >= len(source):
        raise GoJSONError(_END)
    return source[at]


def _scan_literal(source: bytes, at: int, literal: bytes) -> int:
    for offset, wanted in enumerate(literal):
        found = _char(source, at + offset)
        if found != wanted:
            raise _invalid(found, f"in literal {literal.decode()} (expecting '{chr(wanted)}')")
    return at + len(literal)


def _scan_number(source: bytes, at: int) -> int:
    if source[at] == ord("-"):
        at += 1
    at = at + 1 if source[at] == ord("0") else _scan_digits(source, at, "in numeric literal")
    if source[at] == ord("."):
        at = _scan_digits(source, at + 1, "after decimal point in numeric literal")
    if source[at] in b"eE":
        at += 2 if source[at + 1] in b"+-" else 1
        at = _scan_digits(source, at, "in exponent of numeric literal")
    return at


def _scan_digits(source: bytes, at: int, context: str) -> int:
    """At least one digit."""
    end = _end_of(_DIGITS, source, at)
    if end == at:
        raise _invalid(source[at], context)
    return end


def _invalid(char: int, context: str) -> GoJSONError:
    return GoJSONError(f"invalid character {_quoted(char)} {context}")


def _quoted(char: int) -> str:
    """A byte as Go's quoteChar prints it: as the Latin-1 character of that number."""
    special = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 39: "\\'", 92: "\\\\"}
    text = chr(char)
    if char in special:
        text = special[char]
    elif char < 0x20 or char == 0x7F:
        text = f"\\x{char:02x}"
    elif not text.isprintable():
        text = f"\\u{char:04x}"
    return f"'{text}'"
