"""Values as Go's fmt prints them, where kube-apiserver's texts show them so."""

from typing import Any

from apiserver.machinery.errors import go_float, quoted


def go_value(value: Any) -> str:
    """Go's %v."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{go_value(member)}" for key, member in sorted(value.items())) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(go_value, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return go_float(value)
    return "<nil>" if value is None else str(value)


def go_syntax(value: Any) -> str:
    """Go's %#v."""
    if isinstance(value, dict):
        members = ", ".join(f"{quoted(key)}:{go_syntax(member)}" for key, member in sorted(value.items()))
        return f"map[string]interface {{}}{{{members}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(go_syntax, value))}}}"
    if isinstance(value, str):
        return quoted(value)
    return "interface {}(nil)" if value is None else go_value(value)


def go_type(value: Any) -> str:
    """Go's %T."""
    names: dict[type, str] = {dict: "map[string]interface {}", list: "[]interface {}", str: "string", bool: "bool"}
    return {**names, int: "int64", float: "float64"}.get(type(value), "<nil>")
