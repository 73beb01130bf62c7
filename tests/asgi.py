"""Calls an ASGI application without a server."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from apiserver.http.asgi import Application, Message, Scope


@dataclass
class Answer:
    """What an application sent; `code` is 0 before it began."""

    code: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    complete: bool = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.code, self.headers = message["status"], dict(message.get("headers", ()))
        else:
            self.body += message.get("body", b"")
            self.complete = not message.get("more_body", False)


def scope_of(target: str, method: str = "GET", headers: Sequence[tuple[bytes, bytes]] = ()) -> Scope:
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": list(headers),
        "client": ("192.0.2.7", 4711),
        "state": {},
    }


async def receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def call(app: Application, scope: Scope) -> Answer:
    answer = Answer()
    await app(scope, receive, answer.send)
    return answer
