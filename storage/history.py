"""The newest events, for watches that start in the past."""

from collections import deque
from collections.abc import Sequence

from storage.interface import Compacted, Event

WINDOW = 75.0
"""Seconds that an event is kept at least, as in Kubernetes' watch cache."""
MIN_EVENTS = 1000
"""So many are kept however old they are."""
MAX_EVENTS = 102_400
"""And never more than so many,"""
MAX_BYTES = 128 * 1024 * 1024
"""nor more of their values: an event may be of a megabyte, and takes two to three times that."""


class History:
    """Every event with a revision above `floor`, in order."""

    def __init__(
        self, floor: int, *, min_events: int = MIN_EVENTS, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES
    ) -> None:
        self.floor = floor
        self._min_events, self._max_events, self._max_bytes = min_events, max_events, max_bytes
        self._bytes = 0
        self._events: deque[tuple[float, Event]] = deque()

    def extend(self, events: Sequence[Event], now: float) -> None:
        """Adds newer events, seen at `now` (seconds of a monotonic clock), and forgets old ones."""
        kept = self._events
        kept.extend((now, event) for event in events)
        self._bytes += sum(map(_size, events))
        while self._is_full() or (len(kept) > self._min_events and kept[0][0] < now - WINDOW):
            _, event = kept.popleft()
            self._bytes -= _size(event)
            self.floor = event.revision

    def _is_full(self) -> bool:
        return len(self._events) > self._max_events or self._bytes > self._max_bytes

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


def _size(event: Event) -> int:
    """Bytes of its value; that before is most often another event's."""
    return len(event.kv.value) if event.kv else 0
