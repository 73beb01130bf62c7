"""The front door: resource requests go straight to their Store's handler, everything else to FastAPI."""

from collections.abc import Mapping
from dataclasses import dataclass

from apiserver.endpoints.exchange import Exchange
from apiserver.endpoints.resources import HANDLERS, SUBRESOURCE_HANDLERS, Handler
from apiserver.http.asgi import Application, Receive, Scope, Send
from apiserver.http.respond import TEXT, send_bytes, send_text
from apiserver.machinery import errors
from apiserver.machinery.errors import APIError
from apiserver.machinery.request import RequestInfo, is_broken
from apiserver.registry.store import Store

_ANY_NAMESPACE_VERBS = ("list", "watch")


@dataclass(frozen=True, slots=True)
class Route:
    """A kind's handlers by verb: of the object or collection, and of each subresource."""

    store: Store
    main: Mapping[str, Handler]
    subresources: Mapping[str, Mapping[str, Handler]]


def route_of(store: Store, watch: Handler) -> Route:
    subresources = {name: SUBRESOURCE_HANDLERS[name] for name in store.kind.subresources}
    return Route(store, {**HANDLERS, "watch": watch}, subresources)


class ResourceRouter:
    """An ASGI application: `routes` by (group, version, plural), `rest` for whatever is no resource."""

    def __init__(self, routes: Mapping[tuple[str, str, str], Route], rest: Application) -> None:
        self._routes, self._rest = routes, rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if is_broken(scope.get("raw_path", b"")):
            # As Go's HTTP server, which shows such a request to nobody; with HTTP/2 others may be on the connection.
            close = [] if scope.get("http_version") == "2" else [(b"connection", b"close")]
            await send_bytes(send, 400, b"400 Bad Request", [TEXT, *close])
            return
        info: RequestInfo = scope["state"]["info"]
        if not info.is_resource:
            # FastAPI's routes take no notice of a line's end behind a path.
            await (_no_page(send) if info.path.endswith("\n") else self._rest(scope, receive, send))
            return
        route = self._routes.get((info.group, info.version, info.resource))
        if route is None or not _reachable(route.store, info):
            await _no_page(send)
            return
        exchange = Exchange(scope, receive, send)
        try:
            await _handler(route, info)(route.store, exchange)
        except APIError as error:
            await exchange.reply_error(error)


async def _no_page(send: Send) -> None:
    await send_text(send, 404, "404 page not found\n")


def _reachable(store: Store, info: RequestInfo) -> bool:
    """Across all namespaces one can only list and watch; a cluster-scoped kind has no namespace (wire.md 3.0)."""
    if not store.kind.namespaced:
        return not info.namespace or (info.resource == "namespaces" and info.namespace == info.name)
    return bool(info.namespace) or info.verb in _ANY_NAMESPACE_VERBS


def _handler(route: Route, info: RequestInfo) -> Handler:
    """Raises NotFound for an unknown subresource, MethodNotAllowed for a verb that is not served there."""
    handlers = route.main
    if info.subresource:
        found = route.subresources.get(info.subresource)
        if found is None:
            raise errors.NotFound.of(route.store.kind.resource, info.name)
        handlers = found
    handler = handlers.get(info.verb)
    if handler is None:
        raise errors.MethodNotAllowed.on(route.store.kind.resource, info.verb)
    return handler
