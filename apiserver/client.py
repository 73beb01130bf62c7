"""The host cluster's API as JSON trees: `kubernetes.aio`'s configuration, credentials and TLS, and an HTTP session of
aiohttp as it is: what the generated client does around each request costs twice as much as the request.

Paths are absolute API paths such as /apis/apps/v1/namespaces/ns/deployments/x. Every call ends within 10 s, an apply or
delete within half a minute; a watch has no total limit, but ends when its stream is silent for longer than the server
sends bookmarks (about a minute).
"""

import asyncio
import logging
import os
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson
import yaml
from kubernetes.aio import client as generated
from kubernetes.aio import config as loading

from apiserver.machinery.errors import Object

_log = logging.getLogger(__name__)
_config: Any = loading  # kubernetes has types, its loaders are not annotated
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_ADMISSION_TIMEOUT = aiohttp.ClientTimeout(total=31, sock_connect=10)
"""The cluster waits for an admission webhook, 10 s if nothing else was said, 30 s at the most, and then tells."""
_WATCH_SECONDS = 300
_WATCH_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=130)
_REFRESH_SECONDS = 60
_JSON = "application/json"
_USER_AGENT = "extension-apiserver"
_READ_BUFFER = 2**21
"""Bytes; a watch's event may be of a megabyte."""


class ClientError(Exception):
    """A call that failed. `status` is the HTTP code, or 0 when no server answered; `reason` is Status.reason;
    `retry_after` is for how many seconds the server asked not to be asked again; `causes` are the reasons of
    Status.details.causes."""

    def __init__(
        self, status: int, reason: str, message: str, retry_after: float = 0.0, causes: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        self.causes = causes


class Client:
    """One connection pool to one API server. Every method raises ClientError and nothing else."""

    def __init__(
        self,
        api: generated.ApiClient,
        session: aiohttp.ClientSession,
        permit: Callable[[], None] = lambda: None,
        answered: Callable[[str, str], None] = lambda method, code: None,
    ) -> None:
        self._api: Any = api
        self._session = session
        self._permit = permit
        self._answered = answered

    @classmethod
    async def connect(cls, kubeconfig: str = "") -> "Client":
        """`kubeconfig` is a file; "" is the service account of the pod this runs in. Does not call the server yet."""
        configuration = generated.Configuration()
        # As client-go: a cluster's own certificates often lack what RFC 5280 wants beyond a valid chain and name.
        configuration.disable_strict_ssl_verification = True
        try:
            if kubeconfig:
                await _load_kubeconfig(configuration, kubeconfig)
            else:
                _config.load_incluster_config(client_configuration=configuration)
            api = generated.ApiClient(configuration)
            return cls(api, _session(api))
        except (_config.ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, AttributeError) as error:
            where = f"kubeconfig {kubeconfig}" if kubeconfig else "no kubeconfig was given and in-cluster configuration"
            # Other errors may quote the file, and so its secrets.
            telling = isinstance(error, (_config.ConfigException, OSError))
            why = _one_line(str(error)) if telling else "it is not a valid kubeconfig"
            raise ClientError(0, "", f"{where} cannot be used: {why}") from error

    def fenced(self, permit: Callable[[], None]) -> "Client":
        """The same, with its pool, but no write is sent unless `permit`, asked right before, raises no ClientError."""
        return Client(self._api, self._session, permit, self._answered)

    def observe(self, answered: Callable[[str, str], None]) -> None:
        """`answered` is told of each request from now on: its method, and its HTTP code or "<error>"."""
        self._answered = answered

    async def get(self, path: str, **query: str) -> Object:
        return await self._call("GET", path, query)

    async def post(self, path: str, body: Object) -> Object:
        return await self._call("POST", path, {}, body)

    async def merge_patch(self, path: str, body: Object, **query: str) -> Object:
        return await self._call("PATCH", path, query, body, "application/merge-patch+json")

    async def apply(self, path: str, body: Object, field_manager: str) -> Object:
        """Server-side apply: creates or changes the object so that the fields of `body` are as given, whoever has said
        something else of them."""
        query = {"fieldManager": field_manager, "force": "true"}
        return await self._call("PATCH", path, query, body, "application/apply-patch+yaml", _ADMISSION_TIMEOUT)

    async def delete(self, path: str, body: Object | None = None) -> Object:
        return await self._call("DELETE", path, {}, body, timeout=_ADMISSION_TIMEOUT)

    async def watch(self, path: str, **query: str) -> AsyncGenerator[tuple[str, Object], None]:
        """One HTTP watch: (type, object) until the stream ends. An ERROR event is raised with its code (410: Expired).
        Close it with aclose() when leaving early."""
        seconds = str(random.randint(_WATCH_SECONDS * 4 // 5, _WATCH_SECONDS))  # noqa: S311 - spreads load, guards nothing
        query = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": seconds, **query}
        try:
            async with self._response("GET", path, query, timeout=_WATCH_TIMEOUT) as response:
                async for line in _lines(response.content.iter_any()):
                    yield _event(line)
        except _Silent:
            return

    async def close(self) -> None:
        """Closes the pool. Idempotent."""
        await self._session.close()

    async def _call(
        self,
        method: str,
        path: str,
        query: dict[str, str],
        body: Object | None = None,
        media_type: str = _JSON,
        timeout: aiohttp.ClientTimeout = _TIMEOUT,
    ) -> Object:
        async with self._response(method, path, query, body, media_type, timeout) as response:
            return _parsed(await response.read())

    @asynccontextmanager
    async def _response(
        self,
        method: str,
        path: str,
        query: dict[str, str],
        body: Object | None = None,
        media_type: str = _JSON,
        timeout: aiohttp.ClientTimeout = _TIMEOUT,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer, if it is a good one; its body may be read within the context only."""
        headers = {"Accept": _JSON, "Content-Type": media_type}
        url = f"{self._api.configuration.host}{quote(path)}{'?' + urlencode(query) if query else ''}"
        data = None if body is None else orjson.dumps(body)
        try:
            await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
            if method != "GET":
                self._permit()
            async with await self._sent(method, url, headers, data, timeout) as response:
                for warning in response.headers.getall("Warning", ()):
                    _log.warning("%s %s: %s", method, path, warning)
                if response.status >= 400:
                    raise _refusal(response, await response.read())
                yield response
        except aiohttp.SocketTimeoutError as error:
            raise _Silent(f"{method} {path}: the answer stopped coming") from error
        except (aiohttp.ClientError, _config.ConfigException, OSError) as error:
            raise ClientError(0, "", f"{method} {path}: {self._unreachable(error)}") from error

    async def _sent(
        self, method: str, url: str, headers: dict[str, str], data: bytes | None, timeout: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        name = self._api.configuration.tls_server_name
        try:
            response = await self._session.request(
                method, url, data=data, headers=headers, timeout=timeout, server_hostname=name
            )
        except (aiohttp.ClientError, OSError):
            self._answered(method, "<error>")
            raise
        self._answered(method, str(response.status))
        return response

    def _unreachable(self, error: Exception) -> str:
        server = urlsplit(self._api.configuration.host).netloc
        if isinstance(error, asyncio.TimeoutError):
            return f"{server} did not answer in time"
        return f"{server} cannot be reached: {_one_line(str(error) or type(error).__name__)}"


class _Silent(ClientError):
    """The server answered, then nothing came for too long."""

    def __init__(self, message: str) -> None:
        super().__init__(0, "", message)


def _session(api: Any) -> aiohttp.ClientSession:
    """One connection pool. The environment is asked for a proxy once, not at each request, and for nothing else."""
    configuration = api.configuration
    host = urlsplit(configuration.host)
    permitted = {} if proxy_bypass(host.netloc) else getproxies()
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=api.rest_client.ssl_context, limit=configuration.connection_pool_maxsize),
        headers={"User-Agent": _USER_AGENT},
        read_bufsize=_READ_BUFFER,
        proxy=configuration.proxy or permitted.get(host.scheme),
    )


async def _load_kubeconfig(configuration: generated.Configuration, path: str) -> None:
    """Token files are read again and exec plugins asked again, at most once a minute, before a call."""
    if not await asyncio.to_thread(os.path.isfile, path):
        raise FileNotFoundError("no such file")
    loader = await _config.load_kube_config(config_file=path, client_configuration=configuration, persist_config=False)
    clock = asyncio.get_running_loop().time
    due = clock() + _REFRESH_SECONDS

    async def refresh(target: generated.Configuration) -> None:
        nonlocal due
        if clock() >= due:
            due = clock() + _REFRESH_SECONDS
            await loader.load_and_set(target)

    hooked: Any = configuration
    hooked.refresh_api_key_hook = refresh


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The complete, non-empty lines of a byte stream."""
    rest: list[bytes] = []
    async for chunk in chunks:
        first, *more = chunk.split(b"\n")
        rest.append(first)
        if more:
            *whole, last = [b"".join(rest), *more]
            rest = [last]
            for line in filter(None, whole):
                yield line


def _event(line: bytes) -> tuple[str, Object]:
    event = _parsed(line)
    kind, obj = event.get("type", ""), event.get("object", {})
    if kind == "ERROR":
        raise ClientError(obj.get("code", 500), obj.get("reason", ""), obj.get("message", ""))
    return kind, obj


def _parsed(data: bytes) -> Object:
    try:
        tree = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ClientError(0, "", "the server's answer is not JSON") from error
    if not isinstance(tree, dict):
        raise ClientError(0, "", "the server's answer is not a JSON object")
    return tree


def _refusal(response: aiohttp.ClientResponse, body: bytes) -> ClientError:
    """A Status, or the text that a proxy or an aggregator sent instead."""
    try:
        answer = _parsed(body)
    except ClientError:
        answer = {"message": _one_line(body.decode(errors="replace"))}
    message = answer.get("message", "") or f"HTTP {response.status}"
    # The form with a date is no Kubernetes server's.
    seconds = response.headers.get("Retry-After", "")
    wait = float(seconds) if seconds.isdecimal() and len(seconds) < 5 else 0.0
    causes = frozenset(cause.get("reason", "") for cause in (answer.get("details") or {}).get("causes") or ())
    return ClientError(response.status, answer.get("reason", ""), message, wait, causes)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
