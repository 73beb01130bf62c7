"""Key ranges and revisions, as etcd counts them; for every implementation of Storage."""

from storage.interface import FutureRevision


def range_end(prefix: str) -> bytes:
    """The exclusive end of the keys that begin with `prefix`, in the order of their UTF-8, which never has a 0xff."""
    return prefix.encode() + b"\xff"


def require_reached(not_older_than: int | None, current: int) -> None:
    """Raises FutureRevision unless a storage at revision `current` can answer a read that is `not_older_than`."""
    if not_older_than and not_older_than > current:
        raise FutureRevision(not_older_than, current)
