"""The past that a Cacher reads back, of a storage that is slow or silent: in virtual time."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from storage.cacher import Cacher
from storage.interface import Batch, Compacted, Event, KeyValue, Page, Progress, Take, Unavailable
from storage.sqlite import SQLiteStorage
from tests.unit.test_cacher import events, running
from tests.unit.virtual_time import virtually

NEWEST = 1000


class Archive(SQLiteStorage):
    """Has a thousand writes of one key and sends one at a time, each after `pause` seconds, but no more than `sends`
    while it is silent."""

    def __init__(self, pause: float) -> None:
        super().__init__(":memory:", None)
        self.pause, self.sends = pause, NEWEST
        self.watches = 0

    async def list(
        self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0, not_older_than: int | None = None
    ) -> Page:
        return Page.of([_state(NEWEST)], NEWEST)

    async def watch(self, prefix: str, after: int, take: Take | None = None) -> AsyncGenerator[Batch | Progress]:
        self.watches += 1
        for revision in range(after + 1, min(after + self.sends, NEWEST) + 1):
            await asyncio.sleep(self.pause)
            yield Batch([Event(revision, _state(revision), _state(revision - 1) if revision > 1 else None)])
        await asyncio.Event().wait()

    async def current_revision(self) -> int:
        return NEWEST

    async def request_progress(self) -> None:
        """There are no writes of others."""


def _state(revision: int) -> KeyValue:
    return KeyValue("/a", str(revision).encode(), revision)


async def first(cacher: Cacher, after: int) -> int:
    """The revision of the first event of a watch."""
    return (await events(cacher, after, 1))[0].revision


@virtually
async def test_an_old_client_costs_nobody_the_past() -> None:
    """Of a storage that is too slow for the oldest who asks, the others are served all the same, whoever came first,
    and those who come later."""
    for order in ([1, NEWEST - 50], [NEWEST - 50, 1]):
        async with running(Cacher(Archive(0.1), "/")) as cacher:
            answers = await asyncio.gather(*(first(cacher, after) for after in order), return_exceptions=True)
            found = dict(zip(order, answers, strict=True))
            assert isinstance(found[1], Compacted)
            assert found[NEWEST - 50] == NEWEST - 49
            assert await first(cacher, NEWEST - 60) == NEWEST - 59


@virtually
async def test_what_takes_too_long_is_not_tried_again() -> None:
    """The second client from so long ago is told so at once."""
    archive = Archive(0.1)
    async with running(Cacher(archive, "/")) as cacher:
        for after in (1, 2, 3):
            with pytest.raises(Compacted):
                await first(cacher, after)
        assert archive.watches == 1 + 1


@virtually
async def test_everybody_has_an_answer() -> None:
    """However many ask for whatever of a storage that could not serve any of them, each is told so, after a while that
    does not grow with their number."""
    async with running(Cacher(Archive(4.0), "/")) as cacher:
        asked = [first(cacher, after) for after in range(0, NEWEST - 20, 7)]
        async with asyncio.timeout(60.0):
            answers = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(answer) for answer in answers} == {Compacted, Unavailable}


@pytest.mark.parametrize("sends", [0, 80])
@virtually
async def test_silence_expires_nobody(sends: int) -> None:
    """A storage that sends nothing, or no more after a while, is Unavailable; when it is back, it serves everybody."""
    archive = Archive(0.1)
    async with running(Cacher(archive, "/")) as cacher:
        archive.sends = sends
        answers = await asyncio.gather(*(first(cacher, after) for after in (1, 500)), return_exceptions=True)
        assert [type(answer) for answer in answers] == [Unavailable, Unavailable]
        archive.sends, archive.pause = NEWEST, 0.0
        assert await first(cacher, 1) == 2


@virtually
async def test_a_watch_that_is_closed_meanwhile() -> None:
    """A client that goes away while it waits leaves the reading to the others."""
    async with running(Cacher(Archive(0.1), "/")) as cacher:
        async with aclosing(cacher.watch("/", NEWEST - 60)) as stream:
            gone = asyncio.ensure_future(anext(stream))
            other = asyncio.create_task(first(cacher, NEWEST - 50))
            await asyncio.sleep(1.0)
            gone.cancel()
            await asyncio.wait([gone])
        assert await other == NEWEST - 49
