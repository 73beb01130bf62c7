"""The storage contract (storage/interface.py), over every implementation."""

import asyncio
from contextlib import aclosing

import pytest

from storage.interface import (
    Compacted,
    FutureRevision,
    Page,
    Progress,
    RevisionConflict,
    Storage,
    TooLarge,
)
from tests.contract.watching import events_after, progress_of_at_least, take

MEGABYTE = 1 << 20


async def fill(storage: Storage, prefix: str, names: str) -> list[int]:
    """A key for each letter, in that order, with its letter as value; the revisions."""
    return [await storage.put(prefix + name, name.encode(), 0) for name in names]


def names(page: Page, prefix: str) -> str:
    return "".join(item.key.removeprefix(prefix) for item in page.items)


async def test_get_of_what_was_put(storage: Storage, prefix: str) -> None:
    """A created key is read back with its value, at its revision."""
    revision = await storage.put(prefix + "a", b"one", 0)
    kv, at = await storage.get(prefix + "a")
    assert kv is not None
    assert (kv.key, kv.value, kv.mod_revision) == (prefix + "a", b"one", revision)
    assert at >= revision


async def test_get_of_nothing(storage: Storage, prefix: str) -> None:
    """A key that does not exist is None, at a revision all the same."""
    kv, at = await storage.get(prefix + "missing")
    assert kv is None
    assert at >= 1


async def test_an_empty_storage_has_a_revision(storage: Storage, prefix: str) -> None:
    """An empty list's revision is above 0, and the next write's is above it."""
    page = await storage.list(prefix)
    assert (page.items, page.remaining) == ([], 0)
    assert page.revision > 0
    assert await storage.put(prefix + "a", b"", 0) > page.revision


async def test_revisions_grow(storage: Storage, prefix: str) -> None:
    """Each write takes a higher revision than the one before, a deletion too."""
    first = await storage.put(prefix + "a", b"1", 0)
    second = await storage.put(prefix + "a", b"2", first)
    third = await storage.put(prefix + "b", b"3", 0)
    fourth = await storage.delete(prefix + "a", second)
    assert first < second < third < fourth <= await storage.current_revision()


async def test_update(storage: Storage, prefix: str) -> None:
    """An update from the right revision replaces the value."""
    created = await storage.put(prefix + "a", b"1", 0)
    updated = await storage.put(prefix + "a", b"2", created)
    kv, _ = await storage.get(prefix + "a")
    assert kv is not None
    assert (kv.value, kv.mod_revision) == (b"2", updated)


async def test_create_of_what_exists(storage: Storage, prefix: str) -> None:
    """Creating an existing key is a conflict that holds what is there, and changes nothing."""
    revision = await storage.put(prefix + "a", b"1", 0)
    with pytest.raises(RevisionConflict) as caught:
        await storage.put(prefix + "a", b"2", 0)
    current = caught.value.current
    assert current is not None
    assert (current.key, current.value, current.mod_revision) == (prefix + "a", b"1", revision)
    kv, _ = await storage.get(prefix + "a")
    assert kv == current


async def test_update_from_an_old_revision(storage: Storage, prefix: str) -> None:
    """An update from a revision that is not the newest is a conflict with the newest."""
    created = await storage.put(prefix + "a", b"1", 0)
    updated = await storage.put(prefix + "a", b"2", created)
    with pytest.raises(RevisionConflict) as caught:
        await storage.put(prefix + "a", b"3", created)
    assert caught.value.current is not None
    assert caught.value.current.mod_revision == updated


async def test_update_of_nothing(storage: Storage, prefix: str) -> None:
    """An update of a key that is gone is a conflict with nothing."""
    created = await storage.put(prefix + "a", b"1", 0)
    await storage.delete(prefix + "a", created)
    with pytest.raises(RevisionConflict) as caught:
        await storage.put(prefix + "a", b"2", created)
    assert caught.value.current is None


async def test_delete(storage: Storage, prefix: str) -> None:
    """A deleted key is gone and can be created again."""
    created = await storage.put(prefix + "a", b"1", 0)
    await storage.delete(prefix + "a", created)
    assert (await storage.get(prefix + "a"))[0] is None
    assert (await storage.list(prefix)).items == []
    await storage.put(prefix + "a", b"2", 0)
    assert names(await storage.list(prefix), prefix) == "a"


async def test_delete_conflicts(storage: Storage, prefix: str) -> None:
    """A deletion from another revision is a conflict with what is there; of a missing key with nothing."""
    revision = await storage.put(prefix + "a", b"1", 0)
    with pytest.raises(RevisionConflict) as caught:
        await storage.delete(prefix + "a", revision - 1)
    assert caught.value.current is not None
    assert caught.value.current.mod_revision == revision
    for expected in (0, revision):
        with pytest.raises(RevisionConflict) as caught:
            await storage.delete(prefix + "missing", expected)
        assert caught.value.current is None


async def test_prefix_is_a_string_prefix(storage: Storage, prefix: str) -> None:
    """`/a/b` covers `/a/bc` and `/a/b/c`, and nothing else; keys come in the order of their bytes."""
    for name in ("a/bc", "a/b", "a/c", "a/b/c", "b", "a", "a/a", "a/bÿ"):
        await storage.put(prefix + name, b"", 0)
    page = await storage.list(prefix + "a/b")
    assert [item.key.removeprefix(prefix) for item in page.items] == ["a/b", "a/b/c", "a/bc", "a/bÿ"]
    assert page.remaining == 0


async def test_pages(storage: Storage, prefix: str) -> None:
    """Pages by start and limit count what remains; the last page is whatever is left."""
    await fill(storage, prefix, "bacde")
    first = await storage.list(prefix, limit=2)
    assert (names(first, prefix), first.remaining) == ("ab", 3)
    second = await storage.list(prefix, start=prefix + "b\0", limit=2)
    assert (names(second, prefix), second.remaining) == ("cd", 1)
    third = await storage.list(prefix, start=prefix + "d\0", limit=2)
    assert (names(third, prefix), third.remaining) == ("e", 0)


async def test_page_of_exactly_all(storage: Storage, prefix: str) -> None:
    """A limit of as many keys as there are leaves nothing remaining."""
    await fill(storage, prefix, "ab")
    page = await storage.list(prefix, limit=2)
    assert (names(page, prefix), page.remaining) == ("ab", 0)


async def test_start_includes_its_key(storage: Storage, prefix: str) -> None:
    """`start` is inclusive, and past the end there is nothing."""
    await fill(storage, prefix, "abc")
    assert names(await storage.list(prefix, start=prefix + "b"), prefix) == "bc"
    page = await storage.list(prefix, start=prefix + "x", limit=1)
    assert (page.items, page.remaining) == ([], 0)


async def test_start_outside_the_prefix(storage: Storage, prefix: str) -> None:
    """`start` never widens the range: before the prefix it is the prefix, after it there is nothing."""
    await fill(storage, prefix + "m/", "ab")
    await fill(storage, prefix, "az")
    assert names(await storage.list(prefix + "m/", start=prefix + "a"), prefix + "m/") == "ab"
    page = await storage.list(prefix + "m/", start=prefix + "z", limit=5)
    assert (page.items, page.remaining) == ([], 0)


async def test_list_at_an_exact_revision(storage: Storage, prefix: str) -> None:
    """A list at a revision shows the keys as they were, deleted ones included, whatever was written since."""
    first, second, third = await fill(storage, prefix, "abc")
    await storage.put(prefix + "a", b"changed", first)
    await storage.delete(prefix + "b", second)
    page = await storage.list(prefix, revision=third)
    assert page.revision == third
    assert [item.value for item in page.items] == [b"a", b"b", b"c"]
    assert [item.mod_revision for item in page.items] == [first, second, third]
    assert names(await storage.list(prefix, revision=second), prefix) == "ab"


async def test_pages_at_one_revision(storage: Storage, prefix: str) -> None:
    """Pages that name the first page's revision are one consistent list."""
    revisions = await fill(storage, prefix, "abcd")
    first = await storage.list(prefix, limit=2)
    await storage.delete(prefix + "c", revisions[2])
    second = await storage.list(prefix, start=prefix + "b\0", limit=1, revision=first.revision)
    assert (names(second, prefix), second.remaining, second.revision) == ("c", 1, first.revision)


async def test_list_in_the_future(storage: Storage, prefix: str) -> None:
    """A list at a revision that does not exist yet raises FutureRevision with the current one."""
    current = await storage.put(prefix + "a", b"", 0)
    with pytest.raises(FutureRevision) as caught:
        await storage.list(prefix, revision=current + 1000)
    assert caught.value.asked == current + 1000
    assert caught.value.current >= current


@pytest.mark.parametrize("behind", [0, 1])
async def test_not_older_than_a_past_revision(storage: Storage, prefix: str, behind: int) -> None:
    """Reads not older than a revision that was reached see at least that."""
    revisions = await fill(storage, prefix, "ab")
    oldest = revisions[-1] - behind
    page = await storage.list(prefix, not_older_than=oldest)
    assert page.revision >= oldest
    assert "a" in names(page, prefix)
    kv, at = await storage.get(prefix + "a", not_older_than=oldest)
    assert kv is not None
    assert at >= oldest


async def test_not_older_than_the_future(storage: Storage, prefix: str) -> None:
    """Reads not older than a revision far ahead raise FutureRevision."""
    current = await storage.put(prefix + "a", b"", 0)
    with pytest.raises(FutureRevision):
        await storage.list(prefix, not_older_than=current + 1000)


async def test_not_older_than_zero(storage: Storage, prefix: str) -> None:
    """Not older than 0 is any state, at a revision."""
    page = await storage.list(prefix, not_older_than=0)
    assert page.items == []
    assert page.revision > 0
    assert await storage.get(prefix + "a", not_older_than=0) == (None, page.revision)


async def test_reads_see_finished_writes(storage: Storage, prefix: str) -> None:
    """Linearizable: a read that starts after a write has returned sees it."""
    revision = 0
    for number in range(50):
        revision = await storage.put(prefix + "a", str(number).encode(), revision)
        kv, at = await storage.get(prefix + "a")
        assert kv is not None
        assert (kv.value, kv.mod_revision) == (str(number).encode(), revision)
        assert at >= revision
        assert (await storage.list(prefix)).revision >= revision


async def test_current_revision_covers_other_prefixes(storage: Storage, backend: Storage, prefix: str) -> None:
    """One counter is over all keys: a write elsewhere moves it, and a consistent list shows that."""
    elsewhere = await backend.put(f"/elsewhere{prefix}", b"", 0)
    assert await storage.current_revision() >= elsewhere
    assert (await storage.list(prefix)).revision >= elsewhere


async def test_large_value(storage: Storage, prefix: str) -> None:
    """A value of 1 MiB is kept, listed and watched."""
    value = bytes(range(256)) * (MEGABYTE // 256)
    before = await storage.current_revision()
    await storage.put(prefix + "a", value, 0)
    kv, _ = await storage.get(prefix + "a")
    assert kv is not None
    assert kv.value == value
    (event,) = await events_after(storage, prefix, before, 1)
    assert event.kv == kv


@pytest.mark.parametrize("size", [1_600_000, 4 * MEGABYTE])
async def test_too_large_value(storage: Storage, prefix: str, size: int) -> None:
    """A value above 1.5 MiB is refused and not written."""
    with pytest.raises(TooLarge):
        await storage.put(prefix + "a", b"x" * size, 0)
    assert (await storage.get(prefix + "a"))[0] is None


async def test_list_of_more_than_a_message(storage: Storage, prefix: str) -> None:
    """Lists larger than gRPC's usual 4 MiB arrive whole."""
    value = b"x" * MEGABYTE
    await asyncio.gather(*(storage.put(f"{prefix}{number}", value, 0) for number in range(6)))
    page = await storage.list(prefix)
    assert [len(item.value) for item in page.items] == [MEGABYTE] * 6


async def test_compare_and_swap_under_contention(storage: Storage, prefix: str) -> None:
    """Increments by many tasks that retry on conflict are all counted: no update is lost."""
    await storage.put(prefix + "n", b"0", 0)

    async def increment() -> None:
        kv, _ = await storage.get(prefix + "n")
        while kv is not None:
            try:
                await storage.put(prefix + "n", str(int(kv.value) + 1).encode(), kv.mod_revision)
                return
            except RevisionConflict as conflict:
                kv = conflict.current

    await asyncio.gather(*(increment() for _ in range(20)))
    kv, _ = await storage.get(prefix + "n")
    assert kv is not None
    assert kv.value == b"20"


async def test_concurrent_creates(storage: Storage, prefix: str) -> None:
    """Of many that create one key exactly one succeeds."""
    outcomes = await asyncio.gather(
        *(storage.put(prefix + "a", str(number).encode(), 0) for number in range(20)), return_exceptions=True
    )
    assert sum(isinstance(outcome, int) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, RevisionConflict) for outcome in outcomes) == 19


async def test_events_tell_before_and_after(storage: Storage, prefix: str) -> None:
    """A creation has no previous state, an update has both, a deletion only the previous one and its own revision."""
    before = await storage.current_revision()
    created = await storage.put(prefix + "a", b"1", 0)
    updated = await storage.put(prefix + "a", b"2", created)
    deleted = await storage.delete(prefix + "a", updated)
    creation, update, deletion = await events_after(storage, prefix, before, 3)
    assert [creation.revision, update.revision, deletion.revision] == [created, updated, deleted]
    assert creation.kv is not None
    assert (creation.kv.value, creation.kv.mod_revision, creation.previous) == (b"1", created, None)
    assert update.kv is not None
    assert (update.kv.value, update.previous) == (b"2", creation.kv)
    assert (deletion.kv, deletion.previous) == (None, update.kv)
    assert {event.key for event in (creation, update, deletion)} == {prefix + "a"}


async def test_recreation_has_no_previous(storage: Storage, prefix: str) -> None:
    """A key that is created again after its deletion is a creation."""
    created = await storage.put(prefix + "a", b"1", 0)
    deleted = await storage.delete(prefix + "a", created)
    await storage.put(prefix + "a", b"2", 0)
    (event,) = await events_after(storage, prefix, deleted, 1)
    assert event.previous is None


async def test_watch_replays_and_goes_on(storage: Storage, prefix: str) -> None:
    """A watch shows each write after its start once and in order, those before it was opened and those since."""
    before = await storage.current_revision()
    revisions = await fill(storage, prefix, "abc")
    async with aclosing(storage.watch(prefix, before)) as stream:
        events = await take(stream, 3)
        revisions += await fill(storage, prefix, "de")
        events += await take(stream, 2)
    assert [event.revision for event in events] == revisions


async def test_watch_during_writes(storage: Storage, prefix: str) -> None:
    """Watches opened at any time while there is writing see every later revision exactly once."""
    before = (await storage.list(prefix)).revision
    begun = asyncio.Semaphore(0)

    async def write() -> list[int]:
        revisions = [await storage.put(f"{prefix}{number}", b"", 0) for number in range(99)]
        for _ in range(5):
            await begun.acquire()
        return [*revisions, await storage.put(f"{prefix}99", b"", 0)]

    async def follow() -> tuple[int, list[int]]:
        after = (await storage.list(prefix)).revision
        begun.release()
        async with aclosing(storage.watch(prefix, after)) as stream:
            seen: list[int] = []
            async for batch in stream:
                if not isinstance(batch, Progress):
                    seen += [event.revision for event in batch]
                    if batch[-1].key == f"{prefix}99":
                        break
            return after, seen

    async with asyncio.TaskGroup() as tasks:
        writer = tasks.create_task(write())
        from_the_start = tasks.create_task(events_after(storage, prefix, before, 100))
        followers = [tasks.create_task(follow()) for _ in range(5)]
    revisions = writer.result()
    assert [event.revision for event in from_the_start.result()] == revisions
    for follower in followers:
        after, seen = follower.result()
        assert seen == [revision for revision in revisions if revision > after]


async def test_watch_sees_its_prefix_only(storage: Storage, prefix: str) -> None:
    """A watch leaves out what does not begin with its prefix; it is a string prefix."""
    before = await storage.current_revision()
    for name in ("a/b", "a/c", "b", "a/bc", "a/b/c"):
        await storage.put(prefix + name, b"", 0)
    events = await events_after(storage, prefix + "a/b", before, 3)
    assert [event.key.removeprefix(prefix) for event in events] == ["a/b", "a/bc", "a/b/c"]


async def test_watch_of_the_future(storage: Storage, prefix: str) -> None:
    """A watch after a revision that is yet to come leaves out what is written before."""
    current = await storage.current_revision()
    async with aclosing(storage.watch(prefix, current + 2)) as stream:
        opening = asyncio.create_task(take(stream, 1))
        revisions = await fill(storage, prefix, "abc")
        (event,) = await opening
    assert event.revision == next(revision for revision in revisions if revision > current + 2)


async def test_requested_progress(storage: Storage, backend: Storage, prefix: str) -> None:
    """Asked for, a watch reports a revision that covers writes under other prefixes too."""
    async with aclosing(storage.watch(prefix, await storage.current_revision())) as stream:
        await fill(storage, prefix, "a")
        await take(stream, 1)
        elsewhere = await backend.put(f"/elsewhere{prefix}", b"", 0)
        progress = asyncio.create_task(progress_of_at_least(stream, elsewhere))
        while not progress.done():
            await storage.request_progress()
            await asyncio.wait([progress], timeout=0.05)
        assert progress.result().revision >= elsewhere


async def test_progress_is_never_ahead_of_events(storage: Storage, prefix: str) -> None:
    """A Progress comes after all events up to its revision."""
    before = await storage.current_revision()
    async with aclosing(storage.watch(prefix, before)) as stream:
        writes = asyncio.create_task(fill(storage, prefix, "abcdefghijklmnopqrstuvwxyz"))
        newest, progress, count = before, before, 0
        while count < 26:
            await storage.request_progress()
            await asyncio.sleep(0)  # lets the writer go on, for a watch that always has something to say
            batch = await anext(stream)
            if isinstance(batch, Progress):
                progress = max(progress, batch.revision)
            else:
                assert batch[0].revision > progress
                assert batch[0].revision > newest
                newest = batch[-1].revision
                count += len(batch)
        assert newest == (await writes)[-1]


async def test_cancelled_watch(storage: Storage, prefix: str) -> None:
    """A watch ends by cancelling its reader, and the storage serves on."""
    stream = storage.watch(prefix, await storage.current_revision())
    reader = asyncio.create_task(take(stream, 1))
    await storage.put(f"{prefix}a", b"", 0)
    await reader
    reader = asyncio.create_task(take(stream, 1))
    await asyncio.sleep(0)
    reader.cancel()
    await asyncio.wait([reader])
    assert reader.cancelled()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    assert await storage.put(f"{prefix}b", b"", 0) > 0


async def test_compaction_keeps_the_state(storage: Storage, prefix: str) -> None:
    """Compacting to the current revision loses no key and no value."""
    first, second, _ = await fill(storage, prefix, "abc")
    await storage.put(prefix + "a", b"new", first)
    deleted = await storage.delete(prefix + "b", second)
    await storage.compact(deleted)
    page = await storage.list(prefix)
    assert [(item.key.removeprefix(prefix), item.value) for item in page.items] == [("a", b"new"), ("c", b"c")]
    assert names(await storage.list(prefix, revision=deleted), prefix) == "ac"
    assert (await storage.get(prefix + "b"))[0] is None
    assert await storage.put(prefix + "b", b"again", 0) > deleted


async def test_compacted_history_is_refused(storage: Storage, prefix: str) -> None:
    """Lists at, and watches from, before the compaction raise Compacted; those after it go on."""
    first, second, third = await fill(storage, prefix, "abc")
    await storage.list(prefix)  # a cache has these events now: what it has is not lost by the compaction
    await storage.compact(second)
    newer = await storage.put(prefix + "a", b"2", first)
    with pytest.raises(Compacted):
        await storage.list(prefix, revision=first)
    with pytest.raises(Compacted):
        await anext(storage.watch(prefix, 0))
    assert names(await storage.list(prefix, revision=third), prefix) == "abc"
    (event,) = await events_after(storage, prefix, third, 1)
    assert event.revision == newer
    assert event.previous is not None
    assert event.previous.mod_revision == first


async def test_compacting_again(storage: Storage, prefix: str) -> None:
    """Compacting to the same or an older revision again is no error; to a future one it is."""
    first, second = await fill(storage, prefix, "ab")
    await storage.compact(second)
    await storage.compact(second)
    await storage.compact(first)
    with pytest.raises(FutureRevision):
        await storage.compact(await storage.current_revision() + 1000)


async def test_check(storage: Storage) -> None:
    """A storage that is there passes its check."""
    await storage.check()
