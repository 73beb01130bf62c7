"""The newest events of a Cacher's prefix, for watches that start in the past."""

from collections import deque
from collections.abc import Sequence

from storage.interface import Compacted, Event

WINDOW = 75.0
"""Seconds that an event is kept at least, as in Kubernetes' watch cache."""
MIN_EVENTS = 1000
"""So many are kept however old they are."""
MAX_EVENTS = 102_400
"""And never more than so many."""


class History:
    """Every event with a revision above `floor`, in order."""

    def __init__(self, floor: int, *, min_events: int = MIN_EVENTS, max_events: int = MAX_EVENTS) -> None:
        self.floor = floor
        self._min_events = min_events
        self._max_events = max_events
        self._events: deque[tuple[float, Event]] = deque()

    def extend(self, events: Sequence[Event], now: float) -> None:
        """Adds newer events, seen at `now` (seconds of a monotonic clock), and forgets old ones."""
        kept = self._events
        kept.extend((now, event) for event in events)
        while len(kept) > self._max_events or (len(kept) > self._min_events and kept[0][0] < now - WINDOW):
            self.floor = kept.popleft()[1].revision

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
