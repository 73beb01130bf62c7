"""Stored bytes, and what is sent of them."""

import tracemalloc
from typing import Any

import orjson
import pytest

from apiserver.machinery.encoding import encode
from apiserver.machinery.errors import Object
from apiserver.registry.item import at_revision
from apiserver.registry.stored import as_stored, laid_out, to_stored

UID = "2c7d4a3e-1f00-4a3f-9d2e-b3b5f0a7c111"


def test_stored_bytes() -> None:
    """What is stored has sorted keys and neither resourceVersion nor selfLink, so equal objects are equal bytes."""
    obj = {"spec": {}, "metadata": {"resourceVersion": "7", "name": "a", "selfLink": "x"}, "kind": "Widget"}

    assert to_stored(obj) == b'{"kind":"Widget","metadata":{"name":"a"},"spec":{}}'
    assert obj["metadata"] == {"resourceVersion": "7", "name": "a", "selfLink": "x"}


def test_as_stored() -> None:
    """Who writes a selfLink sees what was stored: none."""
    written: Object = {"metadata": {"name": "a", "resourceVersion": "7", "selfLink": "x"}}

    assert as_stored(written, 8) == {"metadata": {"name": "a", "resourceVersion": "8"}}


@pytest.mark.parametrize(
    "obj",
    [
        {"apiVersion": "v1", "kind": "Widget", "metadata": {"name": "a", "uid": UID}, "spec": {"uid": "x"}},
        {"apiVersion": "v1", "kind": "Widget", "metadata": {"labels": {"a": "<\u2028&"}, "uid": UID}, "spec": "é>"},
        {"data": {"metadata": {"uid": UID}}, "metadata": {"uid": UID}, "spec": {}},
        {"data": "<", "metadata": {"ownerReferences": [{"kind": "Other", "uid": UID}], "uid": UID, "wild": 1}},
        {"metadata": {"name": "a"}},
        {"metadata": {"uid": UID}},
        {"metadata": {}},
    ],
)
@pytest.mark.parametrize(
    "written", [to_stored, orjson.dumps, lambda obj: orjson.dumps(at_revision(obj, 3), option=orjson.OPT_INDENT_2)]
)
def test_wire(obj: Object, written: Any) -> None:
    """What is cut from stored bytes, whoever wrote them, is the encoded object with its revision, and its metadata."""
    data, layout = laid_out(written(obj))
    wanted = at_revision(obj, 12)

    assert layout.wire(data, 12) == encode(wanted)
    assert layout.meta_wire(data, 12) == encode(wanted["metadata"])


def test_nothing_is_copied() -> None:
    """Stored bytes are sent as they are, unless Go would write a character otherwise."""
    stored = to_stored({"kind": "Widget", "metadata": {"name": "a", "uid": UID}})

    assert laid_out(stored)[0] is stored


def test_stored_bytes_take_their_own_memory() -> None:
    """Not that of the encoder's buffer."""
    obj = {"kind": "Widget", "metadata": {"name": "a", "uid": UID}, "spec": "x" * 500}
    tracemalloc.start()
    try:
        kept = [to_stored(obj) for _ in range(100)]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert taken < 1.5 * sum(map(len, kept))


def test_alike_objects_share_a_layout() -> None:
    """Where members are is kept once for objects of the same shape."""
    one, other = (to_stored({"kind": "Widget", "metadata": {"name": name, "uid": UID}}) for name in "ab")

    assert laid_out(one)[1] is laid_out(other)[1]
