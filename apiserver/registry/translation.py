"""Storage errors as API errors; the only place that knows both trees (a test walks all subclasses)."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from apiserver.machinery import continuation, errors
from apiserver.machinery.errors import APIError
from storage import interface

logger = logging.getLogger(__name__)

UNAVAILABLE = "the storage is not available right now, please try again"


def translate(error: interface.StorageError) -> APIError:
    """The API error that a client sees for a storage error."""
    match error:
        case interface.Compacted():
            return errors.Expired("The resourceVersion for the provided list is too old.")
        case interface.FutureRevision():
            return errors.Timeout.too_large_resource_version(error.asked, error.current)
        case interface.TooLarge():
            return errors.RequestEntityTooLarge("the object is larger than the storage accepts")
        case interface.NoSpace():
            # As kube-apiserver passes etcd's own words on.
            logger.warning("storage: %s", error)
            return errors.Plain(str(error))
        case interface.RevisionConflict():
            return errors.Conflict(f"Operation cannot be fulfilled: {errors.Conflict.MODIFIED}")
        case _:
            logger.warning("storage: %s", error)
            return errors.ServiceUnavailable(UNAVAILABLE, {}, retry_after=1)


class translated:  # noqa: N801 - used like a function
    """Raises the API error for whatever the storage raises inside. A class, since a generator costs each GET 3 us."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, interface.StorageError):
            raise translate(error) from error


@contextmanager
def translated_continue(start: str) -> Iterator[None]:
    """For a page of a chunked list: history that is gone is answered with a token that goes on at the latest state."""
    try:
        with translated():
            yield
    except errors.Expired as error:
        if start:
            error.message = continuation.TOO_OLD
            error.continue_token = continuation.encode_continue(-1, start.removesuffix("\0"))
        raise


@contextmanager
def translated_watch(after: int) -> Iterator[None]:
    """For a watch: its own words for a revision that is too old."""
    try:
        with translated():
            yield
    except errors.Expired as error:
        compacted = error.__cause__.compacted if isinstance(error.__cause__, interface.Compacted) else after
        error.message = f"too old resource version: {after} ({compacted})"
        raise
