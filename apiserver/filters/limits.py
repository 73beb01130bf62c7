"""How long a request may take, and how many may run at once (wire.md 2.5). Watches are bound by neither."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import orjson

from apiserver.filters.authorization import ALWAYS_ALLOWED_PATHS, MASTERS
from apiserver.http.asgi import Application, Connection, Receive, Scope, Send
from apiserver.http.metrics import Metrics
from apiserver.http.respond import format_of, send_bytes, send_status, send_text
from apiserver.machinery.duration import parse_duration
from apiserver.machinery.errors import BadRequest, Timeout
from apiserver.machinery.request import RequestInfo, User, first
from http2.timers import Timers

READ_ONLY, MUTATING = "readOnly", "mutating"
TOO_MANY = "Too many requests, please try again later.\n"

_NON_MUTATING_VERBS = frozenset(("get", "list", "watch"))
_NO_EXTENSIONS: Mapping[str, Any] = {}
_SNIFFED = (b"content-type", b"text/plain; charset=utf-8")


def _timeout_body() -> bytes:
    """A Status without kind and apiVersion, as Go's timeout filter writes it."""
    status = Timeout("request did not complete within the allotted timeout").to_status()
    del status["kind"], status["apiVersion"]
    return orjson.dumps(status) + b"\n"


_TIMEOUT_BODY = _timeout_body()


def time_allowed(info: RequestInfo, longest: float) -> float:
    """Seconds: `?timeout=`, but never more than `longest`. Raises BadRequest."""
    text = first(info.query, "timeout")
    if not text:
        return longest
    try:
        asked = parse_duration(text)
    except ValueError as error:
        raise BadRequest(f"invalid timeout specified in the request URL - {error}") from None
    return asked if 0 < asked < longest else longest


class _Timed:
    """One request's time: the part of asyncio.timeout that each request needs, at a fifth of its cost.

    `expired`: the task was cancelled by us."""

    __slots__ = ("_cancelling", "_task", "expired")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task, self._cancelling = task, task.cancelling()
        self.expired = False

    def expire(self) -> None:
        if not self.expired:
            self.expired = True
            self._task.cancel()

    def only_expired(self) -> bool:
        """Takes our cancellation back; false when somebody else has cancelled the task too."""
        return self.expired and self._task.uncancel() <= self._cancelling


class Deadline:
    """Answers 504 for a request that takes longer than `longest` seconds; one that was being answered is cut off. The
    time of a client that has gone is over, too, as kube-apiserver has it; what writes goes on all the same. Needs the
    scope's state of Observe."""

    def __init__(self, app: Application, longest: float = 60.0) -> None:
        self._app, self._longest = app, longest
        self._timers = Timers(longest)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        info: RequestInfo = scope["state"]["info"]
        task = asyncio.current_task()
        if task is None or info.is_watch:
            await self._app(scope, receive, send)
            return
        try:
            seconds = time_allowed(info, self._longest) if info.query else self._longest
        except BadRequest as error:
            await send_status(send, error, format_of(scope))
            return
        # Nobody but its client needs what only reads. No function of its own, since each request would pay for it.
        reads = info.verb in _NON_MUTATING_VERBS
        reader: Connection | None = scope.get("extensions", _NO_EXTENSIONS).get("connection") if reads else None
        if reader is not None and reader.is_gone:
            await _end(scope, send)
            return
        timed = _Timed(task)
        cancel = self._schedule(timed.expire, seconds)
        if reader is not None:
            reader.on_gone = timed.expire
        try:
            await self._app(scope, receive, send)
            # A handler that went on all the same must not leave a cancellation to its callers.
            if timed.expired:
                timed.only_expired()
        except asyncio.CancelledError:
            if not timed.only_expired():
                raise
            await _end(scope, send)
        finally:
            cancel()
            if reader is not None:
                reader.on_gone = None

    def _schedule(self, expire: Callable[[], None], seconds: float) -> Callable[[], None]:
        """Returns what undoes it."""
        if seconds == self._longest:
            self._timers.add(expire)
            return partial(self._timers.remove, expire)
        return asyncio.get_running_loop().call_later(seconds, expire).cancel


async def _end(scope: Scope, send: Send) -> None:
    """504, but for what was being answered."""
    if not scope["state"]["answer"].code:
        await send_bytes(send, 504, _TIMEOUT_BODY, [_SNIFFED])


class InFlight:
    """Answers 429 while too many requests run that read, or that write; 0 is no limit. system:masters are exempt, and
    probes: a busy server must not look like a broken one.

    `running`: by kind; includes those that are exempt from the limit."""

    def __init__(self, app: Application, metrics: Metrics, reading: int = 400, writing: int = 200) -> None:
        self._app = app
        self._limits = {READ_ONLY: reading, MUTATING: writing}
        self.running = {READ_ONLY: 0, MUTATING: 0}
        metrics.track_inflight(READ_ONLY, lambda: self.running[READ_ONLY])
        metrics.track_inflight(MUTATING, lambda: self.running[MUTATING])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        info: RequestInfo = scope["state"]["info"]
        if info.is_watch or info.path in ALWAYS_ALLOWED_PATHS:
            await self._app(scope, receive, send)
            return
        kind = READ_ONLY if info.verb in _NON_MUTATING_VERBS else MUTATING
        limit = self._limits[kind]
        if limit and self.running[kind] >= limit and not _is_exempt(scope["state"]["user"]):
            await send_text(send, 429, TOO_MANY, [(b"retry-after", b"1")])
            return
        self.running[kind] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self.running[kind] -= 1


def _is_exempt(user: User) -> bool:
    return MASTERS in user.groups
