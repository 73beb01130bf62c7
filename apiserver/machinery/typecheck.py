"""Does an applied configuration fit its type? (structured-merge-diff `typed/validate.go`; wire.md 5.4)"""

from collections.abc import Iterator
from typing import Any

from apiserver.machinery.errors import Object
from apiserver.machinery.fieldset import element_text
from apiserver.machinery.fieldtype import LIST, MAP, SCALAR, ListType, MapType, Type, TypedError, item_key, shape_of
from apiserver.machinery.gofmt import go_syntax, go_type, go_value


def check(value: Object, of: MapType, *, duplicates: bool = False) -> None:
    """Raises TypedError with every fault: unknown fields, wrong types, repeated items unless `duplicates` may be."""
    faults = [fault for fault in _check_members(value, of, "") if not (duplicates and _DUPLICATE in fault)]
    if faults:
        raise TypedError(faults[0] if len(faults) == 1 else "\n  ".join(["errors:", *faults]))


_DUPLICATE = "duplicate entries"


def _fault(path: str, text: str) -> str:
    return f"{path}: {text}" if path else text


def _check_members(value: Object, of: MapType, path: str) -> Iterator[str]:
    for name, member in sorted(value.items()):
        declared = of.fields.get(name) or of.element
        if declared is None:
            yield _fault(f"{path}.{name}", "field not declared in schema")
            return
        yield from _check(member, declared, f"{path}.{name}")


def _check(value: Any, of: Type, path: str) -> Iterator[str]:
    shape = shape_of(value, of)
    if value is None:
        return
    if shape == SCALAR:
        yield from _check_scalar(value, of.scalar, path)
    elif shape == MAP and of.map and isinstance(value, dict):
        yield from _check_members(value, of.map, path)
    elif shape == LIST and of.list and isinstance(value, list):
        yield from _check_items(value, of.list, path)
    else:
        yield _fault(path, f"expected {shape}, got &{{{go_value(value)}}}")


def _check_items(items: list[Any], of: ListType, path: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, item in enumerate(items):
        at = f"[{index}]"
        if not of.atomic:
            try:
                key = item_key(item, of)
            except TypedError as error:
                yield _fault(path, f"element {index}: {error}")
                return
            at = element_text(key)
            if key in seen:
                yield _fault(path, f"{_DUPLICATE} for key {at}")
            seen.add(key)
        yield from _check(item, of.items, path + at)


def _check_scalar(value: Any, scalar: str, path: str) -> Iterator[str]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if scalar == "numeric" and not is_number:
        yield _fault(path, f"expected numeric (int or float), got {go_type(value)}")
    elif scalar == "string" and not isinstance(value, str):
        yield _fault(path, f"expected string, got &value.valueUnstructured{{Value:{go_syntax(value)}}}")
    elif scalar == "boolean" and not isinstance(value, bool):
        yield _fault(path, f"expected boolean, got &{{{go_value(value)}}}")
    elif scalar == "untyped" and isinstance(value, dict | list):
        yield _fault(path, f"expected any scalar, got &{{{go_value(value)}}}")
