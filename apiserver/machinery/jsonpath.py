"""The subset of JSONPath that printer columns, scale paths and selectable fields are written in.

    .spec.a          ['a.b']  .a\\.b      members; a backslash escapes a dot
    [0]  [-1]  [*]                        list items; [*] also the values of an object
    [?(@.type=="Ready")]                  items whose member equals (or, with !=, differs from) a literal
    [?(@.ready)]                          items that have the member

A leading `$` and surrounding braces, as kubectl writes paths, are accepted.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from apiserver.machinery.errors import Object

Getter = Callable[[Object], Any | None]
_Step = Callable[[Any], Iterator[Any]]

_MEMBER = r"(?:[^.\[\]{}()<>=!\\'\"\s]|\\.)+"
_LITERAL = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|true|false|-?\d+(?:\.\d+)?"
_TOKEN = re.compile(
    rf"\.(?P<member>{_MEMBER})"
    rf"|\[(?:'(?P<single>(?:[^'\\]|\\.)+)'|\"(?P<double>(?:[^\"\\]|\\.)+)\")\]"
    r"|\[(?P<index>-?\d+)\]"
    r"|(?P<all>\[\*\])"
    rf"|\[\?\(\s*@(?P<filter>(?:\.{_MEMBER})+)\s*(?:(?P<operator>[!=]=)\s*(?P<literal>{_LITERAL})\s*)?\)\]"
)
_ESCAPE = re.compile(r"\\(.)")


@lru_cache(maxsize=1024)
def compile_path(path: str) -> Getter:
    """A function to the path's first result, None when there is none. Raises ValueError outside the subset."""
    tokens = _tokens(path)
    keys = [_key(token) for token in tokens]
    if None not in keys:
        return _member_getter([key for key in keys if key is not None])
    return _first_of([_step(token) for token in tokens])


@lru_cache(maxsize=1024)
def simple_keys(path: str) -> tuple[str, ...]:
    """The members that a path without indexes and filters goes through. Raises ValueError for any other path."""
    keys = [_key(token) for token in _tokens(path)]
    if None in keys:
        raise ValueError(f"JSONPath {path!r} must name members only, such as .spec.replicas")
    return tuple(key for key in keys if key is not None)


def set_path(obj: Object, path: str, value: Any) -> Object:
    """A copy of `obj` with the member set, new only along the path. Raises ValueError as simple_keys does."""
    return _with(obj, simple_keys(path), value)


def _with(node: Any, keys: tuple[str, ...], value: Any) -> Object:
    members = node if isinstance(node, dict) else {}
    key, rest = keys[0], keys[1:]
    return {**members, key: _with(members.get(key), rest, value) if rest else value}


def _tokens(path: str) -> list[re.Match[str]]:
    text = path.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1].strip()
    text = text.removeprefix("$")
    if text and text[0] not in ".[":
        text = f".{text}"
    tokens: list[re.Match[str]] = []
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise ValueError(f"JSONPath {path!r} is not understood from {text[position:]!r} on")
        tokens.append(token)
        position = token.end()
    if not tokens:
        raise ValueError("a JSONPath must not be empty")
    return tokens


def _unescape(text: str) -> str:
    return _ESCAPE.sub(r"\1", text)


def _key(token: re.Match[str]) -> str | None:
    key = token["member"] or token["single"] or token["double"]
    return None if key is None else _unescape(key)


def _member_getter(keys: list[str]) -> Getter:
    def get(obj: Object) -> Any | None:
        node: Any = obj
        for key in keys:
            if not isinstance(node, dict):
                return None
            node = node.get(key)
        return node

    return get


def _first_of(steps: list[_Step]) -> Getter:
    def walk(node: Any, depth: int) -> Iterator[Any]:
        if depth == len(steps):
            yield node
            return
        for child in steps[depth](node):
            yield from walk(child, depth + 1)

    return lambda obj: next(walk(obj, 0), None)


def _step(token: re.Match[str]) -> _Step:
    key = _key(token)
    if key is not None:
        return lambda node: iter((node[key],) if isinstance(node, dict) and key in node else ())
    if token["all"]:
        return _children
    if token["index"]:
        return _item(int(token["index"]))
    return _filter(token)


def _children(node: Any) -> Iterator[Any]:
    return iter(node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())


def _item(index: int) -> _Step:
    def select(node: Any) -> Iterator[Any]:
        if isinstance(node, list) and -len(node) <= index < len(node):
            yield node[index]

    return select


def _filter(token: re.Match[str]) -> _Step:
    member = compile_path(token["filter"])
    operator, wanted = token["operator"], _literal(token["literal"])

    def keep(item: Any) -> bool:
        found = member(item)
        if operator is None or found is None:
            return found is not None
        # Types must agree: 1 and true are equal in Python only.
        same = isinstance(found, bool) == isinstance(wanted, bool) and found == wanted
        return same == (operator == "==")

    return lambda node: filter(keep, node if isinstance(node, list) else ())


def _literal(text: str | None) -> str | bool | float | None:
    if text is None or text in ("true", "false"):
        return None if text is None else text == "true"
    return _unescape(text[1:-1]) if text[0] in "\"'" else float(text)
