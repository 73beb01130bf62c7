"""Which representation an Accept header gets (k8s.io/apiserver `endpoints/handlers/negotiation`; wire.md 4)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from apiserver.machinery.errors import NotAcceptable

JSON, YAML = "application/json", "application/yaml"
_ACCEPTED = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
_ACCEPTED_WATCH = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
_CONVERSIONS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_PRETTY_AGENTS = ("curl", "Wget", "Mozilla/5.0")


@dataclass(frozen=True, slots=True)
class Format:
    """`target`: "" for the object as it is, else the meta.k8s.io kind it is converted to, in `version`."""

    media_type: str = JSON
    pretty: bool = False
    target: str = ""
    version: str = "v1"


@lru_cache(maxsize=1024)
def negotiate(accept: str, watch: bool = False) -> Format:
    """The first acceptable clause, in q order. Raises NotAcceptable."""
    if not accept:
        return Format()
    for media_type, parameters in _clauses(accept):
        chosen = _media_type(media_type, watch)
        if chosen and _acceptable(parameters):
            return Format(chosen, parameters.get("pretty") == "1", parameters.get("as", ""), parameters.get("v", "v1"))
    raise NotAcceptable(f"only the following media types are accepted: {_ACCEPTED_WATCH if watch else _ACCEPTED}")


def _clauses(accept: str) -> Iterator[tuple[str, dict[str, str]]]:
    """(media type, parameters), best first: by q, then the more specific, then the earlier one."""
    parsed = []
    for clause in accept.split(","):
        media_type, *rest = (part.strip() for part in clause.split(";"))
        parameters = {key: value for key, _, value in (part.partition("=") for part in rest)}
        parsed.append((_quality(parameters.pop("q", "1")), media_type.lower(), parameters))
    for _, media_type, parameters in sorted(parsed, key=lambda clause: (-clause[0], clause[1].count("*"))):
        yield media_type, parameters


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0


def _media_type(wanted: str, watch: bool) -> str:
    if wanted in (JSON, "*/*", "application/*", "*"):
        return JSON
    return YAML if wanted == YAML and not watch else ""


def _acceptable(parameters: dict[str, str]) -> bool:
    """A conversion needs all three of its parameters; there are no versions of the server to choose from."""
    asked = tuple(parameters.get(key) for key in ("as", "g", "v"))
    plain = asked == (None, None, None)
    known = asked[0] in _CONVERSIONS and asked[1] == "meta.k8s.io" and asked[2] in ("v1", "v1beta1")
    return (plain or known) and not parameters.get("sv")


def wants_pretty(query_pretty: list[str] | None, user_agent: str) -> bool:
    """?pretty decides; without it, browsers and command line fetchers get indented JSON."""
    if query_pretty and query_pretty[0]:
        return query_pretty[0] in _TRUE
    return user_agent.startswith(_PRETTY_AGENTS)
