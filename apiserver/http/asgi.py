"""The ASGI interface as types."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Protocol

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
"""For who does not care which it is, as handlers of Go's ServeMux."""

Headers = Iterable[tuple[bytes, bytes]]
"""Names are in lower case, and may come more than once."""


class Connection(Protocol):
    """What this server's connections offer beyond ASGI, as `scope["extensions"]["connection"]`.

    `on_gone` is called once the client is, unless its answer has been written."""

    on_gone: Callable[[], None] | None

    @property
    def is_gone(self) -> bool:
        """Whether the client is: what is sent to it goes nowhere."""

    def abort(self) -> None:
        """Cuts the answer, whatever has not been sent yet: with its stream, or in HTTP/1.1 with the connection."""

    def push(self, data: bytes) -> bool:
        """Writes a part of an answer of no declared length that has begun, at once. False: not now, since the client
        has yet to read what was written before, or is gone."""
