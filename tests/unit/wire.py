"""A connection of ours and a client that is not, in memory."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from uvicorn import Config
from uvicorn.server import ServerState

from apiserver.http.asgi import Application, Message, Receive, Scope, Send
from apiserver.http.h2 import Connection
from tests.hyper import Answer, Header, Hyper, request
from tests.unit.pipe import Pipe

QUIET = 6
"""Turns of the event loop without a word, after which nothing more comes."""

Handler = Callable[[Scope, Receive, Send], Awaitable[None]]


class Wire:
    """`seen`: the requests that the application has begun with."""

    def __init__(self, app: Application, client: Hyper | None = None) -> None:
        self.seen: list[Scope] = []
        self.pipe, self.client, self.state = Pipe(), client or Hyper(), ServerState()

        async def noted(scope: Scope, receive: Receive, send: Send) -> None:
            self.seen.append(scope)
            await app(scope, receive, send)

        config = Config(noted, log_config=None, proxy_headers=False)
        config.load()
        self.server = Connection(config, self.state, {}, None)
        self.server.connection_made(self.pipe)

    async def settle(self) -> None:
        """Until neither has anything to say."""
        quiet = 0
        while quiet < QUIET:
            said = self.client.to_send()
            self.say(said)
            await asyncio.sleep(0)
            written = b"".join(self.pipe.written)
            self.pipe.written.clear()
            self.client.received(written)
            quiet = 0 if said or written else quiet + 1

    def say(self, data: bytes) -> None:
        """Bytes as they are."""
        if data and not self.pipe.closed:
            self.server.bytes_received(data)

    async def ask(self, *headers: Header, method: str = "GET", path: str = "/", body: bytes | None = None) -> Answer:
        stream = self.client.ask(request(method, path, *headers), body)
        await self.settle()
        return self.client.answers[stream]

    async def close(self) -> None:
        self.server.connection_lost(None)
        await asyncio.gather(*self.state.tasks)


def start(code: int = 200, *headers: Header) -> dict[str, Any]:
    return {"type": "http.response.start", "status": code, "headers": list(headers)}


def body(data: bytes, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def say_ok(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start(200, (b"content-length", b"2")))
    await send(body(b"ok"))
