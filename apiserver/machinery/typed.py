"""JSON trees read through their type: which fields there are, and what differs between two trees.

The rules are those of sigs.k8s.io/structured-merge-diff `typed`; wire.md 5.3 to 5.5.
"""

from typing import Any, NamedTuple

from apiserver.machinery.errors import Object
from apiserver.machinery.fieldset import SELF, FieldSet, field_element, is_member, union
from apiserver.machinery.fieldtype import (
    ABSENT,
    LIST,
    MAP,
    ListType,
    MapType,
    Type,
    equal,
    grouped,
    item_key_or_none,
    member_type,
    same,
    shape_of,
)


def set_of(value: Object, of: MapType) -> FieldSet:
    """Every leaf, and every item of a list that is not atomic."""
    made: FieldSet = {}
    for name, member in value.items():
        below, owned = _set_below(member, member_type(of, name))
        if member is None or member == {} or name not in of.fields:
            owned = True
        _put(made, field_element(name), below, owned)
    return made


def _put(made: FieldSet, element: str, below: FieldSet, owned: bool) -> None:
    if below:
        made[element] = {**below, SELF: {}} if owned else below
    elif owned:
        made[element] = {}


def _set_below(value: Any, of: Type) -> tuple[FieldSet, bool]:
    """(what is below the value, whether the value is a leaf)."""
    match shape_of(value, of):
        case "map" if of.map and not of.map.atomic:
            return (set_of(value, of.map) if isinstance(value, dict) else {}), False
        case "list" if of.list and not of.list.atomic:
            return (_set_of_items(value, of.list) if isinstance(value, list) else {}), False
    return {}, True


def _set_of_items(items: list[Any], of: ListType) -> FieldSet:
    made: FieldSet = {}
    for item in items:
        key = item_key_or_none(item, of)
        if key in made:
            # Repeated items are owned as one.
            made[key] = {}
        elif key:
            _put(made, key, _set_below(item, of.items)[0], True)
    return made


class Comparison(NamedTuple):
    """The fields that one tree lost, has with another value, and gained against another tree."""

    removed: FieldSet
    modified: FieldSet
    added: FieldSet


def compare(old: Object, new: Object, of: MapType) -> Comparison:
    """What changed. A list item, or a field that holds others, is itself added or removed where the other tree has no
    such field. Raises TypedError."""
    changes = Comparison({}, {}, {})
    _compare_members(old, new, of, changes)
    return changes


def _compare_members(old: Object, new: Object, of: MapType, changes: Comparison) -> None:
    for name, value in old.items():
        now = new.get(name, ABSENT)
        if not same(value, now):
            _compare(field_element(name), value, now, member_type(of, name), changes)
    for name, value in new.items():
        if name not in old:
            _compare(field_element(name), ABSENT, value, member_type(of, name), changes)


def _compare(element: str, old: Any, new: Any, of: Type, changes: Comparison) -> None:
    """Of two that are not the same."""
    shape = shape_of(old if new is ABSENT else new, of)
    if old is not ABSENT and new is not ABSENT:
        before = shape_of(old, of)
        if before != shape:
            _compare_as(before, element, old, new, of, changes)
    leaf = _compare_as(shape, element, old, new, of, changes)
    if not leaf and old is ABSENT:
        _mark(changes.added, element)
    elif not leaf and new is ABSENT:
        _mark(changes.removed, element)


def _compare_as(shape: str, element: str, old: Any, new: Any, of: Type, changes: Comparison) -> bool:
    """Compares two values of one shape; True when they were compared as a whole."""
    if shape == MAP and of.map and not of.map.atomic:
        mine, other = _as_map(old), _as_map(new)
        if mine or other:
            below = Comparison({}, {}, {})
            _compare_members(mine, other, of.map, below)
            return _attach(element, below, changes)
    elif shape == LIST and of.list and not of.list.atomic:
        before, after = _as_list(old), _as_list(new)
        if before or after:
            below = Comparison({}, {}, {})
            _compare_items(before, after, of.list, below)
            return _attach(element, below, changes)
    _compare_leaf(element, old, new, changes)
    return True


def _as_map(value: Any) -> Object:
    return value if isinstance(value, dict) else {}


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _attach(element: str, below: Comparison, changes: Comparison) -> bool:
    """Puts what was found below an element into the sets; always False: the element is no leaf."""
    for whole, part in zip(changes, below, strict=True):
        if part:
            whole[element] = union({element: whole[element]}, {element: part})[element] if element in whole else part
    return False


def _compare_leaf(element: str, old: Any, new: Any, changes: Comparison) -> None:
    if old is ABSENT:
        _mark(changes.added, element)
    elif new is ABSENT:
        _mark(changes.removed, element)
    elif not equal(old, new):
        _mark(changes.modified, element)


def _mark(fields: FieldSet, element: str) -> None:
    """Makes the element itself a member of a set that is being built."""
    node = fields.setdefault(element, {})
    if node:
        node[SELF] = {}


def _compare_items(old: list[Any], new: list[Any], of: ListType, changes: Comparison) -> None:
    before, after = grouped(old, of), grouped(new, of)
    for key in {**before, **after}:
        was, now = before.get(key, []), after.get(key, [])
        if len(was) <= 1 and len(now) <= 1:
            one, other = was[0] if was else ABSENT, now[0] if now else ABSENT
            if not same(one, other):
                _compare(key, one, other, of.items, changes)
        elif len(was) > 1 and len(now) > 1:
            _compare_leaf(key, was, now, changes)
        elif len(was) > 1:
            # Repeated items are owned as one; what is left of them is new, field by field.
            if now:
                _compare(key, ABSENT, now[0], of.items, changes)
            _mark(changes.removed, key)
        else:
            if was:
                _compare(key, was[0], ABSENT, of.items, changes)
            _mark(changes.added, key)


def with_named_fields(fields: FieldSet, of: Type | None) -> FieldSet:
    """The set, and every declared field that something in the set is below of."""
    map_type, list_type = (of.map, of.list) if of else (None, None)
    made: FieldSet = {}
    for element, node in fields.items():
        sort, name = element[:2], element[2:]
        if element == SELF:
            continue
        below: Type | None = None
        if sort == "f:" and map_type:
            below = map_type.fields.get(name) or map_type.element
        elif sort == "k:" and list_type:
            below = list_type.items
        declared = sort == "f:" and map_type is not None and name in map_type.fields
        _put(made, element, with_named_fields(node, below), is_member(node) or declared)
    return made


def reconciled(fields: FieldSet, of: MapType) -> FieldSet:
    """The set after a change of the schema: what has become atomic since is owned as a whole (wire.md 5.5). The very
    same set where nothing has."""
    if of.atomic:
        return {}
    made = fields
    for key, node in fields.items():
        below = (of.fields.get(key[2:]) or of.element) if key[:2] == "f:" else of.element
        if node and below:
            made = _replaced(made, fields, key, _reconciled(node, below))
    return made


def _reconciled(node: FieldSet, of: Type) -> FieldSet:
    if of.map:
        # A map whose fields nothing describes has no marks that could have changed.
        described = of.map.fields or of.map.element is None or of.map.element.scalar != "untyped"
        return reconciled(node, of.map) if described else node
    if of.list is None or of.list.atomic:
        return {} if of.list else node
    made = node
    for key, below in node.items():
        if below:
            made = _replaced(made, node, key, _reconciled(below, of.list.items))
    return made


def _replaced(made: FieldSet, original: FieldSet, key: str, node: FieldSet) -> FieldSet:
    if node is original[key]:
        return made
    return {**made, key: node}
