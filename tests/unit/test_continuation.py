"""Continue tokens; answers to bad ones were recorded from a kube-apiserver 1.36."""

import base64

import orjson
import pytest

from apiserver.machinery.continuation import Continuation, decode_continue, encode_continue
from apiserver.machinery.errors import BadRequest

V1 = "meta.k8s.io/v1"
STRUCT = "json: cannot unmarshal {} into Go struct field continueToken."


def token_of(document: bytes) -> str:
    return base64.urlsafe_b64encode(document).rstrip(b"=").decode()


def test_format() -> None:
    """A token is base64url without padding of version, revision and the key after the last one."""
    token = encode_continue(42, "ns/a")

    assert "=" not in token
    padded = token + "=" * (-len(token) % 4)
    assert base64.urlsafe_b64decode(padded) == b'{"v":"meta.k8s.io/v1","rv":42,"start":"/ns/a\\u0000"}'


@pytest.mark.parametrize("last", ["a", "ns/a", "x" * 100])
@pytest.mark.parametrize("revision", [1, -1, 2**63 - 1])
def test_round_trip(last: str, revision: int) -> None:
    """A token leads to the first key behind the last one."""
    assert decode_continue(encode_continue(revision, last)) == Continuation(revision, last + "\0")


def test_other_revisions() -> None:
    """Every negative revision stands for the latest; the leading slash may be left out."""
    assert decode_continue(token_of(b'{"v":"meta.k8s.io/v1","rv":-5,"start":"a"}')) == Continuation(-5, "a")
    assert decode_continue(token_of(b'{"v":"meta.k8s.io/v1","rv":-5,"start":"/a"}')) == Continuation(-5, "a")


def test_leniency() -> None:
    """Line breaks and the case of members do not matter, as for Go."""
    token = token_of(b'{"V":"meta.k8s.io/v1","RV":7,"Start":"a"}')
    assert decode_continue(f"{token[:5]}\r\n{token[5:]}\n") == Continuation(7, "a")


BAD_DOCUMENTS = [
    (b'{"v":"x","rv":1,"start":"a"}', "server does not recognize this encoded version x"),
    (b"null", "server does not recognize this encoded version "),
    (b"{}", "server does not recognize this encoded version "),
    (b"[]", "json: cannot unmarshal array into Go value of type storage.continueToken"),
    (b'{"v":5}', STRUCT.format("number") + "v of type string"),
    (b"a", "invalid character 'a' looking for beginning of value"),
]
BAD_MEMBERS = [
    (0, "a", f"incorrect encoded start resourceVersion (version {V1})"),
    (1, "", f"encoded start key empty (version {V1})"),
    (1, "../a", "../a"),
    (1, "a/../../b", "a/../../b"),
    (1, "//a", "//a"),
    (1, "a/", "a/"),
    (1, "./a", "./a"),
    ("1", "a", STRUCT.format("string") + "rv of type int64"),
    (1.5, "a", STRUCT.format("number 1.5") + "rv of type int64"),
    (True, "a", STRUCT.format("bool") + "rv of type int64"),
    (2**63, "a", STRUCT.format("number 9223372036854775808") + "rv of type int64"),
    (1, 5, STRUCT.format("number") + "start of type string"),
]


def refused(token: str) -> str:
    with pytest.raises(BadRequest) as caught:
        decode_continue(token)
    return caught.value.message.removeprefix("invalid continue token: continue key is not valid: ")


@pytest.mark.parametrize(("document", "text"), BAD_DOCUMENTS)
def test_bad_document(document: bytes, text: str) -> None:
    """A document of another kind is refused in Go's words."""
    assert refused(token_of(document)) == text


@pytest.mark.parametrize(("revision", "start", "text"), BAD_MEMBERS)
def test_bad_member(revision: object, start: object, text: str) -> None:
    """Revision and start are checked: a start must not lead out of the list's prefix."""
    assert refused(token_of(orjson.dumps({"v": V1, "rv": revision, "start": start}))) == text


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("garbage", "invalid character '\\u0081' looking for beginning of value"),
        ("!", "illegal base64 data at input byte 0"),
        ("a", "illegal base64 data at input byte 0"),
        ("abcde", "illegal base64 data at input byte 4"),
        ("YWE=", "illegal base64 data at input byte 3"),
        ("YW+/", "illegal base64 data at input byte 2"),
        ("äöü", "illegal base64 data at input byte 0"),
    ],
)
def test_no_base64(token: str, text: str) -> None:
    """What is no unpadded base64url is refused with the place where it ends."""
    assert refused(token) == text
