"""Reading a request's body within a limit."""

from collections.abc import Mapping

from apiserver.http.asgi import Receive
from apiserver.machinery.errors import BadRequest, RequestEntityTooLarge

LIMIT = 3 * 1024 * 1024
"""Bytes: the largest body that kube-apiserver takes."""


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], limit: int = LIMIT) -> bytes:
    """The whole body. Reads no further than `limit`, whatever length was declared. Raises RequestEntityTooLarge, and
    BadRequest when the client goes away before the end."""
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    # Not a list: a client may send it byte by byte, and an object for each would be twenty times as large.
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest("unexpected EOF")
        body += message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        more = message.get("more_body", False)
    return bytes(body)


def _too_large(limit: int) -> RequestEntityTooLarge:
    return RequestEntityTooLarge(f"limit is {limit}")
