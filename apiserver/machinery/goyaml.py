"""YAML as Go reads it (sigs.k8s.io/yaml over go-yaml 2): what of it means JSON, with its words for what does not."""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from math import isinf
from typing import Any

import orjson
import yaml

from apiserver.machinery.gofmt import go_syntax
from apiserver.machinery.gojson import utf8_text

EXPANDED_LIMIT = 10 * 1024 * 1024
"""Characters of a document with its aliases written out."""
DEPTH_LIMIT = 200
NODES_LIMIT = 400_000
"""Of a document. Each takes 350 bytes until it is JSON: a body of single digits would need half a gigabyte."""
MERGED_LIMIT = 400_000
"""Members that "<<" may bring into maps: as many nodes as go-yaml reads before it counts how many are aliases'."""


_ALIASING = "yaml: document contains excessive aliasing"


class YAMLError(ValueError):
    """A body that is no YAML, in one line."""


class _Loader(yaml.CSafeLoader):
    """YAML as far as it means JSON, with the scalars that Go's YAML reader knows: no timestamps, no base 60."""

    duplicates: list[str]
    merged = 0


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = _key(loader.construct_object(key_node, deep=True), loader, value_node)
        if key in made:
            loader.duplicates.append(f'line {key_node.start_mark.line + 1}: key "{key}" already set in map')
        made[key] = loader.construct_object(value_node, deep=True)
    merged = made.pop("<<", None)
    for part in [merged] if isinstance(merged, dict) else merged or ():
        loader.merged += len(part)
        if loader.merged > MERGED_LIMIT:
            raise YAMLError(_ALIASING)
        made = {**part, **made}
    return made


def _key(key: Any, loader: _Loader, value_node: yaml.Node) -> str:
    """JSON's keys are strings."""
    if isinstance(key, dict | list):
        raise YAMLError(f"yaml: invalid map key: {go_syntax(key).replace('map[string]', 'map[interface {}]')}")
    if key is None:
        value = go_syntax(loader.construct_object(value_node, deep=True))
        raise YAMLError(f"unsupported map key of type: %!s(<nil>), key: <nil>, value: {value}")
    return key if isinstance(key, str) else orjson.dumps(key).decode()


def _construct_bool(loader: _Loader, node: yaml.ScalarNode) -> bool:
    return str(loader.construct_scalar(node)).lower() in ("y", "yes", "true", "on")


def _construct_int(loader: _Loader, node: yaml.ScalarNode) -> int | float:
    text = str(loader.construct_scalar(node)).replace("_", "")
    value = int(text, 8 if re.match(r"[-+]?0[0-7]", text) else 0)
    return value if -(2**63) <= value < 2**63 else float(value)


def _construct_float(loader: _Loader, node: yaml.ScalarNode) -> int | float | str:
    text = str(loader.construct_scalar(node))
    if text.lower().endswith(("nan", "inf")):
        number = "NaN" if text.lower().endswith("nan") else "-Inf" if text.startswith("-") else "+Inf"
        raise YAMLError(f"json: unsupported value: {number}")
    value = float(text)
    if isinf(value):
        return text
    return int(value) if value.is_integer() and abs(value) < 2**63 else value


def _construct_binary(loader: _Loader, node: yaml.ScalarNode) -> str:
    try:
        return utf8_text(b64decode(str(loader.construct_scalar(node)), validate=True))
    except Base64Error as error:
        raise YAMLError("yaml: !!binary value contains invalid base64 data") from error


def _construct_other(loader: _Loader, _: str, node: yaml.Node) -> Any:
    """A tag that Go does not know says nothing."""
    return _construct_untagged(loader, node)


def _construct_untagged(loader: _Loader, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _construct_mapping(loader, node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return str(node.value)


_SCALARS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"[yYnN]|yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", list("yYnNtTfFoO")),
    ("int", r"[-+]?(0b[01_]+|0o?[0-7_]+|0[xX][0-9a-fA-F_]+|0|[1-9][0-9_]*)", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
)
_Loader.yaml_implicit_resolvers = {}
for _name, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(rf"(?:{_pattern})\Z"), _first)
_Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)
_Loader.add_constructor("tag:yaml.org,2002:bool", _construct_bool)
_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)
_Loader.add_constructor("tag:yaml.org,2002:binary", _construct_binary)
for _name in ("timestamp", "set", "omap", "pairs"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_name}", _construct_untagged)
_Loader.add_multi_constructor("", _construct_other)


def parse_yaml(data: bytes) -> tuple[Any, list[str]]:
    """(tree, duplicate keys) of the first document. Raises YAMLError."""
    try:
        _check_events(data)
        loader = _Loader(data)
        loader.duplicates = []
        try:
            tree = loader.get_data() if loader.check_data() else None  # type: ignore[no-untyped-call]
        finally:
            loader.dispose()
        if _written_out(tree, {}) > EXPANDED_LIMIT:
            raise YAMLError(_ALIASING)
        return orjson.loads(orjson.dumps(tree)), loader.duplicates
    except YAMLError:
        raise
    except yaml.MarkedYAMLError as error:
        raise YAMLError(_marked(error)) from error
    except yaml.reader.ReaderError as error:
        raise YAMLError(f"yaml: {error.reason}") from error
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        raise YAMLError(" ".join(str(error).split())) from error


def _marked(error: yaml.MarkedYAMLError) -> str:
    """libyaml's error with the line that Go's port of it names."""
    line = 0
    if error.problem_mark and error.problem_mark.line:
        line = error.problem_mark.line + isinstance(error, yaml.scanner.ScannerError)
    elif error.context_mark:
        line = error.context_mark.line
    return f"yaml: line {line}: {error.problem}" if line else f"yaml: {error.problem}"


def _check_events(data: bytes) -> None:
    """The C composer recurses without a limit: nesting must be refused before it overflows the stack, and so must
    aliases that lead nowhere or around, and what takes too much memory."""
    anchors: set[str | None] = set()
    around: list[str | None] = []
    nodes = 0
    for event in yaml.parse(data, _Loader):
        if isinstance(event, yaml.DocumentEndEvent):
            return
        if isinstance(event, yaml.AliasEvent):
            _check_alias(event.anchor, anchors, around)
        elif isinstance(event, yaml.CollectionEndEvent):
            around.pop()
        elif isinstance(event, yaml.NodeEvent):
            anchors.add(event.anchor)
            nodes += 1
            if nodes > NODES_LIMIT:
                raise YAMLError(f"yaml: document contains more than {NODES_LIMIT} nodes")
        if isinstance(event, yaml.CollectionStartEvent):
            around.append(event.anchor)
            if len(around) > DEPTH_LIMIT:
                raise YAMLError(f"yaml: exceeded max depth of {DEPTH_LIMIT}")


def _check_alias(anchor: str | None, anchors: set[str | None], around: list[str | None]) -> None:
    """`anchors` were seen so far; `around` are those of the collections that are still open."""
    if anchor not in anchors:
        raise YAMLError(f"yaml: unknown anchor '{anchor}' referenced")
    if anchor in around:
        raise YAMLError(f"yaml: anchor '{anchor}' value contains itself")


def _written_out(value: Any, sizes: dict[int, int]) -> int:
    """About how long the tree is without aliases; `sizes` are those of the parts already seen, by id."""
    if not isinstance(value, dict | list):
        return len(value) if isinstance(value, str) else 1
    if id(value) not in sizes:
        children = value.values() if isinstance(value, dict) else value
        sizes[id(value)] = 1 + sum(_written_out(child, sizes) for child in children)
    return sizes[id(value)]
