"""The storage contract over etcd 3.5.13+ or 3.6, in aetcd's messages over our own connections (storage/channels.py).

Writes are the three transactions that Kubernetes issues (wire.md section 7): compare the key's mod_revision, then put
or delete, else read what is there. A write is sent once only: sent twice, it could lose against itself.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any

from google.protobuf.message import DecodeError

from storage.calls import CallFailed, Method, Status, StreamCall
from storage.channels import Channels, TLSFiles
from storage.interface import (
    Batch,
    Compacted,
    Event,
    FutureRevision,
    KeyValue,
    NoSpace,
    Page,
    Progress,
    RevisionConflict,
    StorageError,
    Take,
    TooLarge,
    Unavailable,
)
from storage.messages import kv, rpc
from storage.ranges import range_end, require_reached

LAST_REVISION = 2**63 - 1
DEADLINE = 2.5
"""Seconds for one call, waiting for a connection included."""
CHECK_DEADLINE = 2.0
RANGE = Method("/etcdserverpb.KV/Range", rpc.RangeResponse.FromString, DEADLINE)
TXN = Method("/etcdserverpb.KV/Txn", rpc.TxnResponse.FromString, DEADLINE)
COMPACT = Method("/etcdserverpb.KV/Compact", rpc.CompactionResponse.FromString, DEADLINE)
CHECK_RANGE = Method("/etcdserverpb.KV/Range", rpc.RangeResponse.FromString, CHECK_DEADLINE)
WATCH = Method("/etcdserverpb.Watch/Watch", rpc.WatchResponse.FromString, metadata=((b"hasleader", b"true"),))
"""A watch ends when its member has lost the leader."""
PROGRESS_REQUEST: bytes = rpc.WatchRequest(progress_request=rpc.WatchProgressRequest()).SerializeToString()
ANY_KEY = rpc.RangeRequest(key=b"/", keys_only=True, limit=1)
"""What is asked for the sake of the answer's revision."""
EQUAL, MOD_REVISION, DELETE = rpc.Compare.EQUAL, rpc.Compare.MOD, kv.Event.DELETE


class EtcdStorage:
    """Storage over an etcd cluster. Made by `connect`."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._watches: set[StreamCall] = set()

    @classmethod
    async def connect(
        cls, endpoints: Sequence[str], *, ca_file: str = "", cert_file: str = "", key_file: str = ""
    ) -> "EtcdStorage":
        """Over `endpoints` (http://host:port or https://host:port), tried in this order. Does not wait for etcd to be
        there. Raises Unavailable when certificate files cannot be used, ValueError for something not an endpoint."""
        files = TLSFiles(ca_file, cert_file, key_file)
        try:
            await asyncio.to_thread(files.context)
        except OSError as error:
            raise Unavailable(str(error)) from error
        return cls(Channels(endpoints, files))

    async def get(self, key: str, *, not_older_than: int | None = None) -> tuple[KeyValue | None, int]:
        response = await self._call(RANGE, rpc.RangeRequest(key=key.encode()))
        revision: int = response.header.revision
        require_reached(not_older_than, revision)
        return _first(response.kvs), revision

    async def watch(self, prefix: str, after: int, take: Take | None = None) -> AsyncGenerator[Batch | Progress]:
        call, created = await self._open_watch(prefix, after)
        self._watches.add(call)
        try:
            # etcd answers no progress request before it has reached after + 1.
            if _watched(created).header.revision <= after:
                yield Progress(after)
            while True:
                response = _watched(await self._next(call))
                # Fragments are not asked for, so all events of a revision are in one response.
                yield Batch(_events(response.events)) if response.events else Progress(response.header.revision)
        finally:
            self._watches.discard(call)
            call.cancel()

    async def list(
        self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0, not_older_than: int | None = None
    ) -> Page:
        if revision > LAST_REVISION:
            raise FutureRevision(revision, await self.current_revision())
        request = rpc.RangeRequest(
            key=max(prefix, start).encode() or b"\0", range_end=range_end(prefix), limit=limit, revision=revision
        )
        response = await self._call(RANGE, request, revision)
        if not revision:
            require_reached(not_older_than, response.header.revision)
        items = [_key_value(kv) for kv in response.kvs]
        return Page.of(items, revision or response.header.revision, response.count - len(items))

    async def put(self, key: str, value: bytes, expected: int) -> int:
        transaction, name = _transaction(key, expected)
        write = transaction.success.add().request_put
        write.key, write.value = name, value
        revision: int = (await self._write(key, transaction)).header.revision
        return revision

    async def delete(self, key: str, expected: int) -> int:
        transaction, name = _transaction(key, expected)
        transaction.success.add().request_delete_range.key = name
        response = await self._write(key, transaction)
        if not response.responses[0].response_delete_range.deleted:
            raise RevisionConflict(key, None)
        revision: int = response.header.revision
        return revision

    async def current_revision(self) -> int:
        response = await self._call(RANGE, ANY_KEY)
        revision: int = response.header.revision
        return revision

    async def request_progress(self) -> None:
        for call in self._watches:
            call.write(PROGRESS_REQUEST)

    async def compact(self, revision: int) -> None:
        with contextlib.suppress(Compacted):
            await self._call(COMPACT, rpc.CompactionRequest(revision=revision), revision)

    async def check(self) -> None:
        await self._call(CHECK_RANGE, ANY_KEY)

    async def close(self) -> None:
        await self._channels.close()

    async def _write(self, key: str, transaction: Any) -> Any:
        """The transaction's response. Raises RevisionConflict."""
        response = await self._call(TXN, transaction)
        if not response.succeeded:
            raise RevisionConflict(key, _first(response.responses[0].response_range.kvs))
        return response

    async def _call(self, method: Method, request: Any, revision: int = 0) -> Any:
        """The response; `revision` is the one that the request names."""
        try:
            return await self._channels.call(method, request.SerializeToString())
        except (CallFailed, DecodeError) as error:
            failure = _storage_error(error)
        if isinstance(failure, FutureRevision):
            raise FutureRevision(revision, await self.current_revision())
        raise Compacted(revision) if isinstance(failure, Compacted) else failure

    async def _open_watch(self, prefix: str, after: int) -> tuple[StreamCall, Any]:
        """The call, and etcd's response that the watch has been created."""
        create = rpc.WatchCreateRequest(
            key=prefix.encode() or b"\0",
            range_end=range_end(prefix),
            start_revision=after + 1,
            prev_kv=True,
            progress_notify=True,
        )
        request = rpc.WatchRequest(create_request=create).SerializeToString()
        try:
            return await self._channels.open(WATCH, request, DEADLINE)
        except (CallFailed, DecodeError, EOFError) as error:
            raise _storage_error(error) from None

    async def _next(self, call: StreamCall) -> Any:
        """The next response of a watch."""
        try:
            return await call.read()
        except (CallFailed, DecodeError, EOFError) as error:
            raise _storage_error(error) from None


def _transaction(key: str, expected: int) -> tuple[Any, bytes]:
    """One that reads the key if it is not at the expected revision, and the key's bytes. The write is to be added."""
    transaction, name = rpc.TxnRequest(), key.encode()
    compare = transaction.compare.add()
    compare.result, compare.target, compare.key, compare.mod_revision = EQUAL, MOD_REVISION, name, expected
    transaction.failure.add().request_range.key = name
    return transaction, name


def _watched(response: Any) -> Any:
    """A response of a watch that goes on. Raises Compacted, Unavailable."""
    if response.compact_revision:
        raise Compacted(response.compact_revision)
    if response.canceled:
        raise Unavailable(f"etcd cancelled the watch: {response.cancel_reason}")
    return response


def _storage_error(error: Exception) -> StorageError:
    """By etcd's own words (its api/v3rpc/rpctypes); the revisions are for the caller to fill in."""
    if not isinstance(error, CallFailed):
        return Unavailable("etcd ended the watch" if isinstance(error, EOFError) else "etcd is not understood")
    text = str(error)
    if error.status is Status.OUT_OF_RANGE:
        return Compacted(0) if "compacted" in text else FutureRevision(0, 0)
    if "request is too large" in text or "message larger than max" in text:
        return TooLarge(text)
    if "database space exceeded" in text:
        return NoSpace(text)
    return Unavailable(f"etcd: {text} ({error.status.name})")


def _events(events: Iterable[Any]) -> list[Event]:
    """Raises Compacted when a state before a write is gone."""
    return [_event(event) for event in events]


def _event(event: Any) -> Event:
    kv, before, previous = event.kv, event.prev_kv, None
    revision = kv.mod_revision
    if before.mod_revision:
        previous = KeyValue(before.key.decode(), before.value, before.mod_revision)
    elif event.type == DELETE or kv.create_revision != revision:
        raise Compacted(revision)
    if event.type == DELETE:
        return Event(revision, None, previous)
    return Event(revision, KeyValue(kv.key.decode(), kv.value, revision), previous)


def _key_value(kv: Any) -> KeyValue:
    return KeyValue(kv.key.decode(), kv.value, kv.mod_revision)


def _first(kvs: Any) -> KeyValue | None:
    return _key_value(kvs[0]) if kvs else None
