"""The sorted runs of keys behind a Cacher's lists."""

import random

import pytest

from storage.interface import KeyValue, Run
from storage.runs import MAX_BYTES, MAX_ITEMS, Runs

END = "~"


def kv(key: str, revision: int = 1, size: int = 0) -> KeyValue:
    return KeyValue(key, b"x" * size, revision)


def numbered(count: int) -> list[KeyValue]:
    return [kv(f"{number:05}") for number in range(count)]


def keys(runs: list[Run]) -> list[str]:
    return [kv.key for run in runs for kv in run.items]


def whole(runs: Runs) -> list[Run]:
    return runs.between("", END)[0]


def changed(before: list[Run], after: list[Run]) -> int:
    """How many runs are new."""
    return len({id(run) for run in after} - {id(run) for run in before})


def test_as_a_sorted_dictionary() -> None:
    """After any writes, any range with any limit is what a sorted dictionary has, and so is what remains."""
    choose = random.Random(11)
    runs, known = Runs(), dict[str, KeyValue]()
    for revision in range(6000):
        key = f"{choose.randrange(2000):04}"
        if key in known and choose.random() < 0.4:
            del known[key]
            runs.remove(key)
        else:
            known[key] = kv(key, revision, choose.choice((0, 10, 5000)))
            runs.put(known[key])
        if revision % 20:
            continue
        low, high = sorted((f"{choose.randrange(2000):04}", f"{choose.randrange(2000):04}"))
        limit = choose.choice((0, 1, 7, 500))
        expected = [known[key] for key in sorted(known) if low <= key < high]
        found, remaining = runs.between(low, high, limit)
        assert [each for run in found for each in run.items] == (expected[:limit] if limit else expected)
        assert remaining == (max(len(expected) - limit, 0) if limit else 0)
        assert runs.count(low, high) == len(expected)
        assert all(run.items for run in whole(runs))


def test_empty() -> None:
    """Nothing is found in nothing."""
    assert Runs().between("", END) == ([], 0)
    assert Runs().count("", END) == 0


@pytest.mark.parametrize("count", [1, MAX_ITEMS, MAX_ITEMS + 1, 10_000])
def test_filled_at_once(count: int) -> None:
    """What it is made of is in it, in runs of bounded length."""
    runs = Runs(numbered(count))
    assert keys(whole(runs)) == [kv.key for kv in numbered(count)]
    assert all(len(run.items) <= MAX_ITEMS for run in whole(runs))


def test_large_values() -> None:
    """Runs of large values are shorter; a value that is larger than a run may be has one for itself."""
    runs = Runs()
    for number in range(100):
        runs.put(kv(f"{number:03}", size=MAX_BYTES // 10))
    runs.put(kv("huge", size=2 * MAX_BYTES))
    assert keys(whole(runs)) == [*(f"{number:03}" for number in range(100)), "huge"]
    assert [len(run.items) for run in whole(runs)][-1] == 1
    assert all(sum(len(kv.value) for kv in run.items) <= MAX_BYTES for run in whole(runs)[:-1])


def test_a_write_changes_one_run() -> None:
    """An update, a creation and a deletion replace the run that they are in, and no other."""
    runs = Runs(numbered(5000))
    before = whole(runs)
    runs.put(kv("02500", revision=2))
    updated = whole(runs)
    runs.put(kv("02500x"))
    created = whole(runs)
    runs.remove("04000")
    removed = whole(runs)
    assert [changed(before, updated), changed(updated, created), changed(created, removed)] == [1, 1, 1]
    assert keys(before) == [kv.key for kv in numbered(5000)]


def test_a_growing_run_is_divided() -> None:
    """Keys that come in order, or in any other, make runs that are at least half full."""
    for shuffled in (False, True):
        items, runs = numbered(5000), Runs()
        if shuffled:
            random.Random(5).shuffle(items)
        for item in items:
            runs.put(item)
        lengths = [len(run.items) for run in whole(runs)]
        assert max(lengths) <= MAX_ITEMS
        assert min(lengths) >= MAX_ITEMS // 2


def test_no_crumbs() -> None:
    """When most keys have been deleted, what is left is in few runs."""
    runs = Runs(numbered(5000))
    for number in range(5000):
        if number % 100:
            runs.remove(f"{number:05}")
    assert keys(whole(runs)) == [f"{number:05}" for number in range(0, 5000, 100)]
    assert len(whole(runs)) <= 3
