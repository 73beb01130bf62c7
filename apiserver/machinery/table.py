"""Tables: the columns and rows that kubectl prints (wire.md 4.2).

Columns and cells follow apiextensions' table conversion of custom resources; ages are apimachinery's HumanDuration.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

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


def table(
    kind: Kind,
    items: Sequence[Object],
    metadata: Object,
    include_object: str,
    now: datetime,
    first: bool = True,
    version: str = "v1",
) -> Object:
    """A Table with a row for each of the objects. `include_object`: Object, None, else Metadata. Only the first Table
    of a watch has column definitions. `version` is that of meta.k8s.io."""
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": metadata,
        "columnDefinitions": column_definitions(kind) if first else None,
        "rows": [row(kind, item, include_object, now, version) for item in items],
    }


def row(kind: Kind, obj: Object, include_object: str, now: datetime, version: str = "v1") -> Object:
    """One row; `now` is what ages are counted to."""
    cells = [obj["metadata"].get("name", ""), *(_cell(column, obj, now) for column in kind.columns)]
    return {"cells": cells, "object": _included(obj, include_object, version)}


def _included(obj: Object, include_object: str, version: str) -> Object | None:
    if include_object == "None":
        return None
    if include_object == "Object":
        return obj
    return {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}", "metadata": obj["metadata"]}


def _cell(column: Column, obj: Object, now: datetime) -> _Cell:
    value = compile_path(column.path)(obj)
    if value is None:
        return None
    if column.type == "date":
        return age(value, now) if isinstance(value, str) else None
    convert = _CONVERSIONS.get(column.type)
    return convert(value) if convert else None


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

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_ZERO_TIME = datetime(1, 1, 1, tzinfo=UTC)


def age(timestamp: str, now: datetime) -> str:
    """How long ago an RFC 3339 time was; `<unknown>` for none, `<invalid>` for what is no time or is yet to come."""
    if not timestamp:
        return "<unknown>"
    try:
        then = datetime.fromisoformat(timestamp) if _RFC3339.fullmatch(timestamp) else None
    except ValueError:
        then = None
    if then is None:
        return "<invalid>"
    return "<unknown>" if then == _ZERO_TIME else human_duration((now - then).total_seconds())


_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400
# Below so many seconds: the unit to count in, and the smaller unit beside it (0: none).
_SCALES = (
    (10 * _MINUTE, _MINUTE, 1),
    (3 * _HOUR, _MINUTE, 0),
    (8 * _HOUR, _HOUR, _MINUTE),
    (2 * _DAY, _HOUR, 0),
    (8 * _DAY, _DAY, _HOUR),
    (2 * _YEAR, _DAY, 0),
    (8 * _YEAR, _YEAR, _DAY),
)
_LETTERS = {1: "s", _MINUTE: "m", _HOUR: "h", _DAY: "d", _YEAR: "y"}


def human_duration(seconds: float) -> str:
    """A duration in two or three significant digits: `59s`, `5m30s`, `3h`, `2d4h`, `1y20d`."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 2 * _MINUTE:
        return f"{max(whole, 0)}s"
    unit, smaller = next(((unit, smaller) for limit, unit, smaller in _SCALES if whole < limit), (_YEAR, 0))
    rest = whole % unit // smaller if smaller else 0
    return f"{whole // unit}{_LETTERS[unit]}" + (f"{rest}{_LETTERS[smaller]}" if rest else "")
