"""Merging an applied configuration into a live object, and taking fields out of one (sigs.k8s.io/structured-merge-diff
`typed/merge.go`, `typed/remove.go`, `merge/update.go`; wire.md 5.4). Results may share parts with what they come from.
"""

from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any

from apiserver.machinery.errors import Object
from apiserver.machinery.fieldset import (
    FieldSet,
    difference,
    field_element,
    intersection,
    is_member,
    union,
)
from apiserver.machinery.fieldtype import (
    ABSENT,
    LIST,
    MAP,
    ListType,
    MapType,
    Type,
    grouped,
    item_key,
    item_key_or_none,
    member_type,
    shape_of,
)
from apiserver.machinery.typed import set_of, with_named_fields


def merge(live: Object, config: Object, of: MapType) -> Object:
    """`live` with the fields of `config`, which win. Nothing is removed. Raises TypedError."""
    merged = dict(live)
    for name, value in config.items():
        merged[name] = _merge(live.get(name, ABSENT), value, member_type(of, name))
    return merged


def _merge(live: Any, config: Any, of: Type) -> Any:
    if live is ABSENT:
        return config
    shape = shape_of(config, of)
    if shape == MAP and of.map and not of.map.atomic and isinstance(live, dict) and live:
        return merge(live, config or {}, of.map)
    if shape == LIST and of.list and not of.list.atomic and isinstance(live, list) and live:
        return _merge_items(live, config or [], of.list)
    return config


def _merge_items(live: list[Any], config: list[Any], of: ListType) -> list[Any]:
    """Items in the order of `config`; those that only `live` has stay behind their predecessors."""
    # Items that `live` repeats are replaced rather than merged.
    before = {key: same[0] if len(same) == 1 else ABSENT for key, same in grouped(live, of).items()}
    after = {key: same[0] for key, same in grouped(config, of).items()}
    order = _merged_order([item_key(item, of) for item in live], list(after), before.__contains__)
    return [
        live[index] if index >= 0 else _merge(before.get(key, ABSENT), after[key], of.items) for key, index in order
    ]


def _merged_order(live: list[str], config: list[str], is_live: Callable[[str], bool]) -> list[tuple[str, int]]:
    """Keys in merged order, each with its position in `live` if the item is taken from there, else -1.

    Both lists are walked at once. An item of `live` that `config` has further down is skipped, unless it is the next
    one that both have: then the items that only `config` has come first."""
    wanted, merged = set(config), set[str]()
    shared = iter([key for key in config if is_live(key)])
    upcoming = next(shared, None)
    order: list[tuple[str, int]] = []
    left = right = 0
    while left < len(live) or right < len(config):
        if left < len(live):
            head = live[left]
            if head not in wanted:
                order.append((head, left))
                left += 1
                continue
            same = right < len(config) and head == config[right]
            if not same and right < len(config) and upcoming is not None and head != upcoming:
                left += 1
                continue
            left += same or head in merged
        if right < len(config):
            key = config[right]
            merged.add(key)
            order.append((key, -1))
            right += 1
            if key == upcoming:
                upcoming = next(shared, None)
    return order


def prune(merged: Object, last: FieldSet, owned: Iterable[FieldSet], of: MapType) -> Object:
    """`merged` without what its applier owned before (`last`) and nobody owns now; `owned` are all managers' sets, the
    applier's new one included. A field that goes takes along what is below it, unless that is owned."""
    owned = list(owned)
    if not last or any(not difference(last, fields) for fields in owned):
        return merged
    whole = Type(map=of)

    def fields_of(value: Object) -> FieldSet:
        return with_named_fields(set_of(value, of), whole)

    before, given_up = fields_of(merged), with_named_fields(last, whole)
    still_owned = with_named_fields(reduce(union, owned, {}), whole)
    pruned = remove(merged, given_up, of)
    # Back comes what a manager still owns,
    pruned = remove(merged, difference(before, union(fields_of(pruned), still_owned)), of)
    # and what this applier never owned.
    return remove(merged, intersection(difference(before, fields_of(pruned)), given_up), of)


def remove(value: Object, fields: FieldSet, of: MapType) -> Object:
    """`value` without these fields and items; what becomes empty becomes null."""
    made: Object = {}
    for name, member in value.items():
        node = fields.get(field_element(name))
        if node is None:
            made[name] = member
        elif not is_member(node):
            made[name] = _remove(member, node, member_type(of, name))
    return made


def _remove(value: Any, fields: FieldSet, of: Type) -> Any:
    shape = shape_of(value, of)
    if shape == MAP and of.map:
        kept = remove(value, fields, of.map) if isinstance(value, dict) and not of.map.atomic else {}
        return kept or None
    if shape == LIST and of.list:
        items = _remove_items(value, fields, of.list) if isinstance(value, list) and not of.list.atomic else []
        return items or None
    return value


def _remove_items(items: list[Any], fields: FieldSet, of: ListType) -> list[Any]:
    made: list[Any] = []
    for item in items:
        node = fields.get(item_key_or_none(item, of))
        if node is None:
            made.append(item)
        elif not is_member(node):
            made.append(_remove(item, node, of.items))
    return made
