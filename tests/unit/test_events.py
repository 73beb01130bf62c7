"""The event recorder, over a cluster held in memory and a clock that need not be waited for."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from apiserver.client import ClientError
from apiserver.kinds.website import KIND
from apiserver.machinery.errors import Object
from reconciler.events import EventRecorder
from reconciler.metrics import Instruments
from tests.unit.reconciling import website
from tests.unit.virtual_time import run

Test = Callable[[EventRecorder, "MemoryEvents"], Awaitable[None]]
EVENTS = "/apis/events.k8s.io/v1/namespaces/ns/events"
TICK = 1.0


class MemoryEvents:
    """Events by name; `refusals` are raised by the next writes."""

    def __init__(self) -> None:
        self.events: dict[str, Object] = {}
        self.writes: list[str] = []
        self.refusals: list[ClientError] = []

    def _note(self, write: str) -> None:
        self.writes.append(write)
        if self.refusals:
            raise self.refusals.pop(0)

    async def post(self, path: str, body: Object) -> Object:
        self._note("POST")
        assert path == EVENTS
        self.events[body["metadata"]["name"]] = body
        return body

    async def merge_patch(self, path: str, body: Object, **query: str) -> Object:
        self._note("PATCH")
        name = path.removeprefix(f"{EVENTS}/")
        if name not in self.events:
            raise ClientError(404, "NotFound", "not found")
        self.events[name] |= body
        return self.events[name]


async def at_once(within: float) -> None:
    """Nothing else is to be done."""


def recording(test: Test, turn: Callable[[float], Awaitable[None]] = at_once) -> None:
    """Runs the test beside a recorder whose wall clock starts at the epoch, and which must meet no bug."""

    async def beside() -> None:
        sink, clock, instruments = MemoryEvents(), asyncio.get_running_loop().time, Instruments()
        recorder = EventRecorder(
            sink, KIND, "a-controller", instruments, turn, lambda: datetime.fromtimestamp(clock(), UTC)
        )
        running = asyncio.create_task(recorder.run())
        await test(recorder, sink)
        running.cancel()
        await asyncio.wait([running])
        assert instruments.panics.counter(("a-controller-events",)).value == 0

    run(beside())


def record(recorder: EventRecorder, note: str = "It was made.", uid: str = "u1") -> None:
    about = website()
    about["metadata"]["uid"] = uid
    recorder.record(about, "Normal", "Created", "Create", note)


def test_event_is_complete() -> None:
    """It says who reports what about whom, and when, as events.k8s.io/v1 wants it."""

    async def test(recorder: EventRecorder, sink: MemoryEvents) -> None:
        record(recorder)
        await asyncio.sleep(TICK)
        (event,) = sink.events.values()
        assert event["metadata"]["name"].startswith("kubia.")
        assert event["eventTime"] == "1970-01-01T00:00:00.000000Z"
        assert event["reportingController"] == "a-controller"
        assert event["reportingInstance"].startswith("a-controller-")
        assert [event[key] for key in ("type", "reason", "action", "note")] == [
            *("Normal", "Created", "Create", "It was made."),
        ]
        assert event["regarding"] == {
            "apiVersion": "extensions.example.com/v1alpha1",
            "kind": "Website",
            "namespace": "ns",
            "name": "kubia",
            "uid": "u1",
            "resourceVersion": "5",
        }
        assert "series" not in event

    recording(test)


def test_repeated_event_is_a_series() -> None:
    """A thousand occurrences are three writes: the first, the second, and the sum six minutes later."""

    async def test(recorder: EventRecorder, sink: MemoryEvents) -> None:
        for _ in range(1000):
            record(recorder)
            await asyncio.sleep(0.1)
        assert sink.writes == ["POST", "PATCH"]
        await asyncio.sleep(600)
        (event,) = sink.events.values()
        assert sink.writes == ["POST", "PATCH", "PATCH"]
        assert event["series"] == {"count": 1000, "lastObservedTime": "1970-01-01T00:01:39.900000Z"}

    recording(test)


def test_occurrences_before_the_first_write_are_one_event() -> None:
    """What repeats before it was written is written once, as a series."""

    async def test(recorder: EventRecorder, sink: MemoryEvents) -> None:
        for _ in range(3):
            record(recorder)
        await asyncio.sleep(TICK)
        (event,) = sink.events.values()
        assert (sink.writes, event["series"]["count"]) == (["POST"], 3)

    recording(test)


def test_quiet_series_ends() -> None:
    """After six minutes of silence the same event is a new one."""

    async def test(recorder: EventRecorder, sink: MemoryEvents) -> None:
        record(recorder)
        await asyncio.sleep(800)
        record(recorder)
        await asyncio.sleep(TICK)
        assert (sink.writes, len(sink.events)) == (["POST", "POST"], 2)

    recording(test)


def test_series_whose_event_has_expired_is_written_anew() -> None:
    """The cluster keeps events for an hour; a series may go on for longer."""

    async def test(recorder: EventRecorder, sink: MemoryEvents) -> None:
        record(recorder)
        await asyncio.sleep(TICK)
        sink.events.clear()
        record(recorder)
        await asyncio.sleep(TICK)
        (event,) = sink.events.values()
        assert sink.writes == ["POST", "PATCH", "POST"]
        assert event["series"]["count"] == 2

    recording(test)


def test_different_events_of_one_object_are_limited() -> None:
    """25 at once, then one in five minutes; another object has its own limit."""

    async def test(recorder: EventRecorder, sink: MemoryEvents) -> None:
        for number in range(100):
            record(recorder, f"Note {number}.")
        record(recorder, uid="u2")
        await asyncio.sleep(TICK)
        assert len(sink.events) == 26
        await asyncio.sleep(300)
        record(recorder, "Another note.")
        record(recorder, "One note too many.")
        await asyncio.sleep(TICK)
        assert len(sink.events) == 27

    recording(test)


def test_long_note_is_cut() -> None:
    """A note may have 1024 bytes."""

    async def test(recorder: EventRecorder, sink: MemoryEvents) -> None:
        record(recorder, "ä" * 5000)
        await asyncio.sleep(TICK)
        (event,) = sink.events.values()
        assert len(event["note"].encode()) <= 1024

    recording(test)


@pytest.mark.parametrize(("status", "tries"), [(0, 2), (429, 2), (503, 2), (403, 1), (404, 1), (422, 1), (409, 1)])
def test_failed_write(status: int, tries: int) -> None:
    """What may pass is tried again; a refusal is final, and so is an event that is there already."""

    async def test(recorder: EventRecorder, sink: MemoryEvents) -> None:
        sink.refusals.append(ClientError(status, "", "no"))
        record(recorder)
        await asyncio.sleep(TICK)
        assert sink.writes == ["POST"] * tries

    recording(test)


def test_series_that_was_refused_is_over() -> None:
    """Nothing is left to be done for it, now or when it was to be looked at again; the same event is a new one."""

    async def test(recorder: EventRecorder, sink: MemoryEvents) -> None:
        record(recorder)
        await asyncio.sleep(TICK)
        sink.refusals.append(ClientError(403, "Forbidden", "the namespace is being deleted"))
        record(recorder)
        await asyncio.sleep(800)
        assert sink.writes == ["POST", "PATCH"]
        record(recorder)
        await asyncio.sleep(TICK)
        assert sink.writes == ["POST", "PATCH", "POST"]

    recording(test)


def test_old_event_is_given_up() -> None:
    """After ten minutes without an answer an event is no news any more."""

    async def test(recorder: EventRecorder, sink: MemoryEvents) -> None:
        sink.refusals += [ClientError(0, "", "no answer")] * 50
        record(recorder)
        await asyncio.sleep(3000)
        assert sink.events == {}
        tries = len(sink.writes)
        assert 15 <= tries <= 20
        await asyncio.sleep(3000)
        assert len(sink.writes) == tries

    recording(test)


def test_series_outlives_a_write_that_fails() -> None:
    """What still goes on is news, however long ago it began: it stays one Event."""

    async def test(recorder: EventRecorder, sink: MemoryEvents) -> None:
        for number in range(200):
            record(recorder)
            if number == 100:
                sink.refusals += [ClientError(503, "", "no answer")] * 3
            await asyncio.sleep(10)
        await asyncio.sleep(400)
        assert [event["series"]["count"] for event in sink.events.values()] == [200]

    recording(test)


def test_more_important_work_goes_first() -> None:
    """Before each event the recorder waits for its turn, until the event is half a minute old; what repeats meanwhile
    is written as one."""
    asked = list[float]()

    async def turn(within: float) -> None:
        asked.append(within)
        await asyncio.sleep(min(within, 20))

    async def test(recorder: EventRecorder, sink: MemoryEvents) -> None:
        for note in ("One.", "Two.", "Three."):
            record(recorder, note)
        await asyncio.sleep(19)
        record(recorder, "Two.")
        assert sink.writes == []
        await asyncio.sleep(10)
        assert sink.writes == ["POST"]
        await asyncio.sleep(2)
        assert sink.writes == ["POST"] * 3
        assert [event.get("series", {}).get("count", 1) for event in sink.events.values()] == [1, 2, 1]
        assert asked == [30, 10]

    recording(test, turn)


def test_nothing_is_lost_at_the_end() -> None:
    """What waits when the recorder is ended is written then: new events, and how often the others were repeated."""

    async def never(within: float) -> None:
        await asyncio.Event().wait()

    async def ended() -> None:
        sink = MemoryEvents()
        recorder = EventRecorder(sink, KIND, "a-controller", turn=never)
        running = asyncio.create_task(recorder.run())
        for number in range(20):
            record(recorder, f"Note {number}.")
            record(recorder, f"Note {number}.")
        await asyncio.sleep(TICK)
        assert sink.writes == []
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()
        assert {event["note"]: event["series"]["count"] for event in sink.events.values()} == {
            f"Note {number}.": 2 for number in range(20)
        }

    run(ended())


def test_a_cluster_that_does_not_listen_does_not_hold_up_the_end() -> None:
    """A second at the most, then the rest is lost."""

    class Deaf(MemoryEvents):
        async def post(self, path: str, body: Object) -> Object:
            await asyncio.Event().wait()
            return body

    async def ended() -> float:
        recorder, clock = EventRecorder(Deaf(), KIND, "a-controller"), asyncio.get_running_loop().time
        running = asyncio.create_task(recorder.run())
        record(recorder)
        await asyncio.sleep(TICK)
        begun = clock()
        running.cancel()
        await asyncio.wait([running])
        return clock() - begun

    assert run(ended()) == 1.0
