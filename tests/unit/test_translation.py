"""Storage errors as API errors."""

from collections.abc import Callable, Iterator

import pytest

import storage.cacher
import storage.etcd
import storage.sqlite
from apiserver.machinery import continuation, errors
from apiserver.machinery.continuation import Continuation, decode_continue
from apiserver.machinery.errors import APIError
from apiserver.registry.translation import translate, translated, translated_continue, translated_watch
from storage.interface import (
    Compacted,
    FutureRevision,
    KeyValue,
    NoSpace,
    RevisionConflict,
    StorageError,
    TooLarge,
    Unavailable,
)

MADE: dict[type[StorageError], Callable[[], StorageError]] = {
    RevisionConflict: lambda: RevisionConflict("/a", KeyValue("/a", b"{}", 1)),
    Compacted: lambda: Compacted(5),
    FutureRevision: lambda: FutureRevision(9, 5),
}
CODES = {RevisionConflict: 409, Compacted: 410, FutureRevision: 504, TooLarge: 413, NoSpace: 500, Unavailable: 503}
IMPLEMENTATIONS = (storage.cacher, storage.etcd, storage.sqlite)


def subclasses(error: type[StorageError]) -> Iterator[type[StorageError]]:
    """Every kind of storage error, those of the implementations included."""
    for child in error.__subclasses__():
        yield child
        yield from subclasses(child)


def make(kind: type[StorageError]) -> StorageError:
    return MADE[kind]() if kind in MADE else kind("text")


@pytest.mark.parametrize("kind", [StorageError, *subclasses(StorageError)])
def test_every_storage_error(kind: type[StorageError]) -> None:
    """Each storage error is an API error, with its own code, or that of the nearest base that has one."""
    error = translate(make(kind))

    assert isinstance(error, APIError)
    assert error.code == next((CODES[base] for base in kind.__mro__ if base in CODES), 503)


def test_unavailable_hides_the_reason() -> None:
    """Clients learn that they should try again, not where the storage is."""
    error = translate(Unavailable("tcp 10.0.0.1:2379 refused"))

    assert error.message == "the storage is not available right now, please try again"
    assert error.to_status()["details"] == {"retryAfterSeconds": 1}


def test_no_space() -> None:
    """Clients of a full storage are told so in its words, as by kube-apiserver, and not to try again at once."""
    status = translate(NoSpace("etcdserver: mvcc: database space exceeded")).to_status()

    assert status == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "etcdserver: mvcc: database space exceeded",
        "code": 500,
    }


def test_future_revision() -> None:
    """A revision of the future is a timeout that says where the storage is."""
    status = translate(FutureRevision(9999999999, 211)).to_status()

    assert status["message"] == "Timeout: Too large resource version: 9999999999, current: 211"
    assert status["details"] == {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }


def test_translated() -> None:
    """Inside the block storage errors are API errors; the cause is kept, others pass."""
    with pytest.raises(errors.Expired) as caught, translated():
        raise Compacted(5)
    assert isinstance(caught.value.__cause__, Compacted)
    assert caught.value.message == "The resourceVersion for the provided list is too old."

    with pytest.raises(errors.NotFound), translated():
        raise errors.NotFound("x")


def test_expired_continue() -> None:
    """A page whose revision is gone is answered with a token that goes on at the same key of the latest state."""
    with pytest.raises(errors.Expired) as caught, translated_continue("ns/a\0"):
        raise Compacted(5)

    assert caught.value.message == continuation.TOO_OLD
    assert caught.value.message.endswith("may show up in the list.")
    assert decode_continue(caught.value.to_status()["metadata"]["continue"]) == Continuation(-1, "ns/a\0")


def test_expired_list() -> None:
    """Without a token there is nothing to go on from."""
    with pytest.raises(errors.Expired) as caught, translated_continue(""):
        raise Compacted(5)

    assert caught.value.message == "The resourceVersion for the provided list is too old."
    assert caught.value.to_status()["metadata"] == {}


def test_expired_watch() -> None:
    """A watch says which revision was asked for and which ones are gone."""
    with pytest.raises(errors.Expired) as caught, translated_watch(1):
        raise Compacted(5)

    assert caught.value.message == "too old resource version: 1 (5)"
