"""Items and watch events: decoded and encoded once, and what a selector makes of a write."""

import orjson
import pytest

from apiserver.machinery.errors import Object
from apiserver.registry.item import Item, WatchEvent, at_revision, chunk_of, item_of, watch_batch, watch_event
from apiserver.registry.stored import to_stored
from storage.interface import Batch, Event, KeyValue, Run


def stored(color: str, revision: int) -> KeyValue:
    obj = {"metadata": {"name": "a", "labels": {"color": color}}, "kind": "Widget"}
    return KeyValue("/widgets/a", to_stored(obj), revision)


def is_red(item: Item) -> bool:
    return item.labels["color"] == "red"


def event(before: str | None, after: str | None) -> Event:
    """A write at revision 8 to an object of revision 5."""
    return Event(8, stored(after, 8) if after else None, stored(before, 5) if before else None)


def test_wire_is_made_once() -> None:
    """An item's JSON has sorted keys and is the same object every time."""
    item = Item({"b": 1, "a": "<"})

    assert item.wire == b'{"a":"\\u003c","b":1}'
    assert item.wire is item.wire


def test_what_is_sent_is_cut_from_what_is_stored() -> None:
    """A stored revision's JSON, whole or of its metadata, leaves nothing decoded and no second copy behind."""
    kv = stored("red", 5)
    item = item_of(kv)

    assert item.meta_wire == b'{"labels":{"color":"red"},"name":"a","resourceVersion":"5"}'
    assert item.wire == b'{"kind":"Widget","metadata":%b}' % item.meta_wire
    assert item._object is None
    assert item._data is kv.value


def test_decoded_for_one_look() -> None:
    """Who looks at an object once does not make it stay decoded."""
    item = item_of(stored("red", 5))

    assert item.decoded() == item.decoded()
    assert item._object is None
    assert item.object is item.decoded()


def test_labels_are_shared() -> None:
    """Looking at labels leaves nothing else decoded, and the same labels are kept once."""
    item, other = item_of(stored("red", 5)), item_of(stored("red", 7))

    assert item.labels == {"color": "red"}
    assert item.labels is other.labels
    assert item._object is None


def test_item_of_a_revision() -> None:
    """The revision is the object's resourceVersion."""
    item = item_of(stored("red", 7))

    assert item.meta == {"name": "a", "labels": {"color": "red"}, "resourceVersion": "7"}


def test_item_is_shared() -> None:
    """Every reader of a revision gets the same item."""
    kv = stored("red", 7)

    assert item_of(kv) is item_of(kv)


def test_at_revision() -> None:
    """A new revision is another object; the old one stays."""
    old: Object = {"metadata": {"name": "a", "resourceVersion": "7"}, "spec": {}}

    assert at_revision(old, 8)["metadata"] == {"name": "a", "resourceVersion": "8"}
    assert old["metadata"]["resourceVersion"] == "7"


@pytest.mark.parametrize(
    ("before", "after", "event_type"),
    [(None, "red", "ADDED"), ("red", "blue", "MODIFIED"), ("red", None, "DELETED")],
)
def test_events_without_selector(before: str | None, after: str | None, event_type: str) -> None:
    """A create, an update and a delete."""
    made = watch_event(event(before, after), None)

    assert made is not None
    assert made.type == event_type


@pytest.mark.parametrize(
    ("before", "after", "event_type"),
    [
        (None, "red", "ADDED"),
        (None, "blue", None),
        ("blue", "red", "ADDED"),
        ("red", "red", "MODIFIED"),
        ("red", "blue", "DELETED"),
        ("blue", "blue", None),
        ("red", None, "DELETED"),
        ("blue", None, None),
    ],
)
def test_events_with_selector(before: str | None, after: str | None, event_type: str | None) -> None:
    """An object that starts to match is added, one that stops is deleted, one that does not match is not seen."""
    made = watch_event(event(before, after), is_red)

    assert (made.type if made else None) == event_type


@pytest.mark.parametrize("after", [None, "blue"])
def test_deleted_object(after: str | None) -> None:
    """A deleted object, or one that stopped matching, is its last matching state at the revision of the write."""
    made = watch_event(event("red", after), is_red)

    assert made is not None
    assert made.item.meta == {"name": "a", "labels": {"color": "red"}, "resourceVersion": "8"}


def test_line() -> None:
    """An event is one line of JSON, made once."""
    made = WatchEvent("ADDED", Item({"kind": "Widget"}))

    assert made.line == b'{"type":"ADDED","object":{"kind":"Widget"}}\n'
    assert made.line is made.line
    assert orjson.loads(made.line)["type"] == "ADDED"


def test_events_are_shared() -> None:
    """All watchers that see the same type of event get the same one, whatever their selectors."""
    happened = event("red", "red")

    assert watch_event(happened, None) is watch_event(happened, is_red)


def test_event_shares_the_item() -> None:
    """An event's object is the one that lists of that revision show."""
    happened = event("blue", "red")
    added, modified = watch_event(happened, is_red), watch_event(happened, None)

    assert happened.kv is not None
    assert added is not None
    assert modified is not None
    assert (added.type, modified.type) == ("ADDED", "MODIFIED")
    assert added.item is modified.item is item_of(happened.kv)


def test_deletions_are_shared() -> None:
    """The last state at the deletion's revision is made once; the revision before keeps its own."""
    happened = event("red", None)
    first, second = watch_event(happened, None), watch_event(happened, is_red)

    assert first is second
    assert happened.previous is not None
    assert item_of(happened.previous).meta["resourceVersion"] == "5"


def test_batches_are_shared() -> None:
    """All watchers without a selector write the same bytes for a batch, made once; a selector has its own."""
    batch = Batch([event(None, "red"), event(None, "blue")])
    everything, red = watch_batch(batch, None), watch_batch(batch, is_red)

    assert watch_batch(batch, None).lines is everything.lines
    assert everything.lines == b"".join(each.line for each in everything.events)
    assert [each.item for each in red.events] == [everything.events[0].item]
    assert (everything.revision, red.revision) == (8, 8)


def test_chunks_are_shared() -> None:
    """All lists that show a run of neighbours have the same items of it, and the same of what was made of them."""
    run = Run([stored("red", 7), stored("blue", 8)])

    assert chunk_of(run) is chunk_of(run)
    assert chunk_of(run).items == [item_of(kv) for kv in run.items]


def test_sending_decodes_nothing_for_good() -> None:
    """The JSON of a stored revision is that of its object, whichever is asked for first."""
    kv, other = stored("<", 7), stored("<", 7)
    wire = item_of(kv).wire
    assert item_of(other).object["metadata"]["resourceVersion"] == "7"
    assert item_of(other).wire == wire
    assert orjson.loads(wire) == item_of(kv).object
