"""TLS: a listener whose certificate and client authorities can change, and uvicorn's protocol with what it lacks.

The handshake asks for a client certificate and refuses one of an authority that is not known here. That alone gives
nobody a name: which authority may vouch for what is checked for each certificate by the authentication filter, against
the authorities of that moment. So an authority that was withdrawn may stay known here until the serving certificate
changes.
"""

import asyncio
import logging
import os
import ssl
from collections.abc import Sequence
from typing import Any

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from apiserver.http.asgi import Application

MAX_HEADER_BYTES = 1 << 20
"""Go's default limit of a request's line and headers together."""
HEADER_SECONDS = 32.0
"""Time for a request's line and headers, as kube-apiserver gives."""
MAX_UNREAD_BYTES, UNREAD_SECONDS = 256 * 1024, 5.0
"""So much, and so long, of a body answered before its end is taken, so that the connection can be used again."""
IDLE_SECONDS = 120
"""Longer than Go's clients keep an idle connection (90 s): else they may send on one that is just being closed."""

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"connection: close\r\n\r\n431 Request Header Fields Too Large"
)

logger = logging.getLogger(__name__)


def server_context(cert_file: str, key_file: str, client_ca_pems: Sequence[str]) -> ssl.SSLContext:
    """TLS 1.2 or later, HTTP/1.1; a client certificate is asked for when there are authorities, never required.
    Raises OSError (ssl.SSLError is one)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # Go trusts every certificate of a bundle, an intermediate one too.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_cert_chain(cert_file, key_file)
    _trust(context, client_ca_pems)
    return context


def _trust(context: ssl.SSLContext, client_ca_pems: Sequence[str]) -> None:
    for pem in client_ca_pems:
        context.load_verify_locations(cadata=pem)
        context.verify_mode = ssl.CERT_OPTIONAL


class Serving:
    """`context` is for the listener; each new connection gets the certificate of the moment.

    `_current` replaces the listener's context in every handshake, whole: a certificate of another key type would
    otherwise only be added to the old one. Only whether to ask for a client certificate is read from `context`."""

    def __init__(self, cert_file: str, key_file: str, client_ca_pems: Sequence[str] = ()) -> None:
        self._files = (cert_file, key_file)
        self._authorities = [pem for pem in client_ca_pems if pem.strip()]
        self.context = server_context(cert_file, key_file, self._authorities)
        self._current = server_context(cert_file, key_file, self._authorities)
        self._seen = _fingerprint(self._files)
        self.context.sni_callback = self._on_hello

    def _on_hello(self, connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._current

    def trust(self, client_ca_pems: Sequence[str]) -> None:
        """New connections may present certificates of these authorities. Raises ssl.SSLError."""
        pems = [pem for pem in client_ca_pems if pem.strip()]
        _trust(self._current, pems)
        _trust(self.context, pems)
        self._authorities = pems

    async def reload(self) -> bool:
        """Takes the files if they changed; true if so. What cannot be used is logged, and tried again the next time."""
        seen = await asyncio.to_thread(_fingerprint, self._files)
        if seen == self._seen:
            return False
        try:
            self._current = await asyncio.to_thread(server_context, *self._files, self._authorities)
        except OSError as error:
            logger.error("the serving certificate stays as it is, %s cannot be used: %s", self._files[0], error)
            return False
        # Authorities may have come while the files were read.
        _trust(self._current, self._authorities)
        self._seen = seen
        logger.info("new serving certificate from %s", self._files[0])
        return True

    async def reload_loop(self, interval: float = 60.0) -> None:
        """Looks at the files every `interval` seconds, for ever."""
        while True:
            await asyncio.sleep(interval)
            await self.reload()


def _fingerprint(files: Sequence[str]) -> list[tuple[int, int, int]]:
    """What differs when a file was replaced or rewritten; nothing while one is missing."""
    try:
        found = [os.stat(file) for file in files]
    except OSError:
        return []
    return [(stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in found]


class Protocol(HttpToolsProtocol):
    """Adds the client's certificate (DER) to `scope["extensions"]["tls"]`, and limits to a request's headers.

    `_head_bytes`: received so far of a request whose headers have begun and not ended, else None. `_head_timer` runs
    while such a one, or the first of a connection, is awaited. `_messages` counts requests; `_ended`: the last one has
    been received; `_unread`: bytes of its body that came after its answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        connection = transport.get_extra_info("ssl_object")
        certificate = connection.getpeercert(binary_form=True) if connection is not None else None
        self._extensions: dict[str, Any] = {
            "tls": {"client_cert_der": certificate},
            "connection": {"abort": transport.abort},
        }
        self._head_bytes: int | None = None
        self._messages = self._unread = 0
        self._ended = True
        self._head_timer: asyncio.TimerHandle | None = self.loop.call_later(HEADER_SECONDS, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_head_timer()
        super().connection_lost(exc)

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def data_received(self, data: bytes) -> None:
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEADER_BYTES:
                self._refuse_head()
                return
        super().data_received(data)
        if self._head_bytes is not None:
            if self._head_timer is None:
                self._head_timer = self.loop.call_later(HEADER_SECONDS, self.transport.close)
        elif self._is_idle() and self.timeout_keep_alive_task is None and not self.transport.is_closing():
            # Bytes that begin no request do not keep a connection.
            self.timeout_keep_alive_task = self.loop.call_later(IDLE_SECONDS, self.timeout_keep_alive_handler)

    def _is_idle(self) -> bool:
        return not self.pipeline and self.cycle is not None and self.cycle.response_complete

    def _refuse_head(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = self._extensions
        self._head_bytes = 0
        self._messages += 1
        self._unread, self._ended = 0, False

    def on_header(self, name: bytes, value: bytes) -> None:
        # What follows a chunked body are trailers: no headers of the request, and least of all somebody's identity.
        if self._head_bytes is not None:
            super().on_header(name, value)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_idle() and not self._ended:
            self.loop.call_later(UNREAD_SECONDS, self._close_unread, self._messages)

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if self.cycle.response_complete:
            self._unread += len(body)
            if self._unread > MAX_UNREAD_BYTES:
                self.transport.close()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._ended = True

    def _close_unread(self, message: int) -> None:
        if message == self._messages and not self._ended:
            self.transport.close()

    def on_headers_complete(self) -> None:
        self._head_bytes = None
        if self._head_timer is not None:
            self._cancel_head_timer()
        super().on_headers_complete()


def server_config(app: Application, serving: Serving) -> Config:
    """uvicorn's settings for this server. It believes no forwarded header: whom to trust, authentication decides."""
    return Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        ssl_context_factory=lambda _config, _default: serving.context,
        timeout_keep_alive=IDLE_SECONDS,
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
    )
