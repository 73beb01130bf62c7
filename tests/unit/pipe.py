"""The other side of a connection, in memory."""

import asyncio
from collections.abc import Callable
from typing import Any


class Pipe(asyncio.Transport):
    """A transport that keeps what is written to it, and calls `on_write` each time; `reading`: whether it was not told
    to pause."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = self.aborted = False
        self.reading = True
        self.on_write: Callable[[], None] = lambda: None

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))
        self.on_write()

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Nobody is told anything by this."""

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True
