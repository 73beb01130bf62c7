"""HTTP/2 for any input: bytes cut anywhere, frames of any kind, headers of any content."""

import asyncio
from itertools import pairwise

import hpack as other
from hypothesis import given
from hypothesis import strategies as st

from apiserver.http.asgi import Receive, Scope, Send
from http2 import frames, hpack
from http2.hpack import Decoder
from http2.reader import Reader
from tests.hyper import Hyper, request
from tests.unit.wire import Wire, body, say_ok, start

NAMES = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=40).map(str.encode)
VALUES = st.binary(max_size=200).map(lambda value: value.translate(None, bytes([*range(32), 127])))
COMMON = st.sampled_from([(b":method", b"GET"), (b":status", b"200"), (b"content-type", b"application/json")])
LISTS = st.lists(st.one_of(st.tuples(NAMES, VALUES), COMMON), max_size=20)


@given(st.lists(LISTS, max_size=10))
def test_we_read_what_others_write(lists: list[list[tuple[bytes, bytes]]]) -> None:
    """One connection's header lists, as another encoder compresses them with its table and Huffman's code."""
    encoder, decoder = other.Encoder(), Decoder(1 << 20)
    for headers in lists:
        assert list(decoder.decode(encoder.encode(headers))) == headers


@given(st.lists(LISTS, max_size=10))
def test_others_read_what_we_write(lists: list[list[tuple[bytes, bytes]]]) -> None:
    """Another decoder finds the same fields."""
    decoder = other.Decoder()
    for headers in lists:
        assert [tuple(field) for field in decoder.decode(hpack.encode(headers), raw=True)] == headers


def _conversation() -> bytes:
    """Three requests: without a body, with one in padded parts, with headers in parts, priorities and trailers."""
    client = Hyper()
    client.ask(request("GET", "/1", (b"a", b"b" * 100)))
    stream = client.ask(request("POST", "/2"), end=False)
    client.connection.send_data(stream, b"x" * 300, pad_length=200)
    client.connection.send_data(stream, b"y" * 300, end_stream=True)
    block = hpack.encode(request("POST", "/3"))
    parts = client.to_send() + frames.header(5 + 3, frames.HEADERS, frames.PRIORITIZED, 5) + bytes(5) + block[:3]
    parts += frames.header(len(block) - 3, frames.CONTINUATION, frames.END_HEADERS, 5) + block[3:]
    parts += frames.header(3, 77, 0, 0) + b"???" + frames.header(3, frames.DATA, 0, 5) + b"abc"
    return parts + frames.headers(5, hpack.encode([(b"trailer", b"z")]), end=True)


CONVERSATION = _conversation()


@given(st.lists(st.integers(0, len(CONVERSATION)), max_size=40))
def test_bytes_are_cut_anywhere(cuts: list[int]) -> None:
    """However a client's bytes arrive, the requests are the same."""
    got = dict[str, bytes]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        data, more = b"", True
        while more:
            message = await receive()
            data, more = data + message["body"], message["more_body"]
        got[scope["path"]] = data
        await send(start())
        await send(body(b"ok"))

    async def converse() -> None:
        wire = Wire(app)
        bounds = [0, *sorted(cuts), len(CONVERSATION)]
        for begin, end in pairwise(bounds):
            wire.say(CONVERSATION[begin:end])
        await asyncio.gather(*wire.state.tasks)
        await wire.close()

    asyncio.run(converse())
    assert got == {"/1": b"", "/2": b"x" * 300 + b"y" * 300, "/3": b"abc"}


PAYLOADS = st.one_of(st.binary(max_size=20), st.just(hpack.encode(request("GET", "/"))))
FRAMES = st.tuples(st.integers(0, 11), st.integers(0, 255), st.integers(0, 9), PAYLOADS)


@given(st.lists(FRAMES, max_size=30))
def test_any_frames(said: list[tuple[int, int, int, bytes]]) -> None:
    """Whatever a client says, the answers are frames, and after a goodbye for its faults there are none."""

    async def converse() -> None:
        wire = Wire(say_ok)
        wire.say(frames.PREFACE + frames.settings({}))
        for kind, flags, stream, payload in said:
            wire.say(frames.header(len(payload), kind, flags, stream) + payload)
            await asyncio.sleep(0)
        await asyncio.gather(*wire.state.tasks)
        await asyncio.sleep(0)
        reader = Reader(preface=b"", frame_size=frames.DEFAULT_FRAME_SIZE, max_block=1 << 20)
        answers = list(reader.read(b"".join(wire.pipe.written)))
        faults = [n for n, (kind, _, _, data) in enumerate(answers) if kind == frames.GOAWAY and any(data[4:8])]
        assert faults in ([], [len(answers) - 1])
        assert wire.pipe.closed or not faults
        await wire.close()

    asyncio.run(converse())
