"""An orderly end: who has been told of it, and when nothing runs any more."""

import asyncio


class Drain:
    """First `announce`: the server serves on, but is not ready, so that load balancers turn away. Then `begin`: watches
    end, and connections are closed as their requests finish. Then `wait_idle`.

    `running`: requests between `enter` and `leave`. `_idle` is set exactly while it is 0."""

    def __init__(self) -> None:
        self.announced = False
        self.shutting_down = asyncio.Event()
        self.running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def announce(self) -> None:
        self.announced = True

    def begin(self) -> None:
        self.announced = True
        self.shutting_down.set()

    def enter(self) -> None:
        self.running += 1
        if self.running == 1:
            self._idle.clear()

    def leave(self) -> None:
        self.running -= 1
        if not self.running:
            self._idle.set()

    async def wait_idle(self) -> None:
        await self._idle.wait()
