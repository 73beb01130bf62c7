"""Which representation an Accept header gets (wire.md 4; `negotiation` of k8s.io/apiserver, which uses goautoneg)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from apiserver.machinery.errors import NotAcceptable
from apiserver.machinery.remember import remembered

JSON, YAML = "application/json", "application/yaml"
_ACCEPTED = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
_CONTENT_TYPES = {media_type: (b"content-type", media_type.encode()) for media_type in (JSON, YAML)}
_STREAMS = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
_CONVERSIONS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
_CONVERSION = ("as", "g", "v")
AGGREGATED_DISCOVERY = ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2")
_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_PRETTY_AGENTS = ("curl", "Wget", "Mozilla/5.0")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
# Go sorts by insertion up to here; its order is none that every way of sorting would find.
_INSERTED = 12
_LONGEST, _LOOKED_AT = 1024, 16 * 1024
"""Characters of a header that is remembered, and of what of it counts: a client may send a megabyte of clauses."""

Parameters = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Format:
    """`target`: "" for the object as it is, else the meta.k8s.io kind it is converted to, in `version`."""

    media_type: str = JSON
    pretty: bool = False
    target: str = ""
    version: str = "v1"

    @property
    def header(self) -> tuple[bytes, bytes]:
        """Content-Type."""
        return _CONTENT_TYPES[self.media_type]


@dataclass(frozen=True, slots=True)
class _Clause:
    type: str
    subtype: str
    quality: float
    parameters: Parameters

    @property
    def media_type(self) -> str:
        """What is served of it; "" for nothing."""
        if self.type == "*" == self.subtype or (self.type == "application" and self.subtype in ("json", "*")):
            return JSON
        return YAML if (self.type, self.subtype) == ("application", "yaml") else ""

    def precedes(self, other: "_Clause") -> bool:
        """goautoneg's order, which puts a wildcard behind even where it is preferred."""
        if self.quality > other.quality or (self.type != "*" and other.type == "*"):
            return True
        return self.subtype != "*" and other.subtype == "*"


@remembered(1024, _LONGEST)
def negotiate(accept: str) -> Format:
    """The first acceptable clause for an object or a list of a resource. Raises NotAcceptable."""
    return _negotiate(accept, _is_served_conversion, ("", "v1"))


@remembered(1024, _LONGEST)
def negotiate_plain(accept: str) -> Format:
    """For what cannot be converted: a Status, or a discovery document. Raises NotAcceptable."""
    return _negotiate(accept, lambda asked: not any(asked), ("",))


@remembered(1024, _LONGEST)
def negotiate_discovery(accept: str) -> Format:
    """For the root of the groups, which may be asked for all that is below. Raises NotAcceptable."""
    return _negotiate(accept, lambda asked: not any(asked) or asked == AGGREGATED_DISCOVERY, ("",))


def check_stream(chosen: Format) -> None:
    """A watch is not served as YAML. Raises NotAcceptable."""
    if chosen.media_type != JSON:
        raise NotAcceptable(f"only the following media types are accepted: {_STREAMS}")


def _negotiate(accept: str, converts: Callable[[tuple[str, ...]], bool], server_versions: tuple[str, ...]) -> Format:
    if not accept:
        return Format()
    for clause in _ordered(_clauses(accept)):
        parameters = clause.parameters
        asked = tuple(parameters.get(key, "") for key in _CONVERSION)
        streams = parameters.get("stream", "") in (("", "watch") if clause.media_type == JSON else ("",))
        if clause.media_type and converts(asked) and streams and parameters.get("sv", "") in server_versions:
            return Format(clause.media_type, parameters.get("pretty") == "1", asked[0], asked[2] or "v1")
    raise NotAcceptable(f"only the following media types are accepted: {_ACCEPTED}")


def _is_served_conversion(asked: tuple[str, ...]) -> bool:
    if not any(asked):
        return True
    target, group, version = asked
    return target in _CONVERSIONS and group == "meta.k8s.io" and version in ("v1", "v1beta1")


def _clauses(accept: str) -> list[_Clause]:
    """In the order of the header; what is no media type is left out."""
    if len(accept) > _LOOKED_AT:
        accept = accept[:_LOOKED_AT].rpartition(",")[0]
    found = []
    for text in accept.split(","):
        media_type, _, rest = text.strip(" ").partition(";")
        kind, _, subtypes = media_type.partition("/")
        subtype, _, more = subtypes.partition("/")
        kind = kind.strip(" ")
        if not more and (subtypes or kind == "*"):
            parameters = _parameters(rest)
            found.append(_Clause(kind, subtype.strip(" ") or "*", _quality(parameters.pop("q", "1")), parameters))
    return found


def _parameters(text: str) -> dict[str, str]:
    """Those of the form name=value; a value stays as it is for q, which no blank may surround."""
    parameters = {}
    for part in text.split(";"):
        name, _, value = part.partition("=")
        if value and "=" not in value:
            name = name.strip(" ")
            parameters[name] = value if name == "q" else value.strip(" ")
    return parameters


def _quality(text: str) -> float:
    """What is no number is the least preferred."""
    return float(text) if _NUMBER.fullmatch(text) else 0.0


def _ordered(clauses: list[_Clause]) -> list[_Clause]:
    if len(clauses) > _INSERTED:
        return sorted(clauses, key=lambda clause: -clause.quality)
    ordered: list[_Clause] = []
    for clause in clauses:
        at = len(ordered)
        while at and clause.precedes(ordered[at - 1]):
            at -= 1
        ordered.insert(at, clause)
    return ordered


def wants_pretty(query_pretty: list[str] | None, user_agent: str) -> bool:
    """?pretty decides; without it, browsers and command line fetchers get indented JSON."""
    if query_pretty and query_pretty[0]:
        return query_pretty[0] in _TRUE
    return user_agent.startswith(_PRETTY_AGENTS)
