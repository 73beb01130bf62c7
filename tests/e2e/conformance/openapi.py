"""Makes two OpenAPI documents comparable, and says where they differ."""

import re
from collections.abc import Iterator
from typing import Any

import orjson

from tests.controlplane.reference import GROUP as REFERENCE
from tests.e2e.websites import GROUP

_RENAMED = re.compile(r"_v2(?=\"|$)")


def in_our_group(document: bytes) -> Any:
    """kube-apiserver's document, as if the custom resource were of this server's group."""
    text = document.decode().replace(REFERENCE, GROUP)
    for form in (_reversed, _capitalized, _joined):
        text = text.replace(form(REFERENCE), form(GROUP))
    return orjson.loads(text)


def differences(wanted: Any, got: Any, path: str = "") -> Iterator[str]:
    """JSON pointers of what is in one only or not equal. Descriptions are not compared; parameters are by name."""
    wanted, got = _by_name(wanted), _by_name(got)
    if not isinstance(wanted, dict) or not isinstance(got, dict):
        if wanted != got:
            yield path
        return
    for key in sorted(wanted.keys() | got.keys()):
        here = f"{path}/{key}"
        if key not in wanted or key not in got:
            yield here
        elif key != "description" or isinstance(wanted[key], dict):
            yield from differences(wanted[key], got[key], here)


def of_group(document: Any, group: str) -> Any:
    """What OpenAPI v2 says of a group: its paths and definitions, references to shared parameters resolved, and to
    shared definitions by the names that they have before the aggregator keeps two of them apart."""
    resolved = _resolved(document, document.get("parameters", {}))
    paths = {name: item for name, item in resolved["paths"].items() if f"/{group}/" in name}
    definitions = {name: item for name, item in resolved["definitions"].items() if name.startswith(_reversed(group))}
    return {"paths": paths, "definitions": definitions}


def _resolved(node: Any, parameters: Any) -> Any:
    if isinstance(node, list):
        return [_resolved(item, parameters) for item in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref", "")
    if isinstance(reference, str) and reference.startswith("#/parameters/"):
        return _resolved(parameters[reference.removeprefix("#/parameters/")], {})
    plain = {"$ref": _RENAMED.sub("", reference)} if isinstance(reference, str) and reference else {}
    return {key: _resolved(value, parameters) for key, value in node.items()} | plain


def _by_name(node: Any) -> Any:
    named = isinstance(node, list) and all(isinstance(item, dict) and "name" in item for item in node)
    return {item["name"]: item for item in node} if named else node


def _reversed(group: str) -> str:
    return ".".join(reversed(group.split(".")))


def _capitalized(group: str) -> str:
    return "".join(word.capitalize() for word in group.split("."))


def _joined(group: str) -> str:
    return group.split(".", maxsplit=1)[0] + _capitalized(group.partition(".")[2])
