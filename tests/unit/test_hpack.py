"""HPACK against the examples of RFC 7541."""

import pytest

from http2 import hpack
from http2.hpack import Decoder, HeadersTooLarge, HpackError, MalformedHeader

REQUESTS = [
    "828684418cf1e3c2e5f23a6ba0ab90f4ff",
    "828684be5886a8eb10649cbf",
    "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
]
"""Appendix C.4: three requests on one connection, Huffman-coded."""


def test_the_requests_of_the_rfc_are_decoded() -> None:
    """Huffman codes, and the dynamic table that grows from request to request."""
    decoder = Decoder(1000)
    first, second, third = (dict(decoder.decode(bytes.fromhex(block))) for block in REQUESTS)
    common = {b":method": b"GET", b":authority": b"www.example.com"}
    assert first == {**common, b":scheme": b"http", b":path": b"/"}
    assert second == {**common, b":scheme": b"http", b":path": b"/", b"cache-control": b"no-cache"}
    assert third == {**common, b":scheme": b"https", b":path": b"/index.html", b"custom-key": b"custom-value"}


@pytest.mark.parametrize("length", [0, 1, 126, 127, 128, 254, 255, 16_511, 100_000])
def test_what_is_encoded_is_decoded(length: int) -> None:
    """Names of the static table, others, whole fields of the table, and integers of every length."""
    headers = [(b":status", b"200"), (b"content-type", b"x" * length), (b"audit-id", b"y" * length), (b"z" * 200, b"")]
    assert Decoder(1 << 20).decode(hpack.encode(headers)) == headers


@pytest.mark.parametrize("value", [b"a\nb", b"a\r\nb: c", b"\r", b"\0"])
def test_a_value_that_might_become_two_is_not_encoded(value: bytes) -> None:
    """What a proxy would write as two lines."""
    with pytest.raises(ValueError, match="line break"):
        hpack.encode([(b"a", value)])


@pytest.mark.parametrize(
    "block",
    ["80", "be", "7f", "400a61", "41ff", "418441ff", "3fe21f", "82 3f e1 1f", "ffffffffff0f", "4085ffffffffff00"],
)
def test_a_block_that_no_encoder_makes_is_an_error(block: str) -> None:
    """Index 0 and beyond the table, cut strings, a table too large or resized late, endless integers, bad padding."""
    with pytest.raises(HpackError):
        Decoder(1000).decode(bytes.fromhex(block))


def test_headers_that_are_too_large_leave_the_table_right() -> None:
    """Whoever sends too much gets an error for it, and the next request is read as it was meant."""
    decoder = Decoder(300)
    large, indexed = b"\x40\x01a\x7f\x49" + b"x" * 200, b"\xbe"
    with pytest.raises(HeadersTooLarge):
        decoder.decode(large + indexed)
    assert decoder.decode(indexed) == [(b"a", b"x" * 200)]


@pytest.mark.parametrize("name", [b"", b"A", b":a", b"a b", b"a:", b"a\n", b"\xe4"])
def test_malformed_names(name: bytes) -> None:
    """A field whose name is none is refused, also when it comes out of the table, or only its name; others are read."""
    decoder = Decoder(1000)
    for block in (b"\x40" + bytes([len(name)]) + name + b"\x01b", b"\xbe", b"\x7e\x01c"):
        with pytest.raises(MalformedHeader):
            decoder.decode(block)
    assert decoder.decode(b"\x82") == [(b":method", b"GET")]


@pytest.mark.parametrize("value", [b"\0", b"a\nb", b"\r", b"\x7f"])
def test_malformed_values(value: bytes) -> None:
    """A field whose value is of characters that may not stand there is refused, also when it comes out of the table;
    its name may be used again."""
    decoder = Decoder(1000)
    for block in (b"\x40\x01a" + bytes([len(value)]) + value, b"\xbe"):
        with pytest.raises(MalformedHeader):
            decoder.decode(block)
    assert decoder.decode(b"\x7e\x02\tc") == [(b"a", b"\tc")]


def test_a_field_larger_than_the_table_empties_it() -> None:
    """RFC 7541 section 4.4."""
    decoder = Decoder(1 << 20)
    decoder.decode(b"\x40\x01a\x01b" + b"\x40\x01c\x7f\x81\x1f" + b"x" * 4096)
    with pytest.raises(HpackError):
        decoder.decode(b"\xbe")


def test_a_block_that_comes_again_means_what_the_table_says_now() -> None:
    """The same bytes are another field after the table has changed."""
    decoder = Decoder(1000)
    for value in (b"1", b"2"):
        decoder.decode(b"\x40\x01a\x01" + value)
        assert [decoder.decode(b"\xbe") for _ in range(2)] == [[(b"a", value)]] * 2


def test_a_block_that_changes_the_table_changes_it_each_time() -> None:
    """Of two fields that were added twice there are four."""
    decoder = Decoder(1000)
    for _ in range(2):
        decoder.decode(b"\x40\x01a\x01b\x40\x01c\x01d")
    assert decoder.decode(b"\xbe\xbf\xc0\xc1") == [(b"c", b"d"), (b"a", b"b")] * 2
