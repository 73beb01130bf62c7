"""The control loop, over a real queue."""

import asyncio
import logging

import pytest
from prometheus_client import CollectorRegistry

from apiserver.client import ClientError
from apiserver.machinery.errors import Conflict, Resource
from reconciler.controller import Controller
from reconciler.metrics import Instruments
from reconciler.workqueue import WorkQueue


async def test_reconciles_every_key_and_ends_with_the_queue() -> None:
    """Each key is reconciled; `run` returns when the queue is shut down and empty."""
    queue, seen = WorkQueue(), list[str]()

    async def reconcile(key: str) -> None:
        seen.append(key)

    for key in "abc":
        queue.add(key)
    queue.shut_down()
    await Controller("test", queue, reconcile, workers=2).run()

    assert sorted(seen) == ["a", "b", "c"]


async def test_returned_delay_brings_the_key_back() -> None:
    """A reconcile that returns seconds is called again after them."""
    queue, calls = WorkQueue(), list[str]()

    async def reconcile(key: str) -> float | None:
        calls.append(key)
        if len(calls) == 2:
            queue.shut_down()
        return 0.001

    queue.add("a")
    await Controller("test", queue, reconcile, workers=1).run()

    assert calls == ["a", "a"]


@pytest.mark.parametrize(
    ("error", "traceback"),
    [
        (ClientError(503, "ServiceUnavailable", "try later"), False),
        (Conflict.of(Resource("g", "plurals"), "a"), False),
        (ValueError("a bug"), True),
    ],
)
async def test_failed_key_is_tried_again(error: Exception, traceback: bool, caplog: pytest.LogCaptureFixture) -> None:
    """What a reconcile raises is logged, an expected error in one line, and the key comes back."""
    queue, calls = WorkQueue(), list[str]()

    async def reconcile(key: str) -> None:
        calls.append(key)
        if len(calls) == 1:
            raise error
        queue.shut_down()

    queue.add("ns/a")
    await Controller("test", queue, reconcile, workers=1).run()

    assert calls == ["ns/a", "ns/a"]
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "test ns/a" in record.getMessage()
    assert bool(record.exc_info) == traceback


async def test_metrics_of_a_controller() -> None:
    """Results are counted in controller-runtime's words: success, requeue_after, error; a bug is a panic as well."""
    registry = CollectorRegistry()
    instruments = Instruments(registry)
    queue, results = WorkQueue("test", instruments), [None, 60.0, ClientError(500, "", "no"), ValueError("a bug")]

    async def reconcile(_: str) -> float | None:
        result = results.pop(0)
        if not results:
            queue.shut_down()
        if isinstance(result, Exception):
            raise result
        return result

    for key in "abcd":
        queue.add(key)
    await Controller("test", queue, reconcile, 1, instruments).run()

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"controller_runtime_{name}", {"controller": "test", **labels})

    found = {result: value("reconcile_total", result=result) for result in ("success", "requeue_after", "error")}
    assert found == {"success": 1, "requeue_after": 1, "error": 2}
    assert (value("reconcile_errors_total"), value("reconcile_panics_total")) == (2, 1)
    assert (value("reconcile_time_seconds_count"), value("active_workers")) == (4, 0)
    assert value("max_concurrent_reconciles") == 1


async def test_one_key_is_never_reconciled_twice_at_once() -> None:
    """Of a key that changes while it is reconciled the second call starts after the first has ended."""
    queue, running, most = WorkQueue(), set[str](), list[int]()
    entered = asyncio.Event()
    release = asyncio.Event()

    async def reconcile(key: str) -> None:
        most.append(len(running))
        running.add(key)
        entered.set()
        await release.wait()
        running.discard(key)
        if len(most) == 2:
            queue.shut_down()

    queue.add("a")
    loop = asyncio.create_task(Controller("test", queue, reconcile, workers=4).run())
    await entered.wait()
    queue.add("a")
    release.set()
    await loop

    assert most == [0, 0]


async def test_cancelled_run_abandons_the_queue() -> None:
    """Cancelling ends the workers and the queue's timers; who does not lead any more has nothing that waits."""
    registry, entered = CollectorRegistry(), asyncio.Event()
    queue = WorkQueue("test", Instruments(registry))

    async def reconcile(_: str) -> None:
        entered.set()
        await asyncio.Event().wait()

    for key in "abcd":
        queue.add(key)
    loop = asyncio.create_task(Controller("test", queue, reconcile, workers=2).run())
    await entered.wait()
    assert registry.get_sample_value("workqueue_depth", {"name": "test"}) == 2
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop

    assert await queue.get() is None
    assert registry.get_sample_value("workqueue_depth", {"name": "test"}) == 0
