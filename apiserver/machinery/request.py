"""What a request asks for, read from its method, path and query once (k8s.io/apiserver `endpoints/request`)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

Query = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class User:
    """Who asks. `extra` as in a SubjectAccessReview."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


ANONYMOUS = User("system:anonymous", groups=("system:unauthenticated",))


@dataclass(slots=True)
class RequestInfo:
    """`verb` is Kubernetes' verb for a resource request, else the method in lower case. `collection`: the path names
    no object. `name` may come from a field selector on metadata.name (it then helps authorization only)."""

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


def parse_query(raw: bytes) -> dict[str, list[str]]:
    """Pairs with a ";" or a broken escape are dropped, as Go's url.ParseQuery does."""
    query: dict[str, list[str]] = {}
    for pair in raw.decode("latin-1").split("&"):
        if pair and ";" not in pair and not _BROKEN_ESCAPE.search(pair):
            key, _, value = pair.replace("+", " ").partition("=")
            query.setdefault(unquote(key), []).append(unquote(value))
    return query


_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_COLLECTION_VERBS = {"get": "list", "delete": "deletecollection"}


def parse_request(method: str, path: str, raw_query: bytes) -> RequestInfo:
    """Splits the path: /api/v1/..., /apis/G/V/[namespaces/NS/]RESOURCE[/NAME[/SUBRESOURCE...]]; anything else, and
    the discovery paths above a resource, is a non-resource request."""
    query = parse_query(raw_query)
    parts = path.strip("/").split("/")
    info = RequestInfo(method, path, query, method.lower())
    if parts[0] == "apis" and len(parts) >= 4:
        info.group, info.version, rest = parts[1], parts[2], parts[3:]
    elif parts[0] == "api" and len(parts) >= 3:
        info.version, rest = parts[1], parts[2:]
    else:
        return info
    info.is_resource = True
    info.verb = _VERBS.get(method, "")
    if rest[0] == "watch" and len(rest) > 1 and method == "GET":
        rest, info.verb = rest[1:], "watch"
    if rest[0] == "namespaces" and len(rest) > 1:
        info.namespace = rest[1]
        # /namespaces/NAME and its own subresources are the namespace resource itself.
        if len(rest) > 2 and rest[2] not in ("status", "finalize"):
            rest = rest[2:]
    info.resource = rest[0]
    info.name = rest[1] if len(rest) > 1 else ""
    info.subresource = rest[2] if len(rest) > 2 else ""
    info.collection = not info.name
    _refine_verb(info)
    return info


def _refine_verb(info: RequestInfo) -> None:
    if info.verb == "get" and info.collection and truthy(info.query, "watch"):
        info.verb = "watch"
    elif info.collection:
        info.verb = _COLLECTION_VERBS.get(info.verb, info.verb)
    if info.collection and info.verb in ("list", "watch", "deletecollection"):
        for term in first(info.query, "fieldSelector").split(","):
            key, sign, value = term.partition("=")
            # An escaped value is left to the handler: authorization is then asked for the whole collection.
            if sign and key == "metadata.name" and value.strip("=") and "\\" not in value:
                info.name = value.lstrip("=")
