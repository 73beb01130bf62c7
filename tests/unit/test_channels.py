"""Connections under calls: lost, refused, ended with a goodbye, silent; several endpoints."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Any

import pytest
import uvloop

from http2 import frames, hpack
from storage.calls import CallFailed, Method, Status
from storage.channels import Channels, TLSFiles
from tests.controlplane.process import free_port
from tests.unit.peer import HEADERS, Peer, connected, data, headers, serving
from tests.unit.virtual_time import virtually

PATIENCE = 30.0
ECHO = Method("/test.Test/Echo", bytes, PATIENCE)
BRIEF = Method("/test.Test/Echo", bytes, 0.05)
CHAT = Method("/test.Test/Chat", bytes)


async def echo(peer: Peer) -> None:
    while True:
        peer.answer(*await peer.request())


class Connections:
    """A peer that treats its first connection in one way, the next in another; the last way is that of all others."""

    def __init__(self, *behaviours: Callable[[Peer], Awaitable[None]]) -> None:
        self._behaviours = list(behaviours)
        self.count = 0

    async def __call__(self, peer: Peer) -> None:
        behaviour = self._behaviours[min(self.count, len(self._behaviours) - 1)]
        self.count += 1
        await behaviour(peer)


async def test_a_lost_connection_is_made_again() -> None:
    """What was asked on it has failed and is not asked again: the peer may have done it. The next call is answered."""
    asked: list[bytes] = []

    async def hang_up(peer: Peer) -> None:
        asked.append((await peer.request())[1])
        peer.hang_up()

    async def note(peer: Peer) -> None:
        stream, message = await peer.request()
        asked.append(message)
        peer.answer(stream, message)

    async with serving(Connections(hang_up, note)) as endpoint, connected(endpoint) as channels:
        with pytest.raises(CallFailed) as caught:
            await channels.call(ECHO, b"1")
        assert await channels.call(ECHO, b"2") == b"2"
    assert (caught.value.status, asked) == (Status.UNAVAILABLE, [b"1", b"2"])


@virtually
async def test_who_is_away_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less and less often, but each second: who is back is found soon."""
    loop, tries = asyncio.get_running_loop(), list[float]()

    async def refuse(*_: object, **__: object) -> None:
        tries.append(loop.time())
        raise ConnectionRefusedError

    monkeypatch.setattr(loop, "create_connection", refuse)
    async with connected("http://127.0.0.1:1"):
        await asyncio.sleep(10)
    pauses = [after - before for before, after in pairwise(tries)]
    assert pauses == pytest.approx([0, 0.1, 0.2, 0.4, 0.8, *[1.0] * (len(pauses) - 5)])
    assert len(pauses) >= 12


async def test_what_is_refused_is_asked_once_more() -> None:
    """A peer that has not begun with a call says so; the second time it is its answer."""
    asked: list[bytes] = []

    async def refuse(peer: Peer) -> None:
        for _ in range(3):
            stream, message = await peer.request()
            asked.append(message)
            peer.send(frames.rst_stream(stream, frames.REFUSED_STREAM))
        await echo(peer)

    async with serving(refuse) as endpoint, connected(endpoint) as channels:
        with pytest.raises(CallFailed) as caught:
            await channels.call(ECHO, b"1")
        assert await channels.call(ECHO, b"2") == b"2"
    assert (caught.value.status, asked) == (Status.UNAVAILABLE, [b"1", b"1", b"2"])


async def test_a_goodbye() -> None:
    """Calls that the peer has begun with are answered on the old connection, those that it has not are asked on a new
    one, as later calls are; the old one is closed when nothing is open on it."""
    later = asyncio.Event()
    closed = asyncio.Event()

    async def leave(peer: Peer) -> None:
        first, second = await peer.request(), await peer.request()
        peer.send(frames.goaway(first[0], frames.NO_ERROR))
        assert second[0] > first[0]
        await later.wait()
        peer.answer(first[0], b"old")
        await peer.frame(frames.GOAWAY)
        closed.set()

    async def answer(peer: Peer) -> None:
        while True:
            stream, message = await peer.request()
            peer.answer(stream, b"new " + message)

    async with serving(Connections(leave, answer)) as endpoint, connected(endpoint) as channels:
        first = asyncio.create_task(channels.call(ECHO, b"1"))
        second = asyncio.create_task(channels.call(ECHO, b"2"))
        assert await second == b"new 2"
        assert await channels.call(ECHO, b"3") == b"new 3"
        later.set()
        assert await first == b"old"
        await closed.wait()


async def test_a_connection_whose_numbers_are_used_up() -> None:
    """Its last call is answered, and the next goes over a new one."""

    async def answer(peer: Peer) -> None:
        while True:
            stream, _ = await peer.request()
            peer.answer(stream, b"%d" % stream)

    async with serving(answer) as endpoint, connected(endpoint) as channels:
        assert await channels.call(ECHO, b"") == b"1"
        next(iter(channels.connections)).last_stream = frames.LAST_STREAM - 4
        answers = [await channels.call(ECHO, b"") for _ in range(3)]
    assert answers == [b"%d" % (frames.LAST_STREAM - 2), b"%d" % frames.LAST_STREAM, b"1"]


async def test_a_peer_that_breaks_the_protocol() -> None:
    """Its connection is left at once, with the reason, and another is made."""

    async def babble(peer: Peer) -> None:
        await peer.request()
        peer.send(frames.window_update(0, 0))

    async with serving(Connections(babble, echo)) as endpoint, connected(endpoint) as channels:
        with pytest.raises(CallFailed, match="a window update of 0") as caught:
            await channels.call(ECHO, b"1")
        assert await channels.call(ECHO, b"2") == b"2"
    assert caught.value.status is Status.UNAVAILABLE


async def test_calls_wait_for_room() -> None:
    """A peer that takes one call at a time is asked the next when the first has ended, or was given up."""
    began = asyncio.Event()

    async def one_by_one(peer: Peer) -> None:
        await peer.request()
        began.set()
        await peer.frame(frames.RST_STREAM)
        await echo(peer)

    settings = {frames.MAX_CONCURRENT_STREAMS: 1}
    async with serving(one_by_one, settings) as endpoint, connected(endpoint) as channels:
        calls = [asyncio.create_task(channels.call(ECHO, b"%d" % number)) for number in range(4)]
        await began.wait()
        calls[1].cancel()
        calls[0].cancel()
        assert await asyncio.gather(*calls[2:]) == [b"2", b"3"]


async def test_a_peer_that_does_not_answer_pings() -> None:
    """Its connection is given up, and with it what waits there."""

    async def deaf(peer: Peer) -> None:
        stream, _ = await peer.request()
        peer.send(headers(stream, HEADERS), data(stream, b"hello"))
        await peer.frame(frames.PING)

    async def listen(channels: Channels) -> None:
        call, _ = await channels.open(CHAT, b"", PATIENCE)
        await call.read()

    async with serving(deaf) as endpoint, connected(endpoint, ping_interval=0.01, ping_timeout=0.01) as channels:
        with pytest.raises(CallFailed) as caught:
            await listen(channels)
    assert caught.value.status is Status.UNAVAILABLE


async def test_a_peer_that_answers_pings() -> None:
    """It may be silent for as long as it likes."""

    async def alive(peer: Peer) -> None:
        stream, _ = await peer.request()
        peer.send(headers(stream, HEADERS), data(stream, b"1"))
        for _ in range(3):
            _, _, payload = await peer.frame(frames.PING)
            peer.send(frames.ping(payload, ack=True))
        peer.send(data(stream, b"2"))

    async with serving(alive) as endpoint, connected(endpoint, ping_interval=0.01, ping_timeout=PATIENCE) as channels:
        call, _ = await channels.open(CHAT, b"", PATIENCE)
        assert await call.read() == b"2"


async def test_a_peer_that_leaves_a_call_unanswered() -> None:
    """It is asked for a sign of life at once: what else waits there does not wait until the next ping is due."""

    async def deaf(peer: Peer) -> None:
        stream, _ = await peer.request()
        peer.send(headers(stream, HEADERS), data(stream, b"hello"))
        await peer.frame(frames.PING)
        await asyncio.get_running_loop().create_future()

    async with serving(deaf) as endpoint, connected(endpoint, ping_interval=PATIENCE, ping_timeout=0.01) as channels:
        call, _ = await channels.open(CHAT, b"", PATIENCE)
        with pytest.raises(CallFailed):
            await channels.call(BRIEF, b"")
        with pytest.raises(CallFailed) as caught:
            await call.read()
    assert caught.value.status is Status.UNAVAILABLE


async def test_a_peer_is_not_doubted_all_the_time() -> None:
    """However many calls are unanswered, it is asked once in a while: etcd ends a connection that pings too often."""
    pings: list[bytes] = []

    async def busy(peer: Peer) -> None:
        stream, _ = await peer.request()
        peer.send(headers(stream, HEADERS), data(stream, b"hello"))
        while True:
            kind, _, _, payload = await peer.arrived.get()
            if kind == frames.PING:
                pings.append(payload)
                peer.send(frames.ping(payload, ack=True))
            elif kind == frames.RST_STREAM:
                peer.send(data(stream, b"given up"))

    async with serving(busy) as endpoint, connected(endpoint, ping_interval=PATIENCE) as channels:
        call, _ = await channels.open(CHAT, b"", PATIENCE)
        for _ in range(3):
            with pytest.raises(CallFailed):
                await channels.call(BRIEF, b"")
            assert await call.read() == b"given up"
    assert len(pings) == 1


async def test_endpoints_in_order() -> None:
    """The first that is connected is asked, until it fails; then the next."""
    status = [(b":status", b"200"), (b"content-type", b"application/grpc"), (b"grpc-status", b"14")]
    both = asyncio.Event()

    async def fail(peer: Peer) -> None:
        await peer.request()
        await both.wait()
        peer.send(headers(1, hpack.encode(status), end=True))
        await asyncio.get_running_loop().create_future()

    async def other(peer: Peer) -> None:
        while (await peer.frame(frames.SETTINGS))[0] != frames.ACK:
            continue  # these are the client's own
        both.set()
        while True:
            stream, _ = await peer.request()
            peer.answer(stream, b"other")

    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(serving(fail))
        two = await stack.enter_async_context(serving(other))
        channels = await stack.enter_async_context(connected(one, two))
        while await _outcome(channels.call(ECHO, b"")) != Status.UNAVAILABLE:
            continue  # the second was connected before the first
        assert [await channels.call(ECHO, b"") for _ in range(3)] == [b"other"] * 3


async def _outcome(call: Awaitable[bytes]) -> bytes | Status:
    try:
        return await call
    except CallFailed as error:
        return error.status


async def test_a_silent_endpoint_is_not_connected() -> None:
    """One that takes a connection and says nothing, as one that is stopped, is nobody to ask."""

    with socket.create_server(("127.0.0.1", 0)) as listening:
        silent = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with serving(echo) as endpoint, connected(silent, endpoint) as channels:
            assert await channels.call(ECHO, b"1") == b"1"


async def test_why_there_is_no_connection() -> None:
    """Who waits in vain for one is told why."""
    method = Method(ECHO.path, bytes, 0.2)
    async with connected(f"http://127.0.0.1:{free_port()}") as channels:
        # By the end of a first call it has tried.
        assert await _outcome(channels.call(method, b"")) is Status.DEADLINE_EXCEEDED
        with pytest.raises(
            CallFailed, match=r"no answer from http://127.0.0.1:\d+ \(.*refused|Connect call failed.*\)"
        ):
            await channels.call(method, b"")


def test_closed_while_it_connects() -> None:
    """The end does not wait for a connection that is being made, and of which the server's event loop tells nothing
    more when that is cancelled."""
    logged: list[dict[str, Any]] = []

    async def close_at_once(endpoint: str) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: logged.append(context))
        channels = Channels([endpoint], TLSFiles())
        while not channels.connections:  # noqa: ASYNC110 - in that turn of the loop and no later
            await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE):
            await channels.close()
        assert not channels.connections

    with socket.create_server(("127.0.0.1", 0)) as silent, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(close_at_once(f"http://127.0.0.1:{silent.getsockname()[1]}"))
    assert not logged


async def test_closed() -> None:
    """What was open or waited has failed, as has what comes later."""

    async def silent(peer: Peer) -> None:
        await peer.request()
        waiting.set()

    waiting = asyncio.Event()
    async with serving(silent, {frames.MAX_CONCURRENT_STREAMS: 1}) as endpoint, connected(endpoint) as channels:
        calls = [asyncio.create_task(channels.call(ECHO, b"")) for _ in range(2)]
        await waiting.wait()
        await channels.close()
        outcomes = [await _outcome(call) for call in (*calls, channels.call(ECHO, b""))]
    assert outcomes == [Status.UNAVAILABLE] * 3
