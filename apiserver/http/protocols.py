"""What a connection speaks."""

import asyncio
from typing import Any

from apiserver.http import h2
from apiserver.http.connection import Reader


class Negotiated(asyncio.Protocol):
    """A connection that has just been made: HTTP/2 if the TLS handshake chose it, else HTTP/1.1."""

    def __init__(self, **options: Any) -> None:
        """`options` are those that uvicorn gives to its protocols."""
        self._options = options

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        secure = transport.get_extra_info("ssl_object")
        speaks_h2 = secure is not None and secure.selected_alpn_protocol() == h2.ALPN
        protocol = h2.Connection(**self._options) if speaks_h2 else Reader(**self._options)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
