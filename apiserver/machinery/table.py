"""Tables: the columns and rows that kubectl prints (wire.md 4.2).

Columns and cells follow apiextensions' table conversion of custom resources.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from math import inf
from typing import Any, NamedTuple

from apiserver.machinery.age import age, moment
from apiserver.machinery.encoding import encode
from apiserver.machinery.errors import Object
from apiserver.machinery.jsonpath import compile_path
from apiserver.machinery.kind import Column, Kind

_NAME_COLUMN: Object = {
    "name": "Name",
    "type": "string",
    "format": "name",
    "description": (
        "Name must be unique within a namespace. Is required when creating resources, although some resources may "
        "allow a client to request the generation of an appropriate name automatically. Name is primarily intended for "
        "creation idempotence and configuration definition. Cannot be updated. "
        "More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
    ),
    "priority": 0,
}

_Cell = str | int | float | bool | None


def column_definitions(kind: Kind) -> list[Object]:
    """The Name column, then the kind's own."""
    return [_NAME_COLUMN, *(_definition(column) for column in kind.columns)]


def _definition(column: Column) -> Object:
    description = column.description or f"Custom resource definition column (in JSONPath format): {column.path}"
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": description,
        "priority": column.priority,
    }


def opening(kind: Kind, metadata: Object, version: str, first: bool = True) -> bytes:
    """A Table's JSON up to its rows, which CLOSING follows. Only the first Table of a watch has column definitions.
    `version` is that of meta.k8s.io."""
    columns = encode(column_definitions(kind) if first else None)
    head = b'{"apiVersion":"meta.k8s.io/%b","columnDefinitions":%b,"kind":"Table","metadata":%b,"rows":['
    return head % (version.encode(), columns, encode(metadata))


CLOSING = b"]}"


class Cells(NamedTuple):
    """The cells of a row as JSON: a format that takes ages, counted from `moments` (seconds since the epoch). Ages are
    all that changes while the object does not."""

    text: bytes
    moments: tuple[float, ...]

    def at(self, now: float) -> tuple[bytes, float]:
        """The cells at this moment, and the one until which they stay so."""
        ages, until = list[bytes](), inf
        for since in self.moments:
            shown, ends = age(since, now)
            ages.append(_age(shown))
            until = min(until, ends)
        return self.text % tuple(ages), until


_age = lru_cache(maxsize=16_384)(encode)


def cells(kind: Kind, obj: Object) -> Cells:
    """The name, then what is in the kind's columns."""
    made = [encode(obj["metadata"].get("name", "")), *(_cell(column, obj) for column in kind.columns)]
    texts = [b"%b" if isinstance(cell, float) else cell.replace(b"%", b"%%") for cell in made]
    return Cells(b"[%b]" % b",".join(texts), tuple(cell for cell in made if isinstance(cell, float)))


def row(cells: bytes, obj: bytes) -> bytes:
    """A row of a Table, of JSON."""
    return b'{"cells":%b,"object":%b}' % (cells, obj)


def _cell(column: Column, obj: Object) -> bytes | float:
    """JSON, or the moment that an age is counted from."""
    value = compile_path(column.path)(obj)
    if column.type == "date" and isinstance(value, str):
        since = moment(value)
        return since if isinstance(since, float) else encode(since)
    convert = _CONVERSIONS.get(column.type)
    return encode(convert(value) if convert and value is not None else None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _integer(value: Any) -> int | None:
    return int(value) if _is_number(value) and abs(value) < 2**63 else None


def _number(value: Any) -> float | None:
    return value if _is_number(value) else None


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return _go_float(value)
    return encode(value).decode()


def _go_float(value: float) -> str:
    """Go's %v of what its JSON decoder makes of a number: an integer when it is whole and fits, else at most six digits
    before the point, beyond them an exponent."""
    if value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    digits = Decimal(repr(value))
    exponent = digits.adjusted()
    if -4 <= exponent < 6:
        return f"{digits:f}"
    return f"{digits.scaleb(-exponent).normalize():f}e{exponent:+03d}"


_CONVERSIONS: Mapping[str, Callable[[Any], _Cell]] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "string": _text,
}
