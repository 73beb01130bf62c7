"""JSON patch (RFC 6902) and JSON merge patch (RFC 7386), each as kube-apiserver applies it.

kube-apiserver uses gopkg.in/evanphx/json-patch.v4, whose deviations from the RFCs are kept: a missing member of an
object reads as null (so `replace` may add it and `copy` copies a null), negative array indices count from the end, and
a merge patch drops nulls inside objects that are elements of new arrays. Error texts: wire.md 3.8.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from apiserver.machinery.errors import BadRequest, Invalid, Object, RequestEntityTooLarge, UnsupportedMediaType, quoted
from apiserver.machinery.gojson import MAX_DEPTH, GoJSONError, decode, decode_with_duplicates, depth, type_name

JSON_PATCH, MERGE_PATCH = "application/json-patch+json", "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
PATCH_TYPES = (JSON_PATCH, MERGE_PATCH, APPLY)
Patch = Callable[[Object, bytes, bool], Any]
"""(document, body, checked) -> the patched document. `checked`: fieldValidation is not Ignore, so that kube-apiserver
decodes the body strictly, in other words, before it applies it."""

MAX_OPERATIONS = 10_000
MAX_COPY_BYTES = 3 * 1024 * 1024
MAX_MOVED_ITEMS = 200_000_000
"""Items of arrays that make room, or close the gap, for others: so many take a twentieth of a second."""
_INDEX = re.compile(r"[+-]?[0-9]{1,18}")


def patch_type(content_type: str) -> str:
    """A patch's media type, which must be written as it is listed; what follows a semicolon is ignored. Raises
    UnsupportedMediaType."""
    media_type = content_type.partition(";")[0]
    if media_type not in PATCH_TYPES:
        raise UnsupportedMediaType.accepting(PATCH_TYPES)
    return media_type


class _NotApplicable(Exception):
    """An operation that does not fit the document; clients only learn that the patch was rejected."""


@dataclass(slots=True)
class _Budget:
    """What the operations of a patch may still do: bytes to copy, items to move."""

    copied: int = MAX_COPY_BYTES
    moved: int = MAX_MOVED_ITEMS

    def move(self, count: int) -> None:
        self.moved -= count
        if self.moved < 0:
            raise _NotApplicable("too much is moved")


def json_patch(document: Object, body: bytes, checked: bool = True) -> Object:
    """A patched copy. Raises BadRequest (no patch), RequestEntityTooLarge (too many operations), Invalid (does not
    apply, a failed `test` included)."""
    operations = _operations(body, checked)
    # A tree of its own: the operations change it in place.
    root = [orjson.loads(orjson.dumps(document))]
    budget = _Budget()
    try:
        for operation in operations:
            _apply(root, operation, budget)
    except (_NotApplicable, orjson.JSONEncodeError) as error:
        raise Invalid.rejected() from error
    # Once, at the end: an operation must not take as long as what it moves is large.
    if not isinstance(root[0], dict) or depth(root[0]) > MAX_DEPTH:
        raise Invalid.rejected()
    return root[0]


def _operations(body: bytes, checked: bool) -> list[Object]:
    try:
        decoded = decode(body)
        _check_types(decoded, checked)
    except GoJSONError as error:
        raise BadRequest(f"error decoding patch: {error}" if checked else str(error)) from error
    operations: list[Object] = decoded or []
    if len(operations) > MAX_OPERATIONS:
        text = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}"
        raise RequestEntityTooLarge(text)
    return operations


def _check_types(decoded: Any, checked: bool) -> None:
    """Raises GoJSONError unless Go could decode this into its list of operations; nulls always fit."""
    handlers, package = ("[]handlers.jsonPatchOp", "handlers.jsonPatchOp"), ("jsonpatch.Patch", "jsonpatch.Operation")
    types = handlers if checked else package
    if not isinstance(decoded, list | None):
        raise GoJSONError(f"json: cannot unmarshal {type_name(decoded)} into Go value of type {types[0]}")
    for operation in decoded or ():
        if not isinstance(operation, dict | None):
            raise GoJSONError(f"json: cannot unmarshal {type_name(operation)} into Go value of type {types[1]}")
        for field in ("op", "path", "from") if checked else ():
            value = (operation or {}).get(field)
            if not isinstance(value, str | None):
                where = f"Go struct field jsonPatchOp.{field} of type string"
                raise GoJSONError(f"json: cannot unmarshal {type_name(value)} into {where}")


def _apply(root: list[Any], operation: Object | None, budget: _Budget) -> None:
    """One operation on `root[0]`."""
    name = (operation or {}).get("op")
    action = _ACTIONS.get(name) if isinstance(name, str) else None
    if action is None or operation is None:
        raise _NotApplicable("unknown operation")
    action(root, operation, budget)


def _add(root: list[Any], operation: Object, budget: _Budget) -> None:
    _insert(root[0], _pointer(operation, "path"), operation.get("value"), budget)


def _remove(root: list[Any], operation: Object, budget: _Budget) -> None:
    container, key = _find(root[0], _pointer(operation, "path"))
    _delete(container, key, budget)


def _replace(root: list[Any], operation: Object, _: _Budget) -> None:
    path, value = _pointer(operation, "path"), operation.get("value")
    if path == "":
        if not isinstance(value, dict | list):
            raise _NotApplicable("a document is an object or an array")
        root[0] = value
        return
    container, key = _find(root[0], path)
    if isinstance(container, list):
        container[_index(key, len(container))] = value
    else:
        container[key] = value


def _move(root: list[Any], operation: Object, budget: _Budget) -> None:
    container, key = _find(root[0], _pointer(operation, "from"))
    value = _get(container, key)
    _delete(container, key, budget)
    _insert(root[0], _pointer(operation, "path"), value, budget)


def _copy(root: list[Any], operation: Object, budget: _Budget) -> None:
    value = _get(*_find(root[0], _pointer(operation, "from")))
    path = _pointer(operation, "path")
    if value is not None:
        data = orjson.dumps(value)
        budget.copied -= len(data)
        if budget.copied < 0:
            raise _NotApplicable("too much is copied")
        value = orjson.loads(data)
    _insert(root[0], path, value, budget)


def _test(root: list[Any], operation: Object, _: _Budget) -> None:
    path = _pointer(operation, "path")
    found = root[0] if path == "" else _get(*_find(root[0], path))
    if not _identical(found, operation.get("value")):
        raise _NotApplicable("test failed")


_ACTIONS: dict[str, Callable[[list[Any], Object, _Budget], None]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


def _pointer(operation: Object, field: str) -> str:
    pointer = operation.get(field)
    if not isinstance(pointer, str):
        raise _NotApplicable(f"{field} is missing")
    return pointer


def _find(document: Any, pointer: str) -> tuple[Any, str]:
    """The container that the pointer's last part is about, and that part."""
    # What stands before the first slash does not count, as in evanphx/json-patch.
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    if not parts:
        raise _NotApplicable("the pointer names no member")
    container = document
    for part in parts[:-1]:
        container = _get(container, part)
        if not isinstance(container, dict | list):
            raise _NotApplicable("the path is missing")
    return container, parts[-1]


def _get(container: Any, key: str) -> Any:
    if isinstance(container, list):
        return container[_index(key, len(container))]
    return container.get(key)


def _insert(document: Any, pointer: str, value: Any, budget: _Budget) -> None:
    container, key = _find(document, pointer)
    if isinstance(container, dict):
        container[key] = value
    elif key == "-":
        container.append(value)
    else:
        index = _index(key, len(container) + 1)
        budget.move(len(container) - index)
        container.insert(index, value)


def _delete(container: Any, key: str, budget: _Budget) -> None:
    if isinstance(container, list):
        index = _index(key, len(container))
        budget.move(len(container) - index)
        del container[index]
    elif key in container:
        del container[key]
    else:
        raise _NotApplicable("nothing to remove")


def _index(key: str, length: int) -> int:
    """0 <= index < length; a negative one counts from the end."""
    if not _INDEX.fullmatch(key):
        raise _NotApplicable("no array index")
    index = int(key)
    if not -length <= index < length:
        raise _NotApplicable("the index is out of range")
    return index % length


def _identical(left: Any, right: Any) -> bool:
    """Deep equality as of JSON text: 1 is neither 1.0 nor true."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_identical(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_identical, left, right))
    return type(left) is type(right) and left == right


def merge_patch(document: Object, body: bytes, checked: bool = True) -> Any:
    """A patched tree that may share parts with `document`. Raises BadRequest unless the body is an object; unchecked,
    an array takes the document's place."""
    try:
        changes = decode(body)
        if checked and not isinstance(changes, dict | None):
            where = "Go value of type map[string]interface {}"
            raise GoJSONError(f"json: cannot unmarshal {type_name(changes)} into {where}")
    except GoJSONError as error:
        raise BadRequest(f"error decoding patch: {error}" if checked else _BAD_PATCH) from error
    if isinstance(changes, list):
        return _without_nulls(changes)
    if not isinstance(changes, dict):
        raise BadRequest(_BAD_PATCH)
    return _merge(document, changes)


_BAD_PATCH = "Invalid JSON Patch"


def _merge(target: Object, changes: Object) -> Object:
    merged = dict(target)
    for key, change in changes.items():
        current = merged.get(key)
        if change is None:
            merged.pop(key, None)
        elif not isinstance(current, dict):
            merged[key] = _without_nulls(change)
        else:
            merged[key] = _merge(current, change) if isinstance(change, dict) else change
    return merged


def _without_nulls(value: Any) -> Any:
    """Members that are null are left out; elements of arrays stay."""
    if isinstance(value, dict):
        return {key: _without_nulls(member) for key, member in value.items() if member is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


PATCHES: dict[str, Patch] = {JSON_PATCH: json_patch, MERGE_PATCH: merge_patch}
"""The patches that are functions of one document, by media type."""


def patch_faults(media_type: str, body: bytes) -> list[str]:
    """What strict decoding objects to in the patch itself; a body that is no JSON is for the patch to refuse."""
    try:
        tree, repeated = decode_with_duplicates(body)
    except GoJSONError:
        return []
    if media_type != JSON_PATCH or not isinstance(tree, list):
        return [f"duplicate field {quoted(path)}" for path in repeated]
    # Go does not look into members that an operation does not have.
    faults = [f"duplicate field {quoted(path)}" for path in repeated if _KNOWN_MEMBER.match(path)]
    for index, operation in enumerate(tree):
        unknown = operation.keys() - _OPERATION_FIELDS if isinstance(operation, dict) else ()
        faults += [f"unknown field {quoted(f'[{index}].{key}')}" for key in sorted(unknown)]
    return [f"json patch {fault}" for fault in faults]


_OPERATION_FIELDS = frozenset(("op", "path", "from", "value"))
_KNOWN_MEMBER = re.compile(r"\[\d+\]\.(op|path|from|value)(?![^.[])", re.ASCII)
