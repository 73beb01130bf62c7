"""Headers that say who somebody is: a front proxy's, and of who wants to act as another."""

from collections import defaultdict
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

Headers = Sequence[tuple[bytes, bytes]]


def text_of(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def extra_of(headers: Headers, prefixes: Sequence[bytes]) -> dict[str, tuple[str, ...]]:
    """What the headers that begin with a prefix say, by the rest of their names, unescaped; the first prefix first."""
    extra: defaultdict[str, list[str]] = defaultdict(list)
    for prefix in prefixes:
        for name, value in headers:
            if name.startswith(prefix):
                extra[text_of(unquote_to_bytes(name[len(prefix) :]))].append(text_of(value))
    return {key: tuple(values) for key, values in extra.items()}
