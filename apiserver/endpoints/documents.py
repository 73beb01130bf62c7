"""Discovery and OpenAPI: documents made once at the start, answered from memory whatever state storage is in
(wire.md 1.6 to 1.9). Never a redirect: the aggregator refuses to pass one on."""

from collections.abc import Sequence
from email.utils import formatdate
from time import time

from fastapi import APIRouter, FastAPI, Request, Response

from apiserver.machinery import discovery, openapi
from apiserver.machinery.document import Document
from apiserver.machinery.encoding import encode, encode_ordered, indent
from apiserver.machinery.errors import MethodNotAllowed, Object
from apiserver.machinery.kind import Kind

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
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
    return routes


def _prefix(group: str) -> str:
    return f"/apis/{group}" if group else "/api"


def _add(routes: APIRouter, path: str, value: Object) -> None:
    document = Document.of(value)

    async def answer() -> Response:
        return Response(document.body + b"\n", media_type="application/json")

    routes.add_api_route(path, answer)
    routes.add_api_route(path + "/", answer)


def _add_root(routes: APIRouter, path: str, aggregated: Object, legacy: Object) -> None:
    """The root of a group tree: aggregated discovery for who asks for it, else the legacy list."""
    new, old = Document.of(aggregated), Document.of(legacy)

    async def answer(request: Request) -> Response:
        if not _wants_aggregated(request.headers.get("accept", "")):
            return Response(old.body + b"\n", media_type="application/json", headers={"Vary": "Accept"})
        headers = {"ETag": new.etag, "Vary": "Accept", "Cache-Control": "public"}
        if request.headers.get("if-none-match") == new.etag:
            return Response(status_code=304, headers=headers)
        return Response(new.body, headers={**headers, "Content-Type": _AGGREGATED})

    routes.add_api_route(path, answer)
    routes.add_api_route(path + "/", answer)


def _wants_aggregated(accept: str) -> bool:
    """The first clause that can be served decides; plain JSON is served too."""
    for clause in accept.split(","):
        media_type, *parameters = (part.strip() for part in clause.split(";"))
        asked = dict(part.partition("=")[::2] for part in parameters)
        if media_type != "application/json":
            continue
        if "as" not in asked:
            return False
        if (asked["as"], asked.get("g"), asked.get("v")) == ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2"):
            return True
    return False


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

    routes.add_api_route(path, answer)


def _accepts_json(accept: str) -> bool:
    """No Accept header takes anything."""
    accepted = {clause.partition(";")[0].strip() for clause in accept.split(",")}
    return not accept or not accepted.isdisjoint(("application/json", "application/*", "*/*"))


def add_index(application: FastAPI) -> None:
    """The root: every path that is served, sorted (wire.md 8.2)."""
    paths = sorted({getattr(route, "path", "") for route in application.routes} - {""})
    document = indent(encode({"paths": paths}))

    async def answer() -> Response:
        return Response(document, media_type="application/json")

    application.add_api_route("/", answer)


async def no_page(_request: Request, _error: Exception) -> Response:
    """Go's text for a path that nobody serves."""
    return Response("404 page not found\n", 404, {"X-Content-Type-Options": "nosniff"}, "text/plain; charset=utf-8")


async def no_method(_request: Request, _error: Exception) -> Response:
    """The router's Status for a method that is not served there; no Allow header (wire.md 3.0)."""
    error = MethodNotAllowed("the server does not allow this method on the requested resource", {})
    return Response(encode_ordered(error.to_status()) + b"\n", 405, media_type="application/json")
