"""Discovery and OpenAPI: documents made once at the start, answered from memory whatever state storage is in
(wire.md 1.6 to 1.9). Never a redirect: the aggregator refuses to pass one on."""

from collections.abc import Awaitable, Callable, Sequence
from email.utils import formatdate
from time import time

from fastapi import APIRouter, FastAPI, Request, Response

from apiserver.http.asgi import METHODS
from apiserver.http.negotiation import AGGREGATED_DISCOVERY, JSON, Format, negotiate_discovery, negotiate_plain
from apiserver.http.respond import encoded, format_of, negotiated
from apiserver.machinery import discovery, openapi
from apiserver.machinery.document import Document
from apiserver.machinery.encoding import encode, encode_ordered, indent
from apiserver.machinery.errors import MethodNotAllowed, NotAcceptable, Object
from apiserver.machinery.kind import Kind

_YEAR = 365 * 24 * 3600


def router(kinds: Sequence[Kind], server_address: str) -> APIRouter:
    """Routes for these kinds; the core group (group "") is at /api, all others at /apis. `server_address` is
    HOST:PORT."""
    routes = APIRouter()
    groups = list(dict.fromkeys(kind.group for kind in kinds))
    _add_root(routes, "/apis", discovery.aggregated(kinds), discovery.api_group_list(kinds))
    if "" in groups:
        _add_root(routes, "/api", discovery.aggregated(kinds, core=True), discovery.api_versions(kinds, server_address))
    for group in filter(None, groups):
        _add(routes, f"/apis/{group}", discovery.api_group(kinds, group))
    for group, version in dict.fromkeys((kind.group, kind.version) for kind in kinds):
        _add(routes, f"{_prefix(group)}/{version}", discovery.api_resource_list(kinds, group, version))
    _add_openapi(routes, kinds)
    routes.add_api_route("/openapi/v3/{path:path}", _nothing, methods=list(METHODS))
    return routes


async def _nothing() -> Response:
    """No document, and no word about it."""
    return Response(status_code=404)


def _prefix(group: str) -> str:
    return f"/apis/{group}" if group else "/api"


def _add(routes: APIRouter, path: str, value: Object) -> None:
    data = encode_ordered(value)

    async def answer(request: Request) -> Response:
        return _negotiated(request, lambda _: data, negotiate_plain)

    _serve(routes, path, answer)


def _add_root(routes: APIRouter, path: str, aggregated: Object, legacy: Object) -> None:
    """The root of a group tree: aggregated discovery for who asks for it, else the legacy list."""
    new, old = Document.of(aggregated), encode_ordered(legacy)

    async def answer(request: Request) -> Response:
        response = _negotiated(request, lambda chosen: new.body if chosen.target else old, negotiate_discovery)
        if ";as=" not in response.headers["content-type"]:
            return response
        headers = {"ETag": new.etag, "Vary": "Accept", "Cache-Control": "public"}
        if request.headers.get("if-none-match") == new.etag:
            return Response(status_code=304, headers=headers)
        response.headers.update(headers)
        return response

    _serve(routes, path, answer)


def _serve(routes: APIRouter, path: str, answer: Callable[[Request], Awaitable[Response]]) -> None:
    for each in (path, f"{path}/"):
        routes.add_api_route(each, answer, methods=list(METHODS))


def _negotiated(request: Request, data: Callable[[Format], bytes], negotiate: Callable[[str], Format]) -> Response:
    """JSON in the format that is asked for. The media type names a conversion: the aggregator looks there."""
    try:
        chosen = negotiated(request.scope, negotiate)
    except NotAcceptable as error:
        return Response(indent(encode_ordered(error.to_status())), error.code, media_type=JSON)
    media_type = chosen.media_type
    if chosen.target:
        target, group, version = AGGREGATED_DISCOVERY
        media_type += f";g={group};v={version};as={target}"
    return Response(encoded(data(chosen), chosen), headers={"Content-Type": media_type})


def _add_openapi(routes: APIRouter, kinds: Sequence[Kind]) -> None:
    _add_tagged(routes, "/openapi/v2", Document.of(openapi.v2_document(kinds)))
    _add_tagged(routes, "/openapi/v3", Document.of(openapi.v3_index(kinds)))
    for group, version in dict.fromkeys((kind.group, kind.version) for kind in kinds):
        document = Document.of(openapi.v3_document(kinds, group, version))
        _add_tagged(routes, f"/openapi/v3/{openapi.v3_path(group, version)}", document)


def _add_tagged(routes: APIRouter, path: str, document: Document) -> None:
    async def answer(request: Request) -> Response:
        headers = {"ETag": document.etag, "Vary": "Accept"}
        if not _accepts_json(request.headers.get("accept", "")):
            return Response(status_code=406)
        if request.query_params.get("hash") == document.hash:
            expires = formatdate(time() + _YEAR, usegmt=True)
            headers |= {"Cache-Control": "public, immutable", "Expires": expires}
        if request.headers.get("if-none-match") == document.etag:
            return Response(status_code=304, headers=headers)
        return Response(document.body, media_type="application/json", headers=headers)

    routes.add_api_route(path, answer, methods=list(METHODS))


def _accepts_json(accept: str) -> bool:
    """No Accept header takes anything."""
    accepted = {clause.partition(";")[0].strip() for clause in accept.split(",")}
    return not accept or not accepted.isdisjoint(("application/json", "application/*", "*/*"))


def add_index(application: FastAPI) -> None:
    """The root: every path that is served, sorted (wire.md 8.2)."""
    served = {getattr(route, "path", "") for route in application.routes} - {""}
    paths = sorted(path for path in served if "{" not in path)
    document = indent(encode({"paths": paths}))

    async def answer() -> Response:
        return Response(document, media_type="application/json")

    for path in ("/", "/index.html"):
        application.add_api_route(path, answer, methods=list(METHODS))


async def no_page(_request: Request, _error: Exception) -> Response:
    """Go's text for a path that nobody serves."""
    return Response("404 page not found\n", 404, {"X-Content-Type-Options": "nosniff"}, "text/plain; charset=utf-8")


async def no_method(request: Request, _error: Exception) -> Response:
    """The router's Status for a method that is not served there; no Allow header (wire.md 3.0)."""
    error = MethodNotAllowed("the server does not allow this method on the requested resource", {})
    chosen = format_of(request.scope)
    return Response(encoded(encode_ordered(error.to_status()), chosen), 405, media_type=chosen.media_type)
