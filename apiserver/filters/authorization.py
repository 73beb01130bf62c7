"""May they (k8s.io/apiserver `authorization`; wire.md 2.3): the privileged, the open paths, then whoever is asked."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import quote

from apiserver.client import ClientError
from apiserver.filters.impersonation import assumed
from apiserver.filters.lookup import Lookups, persistent
from apiserver.http.asgi import Application, Receive, Scope, Send
from apiserver.http.metrics import Metrics
from apiserver.http.respond import NOSNIFF, format_of, send_status, send_text
from apiserver.machinery.authorization import AuthorizationError, Authorizer, Decision, forbidden
from apiserver.machinery.errors import APIError, BadRequest, Object
from apiserver.machinery.request import RequestInfo, User, first
from apiserver.machinery.selectors import LONG, FieldSelector, LabelSelector, parse_fields, parse_labels

MASTERS = "system:masters"
ALWAYS_ALLOWED_PATHS = ("/healthz", "/readyz", "/livez")
ALLOWED, DENIED = Decision(True), Decision(False)

Post = Callable[[str, Object], Awaitable[Object]]
"""`Client.post`."""

_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_REMEMBERED = 8192
_LONGEST_REMEMBERED = 10_000
_SELECTING_VERBS = ("list", "watch", "deletecollection")

# ClusterRoles system:discovery and system:public-info-viewer.
_DISCOVERY = ("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", "/version", "/version/")
_PUBLIC = ("/version", "/version/")


def path_matcher(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Paths are compared without their leading slash; a trailing `*` makes a prefix."""
    bare = [pattern.removeprefix("/") for pattern in patterns]
    exact = frozenset(pattern for pattern in bare if not pattern.endswith("*"))
    prefixes = tuple(pattern[:-1] for pattern in bare if pattern.endswith("*"))

    def matches(path: str) -> bool:
        path = path.removeprefix("/")
        return path in exact or path.startswith(prefixes)

    return matches


def with_exceptions(authorizer: Authorizer, always_allow_paths: Sequence[str] = ALWAYS_ALLOWED_PATHS) -> Authorizer:
    """system:masters may do everything, and anyone these (non-resource) paths; for the rest `authorizer` is asked."""
    is_open = path_matcher(always_allow_paths)

    async def authorize(user: User, info: RequestInfo) -> Decision:
        if MASTERS in user.groups or (not info.is_resource and is_open(info.path)):
            return ALLOWED
        return await authorizer(user, info)

    return authorize


def discovery_only() -> Authorizer:
    """Without a cluster to ask: who is authenticated may look at what there is, nobody else at anything."""
    is_discovery, is_public = path_matcher(_DISCOVERY), path_matcher(_PUBLIC)

    async def authorize(user: User, info: RequestInfo) -> Decision:
        matches = is_discovery if "system:authenticated" in user.groups else is_public
        return ALLOWED if not info.is_resource and info.verb == "get" and matches(info.path) else DENIED

    return authorize


def masters_only(always_allow_paths: Sequence[str] = ALWAYS_ALLOWED_PATHS) -> Authorizer:
    """For standalone mode."""
    return with_exceptions(discovery_only(), always_allow_paths)


def subject_access_review(post: Post, allowed_ttl: float = 10.0, denied_ttl: float = 10.0) -> Authorizer:
    """Asks the host cluster; either answer is good for its time to live, in seconds."""
    lookups: Lookups[Attributes, Decision] = Lookups(
        lambda decision: allowed_ttl if decision.allowed else denied_ttl, _REMEMBERED
    )

    async def authorize(user: User, info: RequestInfo) -> Decision:
        async def ask() -> Decision:
            return decided(await persistent(lambda: post(_REVIEWS, review_of(user, info))))

        try:
            return await lookups.get(_attributes(user, info), ask, _size(info) < _LONGEST_REMEMBERED)
        except ClientError as error:
            raise AuthorizationError(str(error)) from error
        except TimeoutError as error:
            raise AuthorizationError("the access review was not answered in time") from error

    return authorize


def subject_access_review_authorizer(
    post: Post,
    always_allow_paths: Sequence[str] = ALWAYS_ALLOWED_PATHS,
    allowed_ttl: float = 10.0,
    denied_ttl: float = 10.0,
) -> Authorizer:
    """For a server beside a cluster."""
    return with_exceptions(subject_access_review(post, allowed_ttl, denied_ttl), always_allow_paths)


Attributes = tuple[object, ...]


def _attributes(user: User, info: RequestInfo) -> Attributes:
    """All that the answer may depend on."""
    extra = tuple(sorted(user.extra.items())) if user.extra else ()
    if not info.is_resource:
        return (user.name, user.uid, user.groups, extra, info.verb, info.path)
    selectors = _selectors(info) if info.verb in _SELECTING_VERBS else ()
    resource = (info.namespace, info.group, info.version, info.resource, info.subresource, info.name)
    return (user.name, user.uid, user.groups, extra, info.verb, resource, selectors)


def _selectors(info: RequestInfo) -> tuple[str, str]:
    return first(info.query, "fieldSelector"), first(info.query, "labelSelector")


def _size(info: RequestInfo) -> int:
    """Of what a client can make as long as it likes."""
    if not info.is_resource:
        return len(info.path)
    named = (info.namespace, info.group, info.version, info.resource, info.subresource, info.name)
    return sum(map(len, named)) + sum(map(len, _selectors(info)))


def review_of(user: User, info: RequestInfo) -> Object:
    """The SubjectAccessReview; empty attributes are left out."""
    spec: Object = {"user": user.name, "uid": user.uid, "groups": list(user.groups)}
    spec["extra"] = {key: list(values) for key, values in user.extra.items()}
    if info.is_resource:
        spec["resourceAttributes"] = _resource_attributes(info)
    else:
        spec["nonResourceAttributes"] = {"path": info.path, "verb": info.verb}
    spec = {key: value for key, value in spec.items() if value}
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}


def _resource_attributes(info: RequestInfo) -> Object:
    attributes: Object = {"namespace": info.namespace, "verb": info.verb, "group": info.group}
    attributes |= {"version": info.version, "resource": info.resource, "subresource": info.subresource}
    attributes["name"] = info.name
    if info.verb in _SELECTING_VERBS:
        fields, labels = _selectors(info)
        attributes["fieldSelector"] = _requirements(fields, parse_fields)
        attributes["labelSelector"] = _requirements(labels, parse_labels)
    return {key: value for key, value in attributes.items() if value}


def _requirements(text: str, parse: Callable[[str], LabelSelector | FieldSelector]) -> Object:
    """A selector that cannot be parsed is left out, as is one that takes long: that asks for more; and the request with
    the former will fail anyway."""
    if len(text) > LONG:
        return {}
    try:
        requirements = parse(text).requirements()
    except BadRequest:
        return {}
    return {"requirements": requirements} if requirements else {}


def decided(review: Object) -> Decision:
    """The decision of a SubjectAccessReview's answer."""
    status = review.get("status", {})
    allowed = bool(status.get("allowed")) and not status.get("denied")
    return Decision(allowed, status.get("reason", ""))


class Authorize:
    """The filter: lets through what is allowed, with the Authorizer in the scope's state as "authorize". Who asked to
    be somebody else, and may, is so from here on, and "impersonated_by" names the one who asked."""

    def __init__(self, app: Application, authorizer: Authorizer, metrics: Metrics) -> None:
        self._app, self._authorizer = app, authorizer
        self._allowed, self._denied, self._failed = (
            metrics.authorization.counter((result,)) for result in ("allowed", "denied", "error")
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope["state"]
        try:
            if state["impersonate"]:
                await self._assume(state)
            decision = await self._authorizer(state["user"], state["info"])
            if not decision.allowed:
                raise forbidden(state["user"], state["info"], decision.reason)
        except AuthorizationError as error:
            self._failed.value += 1
            await send_text(send, 500, _internal_error(scope, error))
        except APIError as error:
            self._denied.value += 1
            await send_status(send, error, format_of(scope), [NOSNIFF])
        else:
            self._allowed.value += 1
            state["authorize"] = self._authorizer
            await self._app(scope, receive, send)

    async def _assume(self, state: dict[str, Any]) -> None:
        """Raises BadRequest, Forbidden, AuthorizationError."""
        asking = state["user"]
        user = await assumed(self._authorizer, asking, state["impersonate"], state["info"])
        if user is not asking:
            state["user"], state["impersonated_by"] = user, asking.name


def _internal_error(scope: Scope, error: AuthorizationError) -> str:
    query = scope["query_string"].decode("latin-1")
    uri = quote(scope["path"]) + (f"?{query}" if query else "")
    text = f'Internal Server Error: "{uri}": {error}\n'
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
