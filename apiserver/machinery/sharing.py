"""Trees that are never changed once they are made, and share what stays as it was."""

from typing import Any

ABSENT: Any = object()
"""The value of a member that is not there."""


def with_member(made: dict[str, Any], original: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """`made` with another member, or without it if that is ABSENT; copied first as long as it is the original."""
    if made is original:
        made = dict(original)
    if value is ABSENT:
        del made[key]
    else:
        made[key] = value
    return made
