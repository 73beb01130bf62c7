"""A reverse proxy before kube-apiserver that makes trouble when told to, and remembers what passed.

Rules: it runs in a thread with an event loop of its own; everything public may be called from any other thread. A
client that is told nothing else gets kube-apiserver's own answers, streamed.
"""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web
from multidict import CIMultiDictProxy
from yarl import URL

from apiserver import certificates
from tests.controlplane import kubeconfig
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.process import POLL, free_port

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade", "host", "content-length"})


@dataclass(frozen=True)
class Seen:
    """One request that reached the proxy; `at` is time.monotonic()."""

    method: str
    path: str
    watch: bool
    at: float = field(default_factory=time.monotonic)

    @property
    def writes(self) -> bool:
        """Whether it changes an object; reviews are questions."""
        return self.method != "GET" and not self.path.endswith("reviews")


@dataclass(frozen=True)
class Fault:
    """What becomes of a request: after `delay` seconds it is answered with `status`, or passed on if that is 0. Without
    a `body` the answer is a Status."""

    status: int = 0
    delay: float = 0.0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None


def error_event(code: int) -> bytes:
    """A watch's last line."""
    return orjson.dumps({"type": "ERROR", "object": _status(code)}) + b"\n"


Trouble = Callable[[Seen], Fault | None]
"""Chooses the requests that get a Fault."""


class Proxy:
    """A context manager that runs it; `seen` grows with each request."""

    def __init__(self, cluster: ControlPlane, directory: Path) -> None:
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.seen: list[Seen] = []
        self.refused = 0
        """Connections that were refused while it was away."""
        self._cluster, self._directory = cluster, directory
        self._trouble: Trouble = _none
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def kubeconfig(self, token: str) -> Path:
        """For a client that comes this way."""
        authority = self._cluster.authorities.cluster
        return kubeconfig.write(self._directory / "proxied.kubeconfig", self.url, authority.cert_pem, token)

    @contextmanager
    def trouble(self, trouble: Trouble) -> Iterator[None]:
        """Makes it while the context lasts."""
        self._trouble = trouble
        try:
            yield
        finally:
            self._trouble = _none

    @contextmanager
    def away(self) -> Iterator[None]:
        """Open connections break, and new ones, as when kube-apiserver is gone."""
        self._run(self._listen(_Refusing(self)))
        try:
            yield
        finally:
            self._run(self._listen(self._front, self._tls))

    def cut_watches(self) -> None:
        """Breaks the streams that are open now."""
        self._loop.call_soon_threadsafe(self._abort_watches)

    def __enter__(self) -> "Proxy":
        self._thread.start()
        self._run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30.0)

    async def _start(self) -> None:
        self._watches: set[asyncio.Transport] = set()
        self._sockets: list[socket.socket] = []
        self._tls = _serving(self._cluster, self._directory)
        upstream = ssl.create_default_context(cadata=self._cluster.authorities.cluster.cert_pem.decode())
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=upstream, limit=0, socket_factory=self._socket),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        )
        self._front = web.Server(self._handle, access_log=None, handler_cancellation=True)
        self._listener: asyncio.Server | None = None
        await self._listen(self._front, self._tls)

    async def _listen(self, factory: Callable[[], asyncio.BaseProtocol], tls: ssl.SSLContext | None = None) -> None:
        """Ends what is open, then hands new connections to this."""
        await self._close()
        self._listener = await self._loop.create_server(factory, "127.0.0.1", self.port, ssl=tls)

    async def _close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for connection in self._front.connections:
            if connection.transport is not None:
                connection.transport.abort()

    def _abort_watches(self) -> None:
        for transport in self._watches:
            transport.abort()

    async def _end(self) -> None:
        await self._close()
        await self._front.shutdown(timeout=0)
        await self._session.close()
        await self._hang_up()

    def _socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        made = socket.socket(*address[:3])
        made.setblocking(False)
        self._sockets = [each for each in self._sockets if each.fileno() >= 0] + [made]
        return made

    async def _hang_up(self) -> None:
        """Connections to kube-apiserver that are about to say farewell would outlive the loop."""
        while left := [each for each in self._sockets if each.fileno() >= 0]:
            for each in left:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            await asyncio.sleep(POLL)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        seen = Seen(request.method, request.path, request.query.get("watch") in ("true", "1"))
        self.seen.append(seen)
        fault = self._trouble(seen) or Fault()
        await asyncio.sleep(fault.delay)
        if fault.status:
            body = orjson.dumps(_status(fault.status)) if fault.body is None else fault.body
            headers = [("Content-Type", "application/json"), *fault.headers]
            return web.Response(body=body, status=fault.status, headers=headers)
        with self._registered(request, seen):
            return await self._pass_on(request)

    @contextmanager
    def _registered(self, request: web.BaseRequest, seen: Seen) -> Iterator[None]:
        transport = request.transport
        if not seen.watch or transport is None:
            yield
            return
        self._watches.add(transport)
        try:
            yield
        finally:
            self._watches.discard(transport)

    async def _pass_on(self, request: web.BaseRequest) -> web.StreamResponse:
        url = URL(f"{self._cluster.url}{request.raw_path}", encoded=True)
        body = await request.read()
        async with self._session.request(
            request.method, url, headers=_end_to_end(request.headers), data=body
        ) as answer:
            response = web.StreamResponse(status=answer.status, headers=_end_to_end(answer.headers))
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
        return response


class _Refusing:
    """Makes protocols that break their connection, and counts them."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    def __call__(self) -> asyncio.BaseProtocol:
        self._proxy.refused += 1
        return _Broken()


class _Broken(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


def _none(_: Seen) -> None:
    return None


def _serving(cluster: ControlPlane, directory: Path) -> ssl.SSLContext:
    pair = certificates.issue(cluster.authorities.cluster, "proxy", ips=("127.0.0.1",), server=True)
    certificates.store(directory, "proxy", pair)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(directory / "proxy.crt", directory / "proxy.key")
    return context


def _end_to_end(headers: CIMultiDictProxy[str]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP]


def _status(code: int) -> dict[str, Any]:
    reason = HTTPStatus(code).phrase.replace(" ", "") if code != 410 else "Expired"
    text = {"message": "trouble on purpose", "reason": reason, "code": code}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", **text}
