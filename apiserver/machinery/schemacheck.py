"""Validation of JSON trees by structural schemas, in kube-apiserver's texts and order of checks for a custom resource
(k8s.io/apiextensions-apiserver `pkg/apiserver/validation`, `schema/listtype`; the recorded answers in wire.md's
reference are the source).

A schema is looked at once: what follows is, for each type that a value may have in Python, the checks that are left.
"""

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from apiserver.machinery import errors
from apiserver.machinery.errors import FieldError, Object
from apiserver.machinery.gotime import days_of
from apiserver.machinery.schema import INT_OR_STRING, MAX_EXACT, TYPES, once_a_schema

Check = Callable[[Any, str, list[FieldError]], None]
"""Adds what is wrong with the value at a path to the field errors."""
Checks = Mapping[type, tuple[Check, ...]]
"""By the type of the value."""
NO_FIELD = "<nil>"
"""What stands for the field of a fault that names none."""
_INT_OR_STRING_TYPES = "integer,string"
_ALSO = {"number": ("integer",), _INT_OR_STRING_TYPES: ("integer", "string")}
_GO_FORMATS = {"boolean": "", "integer": "int64", "number": "float64", "object": ""}


def validate(value: Any, schema: Object, path: str = "") -> list[FieldError]:
    """Field errors of `value`, members in its own order; see `validate_distinct` for what lists must not repeat."""
    return _found(value, _checks(schema), path)


def validate_distinct(value: Any, schema: Object, path: str = "") -> list[FieldError]:
    """Items of a set, and the keys of a list-map's items, occur once; a value that repeats is reported once."""
    return _found(value, _distinct_checks(schema), path)


def validate_model(value: Any, model: type[BaseModel], path: str) -> list[FieldError]:
    """What only the model itself can say (its validators), once the schema found nothing."""
    try:
        model.model_validate(value)
    except ValidationError as error:
        return [_model_error(fault, path) for fault in error.errors(include_url=False)]
    return []


def _model_error(fault: Mapping[str, Any], path: str) -> FieldError:
    where = path + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"])
    return errors.invalid(where, fault["input"], fault["msg"].removeprefix("Value error, "))


def _found(value: Any, checks: Checks, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    for check in checks[type(value)]:
        check(value, path, found)
    return found


@once_a_schema
def _checks(schema: Object) -> Checks:
    made = {kind: tuple(_checks_of(name, schema)) for kind, name in TYPES.items()}
    if "integer" in _expected_type(schema):
        made[float] = (_float_check(made[int], made[float]),)
    return made


def _checks_of(actual: str, schema: Object) -> Iterator[Check]:
    """The checks of values of the type `actual`, in kube-apiserver's order."""
    yield from _type_check(actual, schema)
    if actual == "string":
        yield from _string_checks(schema)
    elif actual == "array":
        yield from _list_checks(schema)
    elif actual in ("integer", "number"):
        yield from _number_checks(schema)
    if actual != "null" and "enum" in schema:
        yield _enum_check(schema["enum"])
    if actual == "object":
        yield from _object_checks(schema)


def _float_check(as_integer: tuple[Check, ...], as_number: tuple[Check, ...]) -> Check:
    """A whole float is an integer where one may stand (github.com/go-openapi/validate `type.go`)."""

    def check(value: float, path: str, found: list[FieldError]) -> None:
        whole = value.is_integer() and abs(value) < MAX_EXACT
        for each in as_integer if whole else as_number:
            each(value, path, found)

    return check


def _expected_type(schema: Object) -> str:
    """The name of the type that a value must have, "" where any will do."""
    expected: str = schema.get("type", "")
    return _INT_OR_STRING_TYPES if not expected and schema.get(INT_OR_STRING) else expected


def _type_check(actual: str, schema: Object) -> Iterator[Check]:
    """None where a value may have this type."""
    expected = _expected_type(schema)
    if expected in (actual, "") or actual in _ALSO.get(expected, ()) or (actual == "null" and schema.get("nullable")):
        return
    # A format stands for the type, except before what can have any format.
    if "format" in schema and actual in _GO_FORMATS:
        expected, actual = schema["format"], _GO_FORMATS[actual]

    def check(_: Any, path: str, found: list[FieldError]) -> None:
        found.append(errors.type_invalid(path, actual, f'{path} in body must be of type {expected}: "{actual}"'))

    yield check


def _enum_check(choices: list[Any]) -> Check:
    def check(value: Any, path: str, found: list[FieldError]) -> None:
        if value not in choices:
            found.append(errors.not_supported(path, value, choices))

    return check


def _object_checks(schema: Object) -> Iterator[Check]:
    yield from _size_check(schema, "properties", "Properties")
    yield from _member_checks(schema, _checks)
    if required := schema.get("required"):
        yield _required_check(required)


def _size_check(schema: Object, noun: str, keyword: str) -> Iterator[Check]:
    """Of minItems and maxItems, or minProperties and maxProperties."""
    least, most = schema.get(f"min{keyword}", 0), schema.get(f"max{keyword}", sys.maxsize)

    def check(value: Any, path: str, found: list[FieldError]) -> None:
        if len(value) < least:
            found.append(errors.invalid(path, len(value), f"{path} in body should have at least {least} {noun}"))
        if len(value) > most:
            found.append(errors.too_many(path, len(value), most))

    if (least, most) != (0, sys.maxsize):
        yield check


def _member_checks(schema: Object, checks_of: Callable[[Object], Checks]) -> Iterator[Check]:
    """Of the members that the schema describes; none where there is nothing to check in any of them."""
    members = {key: checks_of(child) for key, child in schema.get("properties", {}).items()}
    rest = checks_of(schema["additionalProperties"]) if "additionalProperties" in schema else None

    def check(value: Object, path: str, found: list[FieldError]) -> None:
        prefix = f"{path}." if path else ""
        for key, member in value.items():
            checks = members.get(key, rest)
            for each in checks[type(member)] if checks else ():
                each(member, prefix + key, found)

    if any(any(checks.values()) for checks in (*members.values(), rest or {})):
        yield check


def _required_check(keys: list[str]) -> Check:
    def check(value: Object, path: str, found: list[FieldError]) -> None:
        prefix = f"{path}." if path else ""
        found += [errors.required(prefix + key) for key in keys if key not in value]

    return check


def _list_checks(schema: Object) -> Iterator[Check]:
    yield from _item_checks(schema, _checks)
    yield from _size_check(schema, "items", "Items")


def _item_checks(schema: Object, checks_of: Callable[[Object], Checks]) -> Iterator[Check]:
    checks = checks_of(schema["items"]) if "items" in schema else {}

    def check(value: list[Any], path: str, found: list[FieldError]) -> None:
        for index, item in enumerate(value):
            for each in checks[type(item)]:
                each(item, f"{path}[{index}]", found)

    if any(checks.values()):
        yield check


@once_a_schema
def _distinct_checks(schema: Object) -> Checks:
    made: dict[type, tuple[Check, ...]] = dict.fromkeys(TYPES, ())
    made[dict] = tuple(_member_checks(schema, _distinct_checks))
    made[list] = (*_repetition_check(schema), *_item_checks(schema, _distinct_checks))
    return made


def _repetition_check(schema: Object) -> Iterator[Check]:
    if schema.get("x-kubernetes-list-type") == "map":
        yield _keys_check(schema.get("x-kubernetes-list-map-keys", ()))
    elif schema.get("x-kubernetes-list-type") == "set":
        yield _check_repetitions


def _keys_check(keys: list[str]) -> Check:
    def check(value: list[Any], path: str, found: list[FieldError]) -> None:
        for index, item in enumerate(value):
            if not isinstance(item, dict | None):
                text = "must be an object for an array of list-type map"
                found.append(errors.invalid(f"{path}[{index}]", item, text))
                return
        identities = [{key: item[key] for key in keys if key in item} if item else {} for item in value]
        _check_repetitions(identities, path, found)

    return check


def _check_repetitions(identities: list[Any], path: str, found: list[FieldError]) -> None:
    seen: Counter[bytes] = Counter()
    for index, identity in enumerate(identities):
        canonical = orjson.dumps(identity, option=orjson.OPT_SORT_KEYS)
        seen[canonical] += 1
        if seen[canonical] == 2:
            found.append(errors.duplicate(f"{path}[{index}]", identity))


def _string_checks(schema: Object) -> Iterator[Check]:
    if schema.keys() & {"minLength", "maxLength", "pattern"}:
        yield _text_check(schema)
    if schema.get("format") == "date-time":
        yield _check_time


def _text_check(schema: Object) -> Check:
    """The first fault of length and pattern only, as the reference does."""
    least, most = schema.get("minLength", 0), schema.get("maxLength", sys.maxsize)
    pattern = schema.get("pattern", "")
    matches = re.compile(pattern).search

    def check(value: str, path: str, found: list[FieldError]) -> None:
        if len(value) > most:
            found.append(errors.too_long(path, most))
        elif len(value) < least:
            found.append(errors.invalid(path, value, f"{path} in body should be at least {least} chars long"))
        elif not matches(value):
            found.append(errors.invalid(path, value, f"{path} in body should match '{pattern}'"))

    return check


def _check_time(value: str, path: str, found: list[FieldError]) -> None:
    if not is_date_time(value):
        text = f"{path} in body must be of type date-time: {errors.quoted(value)}"
        found.append(errors.type_invalid(path, value, text))


_DATE_TIME = re.compile(
    r"(\d{4})-(0[1-9]|1[0-2])-(\d{2})[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d([.,]\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


def is_date_time(value: str) -> bool:
    """RFC 3339, as github.com/go-openapi/strfmt reads it."""
    found = _DATE_TIME.fullmatch(value)
    return found is not None and 1 <= int(found[3]) <= days_of(int(found[1]), int(found[2]))


def _number_checks(schema: Object) -> Iterator[Check]:
    if schema.get("type") == "integer":
        yield _range_check(schema.get("format", ""))
    if "multipleOf" in schema:
        yield _multiple_check(schema["multipleOf"])
    if "minimum" in schema:
        yield _minimum_check(schema["minimum"], bool(schema.get("exclusiveMinimum")))
    if "maximum" in schema:
        yield _maximum_check(schema["maximum"], bool(schema.get("exclusiveMaximum")))


def _range_check(number_format: str) -> Check:
    """The one fault that the reference reports without its field."""
    limit = 2 ** (31 if number_format == "int32" else 63)
    described = f"with format {number_format}" if number_format else "(default format)"

    def check(value: float, path: str, found: list[FieldError]) -> None:
        if not (value == int(value) and -limit <= value < limit):
            found.append(errors.invalid(NO_FIELD, "", f"Checked value must be of type integer {described} in {path}"))

    return check


def _multiple_check(factor: float) -> Check:
    def check(value: float, path: str, found: list[FieldError]) -> None:
        if value % factor:
            found.append(errors.invalid(path, value, f"{path} in body should be a multiple of {factor}"))

    return check


def _minimum_check(low: float, exclusive: bool) -> Check:
    bound = "greater than" if exclusive else "greater than or equal to"

    def check(value: float, path: str, found: list[FieldError]) -> None:
        if value < low or (exclusive and value == low):
            found.append(errors.invalid(path, value, f"{path} in body should be {bound} {low}"))

    return check


def _maximum_check(high: float, exclusive: bool) -> Check:
    bound = "less than" if exclusive else "less than or equal to"

    def check(value: float, path: str, found: list[FieldError]) -> None:
        if value > high or (exclusive and value == high):
            found.append(errors.invalid(path, value, f"{path} in body should be {bound} {high}"))

    return check
