"""A real server with TLS on a free port: a small application behind all filters."""

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import httpx
import uvicorn

from apiserver.certificates import KeyPair, issue, make_ca
from apiserver.filters.authentication import Authenticate, AuthenticationConfig, Authenticator, RequestHeaderConfig
from apiserver.filters.authorization import Authorize, with_exceptions
from apiserver.filters.limits import Deadline, InFlight
from apiserver.filters.observe import Observe
from apiserver.filters.tokens import read_tokens, static_tokens
from apiserver.http.asgi import Application, Receive, Scope, Send
from apiserver.http.body import read_body
from apiserver.http.drain import Drain
from apiserver.http.metrics import Metrics
from apiserver.http.respond import format_of, send_bytes, send_status
from apiserver.machinery.authorization import Decision
from apiserver.machinery.errors import APIError
from apiserver.machinery.request import RequestInfo, User
from apiserver.tls import Serving, server_config
from tests.controlplane.process import SOON


@dataclass
class Authorities:
    """Who signs what: the server, client certificates, the front proxy, and a stranger."""

    serving: KeyPair = field(default_factory=lambda: make_ca("serving-ca"))
    client: KeyPair = field(default_factory=lambda: make_ca("client-ca"))
    front_proxy: KeyPair = field(default_factory=lambda: make_ca("front-proxy-ca"))
    stranger: KeyPair = field(default_factory=lambda: make_ca("stranger-ca"))

    @property
    def config(self) -> AuthenticationConfig:
        proxy = RequestHeaderConfig(self.front_proxy.cert_pem.decode(), allowed_names=("front-proxy-client",))
        return AuthenticationConfig(self.client.cert_pem.decode(), proxy)


class Backend:
    """The application behind the filters. `held`: requests that wait at /hold until `release`."""

    loop: asyncio.AbstractEventLoop

    def __init__(self, drain: Drain) -> None:
        self._drain = drain
        self.held = threading.Semaphore(0)
        self._released = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.loop = asyncio.get_running_loop()
        info: RequestInfo = scope["state"]["info"]
        if info.path == "/hold":
            self.held.release()
            await self._released.wait()
        if info.path == "/panic":
            raise RuntimeError("a fault of the handler")
        if info.is_watch:
            await self._watch(send)
            return
        try:
            body = await read_body(receive, dict(scope["headers"]))
        except APIError as error:
            await send_status(send, error, format_of(scope))
            return
        await send_bytes(send, 200, json.dumps(_seen(scope, body)).encode(), [(b"content-type", b"application/json")])

    async def _watch(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun\n", "more_body": True})
        await self._drain.shutting_down.wait()
        await send({"type": "http.response.body", "body": b"ended\n"})

    def release(self) -> None:
        self._released.set()


def _seen(scope: Scope, body: bytes) -> dict[str, Any]:
    user: User = scope["state"]["user"]
    return {
        "user": user.name,
        "uid": user.uid,
        "groups": user.groups,
        "extra": dict(user.extra),
        "headers": [name.decode() for name, _ in scope["headers"]],
        "size": len(body),
    }


async def _not_alice(user: User, _: RequestInfo) -> Decision:
    return Decision(user.name != "alice")


class Running:
    """The server in a thread with its own (uvloop) loop, and clients of it."""

    def __init__(self, folder: Path, http2: bool = False, assumed: Sequence[tuple[bytes, bytes]] = ()) -> None:
        """`assumed`: headers that every request has, as if its client had sent them."""
        self.http2 = http2
        """Whether its clients speak it."""
        self.authorities, self._folder = Authorities(), folder
        self.authenticator = Authenticator(self.authorities.config, static_tokens(read_tokens(_tokens(folder))))
        pair = self._files("serving", issue(self.authorities.serving, "server", ips=["127.0.0.1"], server=True))
        self.serving = Serving(*pair, self.authorities.config.authorities)
        self.drain, self.metrics, self._log = Drain(), Metrics(), SimpleQueue[dict[str, Any]]()
        self.backend = Backend(self.drain)
        app: Application = Authorize(self.backend, with_exceptions(_not_alice), self.metrics)
        app = InFlight(app, self.metrics, reading=2, writing=1)
        app = Deadline(Authenticate(app, self.authenticator, self.metrics), longest=2 * SOON)
        app = Observe(app, self.metrics, self.drain, lambda record: self._log.put(record.entry()))
        app = _assuming(app, assumed) if assumed else app
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.server = uvicorn.Server(server_config(app, self.serving))
        self._thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self._socket]})

    def start(self) -> None:
        self._thread.start()
        with self.client() as client:
            client.get("/who").raise_for_status()

    def stop(self) -> None:
        self.server.should_exit = True
        self._thread.join()
        self._socket.close()

    def server_loop(self, action: Callable[[], None]) -> None:
        """Runs `action` in the server's loop and waits for it."""

        async def act() -> None:
            action()

        asyncio.run_coroutine_threadsafe(act(), self.backend.loop).result()

    def configure(self, config: AuthenticationConfig) -> None:
        self.authenticator.configure(config)
        self.serving.trust(config.authorities)

    def logged(self, audit_id: str) -> dict[str, Any]:
        """Waits for the log's entry of a request."""
        while (entry := self._log.get(timeout=SOON))["audit_id"] != audit_id:
            pass
        return entry

    def replace_certificate(self) -> None:
        """A new serving pair in the files of the old one, seen by the server."""
        self._files("serving", issue(self.authorities.serving, "renewed", ips=["127.0.0.1"], server=True))
        assert asyncio.run_coroutine_threadsafe(self.serving.reload(), self.backend.loop).result()

    def tls(self, pair: KeyPair | None = None) -> ssl.SSLContext:
        """A client's context, with a certificate of its own or without."""
        context = ssl.create_default_context(cadata=self.authorities.serving.cert_pem.decode())
        if pair:
            context.load_cert_chain(*self._files("client", pair))
        return context

    @contextmanager
    def client(self, pair: KeyPair | None = None) -> Iterator[httpx.Client]:
        url, context = f"https://127.0.0.1:{self.port}", self.tls(pair)
        with httpx.Client(base_url=url, verify=context, trust_env=False, http2=self.http2, timeout=SOON) as client:
            yield client

    @contextmanager
    def connection(self, pair: KeyPair | None = None, protocol: str = "http/1.1") -> Iterator[ssl.SSLSocket]:
        """Bytes as they are."""
        context = self.tls(pair)
        context.set_alpn_protocols([protocol])
        with (
            socket.create_connection(("127.0.0.1", self.port)) as raw,
            context.wrap_socket(raw, server_hostname="127.0.0.1") as secure,
        ):
            yield secure

    def _files(self, name: str, pair: KeyPair) -> tuple[str, str]:
        cert, key = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        cert.write_bytes(pair.cert_pem)
        key.write_bytes(pair.key_pem)
        return str(cert), str(key)


def _assuming(app: Application, headers: Sequence[tuple[bytes, bytes]]) -> Application:
    async def assume(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["headers"] = [*scope["headers"], *headers]
        await app(scope, receive, send)

    return assume


def _tokens(folder: Path) -> Path:
    path = folder / "tokens.csv"
    path.write_text('secret-of-bob,bob,uid-1,"dev,ops"\nsecret-of-root,root,uid-2,system:masters\n', encoding="utf-8")
    return path
