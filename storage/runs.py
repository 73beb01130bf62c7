"""The sorted keys of a Cacher with their states, in runs that stay the same while nothing in them is written."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from operator import attrgetter

from storage.interface import KeyValue, Run

MAX_ITEMS = 256
"""Of a run; those with fewer than MIN_ITEMS are joined with the next one when one of theirs is deleted."""
MIN_ITEMS = 32
MAX_BYTES = 256 * 1024
"""Of the values of a run, unless it has but one; small values are not counted each time one is added."""
_key = attrgetter("key")


class Runs:
    """Runs in the order of their keys; none is empty. A Run never changes: a write replaces it, so whoever has some of
    them has the state of that moment.

    `_starts`: the first key of each. `_before`: how many keys are before each, and how many there are; empty until
    somebody asks after a key has come or gone."""

    def __init__(self, items: Sequence[KeyValue] = ()) -> None:
        """`items` in the order of their keys."""
        half = MAX_ITEMS // 2
        self._runs: list[Run] = []
        for start in range(0, len(items), half):
            self._runs += _within_limits(list(items[start : start + half]))
        self._starts = [run.items[0].key for run in self._runs]
        self._before: list[int] = []

    def put(self, kv: KeyValue) -> None:
        """Adds the key, or replaces its state."""
        if not self._runs:
            self._replace(0, 0, [kv])
            return
        at = self._at(kv.key)
        items = self._runs[at].items
        place = bisect_left(items, kv.key, key=_key)
        known = place < len(items) and items[place].key == kv.key
        changed = [*items[:place], kv, *items[place + known :]]
        if len(changed) <= MAX_ITEMS and len(kv.value) <= MAX_BYTES // MAX_ITEMS:
            self._runs[at], self._starts[at] = Run(changed), changed[0].key
            if not known:
                self._before = []
        else:
            self._replace(at, at + 1, changed)

    def remove(self, key: str) -> None:
        """The key must be there."""
        at = self._at(key)
        items = self._runs[at].items
        place = bisect_left(items, key, key=_key)
        rest = items[:place] + items[place + 1 :]
        # What deletions leave does not stay in crumbs.
        following = self._runs[at + 1 : at + 2] if len(rest) < MIN_ITEMS else []
        self._replace(at, at + 1 + len(following), [*rest, *(kv for run in following for kv in run.items)])

    def between(self, low: str, high: str, limit: int = 0) -> tuple[list[Run], int]:
        """The keys from `low` to before `high`, at most `limit` (0: all), and how many more there are."""
        found, left = list[Run](), limit or self.count(low, high)
        for run in self._cut(low, high):
            if left <= 0:
                break
            found.append(run if len(run.items) <= left else run.part(0, left))
            left -= len(run.items)
        return found, self.count(low, high) - sum(len(run.items) for run in found) if limit else 0

    def count(self, low: str, high: str) -> int:
        """How many keys there are from `low` to before `high`."""
        return max(self._rank(high) - self._rank(low), 0)

    def _cut(self, low: str, high: str) -> Iterator[Run]:
        """The runs between, the first and the last one cut to size."""
        first, end = self._at(low), bisect_left(self._starts, high)
        for at, run in enumerate(self._runs[first:end], first):
            items = run.items
            if first < at < end - 1 or (items[0].key >= low and items[-1].key < high):
                yield run
                continue
            start, stop = bisect_left(items, low, key=_key), bisect_left(items, high, key=_key)
            if start < stop:
                yield run.part(start, stop)

    def _at(self, key: str) -> int:
        """Where the run is that has the key, if any has it."""
        return max(bisect_right(self._starts, key) - 1, 0)

    def _rank(self, key: str) -> int:
        """How many keys are before this one."""
        if not self._runs:
            return 0
        self._before = self._before or [*accumulate((len(run.items) for run in self._runs), initial=0)]
        at = self._at(key)
        return self._before[at] + bisect_left(self._runs[at].items, key, key=_key)

    def _replace(self, start: int, end: int, items: list[KeyValue]) -> None:
        runs = _within_limits(items)
        self._runs[start:end] = runs
        self._starts[start:end] = [run.items[0].key for run in runs]
        self._before = []


def _within_limits(items: list[KeyValue]) -> list[Run]:
    """As one run, or as two that are half as long, and so on."""
    if len(items) > MAX_ITEMS or (len(items) > 1 and sum(len(kv.value) for kv in items) > MAX_BYTES):
        half = len(items) // 2
        return _within_limits(items[:half]) + _within_limits(items[half:])
    return [Run(items)] if items else []
