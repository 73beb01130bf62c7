"""The other filters: what every answer and log line has, deadlines, limits, bodies, and the metrics they feed."""

import asyncio
import gc
import json
import logging
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from prometheus_client import generate_latest

from apiserver.filters.accesslog import MANY, AccessLines, Record, access
from apiserver.filters.limits import Deadline, InFlight, time_allowed
from apiserver.filters.observe import Observe
from apiserver.http.asgi import Application, Message, Receive, Scope, Send
from apiserver.http.body import read_body
from apiserver.http.drain import Drain
from apiserver.http.metrics import Metrics
from apiserver.http.respond import format_of, send_status, send_text
from apiserver.machinery.duration import parse_duration
from apiserver.machinery.errors import BadRequest, RequestEntityTooLarge, ServiceUnavailable
from apiserver.machinery.request import ANONYMOUS, User, parse_request
from tests.asgi import Answer, call, receive, scope_of

ITEMS = "/apis/example.com/v1/namespaces/default/widgets"
WIDGETS = ("example.com", "v1", "widgets")


async def ok(scope: Scope, _: Receive, send: Send) -> None:
    await send_text(send, 200, "fine")


async def fails(scope: Scope, _: Receive, send: Send) -> None:
    raise RuntimeError("a fault")


async def fails_late(scope: Scope, _: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise RuntimeError("a fault")


async def hangs(scope: Scope, _: Receive, send: Send) -> None:
    await asyncio.Event().wait()


async def hangs_late(scope: Scope, _: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await asyncio.Event().wait()


class Observed:
    """An Observe filter around `app` and what it leaves behind."""

    def __init__(self, app: Application) -> None:
        self.metrics, self.drain, self.log = Metrics([WIDGETS]), Drain(), list[Record]()
        self.filter = Observe(app, self.metrics, self.drain, self.log.append)

    async def get(self, target: str = "/x", method: str = "GET", **headers: str) -> Answer:
        pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        return await call(self.filter, scope_of(target, method, pairs))

    def exposed(self) -> list[str]:
        return generate_latest(self.metrics.registry).decode().splitlines()


async def test_universal_headers() -> None:
    """Each answer has an audit id, the caller's or a new one, and is not to be cached."""
    observed = Observed(ok)
    answer = await observed.get(audit_id="mine")
    assert (answer.headers[b"audit-id"], answer.headers[b"cache-control"]) == (b"mine", b"no-cache, private")
    first, second = [(await observed.get()).headers[b"audit-id"] for _ in range(2)]
    assert len(first) == len(second) == 36
    assert first != second


async def test_nothing_is_left_to_the_garbage_collector() -> None:
    """A request is freed as soon as it has been answered, though its connection has its scope."""

    class Connection(Answer):
        scope: Scope

    connection = Connection()
    connection.scope = scope_of(f"{ITEMS}/x")
    gone = weakref.ref(connection)
    gc.disable()
    try:
        await Observed(Deadline(ok)).filter(connection.scope, receive, connection.send)
        del connection
        assert gone() is None
    finally:
        gc.enable()


async def test_own_cache_control() -> None:
    """What the application says about caching stays."""

    async def cached(scope: Scope, _: Receive, send: Send) -> None:
        await send_text(send, 200, "", [(b"cache-control", b"public")])

    assert (await Observed(cached).get()).headers[b"cache-control"] == b"public"


async def test_panic(caplog: pytest.LogCaptureFixture) -> None:
    """A fault is 500 in Go's words and a traceback in the log, not in the answer."""
    observed = Observed(fails)
    answer = await observed.get()
    assert (answer.code, answer.complete) == (500, True)
    assert answer.body == b"This request caused apiserver to panic. Look in the logs for details.\n"
    assert "RuntimeError: a fault" in caplog.text
    assert observed.log[0].code == 500


async def test_late_panic() -> None:
    """An answer that had begun is left incomplete: the server then closes the connection."""
    answer = await Observed(fails_late).get()
    assert (answer.code, answer.complete) == (200, False)


async def test_log_entry() -> None:
    """Who asked for what, when, how long and with what result; the query stays out."""
    observed = Observed(ok)
    await observed.get(f"{ITEMS}/x/status?token=hush", "PATCH", user_agent="agent/1", audit_id="a" * 70)
    (record,) = observed.log
    entry = record.entry()
    assert entry.pop("time").tzinfo is not None
    assert entry.pop("latency_ms") >= 0
    assert entry == {
        "audit_id": "a" * 64,
        "user": "system:anonymous",
        "impersonated_by": "",
        "verb": "patch",
        "method": "PATCH",
        "path": f"{ITEMS}/x/status",
        "group": "example.com",
        "resource": "widgets",
        "subresource": "status",
        "namespace": "default",
        "name": "x",
        "code": 200,
        "user_agent": "agent/1",
        "source_ip": "192.0.2.7",
    }


def ended(code: int = 200, user: str = "") -> Record:
    return Record(1767323045.5, 0.25, code, "", user, "", parse_request("GET", "/x", b""), b"", "")


async def test_log_lines(caplog: pytest.LogCaptureFixture) -> None:
    """Lines of JSON are gathered into one record, but not too many; while the server ends each is written at once."""
    caplog.set_level(logging.INFO, access.name)
    drain = Drain()
    lines = AccessLines(drain)
    for code, user in ((200, "a\nb"), (404, "c")):
        lines(ended(code, user))
    assert not caplog.records
    lines.flush()
    lines.flush()
    (record,) = caplog.records
    entries = [json.loads(line) for line in record.getMessage().splitlines()]
    assert [(entry["code"], entry["user"]) for entry in entries] == [(200, "a\nb"), (404, "c")]
    assert entries[0]["time"] == "2026-01-02T03:04:05.500000Z"
    for _ in range(MANY):
        lines(ended())
    assert len(caplog.records) == 2
    drain.begin()
    lines(ended())
    assert len(caplog.records) == 3


async def test_no_log_lines(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is gathered where the level says so."""
    caplog.set_level(logging.WARNING, access.name)
    lines = AccessLines(Drain())
    lines(ended())
    caplog.set_level(logging.INFO, access.name)
    lines.flush()
    assert not caplog.records


async def test_log_lines_in_time(caplog: pytest.LogCaptureFixture) -> None:
    """Without further requests the lines are written all the same."""
    caplog.set_level(logging.INFO, access.name)
    written = asyncio.Event()
    handler = logging.Handler()
    handler.emit = lambda record: written.set()  # type: ignore[method-assign]
    access.addHandler(handler)
    AccessLines(Drain())(ended(201))
    await written.wait()
    access.removeHandler(handler)
    assert json.loads(caplog.records[0].getMessage())["code"] == 201


async def test_only_http_gets_in() -> None:
    """A websocket has no identity and reaches nobody."""
    observed = Observed(fails)
    await observed.filter({"type": "websocket"}, receive, Answer().send)
    assert not observed.log


async def test_request_metrics() -> None:
    """Requests are counted under kube-apiserver's names; an unknown resource's name becomes no label."""
    observed = Observed(ok)
    await observed.get(ITEMS)
    await observed.get(f"{ITEMS}/x?dryRun=All", "PATCH", content_type="application/apply-patch+yaml")
    await observed.get("/apis/evil.example/v1/anything/x/y")
    exposed = observed.exposed()
    counts = [line for line in exposed if line.startswith("apiserver_request_total{")]
    assert [line for line in counts if 'resource="widgets"' in line] == [
        'apiserver_request_total{code="200",component="apiserver",dry_run="",group="example.com",resource="widgets",'
        'scope="namespace",subresource="",verb="LIST",version="v1"} 1.0',
        'apiserver_request_total{code="200",component="apiserver",dry_run="All",group="example.com",'
        'resource="widgets",scope="resource",subresource="",verb="APPLY",version="v1"} 1.0',
    ]
    assert len(counts) == 3
    assert "evil" not in "".join(exposed)
    assert 'apiserver_response_sizes_sum{component="apiserver",group="example.com",resource="widgets"' in "".join(
        exposed
    )
    assert not [line for line in exposed if "_created" in line]


async def test_longrunning_metric() -> None:
    """A watch counts as long-running while it runs."""
    during: list[str] = []

    async def watch(scope: Scope, _: Receive, send: Send) -> None:
        during.extend(observed.exposed())
        await send_text(send, 200, "")

    def running(lines: list[str]) -> list[str]:
        return [line.rpartition(" ")[2] for line in lines if line.startswith("apiserver_longrunning_requests{")]

    observed = Observed(watch)
    await observed.get(f"{ITEMS}?watch=1")
    assert (running(during), running(observed.exposed())) == (["1.0"], ["0.0"])


def test_other_metrics() -> None:
    """Gauges are asked at each scrape; counters without _total keep their names."""
    metrics = Metrics([WIDGETS])
    stored = [3]
    metrics.track_objects("widgets.example.com", lambda: stored[0])
    metrics.authentication.add(("success",))
    metrics.watch_events.counter(WIDGETS).value += 5
    stored[0] = 4
    metrics.count_objects()
    exposed = generate_latest(metrics.registry).decode()
    assert 'apiserver_storage_objects{resource="widgets.example.com"} 4.0' in exposed
    assert 'authentication_attempts{result="success"} 1.0' in exposed
    assert 'apiserver_watch_events_total{group="example.com",resource="widgets",version="v1"} 5.0' in exposed
    assert "process_resident_memory_bytes" in exposed


async def test_drain() -> None:
    """Answers after the beginning of the end close their connection."""
    observed = Observed(ok)
    assert b"connection" not in (await observed.get()).headers
    observed.drain.begin()
    assert observed.drain.announced
    assert (await observed.get()).headers[b"connection"] == b"close"


def limited(app: Application, target: str, user: User = ANONYMOUS, method: str = "GET") -> tuple[Application, Scope]:
    """`app`, in a request by `user`."""

    async def authenticated(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["user"] = user
        await app(scope, receive, send)

    return Observed(authenticated).filter, scope_of(target, method)


async def test_deadline() -> None:
    """Too slow is 504 with a Status that lacks its kind; what was being answered is cut off."""
    answer = await call(*limited(Deadline(hangs, 0.001), "/x"))
    assert answer.code == 504
    assert json.loads(answer.body) == {
        "metadata": {},
        "status": "Failure",
        "message": "Timeout: request did not complete within the allotted timeout",
        "reason": "Timeout",
        "details": {},
        "code": 504,
    }
    answer = await call(*limited(Deadline(hangs_late, 0.001), "/x"))
    assert (answer.code, answer.complete) == (200, False)


async def test_deadline_and_cancellation() -> None:
    """Who cancels the request itself gets the cancellation, not an answer."""
    entered = asyncio.Event()

    async def hangs_noted(scope: Scope, _: Receive, send: Send) -> None:
        entered.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(call(*limited(Deadline(hangs_noted), "/x")))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_late_all_the_same() -> None:
    """A handler that finishes in spite of its deadline leaves no cancellation behind."""

    async def stubborn(scope: Scope, _: Receive, send: Send) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await ok(scope, _, send)

    assert (await call(*limited(Deadline(stubborn, 0.001), "/x"))).code == 200
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_no_deadline() -> None:
    """In time is fine, a watch has no deadline, and a handler's own TimeoutError is not ours."""

    async def own_timeout(scope: Scope, _: Receive, send: Send) -> None:
        raise TimeoutError

    assert (await call(*limited(Deadline(ok), "/x"))).code == 200
    assert (await call(*limited(Deadline(ok, 0.0), f"{ITEMS}?watch=1&timeout=x"))).code == 200
    assert (await call(*limited(Deadline(own_timeout), "/x"))).code == 500


@pytest.mark.parametrize(("query", "seconds"), [("", 60), ("5s", 5), ("2m", 60), ("0", 60), ("-5s", 60), ("0.5s", 0.5)])
def test_time_allowed(query: str, seconds: float) -> None:
    """?timeout shortens the time and never prolongs it."""
    assert time_allowed(parse_request("GET", "/x", f"timeout={query}".encode()), 60.0) == seconds


async def test_bad_timeout() -> None:
    """A timeout that is none is 400."""
    answer = await call(*limited(Deadline(ok), "/x?timeout=soon"))
    text = 'invalid timeout specified in the request URL - time: invalid duration "soon"'
    assert (answer.code, json.loads(answer.body)["message"]) == (400, text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("1h2m3.5s", 3723.5),
        ("+1.5h", 5400),
        ("-1m", -60),
        (".5s", 0.5),
        ("1.s", 1),
        ("100ms", 0.1),
        ("2562047h", 9223369200),
    ],
)
def test_duration(text: str, seconds: float) -> None:
    """Go's durations in seconds."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", 'time: invalid duration ""'),
        ("-", 'time: invalid duration "-"'),
        ("x", 'time: invalid duration "x"'),
        ("1s.", 'time: invalid duration "1s."'),
        ("5", 'time: missing unit in duration "5"'),
        ("1m5", 'time: missing unit in duration "1m5"'),
        ("5 s", 'time: unknown unit " s" in duration "5 s"'),
        ("3d", 'time: unknown unit "d" in duration "3d"'),
        ("2562048h", 'time: invalid duration "2562048h"'),
        ("9" * 400, f'time: invalid duration "{"9" * 400}"'),
        ("٣s", r'time: invalid duration "\xd9\xa3s"'),
        ("1\n", r'time: unknown unit "\x0a" in duration "1\x0a"'),
        ('1"\\', r'time: unknown unit "\"\\" in duration "1\"\\"'),
    ],
)
def test_no_duration(text: str, fault: str) -> None:
    """Go's texts for what is none."""
    with pytest.raises(ValueError, match=r"^time: ") as caught:
        parse_duration(text)
    assert str(caught.value) == fault


@pytest.mark.parametrize(("first", "second", "code"), [("GET", "GET", 429), ("GET", "POST", 200), ("PUT", "POST", 429)])
async def test_in_flight(first: str, second: str, code: int) -> None:
    """Readers and writers have a limit each; one that has ended makes room."""
    entered, gate = asyncio.Event(), asyncio.Event()

    async def held(scope: Scope, _: Receive, send: Send) -> None:
        if scope["path"].endswith("/held"):
            entered.set()
            await gate.wait()
        await ok(scope, _, send)

    app = InFlight(held, Metrics(), 1, 1)
    holding = asyncio.create_task(call(*limited(app, f"{ITEMS}/held", method=first)))
    await entered.wait()
    answer = await call(*limited(app, ITEMS, method=second))
    assert answer.code == code
    if code == 429:
        assert (answer.headers[b"retry-after"], answer.body[-1:]) == (b"1", b"\n")
        masters = User("root", groups=("system:masters",))
        assert (await call(*limited(app, ITEMS, masters, second))).code == 200
        assert (await call(*limited(app, f"{ITEMS}?watch=1", method="GET"))).code == 200
    gate.set()
    assert (await holding).code == 200
    assert (await call(*limited(app, ITEMS, method=second))).code == 200


async def test_no_limit() -> None:
    """Zero is no limit."""
    assert (await call(*limited(InFlight(ok, Metrics(), 0, 0), ITEMS))).code == 200


def chunks(*parts: bytes, then: str = "") -> tuple[Callable[[], Any], list[int]]:
    """A body in parts, and how many were asked for; `then`: the message after them."""
    left, asked = list(parts), [0]

    async def receive_part() -> Message:
        asked[0] += 1
        if not left:
            return {"type": then}
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left or then)}

    return receive_part, asked


async def test_body() -> None:
    """A body of up to the limit is read, in however many parts."""
    assert await read_body(chunks(b"")[0], {}) == b""
    assert await read_body(chunks(b"ab", b"", b"c")[0], {b"content-length": b"3"}, 3) == b"abc"


async def test_body_too_large() -> None:
    """Over the limit nothing more is read; a declared length is refused at once."""
    body, asked = chunks(b"abc", b"d", b"e")
    with pytest.raises(RequestEntityTooLarge, match="Request entity too large: limit is 3"):
        await read_body(body, {}, 3)
    assert asked == [2]
    body, asked = chunks(b"abcd")
    with pytest.raises(RequestEntityTooLarge):
        await read_body(body, {b"content-length": b"4"}, 3)
    assert asked == [0]


async def test_body_cut_off() -> None:
    """Half a body is never taken for a whole one."""
    with pytest.raises(BadRequest, match="unexpected EOF"):
        await read_body(chunks(b"half", then="http.disconnect")[0], {})


@pytest.mark.parametrize(
    ("accept", "query", "media_type", "start"),
    [
        (b"", "", b"application/json", b'{"kind":"Status"'),
        (b"application/yaml", "", b"application/yaml", b"apiVersion: v1\n"),
        (b"", "pretty=1", b"application/json", b'{\n  "kind"'),
        (b"text/html", "", b"application/json", b'{\n  "kind"'),
    ],
)
async def test_status(accept: bytes, query: str, media_type: bytes, start: bytes) -> None:
    """A Status comes in the format that was asked for, with Retry-After where it has one."""

    async def app(scope: Scope, _: Receive, send: Send) -> None:
        await send_status(send, ServiceUnavailable("later", retry_after=3), format_of(scope))

    scope = scope_of(f"/x?{query}", headers=[(b"accept", accept)])
    scope["state"] = {"info": parse_request("GET", "/x", query.encode())}
    answer = await call(app, scope)
    assert (answer.code, answer.headers[b"content-type"], answer.headers[b"retry-after"]) == (503, media_type, b"3")
    assert answer.body.startswith(start)
    assert answer.headers[b"content-length"] == str(len(answer.body)).encode()
