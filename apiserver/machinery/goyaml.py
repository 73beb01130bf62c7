"""YAML as Go reads it (sigs.k8s.io/yaml over go-yaml 2): what of it means JSON, with its words for what does not."""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from math import inf, isfinite, isinf, isnan, nan
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
_PLAIN, _MERGE = "plain", "tag:yaml.org,2002:merge"


class YAMLError(ValueError):
    """A body that is no YAML, in one line."""


class _Loader(yaml.CSafeLoader):
    """YAML as far as it means JSON, with the scalars that Go's YAML reader knows: no timestamps, no base 60."""

    duplicates: list[str]
    merged = 0


_Keys = set[tuple[type, Any]]


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    made: dict[str, Any] = {}
    _fill(made, set(), loader, node)
    return made


def _fill(made: dict[str, Any], seen: _Keys, loader: _Loader, node: yaml.MappingNode) -> None:
    """Member by member: what is set again counts, be it merged or written. `seen` are the keys so far with their
    types: for YAML, 1 is not "1"."""
    for key_node, value_node in node.value:
        if key_node.value == "<<" and key_node.tag in (_PLAIN, _MERGE):
            _fill_merged(made, seen, loader, value_node)
            continue
        key = loader.construct_object(key_node, deep=True)
        name, typed = _key(key, loader, value_node), (type(key), key)
        if typed in seen:
            loader.duplicates.append(f"line {value_node.start_mark.line + 1}: key {go_syntax(key)} already set in map")
        seen.add(typed)
        made[name] = loader.construct_object(value_node, deep=True)


def _fill_merged(made: dict[str, Any], seen: _Keys, loader: _Loader, node: yaml.Node) -> None:
    # Of several the first counts most.
    for part in reversed(node.value) if isinstance(node, yaml.SequenceNode) else (node,):
        if not isinstance(part, yaml.MappingNode):
            raise YAMLError("yaml: map merge requires map or sequence of maps as the value")
        loader.merged += len(part.value)
        if loader.merged > MERGED_LIMIT:
            raise YAMLError(_ALIASING)
        _fill(made, seen, loader, part)


def _key(key: Any, loader: _Loader, value_node: yaml.Node) -> str:
    """JSON's keys are strings."""
    if isinstance(key, dict | list):
        raise YAMLError(f"yaml: invalid map key: {go_syntax(key).replace('map[string]', 'map[interface {}]')}")
    if key is None:
        value = go_syntax(loader.construct_object(value_node, deep=True))
        raise YAMLError(f"unsupported map key of type: %!s(<nil>), key: <nil>, value: {value}")
    return key if isinstance(key, str) else orjson.dumps(key).decode()


def _resolved(text: str) -> tuple[str, Any]:
    """(type, value) of a plain scalar, a number that is none in JSON included: what go-yaml's `resolve` finds."""
    if text in _NAMED:
        return _NAMED[text]
    if text[0] == ".":
        return _float(_BETWEEN_DIGITS.sub("", text), text)
    if text[0] not in _NUMERIC:
        return "str", text
    plain = text.replace("_", "")
    if len(plain) <= _LONGEST_INTEGER and _INTEGER.fullmatch(plain):
        value = int(plain, 8 if re.match(r"[-+]?0[0-7]", plain) else 0)
        if -(2**63) <= value < (2**63 if plain[0] in "+-" else 2**64):
            return "int", value
    return _float(plain, text)


def _float(plain: str, text: str) -> tuple[str, Any]:
    value = float(plain) if _FLOAT.fullmatch(plain) else inf
    return ("str", text) if isinf(value) else ("float", value)


_NAMES: tuple[tuple[str, Any, str], ...] = (
    ("null", None, "~ null Null NULL"),
    ("bool", True, "y Y yes Yes YES true True TRUE on On ON"),
    ("bool", False, "n N no No NO false False FALSE off Off OFF"),
    ("float", inf, ".inf .Inf .INF +.inf +.Inf +.INF"),
    ("float", -inf, "-.inf -.Inf -.INF"),
    ("float", nan, ".nan .NaN .NAN"),
)
_NAMED: dict[str, tuple[str, Any]] = {"": ("null", None)} | {
    text: (kind, value) for kind, value, texts in _NAMES for text in texts.split()
}
_NUMERIC = "+-0123456789"
_LONGEST_INTEGER = 67
"""A sign, 0b and 64 digits."""
_BETWEEN_DIGITS = re.compile(r"(?<=[0-9])_(?=[0-9])", re.ASCII)
_INTEGER = re.compile(r"[-+]?(0[bB][01]+|0[oO]?[0-7]+|0[xX][0-9a-fA-F]+|0|[1-9][0-9]*)", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)


def _construct_plain(loader: _Loader, node: yaml.ScalarNode) -> Any:
    return _json(_resolved(node.value)[1])


def _construct_as(wanted: str) -> Callable[[_Loader, yaml.ScalarNode], Any]:
    """What is tagged must be that, but an integer is a float, too."""

    def construct(loader: _Loader, node: yaml.ScalarNode) -> Any:
        text = str(loader.construct_scalar(node))
        found, value = _resolved(text)
        if found not in (wanted, "int" if wanted == "float" else wanted):
            raise YAMLError(f"yaml: cannot decode !!{found} `{text}` as a !!{wanted}")
        return _json(value)

    return construct


def _json(value: Any) -> Any:
    """JSON knows one sort of numbers, and not all of YAML's."""
    if type(value) is int:
        return value if value < 2**63 else float(value)
    if type(value) is not float:
        return value
    if not isfinite(value):
        raise YAMLError(f"json: unsupported value: {'NaN' if isnan(value) else '+Inf' if value > 0 else '-Inf'}")
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


_Loader.yaml_implicit_resolvers = {}
_Loader.add_implicit_resolver(_PLAIN, re.compile(""), [*_NUMERIC, "<", *{text[:1] for text in _NAMED}])
_Loader.add_constructor(_PLAIN, _construct_plain)
_Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)
for _name in ("null", "bool", "int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_name}", _construct_as(_name))
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
