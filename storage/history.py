"""The newest events, for watches that start in the past."""

from collections import deque
from collections.abc import Sequence
from typing import Self

from storage.interface import Compacted, Event

WINDOW = 75.0
"""Seconds that an event is kept at least, as in Kubernetes' watch cache."""
MIN_EVENTS = 1000
"""So many are kept however old they are."""
MAX_EVENTS = 102_400
"""And never more than so many,"""
MAX_BYTES = 128 * 1024 * 1024
"""nor more of their sizes: an event may be of a megabyte, and takes two to three times that."""


class History:
    """Every event with a revision above `floor`, in order."""

    def __init__(
        self, floor: int, *, min_events: int = MIN_EVENTS, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES
    ) -> None:
        self.floor = floor
        self.lost = 0
        """There is no room for what was up to it: it was the floor when the history was full."""
        self._min_events, self._max_events, self._max_bytes = min_events, max_events, max_bytes
        self._bytes = 0
        self._events: deque[tuple[float, Event]] = deque()

    def extend(self, events: Sequence[Event], now: float) -> None:
        """Adds newer events, seen at `now` (seconds of a monotonic clock), and forgets old ones."""
        kept = self._events
        kept.extend((now, event) for event in events)
        self._bytes += sum(event.size for event in events)
        self._make_room()
        while len(kept) > self._min_events and kept[0][0] < now - WINDOW:
            self._forget()

    def restart(self, floor: int) -> None:
        """Forgets everything, and begins there."""
        self.floor, self.lost, self._bytes = floor, 0, 0
        self._events.clear()

    def before(self, floor: int) -> Self:
        """An empty one that begins there, with the room that this one leaves."""
        room = self._max_events - len(self._events), self._max_bytes - self._bytes
        return type(self)(floor, min_events=self._min_events, max_events=room[0], max_bytes=room[1])

    def prepend(self, past: Self) -> None:
        """Adds the events of `past`, which ends where this one begins, as far as there is room."""
        self._events.extendleft(reversed(past._events))
        self._bytes += past._bytes
        self.floor, self.lost = past.floor, max(past.lost, self.lost)
        self._make_room()

    def after(self, revision: int) -> list[Event]:
        """The events with a revision above `revision`. Raises Compacted when not all of them are kept."""
        if revision < self.floor:
            raise Compacted(self.floor)
        newer = []
        for _, event in reversed(self._events):
            if event.revision <= revision:
                break
            newer.append(event)
        newer.reverse()
        return newer

    def _make_room(self) -> None:
        while len(self._events) > self._max_events or self._bytes > self._max_bytes:
            self._forget()
            self.lost = self.floor

    def _forget(self) -> None:
        _, event = self._events.popleft()
        self._bytes -= event.size
        self.floor = event.revision
