"""An orderly end: who has been told of it, and whose clients are not waited for."""

import asyncio
import socket
import sys
from collections.abc import Collection
from contextlib import suppress
from typing import Protocol

STALL_SECONDS = 5.0
"""A client that takes nothing for so long, while the server ends, is not waited for."""
_GOODBYE_SECONDS = 1.0
"""By then who takes anything has taken the goodbye that begins an end."""
_INFO_BYTES, _ACKED = 128, slice(120, 128)
"""Of Linux's struct tcp_info; `tcpi_bytes_acked`."""


class Drain:
    """First `announce`: the server serves on, but is not ready, so that load balancers turn away. Then `begin`: watches
    end, and connections are closed as their requests finish."""

    def __init__(self) -> None:
        self.announced = False
        self.shutting_down = asyncio.Event()

    def announce(self) -> None:
        self.announced = True

    def begin(self) -> None:
        self.announced = True
        self.shutting_down.set()


class Cuttable(Protocol):
    transport: asyncio.Transport

    def cut_stalled(self, takes: bool) -> None:
        """Called every STALL_SECONDS: cuts what waits for a client that has taken none of it since the last call.
        `takes`: it has taken something of what the connection sent."""


async def cut_stalled(connections: Collection[Cuttable]) -> None:
    """Goes on until it is cancelled. Who takes little by little is waited for, as long as a request may run."""
    taken: dict[Cuttable, int] = {}
    await asyncio.sleep(_GOODBYE_SECONDS)
    while True:
        before, taken = taken, {connection: _acknowledged(connection.transport) for connection in connections}
        for connection, count in taken.items():
            connection.cut_stalled(before.get(connection) != count)
        await asyncio.sleep(STALL_SECONDS)


def _acknowledged(transport: asyncio.Transport) -> int:
    """Bytes that the client's system has taken; a transport's buffer says nothing of those below TLS. Only Linux counts
    them: elsewhere, it is always 0."""
    if sys.platform != "linux":
        return 0
    # The socket of a connection that is lost is closed before its protocol knows.
    with suppress(OSError):
        info = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
        return int.from_bytes(info[_ACKED], sys.byteorder)
    return 0
