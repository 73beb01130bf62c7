"""The host cluster's client, against a real HTTP server on loopback."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from apiserver.client import Client, ClientError
from tests.controlplane.process import free_port

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Connect = Callable[[Handler], AbstractAsyncContextManager[Client]]


def kubeconfig(path: Path, server: str, user: dict[str, str]) -> str:
    document = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(document))
    return str(path)


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[str]:
    """The URL of a server that answers with the given handler."""
    runner = web.ServerRunner(web.Server(handler))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
def connected(tmp_path: Path) -> Connect:
    """A client of a server that answers with the given handler."""

    @asynccontextmanager
    async def connect(handler: Handler) -> AsyncIterator[Client]:
        async with served(handler) as server:
            client = await Client.connect(kubeconfig(tmp_path / "config", server, {"token": "secret"}))
            try:
                yield client
            finally:
                await client.close()

    return connect


async def echo(request: web.BaseRequest) -> web.Response:
    body = await request.text()
    return web.json_response(
        {
            "method": request.method,
            "path": request.path,
            "query": dict(request.query),
            "type": request.headers.get("Content-Type", ""),
            "authorization": request.headers.get("Authorization", ""),
            "body": json.loads(body) if body else None,
        }
    )


async def test_get_sends_path_query_and_token(connected: Connect) -> None:
    """Queries are encoded and the kubeconfig's token goes with every call."""
    async with connected(echo) as client:
        seen = await client.get("/api/v1/pods", labelSelector="a=b,c in (d,e)", limit="5")

    assert seen["path"] == "/api/v1/pods"
    assert seen["query"] == {"labelSelector": "a=b,c in (d,e)", "limit": "5"}
    assert seen["authorization"] == "Bearer secret"


async def test_writes_send_their_media_types(connected: Connect) -> None:
    """POST and DELETE send JSON, a merge patch and an apply the media types that name them."""
    async with connected(echo) as client:
        created = await client.post("/api/v1/x", {"a": 1})
        patched = await client.merge_patch("/api/v1/x/y", {"a": None}, fieldManager="m")
        applied = await client.apply("/api/v1/x/y", {"a": 2}, "me")
        deleted = await client.delete("/api/v1/x/y", {"propagationPolicy": "Background"})

    assert (created["method"], created["type"], created["body"]) == ("POST", "application/json", {"a": 1})
    assert (patched["type"], patched["body"]) == ("application/merge-patch+json", {"a": None})
    assert (applied["method"], applied["type"]) == ("PATCH", "application/apply-patch+yaml")
    assert applied["query"] == {"fieldManager": "me", "force": "true"}
    assert (deleted["method"], deleted["body"]) == ("DELETE", {"propagationPolicy": "Background"})


async def test_proxy_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests go through the proxy that the environment names, unless it excepts the host."""

    async def handler(request: web.BaseRequest) -> web.Response:
        return web.json_response({"asked": f"{request.host}{request.path}"})

    async with served(handler) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        far = await Client.connect(kubeconfig(tmp_path / "far", "http://far.invalid", {}))
        near = await Client.connect(kubeconfig(tmp_path / "near", f"http://127.0.0.1:{free_port()}", {}))
        assert await far.get("/version") == {"asked": "far.invalid/version"}
        with pytest.raises(ClientError, match=r"127\.0\.0\.1:\d+ cannot be reached"):
            await near.get("/version")
        await far.close()
        await near.close()


async def test_requests_are_counted(connected: Connect, tmp_path: Path) -> None:
    """Whoever observes is told of every request's method and code, also those of a fenced client."""
    seen: list[tuple[str, str]] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        return web.json_response({}, status=200 if request.method == "GET" else 409)

    async with connected(handler) as client:
        client.observe(lambda method, code: seen.append((method, code)))
        await client.get("/api/v1/x")
        with pytest.raises(ClientError):
            await client.fenced(lambda: None).post("/api/v1/x", {})
    absent = await Client.connect(kubeconfig(tmp_path / "absent", "http://127.0.0.1:1", {"token": "secret"}))
    absent.observe(lambda method, code: seen.append((method, code)))
    with pytest.raises(ClientError):
        await absent.get("/api/v1/x")
    await absent.close()

    assert seen == [("GET", "200"), ("POST", "409"), ("GET", "<error>")]


async def test_refusal_carries_the_status(connected: Connect) -> None:
    """Code, reason, message and causes of a Status come out as they are."""

    async def handler(_: web.BaseRequest) -> web.Response:
        details = {"causes": [{"reason": "FieldManagerConflict", "field": ".spec"}]}
        status = {"kind": "Status", "reason": "Conflict", "message": "too late", "details": details}
        return web.json_response(status, status=409)

    async with connected(handler) as client:
        with pytest.raises(ClientError) as caught:
            await client.post("/api/v1/x", {})

    assert (caught.value.status, caught.value.reason, caught.value.message) == (409, "Conflict", "too late")
    assert caught.value.causes == {"FieldManagerConflict"}


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0), ("", 0.0)])
async def test_refusal_carries_retry_after(connected: Connect, header: str, seconds: float) -> None:
    """In seconds; 0 without the header, or when it is no number."""

    async def refuse(_: web.BaseRequest) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": header})

    async with connected(refuse) as client:
        with pytest.raises(ClientError) as refused:
            await client.get("/api")

    assert refused.value.retry_after == seconds


async def test_fenced_writes(connected: Connect) -> None:
    """A fenced client reads as before, and sends no write that its permit refuses."""

    def refuse() -> None:
        raise ClientError(0, "", "not now")

    async with connected(echo) as client:
        fenced = client.fenced(refuse)
        assert (await fenced.get("/x"))["method"] == "GET"
        with pytest.raises(ClientError, match="not now"):
            await fenced.apply("/x", {}, "me")
        assert (await client.apply("/x", {}, "me"))["method"] == "PATCH"


async def test_refusal_in_plain_text(connected: Connect) -> None:
    """An aggregator or proxy answers in text, which becomes the message in one line."""

    async def handler(_: web.BaseRequest) -> web.Response:
        return web.Response(status=503, text="service\nunavailable\n")

    async with connected(handler) as client:
        with pytest.raises(ClientError) as caught:
            await client.get("/api/v1/x")

    assert (caught.value.status, caught.value.reason, caught.value.message) == (503, "", "service unavailable")


@pytest.mark.parametrize("body", ["<html>", "[]"])
async def test_answer_that_is_no_object(connected: Connect, body: str) -> None:
    """A good answer that is not a JSON object is an error with status 0."""

    async def handler(_: web.BaseRequest) -> web.Response:
        return web.Response(text=body)

    async with connected(handler) as client:
        with pytest.raises(ClientError, match="the server's answer is not") as caught:
            await client.get("/version")

    assert caught.value.status == 0


async def test_no_server(tmp_path: Path) -> None:
    """Nobody listening is one sentence and status 0."""
    client = await Client.connect(kubeconfig(tmp_path / "config", "http://127.0.0.1:1", {}))
    with pytest.raises(ClientError, match=r"GET /version: 127\.0\.0\.1:1 cannot be reached: ") as caught:
        await client.get("/version")
    await client.close()

    assert caught.value.status == 0


async def test_connection_cut(connected: Connect) -> None:
    """A connection that the server drops is status 0."""

    async def handler(request: web.BaseRequest) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with connected(handler) as client:
        with pytest.raises(ClientError, match="cannot be reached") as caught:
            await client.post("/api/v1/x", {})

    assert caught.value.status == 0


def streaming(*chunks: bytes) -> Handler:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
            # One turn of the loop, so that the chunks arrive apart.
            await asyncio.sleep(0)
        return response

    return handler


async def test_watch_joins_chunks(connected: Connect) -> None:
    """Events are lines, wherever the stream is cut; the generator ends with the stream."""
    chunks = (
        b'{"type":"ADDED","object":{"a":"\xc3',
        b'\xa9"}}\n{"type":"MODI',
        b'FIED","object":{}}\n\n{"type":"DELETED",',
    )
    async with connected(streaming(*chunks, b'"object":{"b":1}}', b"\n")) as client:
        events = [event async for event in client.watch("/api/v1/x")]

    assert events == [("ADDED", {"a": "é"}), ("MODIFIED", {}), ("DELETED", {"b": 1})]


async def test_watch_asks_for_bookmarks_and_an_end(connected: Connect) -> None:
    """The query says watch, bookmarks and a time limit; the caller's own parameters come with it."""

    async def handler(request: web.BaseRequest) -> web.Response:
        event = {"type": "ADDED", "object": dict(request.query)}
        return web.Response(text=json.dumps(event) + "\n")

    async with connected(handler) as client:
        ((_, query),) = [event async for event in client.watch("/api/v1/x", resourceVersion="7")]

    assert 240 <= int(query.pop("timeoutSeconds")) <= 300
    assert query == {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": "7"}


async def test_watch_raises_error_events(connected: Connect) -> None:
    """An ERROR event is raised with its Status' code, 410 for an expired resourceVersion."""
    status = b'{"type":"ERROR","object":{"code":410,"reason":"Expired","message":"too old"}}\n'
    async with connected(streaming(status)) as client:
        with pytest.raises(ClientError) as caught:
            _ = [event async for event in client.watch("/api/v1/x")]

    assert (caught.value.status, caught.value.reason) == (410, "Expired")


async def test_leaving_a_watch_ends_its_request(connected: Connect) -> None:
    """Closing the generator closes the connection, which the server notices."""
    ended = asyncio.Event()

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b'{"type":"ADDED","object":{}}\n')
                await asyncio.sleep(0)
        finally:
            ended.set()

    async with connected(handler) as client:
        async with aclosing(client.watch("/api/v1/x")) as events:
            async for _ in events:
                break
        await ended.wait()


async def test_server_warnings_are_logged(connected: Connect, caplog: pytest.LogCaptureFixture) -> None:
    """A Warning header is for whoever runs this process."""

    async def handler(_: web.BaseRequest) -> web.Response:
        return web.json_response({}, headers={"Warning": '299 - "this version is deprecated"'})

    async with connected(handler) as client:
        await client.get("/api/v1/x")

    assert "this version is deprecated" in caplog.text


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "no such file"),
        ("token: !!hidden secret", "not a valid kubeconfig"),
        ("just text", "not a valid kubeconfig"),
        ("current-context: c", "Invalid kube-config file"),
    ],
)
async def test_unusable_kubeconfig(tmp_path: Path, content: str | None, why: str) -> None:
    """One sentence names the file and what is wrong, without quoting it."""
    path = tmp_path / "config"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ClientError, match=f"kubeconfig {path} cannot be used: .*{why}") as caught:
        await Client.connect(str(path))

    assert "secret" not in str(caught.value)


async def test_neither_kubeconfig_nor_pod() -> None:
    """Outside a pod, no kubeconfig is one clear sentence."""
    with pytest.raises(ClientError, match="no kubeconfig was given and in-cluster configuration cannot be used"):
        await Client.connect()
