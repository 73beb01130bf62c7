"""What a structural schema makes of a JSON tree: unknown fields and nulls go, whole numbers become integers, defaults
come (k8s.io/apiextensions-apiserver `pkg/apiserver/schema/pruning`, `schema/defaulting`).

No tree that comes in is changed: what stays as it was is shared, up to the whole tree. A schema is looked at once: what
follows is, for each type that a value may have in Python, the change that is left.
"""

from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any

from apiserver.machinery.errors import Object
from apiserver.machinery.schema import INT_OR_STRING, MAX_EXACT, PRESERVE, TYPES, once_a_schema
from apiserver.machinery.sharing import ABSENT, with_member

Prune = Callable[[Any, list[str], str], Any]
"""(value, unknown, path) -> the value that stays, `ABSENT` for none; paths of unknown fields go to `unknown`."""
Prunes = Mapping[type, Prune]
"""By the type of the value; one of another type stays as it is."""
Fill = Callable[[Any], Any]
Fills = Mapping[type, Fill]
_MAX_WHOLE = 2**63


def prune(value: Any, schema: Object, unknown: list[str], path: str = "") -> Any:
    """`value` without fields that the schema does not name (their paths go to `unknown`) and without nulls where the
    schema does not allow them, so that a null means "absent" and gets the default."""
    change = _prunes(schema).get(type(value))
    return change(value, unknown, path) if change else value


def defaulted(value: Any, schema: Object) -> Any:
    """`value` with the defaults of absent fields; a default below an absent object is not reached. Null is absent too
    where the schema does not allow it."""
    return _filled(value, _fills(schema))


def with_integers(value: Any, schema: Object) -> Any:
    """A copy of `value` with whole numbers as such, whatever way they were written."""
    if isinstance(value, dict):
        properties, rest = schema.get("properties", {}), schema.get("additionalProperties") or {}
        return {key: with_integers(member, properties.get(key, rest)) for key, member in value.items()}
    if isinstance(value, list):
        return [with_integers(item, schema.get("items") or {}) for item in value]
    if type(value) is float and schema.get("type", "number") in ("integer", "number"):
        return _integer(value, _MAX_WHOLE)
    return _float_beyond_64_bits(value, [], "") if type(value) is int else value


def _integer(value: float, limit: int) -> float:
    """JSON has no integers: 1.0 and 1e3 are whole numbers too, and Go writes them so."""
    return int(value) if value.is_integer() and abs(value) < limit else value


def _float_beyond_64_bits(value: int, _: list[str], __: str) -> float:
    return value if -_MAX_WHOLE <= value < _MAX_WHOLE else float(value)


@once_a_schema
def _prunes(schema: Object) -> Prunes:
    made: dict[type, Prune] = {int: _float_beyond_64_bits}
    if schema.get("type", "number") in ("integer", "number"):
        # A float that is not exact any more is no integer for kube-apiserver's validation.
        limit = MAX_EXACT if schema.get("type") == "integer" or schema.get(INT_OR_STRING) else _MAX_WHOLE
        made[float] = lambda value, *_: _integer(value, limit)
    made[dict] = _prune_of_object(schema)
    made[list] = _prune_of_list(_item_prunes(schema))
    return made


def _item_prunes(schema: Object) -> Prunes:
    if schema.get("items") is not None:
        return _prunes(schema["items"])
    # A list where none belongs: objects in it have no fields that are known.
    return _FREE if schema.get(PRESERVE) else _EMPTY


def _prune_of_object(schema: Object) -> Prune:
    members = {key: _member_prunes(child) for key, child in schema.get("properties", {}).items()}
    rest: Prunes = _FREE if schema.get(PRESERVE) else _UNKNOWN
    if schema.get("additionalProperties") is not None:
        rest = _member_prunes(schema["additionalProperties"])
    return _prune_of_members(members, rest)


def _member_prunes(schema: Object) -> Prunes:
    return _prunes(schema) if schema.get("nullable") else {**_prunes(schema), NoneType: _without}


def _prune_of_members(members: Mapping[str, Prunes], rest: Prunes) -> Prune:
    def change(value: Object, unknown: list[str], path: str) -> Object:
        made = value
        for key, member in value.items():
            prune_member = members.get(key, rest).get(type(member))
            if prune_member is not None:
                kept = prune_member(member, unknown, f"{path}.{key}" if path else key)
                if kept is not member:
                    made = with_member(made, value, key, kept)
        return made

    return change


def _prune_of_list(items: Prunes) -> Prune:
    def change(value: list[Any], unknown: list[str], path: str) -> list[Any]:
        made = value
        for index, item in enumerate(value):
            prune_item = items.get(type(item))
            kept = prune_item(item, unknown, f"{path}[{index}]") if prune_item else item
            if kept is not item:
                made = [*value] if made is value else made
                made[index] = kept
        return made

    return change


def _without(*_: Any) -> Any:
    return ABSENT


def _unknown(_: Any, unknown: list[str], path: str) -> Any:
    unknown.append(path)
    return ABSENT


_UNKNOWN: Prunes = dict.fromkeys(TYPES, _unknown)
_FREE: dict[type, Prune] = {int: _float_beyond_64_bits, float: lambda value, *_: _integer(value, _MAX_WHOLE)}
"""Of what no schema describes."""
_FREE |= {dict: _prune_of_members({}, _FREE), list: _prune_of_list(_FREE)}
_EMPTY: dict[type, Prune] = {**_FREE, dict: _prune_of_members({}, _UNKNOWN)}
_EMPTY[list] = _prune_of_list(_EMPTY)


@once_a_schema
def _fills(schema: Object) -> Fills:
    """Empty where there is no default below."""
    made: dict[type, Fill] = {}
    if schema.get("properties"):
        made |= _fills_of_object(schema["properties"])
    elif schema.get("additionalProperties") and (members := _fills(schema["additionalProperties"])):
        made[dict] = lambda value: {key: _filled(member, members) for key, member in value.items()}
    if "items" in schema and (items := _fills(schema["items"])):
        made[list] = lambda value: [_filled(item, items) for item in value]
    return made


def _filled(value: Any, fills: Fills) -> Any:
    fill = fills.get(type(value))
    return fill(value) if fill else value


def _fills_of_object(properties: Mapping[str, Object]) -> Fills:
    defaults = {key: child for key, child in properties.items() if "default" in child}
    members = {key: fills for key, child in properties.items() if (fills := _fills(child))}

    def fill(value: Object) -> Object:
        made = value
        for key, child in defaults.items():
            if value.get(key) is None and not (key in value and child.get("nullable")):
                made = with_member(made, value, key, with_integers(child["default"], {}))
        for key, fills in members.items():
            member = made.get(key)
            kept = _filled(member, fills)
            if kept is not member:
                made = with_member(made, value, key, kept)
        return made

    return {dict: fill} if defaults or members else {}
