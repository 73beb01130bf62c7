"""Sets of field paths: what a manager owns (sigs.k8s.io/structured-merge-diff `fieldpath`; wire.md 5.1).

A set is FieldsV1 itself, as JSON: a tree whose keys are path elements,
    f:<field>   k:<JSON object>, an item of an associative list   v:<JSON value>, an item of a set   i:<index>
A node without children is a member; one with children is a member only if it has the key ".". Keys are canonical
(compact JSON, names sorted), so that equal elements are equal strings. Sets are never changed once they are made, and
may share parts. On the wire the order of keys is that of the encoder; `paths` walks in FieldsV1's own order.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from apiserver.machinery.encoding import encode
from apiserver.machinery.errors import quoted
from apiserver.machinery.gojson import decode
from apiserver.machinery.remember import remembered
from apiserver.machinery.sharing import ABSENT, with_member

FieldSet = dict[str, Any]
Path = tuple[str, ...]
SELF = "."
_RANKS = {"f": 0, "k": 1, "v": 2, "i": 3}


def parse(fields: Any) -> FieldSet:
    """A set from the wire; elements of unknown sort are ignored. Raises ValueError for what is no FieldsV1."""
    node = _parse_node(fields)
    return _children(node) if SELF in node else node


def _parse_node(node: Any) -> FieldSet:
    """The node itself where it is canonical already."""
    if node is None:
        return {}
    if not isinstance(node, dict):
        raise ValueError("fieldsV1 is not an object")
    made: FieldSet = node
    for key, below in node.items():
        element = key if key[:2] == "f:" or key == SELF else _canonical(key)
        parsed = below if below == {} or key == SELF else _parse_node(below)
        if element != key or parsed is not below:
            made = with_member(made, node, key, ABSENT)
            if element:
                made[element] = parsed
    return made if len(made) != 1 or SELF not in made else {}


@remembered(4096, longest=256)
def _canonical(key: str) -> str:
    """The canonical form of a path element, "" if its sort is unknown. Raises ValueError."""
    sort, colon, rest = key[:1], key[1:2], key[2:]
    if colon != ":":
        raise ValueError(f"missing colon: {key}")
    if sort == "k":
        keys = decode(rest.encode())
        if not isinstance(keys, dict):
            raise ValueError(f"not a key: {key}")
        return item_element(keys)
    if sort == "v":
        return value_element(decode(rest.encode()))
    return f"i:{int(rest)}" if sort == "i" else ""


def field_element(name: str) -> str:
    return f"f:{name}"


def item_element(keys: dict[str, Any]) -> str:
    """The item of an associative list that has these key fields."""
    return "k:" + encode({name: _plain(value) for name, value in keys.items()}).decode()


def value_element(value: Any) -> str:
    """The item of a set that has this value."""
    return "v:" + encode(_plain(value)).decode()


def _plain(value: Any) -> Any:
    """A whole number has one form, also where it was written as a float."""
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**63
    return int(value) if is_whole else value


def from_fields(paths: Iterable[Path]) -> FieldSet:
    """The set of some paths that consist of field names only."""
    made: FieldSet = {}
    for path in paths:
        one: FieldSet = {}
        for name in reversed(path):
            one = {field_element(name): one}
        made = union(made, one)
    return made


def is_member(node: FieldSet) -> bool:
    return not node or SELF in node


def _node(below: FieldSet, member: bool) -> FieldSet | None:
    """A node from its children (a dict to give away); None when nothing is in it."""
    if not below:
        return {} if member else None
    if member:
        below[SELF] = {}
    return below


def _children(node: FieldSet) -> FieldSet:
    return {key: below for key, below in node.items() if key != SELF}


def contains(fields: FieldSet, path: Path) -> bool:
    """Is this very path a member? `path` holds canonical elements."""
    node = fields
    for element in path:
        if element not in node:
            return False
        node = node[element]
    return bool(path) and is_member(node)


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in either."""
    if not left or not right:
        return left or right
    made = dict(left)
    for key, other in right.items():
        mine = left.get(key)
        if mine is None or mine is other:
            made[key] = other
        elif key != SELF:
            made[key] = _node(_children(union(mine, other)), is_member(mine) or is_member(other))
    return made


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in both."""
    made: FieldSet = {}
    for key, mine in left.items():
        other = right.get(key)
        if other is None or key == SELF:
            continue
        node = _node(intersection(mine, other), is_member(mine) and is_member(other))
        if node is not None:
            made[key] = node
    return made


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in `left` only. A member goes only when it is itself in `right`, not because its parent is."""
    made = left
    for key, other in right.items():
        mine = left.get(key)
        if mine is None or key == SELF:
            continue
        node = _node(difference(_children(mine), other), is_member(mine) and not is_member(other))
        if node != mine:
            made = with_member(made, left, key, ABSENT if node is None else node)
    return made


def recursive_difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """`left` without the members of `right` and everything below them."""
    made = left
    for key, other in right.items():
        mine = left.get(key)
        if mine is None or key == SELF:
            continue
        below = None if is_member(other) else recursive_difference(_children(mine), other)
        node = None if below is None else _node(below, is_member(mine))
        made = with_member(made, left, key, ABSENT if node is None else node)
    return made


def paths(fields: FieldSet, prefix: Path = ()) -> Iterator[Path]:
    """Every member: those of one node before those below them, fields before keys before values before indexes."""
    elements = sorted((key for key in fields if key != SELF), key=_order)
    for element in elements:
        if is_member(fields[element]):
            yield (*prefix, element)
    for element in elements:
        yield from paths(fields[element], (*prefix, element))


def _order(element: str) -> tuple[int, Any]:
    sort, rest = element[0], element[2:]
    if sort == "f":
        return _RANKS[sort], rest
    value = decode(rest.encode())
    if sort == "k":
        return _RANKS[sort], [(name, _value_order(member)) for name, member in sorted(value.items())]
    return _RANKS[sort], _value_order(value)


def _value_order(value: Any) -> tuple[int, Any]:
    """Numbers < strings < booleans < the rest."""
    if isinstance(value, bool):
        return 2, value
    if isinstance(value, int | float):
        return 0, value
    return (1, value) if isinstance(value, str) else (3, encode(value))


def path_text(path: Path) -> str:
    """A path as messages print it: `.spec.list[name="a"].image`, `.metadata.finalizers[="x"]`."""
    return "".join(map(element_text, path))


def element_text(element: str) -> str:
    sort, rest = element[0], element[2:]
    if sort == "f":
        return f".{rest}"
    if sort == "k":
        keys = decode(rest.encode())
        return "[" + ",".join(f"{name}={_value_text(value)}" for name, value in sorted(keys.items())) + "]"
    return f"[={_value_text(decode(rest.encode()))}]" if sort == "v" else f"[{rest}]"


def _value_text(value: Any) -> str:
    """structured-merge-diff's `value.ToString`, which has no brackets for an object."""
    if isinstance(value, dict):
        return "".join(f"{name}={_value_text(member)}" for name, member in sorted(value.items()))
    if isinstance(value, list):
        return f"[{','.join(map(_value_text, value))}]"
    return quoted(float(value) if type(value) is int and value >= 2**63 else value)
