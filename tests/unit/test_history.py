"""The bounds of the Cacher's history."""

import pytest

from storage.history import WINDOW, History
from storage.interface import SMALL, Compacted, Event, KeyValue


def event(revision: int, size: int = 0) -> Event:
    return Event(revision, KeyValue("/a", b"x" * size, revision), None)


def revisions(history: History, after: int) -> list[int]:
    return [event.revision for event in history.after(after)]


def test_after() -> None:
    """All events above a revision, in order; none above the newest."""
    history = History(10)
    history.extend([event(11), event(13)], now=0)
    history.extend([event(14)], now=1)
    assert revisions(history, 10) == [11, 13, 14]
    assert revisions(history, 12) == [13, 14]
    assert revisions(history, 14) == []


def test_before_the_floor() -> None:
    """What happened up to the floor is not known."""
    with pytest.raises(Compacted) as caught:
        History(10).after(9)
    assert caught.value.compacted == 10


def test_young_events_are_kept() -> None:
    """Events younger than the window are kept, although they are more than the minimum."""
    history = History(0, min_events=2)
    history.extend([event(revision) for revision in range(1, 11)], now=0)
    history.extend([event(11)], now=WINDOW)
    assert len(history.after(0)) == 11


def test_old_events_are_forgotten_down_to_the_minimum() -> None:
    """Events older than the window go, but the newest ones stay however old."""
    history = History(0, min_events=2)
    history.extend([event(revision) for revision in range(1, 11)], now=0)
    history.extend([event(11)], now=WINDOW + 1)
    assert history.floor == 9
    assert revisions(history, 9) == [10, 11]


def test_never_more_than_the_maximum() -> None:
    """The maximum holds for young events too."""
    history = History(0, min_events=1, max_events=3)
    history.extend([event(revision) for revision in range(1, 11)], now=0)
    assert history.floor == 7
    assert revisions(history, 7) == [8, 9, 10]


def test_never_more_bytes_than_the_maximum() -> None:
    """Of large values fewer are kept than the minimum, and as many again once they are small."""
    history = History(0, min_events=10, max_bytes=100 * SMALL)
    history.extend([event(revision, size=40 * SMALL) for revision in range(1, 5)], now=0)
    assert history.floor == 2
    history.extend([event(5, size=40 * SMALL), event(6, size=60 * SMALL)], now=0)
    assert revisions(history, history.floor) == [5, 6]
    history.extend([event(revision) for revision in range(7, 47)], now=0)
    assert revisions(history, history.floor) == list(range(6, 47))


def test_deletions_count_for_what_they_hold() -> None:
    """A deletion may be all that holds the value before it."""
    history = History(0, min_events=10, max_bytes=100 * SMALL)
    deletions = [Event(revision, None, KeyValue("/a", b"x" * 40 * SMALL, revision - 1)) for revision in range(2, 9)]
    history.extend(deletions, now=0)
    assert revisions(history, history.floor) == [7, 8]


def test_lost_for_want_of_room() -> None:
    """What went because it was old could be had again; what went because the history was full could not be kept."""
    history = History(0, min_events=1, max_events=3)
    history.extend([event(1), event(2)], now=0)
    history.extend([event(3)], now=WINDOW + 1)
    assert (history.floor, history.lost) == (2, 0)
    history.extend([event(4), event(5), event(6)], now=WINDOW + 1)
    assert (history.floor, history.lost) == (3, 3)


def test_the_past_has_the_room_that_is_left() -> None:
    """What is read back is never more than fits before what is there: the newest of it."""
    history = History(10, max_events=5)
    history.extend([event(11), event(12)], now=0)
    past = history.before(0)
    past.extend([event(revision) for revision in range(1, 11)], now=0)
    assert revisions(past, past.floor) == [8, 9, 10]
    history.extend([event(13)], now=0)
    history.prepend(past)
    assert revisions(history, history.floor) == [9, 10, 11, 12, 13]
    assert history.lost == 8


def test_a_restart_forgets_all() -> None:
    """It is as a new one."""
    history = History(0, max_events=1)
    history.extend([event(1), event(2)], now=0)
    history.restart(5)
    assert (history.floor, history.lost, history.after(5)) == (5, 0, [])
    assert history.before(5).after(5) == []
