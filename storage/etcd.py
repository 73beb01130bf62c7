"""The storage contract over etcd 3.5.13+ or 3.6, by the raw gRPC stubs of aetcd (half the CPU of its client).

Writes are the three transactions that Kubernetes issues (wire.md section 7): compare the key's mod_revision, then put
or delete, else read what is there. A write is sent once only: sent twice, it could lose against itself. Each endpoint
has a channel of its own; a call goes to the first one that is connected, and one that fails goes to the back.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import grpc
from aetcd import rpc

from storage.interface import (
    Batch,
    Compacted,
    Event,
    FutureRevision,
    KeyValue,
    Page,
    Progress,
    RevisionConflict,
    StorageError,
    Take,
    TooLarge,
    Unavailable,
)
from storage.ranges import range_end, require_reached

LAST_REVISION = 2**63 - 1
DEADLINE = 2.5
"""Seconds for one call, waiting for a connection included."""
CHECK_DEADLINE = 2.0
DEFAULT_PORT = 2379
REQUIRE_LEADER = (("hasleader", "true"),)
PROGRESS_REQUEST = rpc.WatchRequest(progress_request=rpc.WatchProgressRequest())
CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # etcd refuses pings more often than every 5 s, and any on a connection without calls.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    # A connection to etcd is never meant for a web proxy; and each storage has connections of its own.
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)
Method = Literal["range", "txn", "compact", "status"]


@dataclass(frozen=True, slots=True, eq=False)
class _Member:
    """One endpoint: its channel and the methods used of it."""

    endpoint: str
    channel: grpc.aio.Channel
    range: Any
    txn: Any
    compact: Any
    status: Any
    watch: Any


class EtcdStorage:
    """Storage over an etcd cluster. Made by `connect`."""

    def __init__(self, members: Sequence[_Member]) -> None:
        self._members = deque(members)
        self._idle_watches: set[Any] = set()
        """The calls of open watches on which nothing is being written now: gRPC allows one write at a time."""

    @classmethod
    async def connect(
        cls, endpoints: Sequence[str], *, ca_file: str = "", cert_file: str = "", key_file: str = ""
    ) -> "EtcdStorage":
        """Over `endpoints` (http://host:port or https://host:port), tried in this order. Does not wait for etcd to be
        there. Raises Unavailable when a certificate file cannot be read, ValueError for something not an endpoint."""
        files = await asyncio.to_thread(lambda: [_contents(path) for path in (ca_file, key_file, cert_file)])
        return cls([_member(endpoint, grpc.ssl_channel_credentials(*files)) for endpoint in endpoints])

    async def get(self, key: str, *, not_older_than: int | None = None) -> tuple[KeyValue | None, int]:
        response = await self._call("range", rpc.RangeRequest(key=key.encode()))
        revision: int = response.header.revision
        require_reached(not_older_than, revision)
        return _first(response.kvs), revision

    async def watch(self, prefix: str, after: int, take: Take | None = None) -> AsyncGenerator[Batch | Progress]:
        call, created = await self._open_watch(prefix, after)
        self._idle_watches.add(call)
        try:
            # etcd answers no progress request before it has reached after + 1.
            if created.header.revision <= after:
                yield Progress(after)
            while True:
                response = await self._next(call)
                if response.events:
                    # Fragments are not asked for, so all events of a revision are in one response.
                    yield Batch(map(_event, response.events))
                else:
                    yield Progress(response.header.revision)
        finally:
            self._idle_watches.discard(call)
            call.cancel()

    async def list(
        self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0, not_older_than: int | None = None
    ) -> Page:
        if revision > LAST_REVISION:
            raise FutureRevision(revision, await self.current_revision())
        request = rpc.RangeRequest(
            key=max(prefix, start).encode() or b"\0", range_end=range_end(prefix), limit=limit, revision=revision
        )
        response = await self._call("range", request, revision)
        if not revision:
            require_reached(not_older_than, response.header.revision)
        items = [_key_value(kv) for kv in response.kvs]
        return Page.of(items, revision or response.header.revision, response.count - len(items))

    async def put(self, key: str, value: bytes, expected: int) -> int:
        write = rpc.RequestOp(request_put=rpc.PutRequest(key=key.encode(), value=value))
        revision: int = (await self._compare_and_do(key, expected, write)).header.revision
        return revision

    async def delete(self, key: str, expected: int) -> int:
        write = rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key=key.encode()))
        response = await self._compare_and_do(key, expected, write)
        if not response.responses[0].response_delete_range.deleted:
            raise RevisionConflict(key, None)
        revision: int = response.header.revision
        return revision

    async def current_revision(self) -> int:
        response = await self._call("range", rpc.RangeRequest(key=b"/", keys_only=True, limit=1))
        revision: int = response.header.revision
        return revision

    async def request_progress(self) -> None:
        calls, self._idle_watches = self._idle_watches, set()
        for call in calls:
            # The watch itself raises what is wrong with its call.
            with contextlib.suppress(Unavailable), _translated():
                await call.write(PROGRESS_REQUEST)
                self._idle_watches.add(call)

    async def compact(self, revision: int) -> None:
        with contextlib.suppress(Compacted):
            await self._call("compact", rpc.CompactionRequest(revision=revision), revision)

    async def check(self) -> None:
        status, _ = await asyncio.gather(
            self._call("status", rpc.StatusRequest(), deadline=CHECK_DEADLINE),
            self._call("range", rpc.RangeRequest(key=b"/", keys_only=True, limit=1), deadline=CHECK_DEADLINE),
        )
        if status.errors:
            raise Unavailable(f"etcd reports {', '.join(status.errors)}")

    async def close(self) -> None:
        for member in self._members:
            await member.channel.close()

    async def _compare_and_do(self, key: str, expected: int, write: Any) -> Any:
        """The response of the transaction that does `write`. Raises RevisionConflict."""
        name = key.encode()
        compare = rpc.Compare(result=rpc.Compare.EQUAL, target=rpc.Compare.MOD, key=name, mod_revision=expected)
        read = rpc.RequestOp(request_range=rpc.RangeRequest(key=name))
        response = await self._call("txn", rpc.TxnRequest(compare=[compare], success=[write], failure=[read]))
        if not response.succeeded:
            raise RevisionConflict(key, _first(response.responses[0].response_range.kvs))
        return response

    async def _call(self, method: Method, request: Any, revision: int = 0, deadline: float = DEADLINE) -> Any:
        """The response; `revision` is the one that the request names."""
        try:
            async with self._answering(deadline) as member:
                return await getattr(member, method)(request, timeout=deadline)
        except FutureRevision:
            raise FutureRevision(revision, await self.current_revision()) from None
        except Compacted:
            raise Compacted(revision) from None

    async def _open_watch(self, prefix: str, after: int) -> tuple[Any, Any]:
        """The call, and etcd's response that the watch has been created."""
        create = rpc.WatchCreateRequest(
            key=prefix.encode() or b"\0",
            range_end=range_end(prefix),
            start_revision=after + 1,
            prev_kv=True,
            progress_notify=True,
        )
        async with self._answering(DEADLINE) as member:
            call = member.watch(metadata=REQUIRE_LEADER)
            try:
                await call.write(rpc.WatchRequest(create_request=create))
                return call, await self._next(call)
            except BaseException:
                call.cancel()
                raise

    async def _next(self, call: Any) -> Any:
        """The next response of a watch."""
        with _translated():
            response = await call.read()
        if response is grpc.aio.EOF:
            raise Unavailable("etcd ended the watch")
        if response.compact_revision:
            raise Compacted(response.compact_revision)
        if response.canceled:
            raise Unavailable(f"etcd cancelled the watch: {response.cancel_reason}")
        return response

    @contextlib.asynccontextmanager
    async def _answering(self, deadline: float) -> AsyncIterator[_Member]:
        """A connected member, which has to answer within `deadline`; if it does not, the next call tries another."""
        member = None
        try:
            async with asyncio.timeout(deadline):
                with _translated():
                    member = await self._connected()
                    yield member
        except (TimeoutError, Unavailable) as error:
            if member is self._members[0]:
                self._members.rotate(-1)
            if isinstance(error, Unavailable):
                raise
            raise Unavailable(f"no answer from etcd at {self._names()} within {deadline} s") from None

    async def _connected(self) -> _Member:
        """The first member that is connected; waits for one."""
        for member in self._members:
            if member.channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY:
                return member
        waiting = {asyncio.create_task(member.channel.channel_ready()): member for member in self._members}
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        if failures := [error for task in done if (error := task.exception())]:
            raise failures[0]
        return waiting[done.pop()]

    def _names(self) -> str:
        return ", ".join(member.endpoint for member in self._members)


def _member(endpoint: str, credentials: grpc.ChannelCredentials) -> _Member:
    url = urlsplit(endpoint)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError(f"{endpoint!r} is not an etcd endpoint such as https://host:{DEFAULT_PORT}")
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    target = f"{host}:{url.port or DEFAULT_PORT}"
    if url.scheme == "https":
        channel = grpc.aio.secure_channel(target, credentials, CHANNEL_OPTIONS)
    else:
        channel = grpc.aio.insecure_channel(target, CHANNEL_OPTIONS)
    kv = rpc.KVStub(channel)
    status, watch = rpc.MaintenanceStub(channel).Status, rpc.WatchStub(channel).Watch
    return _Member(endpoint, channel, range=kv.Range, txn=kv.Txn, compact=kv.Compact, status=status, watch=watch)


def _contents(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes() if path else None
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from error


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Raises what gRPC reports as an error of the storage contract."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise _storage_error(error.code(), error.details() or "") from error
    except (grpc.aio.UsageError, asyncio.InvalidStateError) as error:
        raise Unavailable(f"the connection to etcd is closed: {error}") from error
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task and task.cancelling():
            raise
        # Nobody cancels this task: the call was cancelled, since its channel was closed.
        raise Unavailable("the connection to etcd is closed") from None


def _storage_error(code: grpc.StatusCode, text: str) -> StorageError:
    """By etcd's own words (its api/v3rpc/rpctypes); the revisions are for the caller to fill in."""
    if code is grpc.StatusCode.OUT_OF_RANGE:
        return Compacted(0) if "compacted" in text else FutureRevision(0, 0)
    if "request is too large" in text or "message larger than max" in text:
        return TooLarge(text)
    return Unavailable(f"etcd: {text} ({code.name})")


def _event(event: Any) -> Event:
    kv = event.kv
    previous = _key_value(event.prev_kv) if event.HasField("prev_kv") else None
    if not previous and (kv.create_revision != kv.mod_revision or event.type == rpc.Event.DELETE):
        raise Compacted(kv.mod_revision)
    return Event(kv.mod_revision, None if event.type == rpc.Event.DELETE else _key_value(kv), previous)


def _key_value(kv: Any) -> KeyValue:
    return KeyValue(kv.key.decode(), kv.value, kv.mod_revision)


def _first(kvs: Any) -> KeyValue | None:
    return _key_value(kvs[0]) if kvs else None
