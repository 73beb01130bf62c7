"""What a request asks for, read from its method, path and query once (k8s.io/apiserver `endpoints/request`)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from apiserver.machinery import names
from apiserver.machinery.errors import BadRequest
from apiserver.machinery.selectors import LONG, parse_fields

Query = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class User:
    """Who asks. `extra` as in a SubjectAccessReview."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


AUTHENTICATED, UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"
ANONYMOUS = User("system:anonymous", groups=(UNAUTHENTICATED,))


def with_group(user: User) -> User:
    """Whoever is not anonymous is in system:authenticated, unless a group says otherwise."""
    if AUTHENTICATED in user.groups or UNAUTHENTICATED in user.groups or user.name == ANONYMOUS.name:
        return user
    return User(user.name, user.uid, (*user.groups, AUTHENTICATED), user.extra)


def is_anonymous(user: User) -> bool:
    """Whether nobody knows who it is, by whichever of the two words."""
    return user.name == ANONYMOUS.name or UNAUTHENTICATED in user.groups


@dataclass(slots=True)
class RequestInfo:
    """`verb` is Kubernetes' verb for a resource request ("" where the method has none), else the method in lower case.
    `collection`: the path names no object. `name` may come from a field selector on metadata.name (it then helps
    authorization only)."""

    method: str
    path: str
    query: dict[str, list[str]]
    verb: str
    is_resource: bool = False
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    collection: bool = False

    @property
    def is_watch(self) -> bool:
        return self.verb == "watch"


def first(query: Query, key: str, default: str = "") -> str:
    values = query.get(key)
    return values[0] if values else default


def truthy(query: Query, key: str) -> bool:
    """apimachinery's boolean query parameter: absent is false; present and neither 0 nor false is true."""
    values = query.get(key)
    return values is not None and values[0].lower() not in ("0", "false")


_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def is_broken(raw_path: bytes) -> bool:
    """Whether a path has an escape that stands for nothing."""
    return b"%" in raw_path and _BROKEN_ESCAPE.search(raw_path.decode("latin-1")) is not None


def parse_query(raw: bytes) -> dict[str, list[str]]:
    """Pairs with a ";" or a broken escape are dropped, as Go's url.ParseQuery does."""
    query: dict[str, list[str]] = {}
    for pair in raw.decode("latin-1").split("&"):
        if pair and ";" not in pair and not _BROKEN_ESCAPE.search(pair):
            key, _, value = pair.replace("+", " ").partition("=")
            query.setdefault(unquote(key), []).append(unquote(value))
    return query


_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_PATH_VERBS = ("proxy", "watch")


def parse_request(method: str, path: str, raw_query: bytes) -> RequestInfo:
    """Splits the path: /api/v1/..., /apis/G/V/[namespaces/NS/]RESOURCE[/NAME[/SUBRESOURCE...]]; anything else, and
    the discovery paths above a resource, is a non-resource request. A verb may stand before the resource, which no
    method then changes."""
    query = parse_query(raw_query) if raw_query else {}
    # More than one slash at the start is nobody's path.
    parts = path.removeprefix("/").rstrip("/").split("/")
    info = RequestInfo(method, path, query, method.lower())
    if parts[0] == "apis" and len(parts) >= 4:
        group, version, rest = parts[1], parts[2], parts[3:]
    elif parts[0] == "api" and len(parts) >= 3:
        group, version, rest = "", parts[1], parts[2:]
    else:
        return info
    verb = _VERBS.get(method, "")
    if rest[0] in _PATH_VERBS:
        verb, rest = rest[0], rest[1:]
    if not rest:
        return info
    info.is_resource, info.group, info.version, info.verb = True, group, version, verb
    if rest[0] == "namespaces" and len(rest) > 1:
        info.namespace = rest[1]
        # /namespaces/NAME and its own subresources are the namespace resource itself.
        if len(rest) > 2 and rest[2] not in ("status", "finalize"):
            rest = rest[2:]
    info.resource = rest[0]
    info.name = rest[1] if len(rest) > 1 else ""
    info.subresource = rest[2] if len(rest) > 2 else ""
    info.collection = not info.name
    if info.collection:
        _refine(info)
    return info


def _refine(info: RequestInfo) -> None:
    """Of a request to a collection."""
    if info.verb == "delete":
        info.verb = "deletecollection"
    elif info.verb == "get":
        info.verb = "watch" if truthy(info.query, "watch") else "list"
        info.name = _selected_name(info.query)


def _selected_name(query: Query) -> str:
    """The one name that a field selector leaves; "" where there is none, or none that can stand in a path. Nobody is
    known yet, so a long selector is not looked into: who sends it needs the right to the whole collection."""
    text = first(query, "fieldSelector")
    if len(text) > LONG:
        return ""
    try:
        name = (text and parse_fields(text).exact("metadata.name")) or ""
    except BadRequest:
        return ""
    return "" if names.path_segment_faults(name) else name
