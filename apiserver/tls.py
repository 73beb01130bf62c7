"""TLS: a listener whose certificate and client authorities can change.

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
from datetime import UTC, date, datetime, timedelta

from uvicorn import Config

from apiserver import certificates
from apiserver.http import h2
from apiserver.http.asgi import Application
from apiserver.http.connection import IDLE_SECONDS
from apiserver.http.protocols import Negotiated

logger = logging.getLogger(__name__)
_LAST_DAYS = timedelta(days=7)


def server_context(cert_file: str, key_file: str, client_ca_pems: Sequence[str]) -> ssl.SSLContext:
    """TLS 1.2 or later, HTTP/2 or 1.1; a client certificate is asked for when there are authorities, never required.
    Raises OSError (ssl.SSLError is one)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A client knows which cipher its machine is fast with: Go's put the one of AES with the shorter key first.
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols([h2.ALPN, "http/1.1"])
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
        self._expires = certificates.expires(cert_file)
        self._told: date | None = None
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
            context = await asyncio.to_thread(server_context, *self._files, self._authorities)
            self._expires = await asyncio.to_thread(certificates.expires, self._files[0])
        except OSError as error:
            logger.error("the serving certificate stays as it is, %s cannot be used: %s", self._files[0], error)
            return False
        self._current = context
        # Authorities may have come while the files were read.
        _trust(self._current, self._authorities)
        self._seen = seen
        logger.info("new serving certificate from %s", self._files[0])
        return True

    def tell_expiry(self, now: datetime) -> None:
        """Once a day of the last week, and after that: else only clients would say it, by going away."""
        if now > self._expires - _LAST_DAYS and now.date() != self._told:
            self._told = now.date()
            verb = "expired" if now > self._expires else "expires"
            logger.warning("the serving certificate %s %s on %s: renew it", self._files[0], verb, self._expires)

    async def reload_loop(self, interval: float = 60.0) -> None:
        """Looks at the files every `interval` seconds, for ever."""
        while True:
            self.tell_expiry(datetime.now(UTC))
            await asyncio.sleep(interval)
            await self.reload()


def _fingerprint(files: Sequence[str]) -> list[tuple[int, int, int]]:
    """What differs when a file was replaced or rewritten; nothing while one is missing."""
    try:
        found = [os.stat(file) for file in files]
    except OSError:
        return []
    return [(stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in found]


def server_config(app: Application, serving: Serving) -> Config:
    """uvicorn's settings for this server. It believes no forwarded header: whom to trust, authentication decides."""
    return Config(
        app,
        http=Negotiated,  # it needs no more than to be called like one
        ws="none",
        lifespan="off",
        ssl_context_factory=lambda _config, _default: serving.context,
        timeout_keep_alive=IDLE_SECONDS,
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
    )
