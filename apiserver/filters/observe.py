"""The outermost filter: request info, Audit-Id, universal headers, access log, metrics, and what a panic becomes.

One layer for all of these, since each layer of ASGI costs every request.
"""

import logging
import random
import time
from dataclasses import dataclass

from apiserver.filters.accesslog import AccessLines, AccessLog, Record
from apiserver.http.asgi import Application, Headers, Message, Receive, Scope, Send
from apiserver.http.drain import Drain
from apiserver.http.metrics import Metrics
from apiserver.http.respond import send_text
from apiserver.machinery.request import ANONYMOUS, parse_request

PANIC = "This request caused apiserver to panic. Look in the logs for details.\n"
_NO_CACHE = (b"cache-control", b"no-cache, private")
_CLOSE = (b"connection", b"close")
_APPLY = b"application/apply-patch"

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Answer:
    """What is known of an answer. `code` is 0 before it begins; `size`: bytes of its body."""

    audit_id: str
    code: int = 0
    size: int = 0


class _Sender:
    """Passes an answer on with the universal headers, and notes its code and size. It is none with the Answer, which is
    in the scope: the connection has the scope, and `send` is the connection's."""

    __slots__ = ("_answer", "_close", "_send")

    def __init__(self, send: Send, answer: Answer, close: bool) -> None:
        self._send, self._answer, self._close = send, answer, close

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            self._answer.size += len(message.get("body", b""))
        elif message["type"] == "http.response.start":
            self._answer.code = message["status"]
            message["headers"] = self._complete(message.get("headers", ()))
        await self._send(message)

    def _complete(self, given: Headers) -> list[tuple[bytes, bytes]]:
        headers = [*given, (b"audit-id", self._answer.audit_id.encode("latin-1"))]
        if b"cache-control" not in dict(headers):
            headers.append(_NO_CACHE)
        if self._close:
            headers.append(_CLOSE)
        return headers


class Observe:
    """Puts "info", "answer" and "warnings" into the scope's state. Answers close their connection once `drain` has
    begun. `log` is told of each request when it has ended (default: AccessLines)."""

    def __init__(self, app: Application, metrics: Metrics, drain: Drain, log: AccessLog | None = None) -> None:
        self._app, self._metrics, self._drain = app, metrics, drain
        self._log = log or AccessLines(drain)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started = time.time()
        headers = dict(scope["headers"])
        info = parse_request(scope["method"], scope["path"], scope["query_string"])
        answer = Answer(_audit_id(headers))
        send = _Sender(send, answer, self._drain.shutting_down.is_set()).send
        state = scope.setdefault("state", {})
        state["info"], state["answer"], state["warnings"] = info, answer, []
        labels = self._metrics.labels(info, info.verb == "patch" and _is_apply(headers))
        if info.is_watch:
            self._metrics.longrunning(labels, 1)
        try:
            await self._app(scope, receive, send)
        except Exception:
            # A begun answer is cut off by returning.
            logger.exception("panic in %s %s, audit id %s", info.method, info.path, answer.audit_id)
            if not answer.code:
                await send_text(send, 500, PANIC)
        finally:
            if info.is_watch:
                self._metrics.longrunning(labels, -1)
            seconds = max(0.0, time.time() - started)
            self._metrics.finished(labels, answer.code, seconds, answer.size)
            user, client = state.get("user", ANONYMOUS).name, scope.get("client")
            self._log(
                Record(
                    started,
                    seconds,
                    answer.code,
                    answer.audit_id,
                    user,
                    state.get("impersonated_by", ""),
                    info,
                    headers.get(b"user-agent", b""),
                    client[0] if client else "",
                )
            )


def _is_apply(headers: dict[bytes, bytes]) -> bool:
    return headers.get(b"content-type", b"").startswith(_APPLY)


def _audit_id(headers: dict[bytes, bytes]) -> str:
    """The front proxy's, as it is; what cannot stand in a header again is replaced."""
    given = headers.get(b"audit-id", b"").decode("latin-1")
    return given if given and given.isprintable() else _random_uuid()


def _random_uuid() -> str:
    """Of version 4. It keeps no secret, and the standard library's costs three times as much."""
    digits = f"{random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
