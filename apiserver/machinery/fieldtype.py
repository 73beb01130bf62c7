"""What field ownership needs to know of a structural schema: what is a leaf, what is merged, how items are told apart.

The types are those that kube-apiserver derives from a custom resource's definition (k8s.io/kube-openapi `schemaconv`,
read by sigs.k8s.io/structured-merge-diff `typed`); wire.md 5.5.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from apiserver.machinery.errors import Object
from apiserver.machinery.fieldset import item_element, value_element
from apiserver.machinery.schema import PRESERVE, once_a_schema

ABSENT: Any = object()
"""Stands for a side that has no such field; null is a value."""
MAP, SCALAR, LIST = "map", "scalar", "list"
_SORTED = orjson.OPT_SORT_KEYS


class TypedError(ValueError):
    """A tree that does not fit its schema; one line a fault, as Go words them."""


@dataclass(slots=True, eq=False)
class MapType:
    """`element` is the type of fields that are not declared, None where there may be none."""

    fields: dict[str, "Type"] = field(default_factory=dict)
    element: "Type | None" = None
    atomic: bool = False


@dataclass(slots=True, eq=False)
class ListType:
    """Items of a list that is not atomic are told apart by `keys`, or by their value where there are none."""

    items: "Type"
    atomic: bool = True
    keys: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Type:
    """What a value may be. `scalar` is numeric, string, boolean, untyped, or "" for none."""

    scalar: str = ""
    map: MapType | None = None
    list: ListType | None = None


def _untyped(map_type: MapType) -> Type:
    made = Type("untyped", map_type)
    made.list = ListType(made)
    return made


UNTYPED = _untyped(MapType(atomic=True))
UNTYPED.map.element = UNTYPED  # type: ignore[union-attr]
DEDUCED = _untyped(MapType())
DEDUCED.map.element = DEDUCED  # type: ignore[union-attr]
DEDUCED.list = UNTYPED.list
"""The type below fields that no schema describes: granular maps, atomic lists, scalars."""

_STRING, _NUMBER, _BOOLEAN, _TIME = Type("string"), Type("numeric"), Type("boolean"), Type("untyped")
_STRINGS = Type(map=MapType(element=_STRING))
_OWNER = {**dict.fromkeys(("apiVersion", "kind", "name", "uid"), _STRING)}
_OWNER |= {"controller": _BOOLEAN, "blockOwnerDeletion": _BOOLEAN}
METADATA = Type(
    map=MapType(
        {
            **dict.fromkeys(("generateName", "name", "namespace", "resourceVersion", "selfLink", "uid"), _STRING),
            **dict.fromkeys(("deletionGracePeriodSeconds", "generation"), _NUMBER),
            **dict.fromkeys(("creationTimestamp", "deletionTimestamp"), _TIME),
            **dict.fromkeys(("annotations", "labels"), _STRINGS),
            "finalizers": Type(list=ListType(_STRING, atomic=False)),
            "managedFields": Type(list=ListType(DEDUCED)),
            "ownerReferences": Type(
                list=ListType(Type(map=MapType(_OWNER, atomic=True)), False, ("uid",), dict.fromkeys(_OWNER, ""))
            ),
        }
    )
)
"""meta/v1 ObjectMeta."""


@once_a_schema
def type_of(schema: Object) -> MapType:
    """The type of a whole object."""
    made = _map_type(schema, schema.get(PRESERVE) is True)
    made.fields = {**made.fields, "apiVersion": _STRING, "kind": _STRING, "metadata": METADATA}
    return made


def _type(schema: Object, preserve: bool) -> Type:
    """`preserve`: some schema above keeps unknown fields, and so do all below it."""
    preserve = preserve or schema.get(PRESERVE) is True
    match schema.get("type", ""):
        case "object":
            return Type(map=_map_type(schema, preserve))
        case "array":
            return Type(list=_list_type(schema, preserve))
        case "":
            return Type("untyped", _map_type(schema, preserve), _list_type(schema, preserve))
        case "integer" | "number":
            return _NUMBER
        case "boolean":
            return _BOOLEAN
        case "string" if schema.get("format", "") in ("", "byte"):
            return _STRING
    return _TIME


def _map_type(schema: Object, preserve: bool) -> MapType:
    properties, rest = schema.get("properties") or {}, schema.get("additionalProperties")
    element: Type | None = None
    if isinstance(rest, dict):
        element = _type(rest, preserve)
    elif rest or (rest is None and (preserve or not properties)):
        element = DEDUCED
    fields = {name: _type(member, preserve) for name, member in properties.items()}
    return MapType(fields, element, schema.get("x-kubernetes-map-type") == "atomic")


def _list_type(schema: Object, preserve: bool) -> ListType:
    items = schema.get("items")
    relation = schema.get("x-kubernetes-list-type", "atomic")
    if relation == "atomic" or items is None:
        return ListType(UNTYPED if items is None else _type(items, preserve))
    keys = tuple(schema.get("x-kubernetes-list-map-keys", ())) if relation == "map" else ()
    properties = items.get("properties") or {}
    defaults = {key: properties[key]["default"] for key in keys if properties.get(key, {}).get("default") is not None}
    return ListType(_type(items, preserve), False, keys, defaults)


def member_type(of: MapType, name: str) -> Type:
    return of.fields.get(name) or of.element or DEDUCED


def shape_of(value: Any, of: Type) -> str:
    """As which of its type's shapes a value is taken; null and misfits as the first there is."""
    if isinstance(value, dict):
        fits = MAP if of.map else ""
    elif isinstance(value, list):
        fits = LIST if of.list else ""
    else:
        fits = SCALAR if of.scalar and value is not None and value is not ABSENT else ""
    return fits or (MAP if of.map else SCALAR if of.scalar else LIST)


def item_key(item: Any, of: ListType) -> str:
    """The path element of an item. Raises TypedError for an item that cannot be told apart."""
    if not of.keys:
        return _set_item(item)
    if not isinstance(item, dict):
        what = "a null element" if item is None else "non-map elements"
        raise TypedError(f"associative list with keys may not have {what}")
    keys = {key: item[key] if key in item else of.defaults[key] for key in of.keys if key in item or key in of.defaults}
    if not keys:
        names = " ".join(f'"{key}"' for key in of.keys)
        text = f"associative list with keys has an element that omits all key fields [{names}]"
        raise TypedError(f"{text} (and doesn't have default values for any key fields)")
    return item_element(keys)


def item_key_or_none(item: Any, of: ListType) -> str:
    """The same, "" for an item that cannot be told apart: pruning may leave one empty on the way."""
    try:
        return item_key(item, of)
    except TypedError:
        return ""


def _set_item(item: Any) -> str:
    if isinstance(item, dict):
        raise TypedError("associative list without keys has an element that's a map type")
    if isinstance(item, list):
        raise TypedError("not supported: associative list with lists as elements")
    if item is None:
        raise TypedError("associative list without keys has an element that's an explicit null")
    return value_element(item)


def equal(left: Any, right: Any) -> bool:
    """Deep equality of JSON: 1 is 1.0 but not true."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def same(left: Any, right: Any) -> bool:
    """Quickly: are these surely equal? What only looks alike to Python (1, true) has other bytes."""
    if left is right:
        return True
    if type(left) is not type(right) or left != right:
        return False
    return not isinstance(left, dict | list) or orjson.dumps(left, option=_SORTED) == orjson.dumps(
        right, option=_SORTED
    )


def grouped(items: Any, of: ListType) -> dict[str, list[Any]]:
    """Items by path element, in order. Raises TypedError."""
    made: dict[str, list[Any]] = {}
    for index, item in enumerate(items if isinstance(items, list) else ()):
        try:
            made.setdefault(item_key(item, of), []).append(item)
        except TypedError as error:
            raise TypedError(f"element {index}: {error}") from error
    return made
