"""What the Cacher does beyond the storage contract, over SQLite in memory behind a seam that counts and fails."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from storage.cacher import MANY, PAGE, Cacher
from storage.interface import SMALL, Batch, Compacted, Event, KeyValue, Page, Progress, Take, Unavailable
from storage.sqlite import SQLiteStorage
from storage.watchers import SlowWatcher
from tests.contract.batches import in_batches


class Upstream:
    """A Storage that passes everything on, counts the reads, and can be away or hold back its revision."""

    def __init__(self, storage: SQLiteStorage) -> None:
        self._storage = storage
        self.lists = 0
        self.questions = 0
        self.watches = 0
        self.answering = asyncio.Event()
        self.answering.set()
        self.asked = asyncio.Event()
        self._away = asyncio.Event()

    def go_away(self) -> None:
        """From now on every call, and every open watch, raises Unavailable."""
        self._away.set()

    def come_back(self) -> None:
        self._away.clear()

    def restore(self, storage: SQLiteStorage) -> None:
        """From now on it passes everything on to this one."""
        self._storage = storage

    def _require(self) -> None:
        if self._away.is_set():
            raise Unavailable("away")

    async def get(self, key: str, *, not_older_than: int | None = None) -> tuple[KeyValue | None, int]:
        self._require()
        return await self._storage.get(key, not_older_than=not_older_than)

    async def list(
        self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0, not_older_than: int | None = None
    ) -> Page:
        self._require()
        self.lists += 1
        return await self._storage.list(
            prefix, start=start, limit=limit, revision=revision, not_older_than=not_older_than
        )

    async def put(self, key: str, value: bytes, expected: int) -> int:
        self._require()
        return await self._storage.put(key, value, expected)

    async def delete(self, key: str, expected: int) -> int:
        self._require()
        return await self._storage.delete(key, expected)

    async def watch(self, prefix: str, after: int, take: Take | None = None) -> AsyncGenerator[Batch | Progress]:
        self._require()
        self.watches += 1
        gone = asyncio.create_task(self._away.wait())
        try:
            async with aclosing(self._storage.watch(prefix, after)) as stream:
                while True:
                    batch = asyncio.create_task(_next(stream))
                    try:
                        await asyncio.wait([batch, gone], return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        if not batch.done():
                            batch.cancel()
                            await asyncio.wait([batch])
                    if batch.cancelled():
                        raise Unavailable("gone away")
                    yield batch.result()
        finally:
            gone.cancel()

    async def current_revision(self) -> int:
        self._require()
        self.questions += 1
        self.asked.set()
        revision = await self._storage.current_revision()
        await self.answering.wait()
        return revision

    async def request_progress(self) -> None:
        self._require()
        await self._storage.request_progress()

    async def compact(self, revision: int) -> None:
        self._require()
        await self._storage.compact(revision)

    async def check(self) -> None:
        self._require()

    async def close(self) -> None:
        await self._storage.close()


async def _next(stream: AsyncGenerator[Batch | Progress]) -> Batch | Progress:
    return await anext(stream)


@pytest.fixture
async def sqlite() -> AsyncIterator[SQLiteStorage]:
    storage = await SQLiteStorage.open(":memory:")
    yield storage
    await storage.close()


@pytest.fixture
def upstream(sqlite: SQLiteStorage) -> Upstream:
    return Upstream(sqlite)


@asynccontextmanager
async def running(cacher: Cacher) -> AsyncIterator[Cacher]:
    follower = asyncio.create_task(cacher.run())
    try:
        await cacher.wait_ready()
        yield cacher
    finally:
        follower.cancel()
        await asyncio.wait([follower])


@pytest.fixture
async def cacher(upstream: Upstream) -> AsyncIterator[Cacher]:
    async with running(Cacher(upstream, "/", buffer=10 * SMALL)) as cacher:
        yield cacher


async def events(cacher: Cacher, after: int, count: int) -> list[Event]:
    seen: list[Event] = []
    async with aclosing(cacher.watch("/", after)) as stream:
        async for batch in stream:
            seen += [] if isinstance(batch, Progress) else batch
            if len(seen) >= count:
                break
    return seen


async def test_before_the_first_list(upstream: Upstream) -> None:
    """A Cacher that has listed nothing has no state that would do, and says so at once."""
    cacher = Cacher(upstream, "/")
    assert not cacher.ready
    with pytest.raises(Unavailable):
        await cacher.get("/a", not_older_than=0)
    with pytest.raises(Unavailable):
        await cacher.list("/", not_older_than=0)


async def test_ready_after_the_first_list(cacher: Cacher) -> None:
    """Once listed it is ready, at a revision, and waiting for it returns."""
    assert cacher.ready
    assert cacher.revision > 0
    await cacher.wait_ready()


async def test_initial_list_of_many_pages(sqlite: SQLiteStorage) -> None:
    """The initial list goes on over all pages."""
    keys = [f"/{number:05}" for number in range(2500)]
    await in_batches(sqlite.put(key, b"", 0) for key in keys)
    async with running(Cacher(sqlite, "/")) as cacher:
        assert [item.key for item in (await cacher.list("/", not_older_than=0)).items] == keys


async def test_exact_list_of_many(sqlite: SQLiteStorage) -> None:
    """A long list of the past is read in parts, at one revision, and counts what remains."""
    keys = [f"/{number:05}" for number in range(2500)]
    revisions = await in_batches(sqlite.put(key, b"", 0) for key in keys)
    newest = max(revisions)
    async with running(Cacher(sqlite, "/")) as cacher:
        await cacher.delete(keys[-1], revisions[-1])
        await cacher.get("/")
        page = await cacher.list("/", revision=newest)
        assert ([item.key for item in page.items], page.revision, page.remaining) == (keys, newest, 0)
        assert max(len(run.items) for run in page.runs) <= PAGE
        page = await cacher.list("/", start=keys[100], limit=1500, revision=newest)
        assert ([item.key for item in page.items], page.remaining) == (keys[100:1600], 900)


async def test_one_object_for_one_revision(cacher: Cacher) -> None:
    """Gets, lists and events of a revision hand out the same KeyValue, so that a memo made once is seen by all."""
    start = cacher.revision
    created = await cacher.put("/a", b"1", 0)
    kv, _ = await cacher.get("/a")
    assert kv is not None
    kv.memo = "decoded"
    assert (await cacher.list("/")).items[0] is kv
    await cacher.put("/a", b"2", created)
    creation, update = await events(cacher, start, 2)
    assert creation.kv is kv
    assert update.previous is kv


async def test_exact_list_shares_what_is_in_memory(cacher: Cacher, upstream: Upstream) -> None:
    """A list at an older revision comes from the storage, with the KeyValues that are still current shared."""
    await cacher.put("/a", b"", 0)
    revision = await cacher.put("/b", b"", 0)
    await cacher.put("/c", b"", 0)
    kept = (await cacher.list("/")).items
    lists = upstream.lists
    page = await cacher.list("/", revision=revision)
    assert upstream.lists == lists + 1
    assert [item.key for item in page.items] == ["/a", "/b"]
    assert page.items[0] is kept[0]


async def test_exact_list_from_memory(cacher: Cacher, upstream: Upstream, sqlite: SQLiteStorage) -> None:
    """While nothing under the prefix changes, pages at an exact revision come from memory."""
    await cacher.put("/a", b"", 0)
    await cacher.put("/b", b"", 0)
    first = await cacher.list("/", limit=1)
    lists = upstream.lists
    second = await cacher.list("/", start="/a\0", limit=1, revision=first.revision)
    assert upstream.lists == lists
    assert ([item.key for item in second.items], second.revision) == (["/b"], first.revision)


async def test_any_state_asks_nothing(cacher: Cacher, upstream: Upstream) -> None:
    """Reads of any state never ask the storage."""
    questions, lists = upstream.questions, upstream.lists
    await cacher.get("/a", not_older_than=0)
    await cacher.list("/", not_older_than=0)
    assert (upstream.questions, upstream.lists) == (questions, lists)


async def test_consistent_reads_share_a_question(cacher: Cacher, upstream: Upstream) -> None:
    """Reads that wait together are answered by one question for the storage's revision."""
    await asyncio.gather(*(cacher.get("/a") for _ in range(100)), *(cacher.list("/") for _ in range(100)))
    assert upstream.questions == 1


async def test_many_readers_wait_for_others(upstream: Upstream) -> None:
    """A question that many have shared is followed by a moment for more to come; one that few have shared is not."""
    async with running(Cacher(upstream, "/", gather=60.0)) as cacher:
        for _ in range(2):
            await cacher.get("/a")
        assert upstream.questions == 2
        await asyncio.gather(*(cacher.get("/a") for _ in range(MANY)))
        upstream.asked.clear()
        reader = asyncio.create_task(cacher.get("/a"))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not upstream.asked.is_set()
        reader.cancel()


async def test_no_answer_from_before_the_read(cacher: Cacher, upstream: Upstream) -> None:
    """A read that begins while a question is under way is served by the next one: it must see writes since."""
    upstream.answering.clear()
    early = asyncio.create_task(cacher.get("/a"))
    await upstream.asked.wait()
    revision = await cacher.put("/a", b"", 0)
    late = [asyncio.create_task(cacher.get("/a")) for _ in range(3)]
    await asyncio.sleep(0)
    upstream.answering.set()
    await early
    for _, at in await asyncio.gather(*late):
        assert at >= revision
    assert upstream.questions == 2


async def test_cancelled_reader_leaves_the_others(cacher: Cacher, upstream: Upstream) -> None:
    """Cancelling one of those who share a question does not disturb the rest."""
    upstream.answering.clear()
    readers = [asyncio.create_task(cacher.get("/a")) for _ in range(3)]
    await upstream.asked.wait()
    readers[1].cancel()
    upstream.answering.set()
    await asyncio.wait(readers)
    assert [reader.cancelled() for reader in readers] == [False, True, False]


async def test_clients_that_come_back_share_the_past(upstream: Upstream) -> None:
    """After a start, however many watches begin in the past, it is read twice at the most, and then is in memory."""
    revisions = [await upstream.put(f"/{number}", b"", 0) for number in range(100)]
    async with running(Cacher(upstream, "/")) as cacher:
        await cacher.get("/0")
        for _ in range(2):
            seen = await asyncio.gather(*(events(cacher, after, 1) for after in reversed(revisions[:-1])))
            assert [found[0].revision for found in reversed(seen)] == revisions[1:]
            assert upstream.watches == 1 + 2


async def test_the_past_while_the_storage_is_away(upstream: Upstream) -> None:
    """A watch from before the start is Unavailable then, and served when it is back."""
    async with running(Cacher(upstream, "/")) as cacher:
        revision = await cacher.put("/a", b"", 0)
    async with running(Cacher(upstream, "/")) as cacher:
        upstream.go_away()
        with pytest.raises(Unavailable):
            await events(cacher, revision - 1, 1)
        upstream.come_back()
        assert (await events(cacher, revision - 1, 1))[0].revision == revision


async def test_a_past_that_is_too_large(upstream: Upstream) -> None:
    """Of more than memory takes the newest is kept; who comes from before that is told so, and it is not read again."""
    revisions = [await upstream.put(f"/{number}", b"", 0) for number in range(100)]
    async with running(Cacher(upstream, "/", max_events=10)) as cacher:
        for _ in range(2):
            with pytest.raises(Compacted):
                await events(cacher, revisions[0], 1)
            assert upstream.watches == 1 + 1
        assert [event.revision for event in await events(cacher, revisions[-11], 10)] == revisions[-10:]


async def test_a_full_history_is_not_read_again(upstream: Upstream) -> None:
    """Who comes from before what memory has room for is told so at once: nothing is read in vain."""
    async with running(Cacher(upstream, "/", max_events=10)) as cacher:
        revisions = [await cacher.put(f"/{number}", b"", 0) for number in range(30)]
        await cacher.get("/0")
        for after in revisions[:19]:
            with pytest.raises(Compacted):
                await events(cacher, after, 1)
        assert [event.revision for event in await events(cacher, revisions[19], 10)] == revisions[20:]
        assert upstream.watches == 1


async def test_a_past_beside_a_history(upstream: Upstream) -> None:
    """The past is read as far back as there is room beside what memory has already, once."""
    revisions = [await upstream.put(f"/{number}", b"", 0) for number in range(30)]
    async with running(Cacher(upstream, "/", max_events=10)) as cacher:
        revisions += [await cacher.put(f"/more/{number}", b"", 0) for number in range(6)]
        await cacher.get("/0")
        for after in revisions[:25]:
            with pytest.raises(Compacted):
                await events(cacher, after, 1)
        assert [event.revision for event in await events(cacher, revisions[25], 10)] == revisions[26:]
        assert upstream.watches == 1 + 1


async def test_while_the_storage_is_away(cacher: Cacher, upstream: Upstream) -> None:
    """Any state is still served, fresh reads and writes are Unavailable, and watches stay open and miss nothing."""
    created = await cacher.put("/a", b"1", 0)
    await cacher.get("/a")
    following = asyncio.create_task(events(cacher, created, 2))
    upstream.go_away()
    kv, _ = await cacher.get("/a", not_older_than=0)
    assert kv is not None
    with pytest.raises(Unavailable):
        await cacher.get("/a")
    with pytest.raises(Unavailable):
        await cacher.list("/")
    with pytest.raises(Unavailable):
        await cacher.put("/b", b"", 0)
    upstream.come_back()
    revisions = [await cacher.put("/b", b"", 0), await cacher.put("/c", b"", 0)]
    assert [event.revision for event in await following] == revisions


async def test_history_lost_meanwhile(cacher: Cacher, upstream: Upstream, sqlite: SQLiteStorage) -> None:
    """If the storage was compacted while it was away, the cache lists again and its watches end with Compacted."""
    first = await cacher.put("/a", b"1", 0)
    await cacher.put("/b", b"", 0)
    await cacher.get("/b")
    following = asyncio.create_task(events(cacher, cacher.revision, 1))
    await asyncio.sleep(0)
    upstream.go_away()
    await sqlite.put("/a", b"2", first)
    second = await sqlite.put("/c", b"", 0)
    await sqlite.compact(second)
    upstream.come_back()
    with pytest.raises(Compacted):
        await following
    page = await cacher.list("/")
    assert [(item.key, item.value) for item in page.items] == [("/a", b"2"), ("/b", b""), ("/c", b"")]
    with pytest.raises(Compacted):
        await events(cacher, first, 1)


async def test_another_past(cacher: Cacher, upstream: Upstream) -> None:
    """A storage that comes back older has what it has, also where its revisions are those that were seen before."""
    seen = await cacher.put("/a", b"seen", 0)
    await cacher.put("/b", b"", 0)
    await cacher.get("/b")
    upstream.go_away()
    restored = await SQLiteStorage.open(":memory:")
    assert await restored.put("/a", b"restored", 0) == seen
    upstream.restore(restored)
    upstream.come_back()
    with pytest.raises(Compacted):
        await events(cacher, cacher.revision, 1)
    page = await cacher.list("/")
    assert [(item.key, item.value) for item in page.items] == [("/a", b"restored")]
    await restored.close()


async def test_slow_watcher_is_ended(cacher: Cacher) -> None:
    """A watch whose events are not taken is ended; the others, and the cache, go on."""
    start = cacher.revision
    slow, quick = cacher.watch("/", start), cacher.watch("/", start)
    first = await cacher.put("/first", b"", 0)
    assert [(await anext(stream)).revision for stream in (slow, quick)] == [first, first]
    for number in range(30):
        revision = await cacher.put(f"/{number}", b"", 0)
        assert (await anext(quick)).revision == revision
    with pytest.raises(SlowWatcher):
        await anext(slow)
    await quick.aclose()


async def test_a_burst_ends_nobody(cacher: Cacher) -> None:
    """One batch larger than the buffer is delivered to a watch that has taken everything before it."""
    following = asyncio.create_task(events(cacher, cacher.revision, 100))
    await asyncio.sleep(0)
    await asyncio.gather(*(cacher.put(f"/{number}", b"", 0) for number in range(100)))
    assert len(await following) == 100


async def test_closing_ends_watches(cacher: Cacher) -> None:
    """Closing ends the open watches; the storage remains open for its owner."""
    following = asyncio.create_task(events(cacher, cacher.revision, 1))
    await asyncio.sleep(0)
    await cacher.close()
    with pytest.raises(Unavailable):
        await following
    await cacher.check()


async def test_events_are_taken_at_once(cacher: Cacher) -> None:
    """A watch that can take its events has each once, without its task; that sees only what could not be taken."""
    taken = asyncio.Queue[str]()

    def take(batch: Batch) -> bool:
        for event in batch:
            taken.put_nowait(event.key)
        return batch[-1].key != "/full"

    stream = cacher.watch("/", cacher.revision, take)
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    for key in ("/0", "/1"):
        await cacher.put(key, b"", 0)
        assert await taken.get() == key
    assert not waiting.done()
    await cacher.put("/full", b"", 0)
    batch = await waiting
    assert isinstance(batch, list)
    assert [event.key for event in batch] == ["/full"]
    await stream.aclose()


async def test_nothing_overtakes(cacher: Cacher) -> None:
    """While a watch deals with what it was given, later events wait for it, in order."""
    taken: list[str] = []

    def take(batch: Batch) -> bool:
        taken.extend(event.key for event in batch)
        return True

    start = cacher.revision
    await cacher.put("/early", b"", 0)
    await cacher.get("/")
    stream = cacher.watch("/", start, take)
    early = await anext(stream)
    await cacher.put("/late", b"", 0)
    await cacher.get("/")
    late = await anext(stream)
    assert taken == []
    assert [[event.key for event in batch] for batch in (early, late) if isinstance(batch, list)] == [
        ["/early"],
        ["/late"],
    ]
    await stream.aclose()


async def test_a_watch_that_fails_harms_no_other(cacher: Cacher) -> None:
    """What goes wrong while one watch takes its events is its own affair: its task is given them."""

    def take(batch: Batch) -> bool:
        raise ValueError(batch)

    broken = cacher.watch("/", cacher.revision, take)
    following = asyncio.create_task(events(cacher, cacher.revision, 1))
    waiting = asyncio.ensure_future(anext(broken))
    await asyncio.sleep(0)
    await cacher.put("/a", b"", 0)
    assert [event.key for event in await following] == ["/a"]
    assert isinstance(await waiting, list)
    await broken.aclose()
