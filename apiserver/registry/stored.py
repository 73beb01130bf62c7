"""The stored form of an object: canonical JSON without a resourceVersion. On the wire that is inserted; to find the
place, stored bytes are decoded once."""

from functools import lru_cache
from typing import NamedTuple

import orjson

from apiserver.machinery.encoding import encode, go_json
from apiserver.machinery.errors import Object

_NOT_STORED = ("resourceVersion", "selfLink")


def to_stored(obj: Object) -> bytes:
    """The canonical bytes that are stored: sorted keys, no resourceVersion; equal objects are equal bytes."""
    meta = {k: v for k, v in obj["metadata"].items() if k not in _NOT_STORED}
    return exact(orjson.dumps({**obj, "metadata": meta}, option=orjson.OPT_SORT_KEYS))


def as_stored(obj: Object, revision: int) -> Object:
    """What is read of the object from now on: storing it has removed its selfLink."""
    meta = {k: v for k, v in obj["metadata"].items() if k not in _NOT_STORED}
    return {**obj, "metadata": {**meta, "resourceVersion": str(revision)}}


def exact(data: bytes) -> bytes:
    """A copy that takes the memory of its own bytes: orjson's keep the buffer they were written to, 4 KiB for an object
    of 700 bytes."""
    return b"%b" % data


class Layout(NamedTuple):
    """Offsets in the JSON of an object without a resourceVersion: of the value of metadata, and of the place in it
    where `member`, which takes the revision, belongs."""

    start: int
    place: int
    end: int
    member: bytes

    def wire(self, data: bytes, revision: int) -> bytes:
        """The object at that revision."""
        return b"%b%b%b" % (data[: self.place], self.member % revision, data[self.place :])

    def meta_wire(self, data: bytes, revision: int) -> bytes:
        """Its metadata alone."""
        return b"%b%b%b" % (data[self.start : self.place], self.member % revision, data[self.place : self.end])


def laid_out(stored: bytes) -> tuple[bytes, Layout]:
    """Stored bytes as Go writes them, most often the very same, and their layout."""
    tree: Object = orjson.loads(stored)
    meta = tree["metadata"] = {k: v for k, v in tree["metadata"].items() if k not in _NOT_STORED}
    opening = _members({k: v for k, v in tree.items() if k < "metadata"})
    before = _members({k: v for k, v in meta.items() if k < "resourceVersion"})
    after = _members({k: v for k, v in meta.items() if k > "resourceVersion"})
    head = b'{%b"metadata":' % _followed(opening)
    value = b"{%b%b}" % (_followed(before) if after else before, after)
    data = go_json(stored)
    if not data.startswith(head + value):
        # Somebody else has written it.
        data = exact(encode(tree))
    return data, _layout(len(head), len(head) + len(value), len(before), len(after))


@lru_cache(maxsize=4096)
def _layout(start: int, end: int, before: int, after: int) -> Layout:
    """Objects that are alike share one. `before`, `after`: the lengths of the members around."""
    if after:
        return Layout(start, end - 1 - after, end, b'"resourceVersion":"%d",')
    return Layout(start, end - 1, end, b',"resourceVersion":"%d"' if before else b'"resourceVersion":"%d"')


def _members(obj: Object) -> bytes:
    return encode(obj)[1:-1]


def _followed(members: bytes) -> bytes:
    return members + b"," if members else b""
