"""Answers with lists: as long as they are and not longer, however they are asked for, and made as they are taken."""

import gzip
import json
from collections.abc import AsyncIterator

import pytest
import yaml

from apiserver.endpoints.exchange import Exchange
from apiserver.http.asgi import Message, Send
from apiserver.machinery.pieces import Body, Piece
from apiserver.machinery.request import parse_request
from tests.asgi import Answer, receive, scope_of

ITEMS, IN_A_PIECE = 600, 20
ITEM = {"metadata": {"name": "x" * 1000}}
FORMS = {
    "as it is": ("application/json", ""),
    "indented": ("application/json", "?pretty=1"),
    "yaml": ("application/yaml", ""),
    "table": ("application/json;as=Table;g=meta.k8s.io;v=v1", ""),
}


class Made:
    """A list of `count` items of which it is known how many have been made."""

    def __init__(self, count: int = ITEMS) -> None:
        self._count, self.items = count, 0

    async def _pieces(self) -> AsyncIterator[Piece]:
        items = json.dumps([ITEM] * IN_A_PIECE).encode()[1:-1]
        while self.items < self._count:
            self.items += IN_A_PIECE
            yield Piece(items if self.items == IN_A_PIECE else b"," + items)

    @property
    def body(self) -> Body:
        return Body(b'{"items":[', self._pieces(), b"]}")


def exchange(accept: str, query: str, coding: bytes, send: Send) -> Exchange:
    """Of a request for a list, as the filters leave it."""
    path = "/apis/example.com/v1/widgets"
    scope = scope_of(path + query, headers=[(b"accept", accept.encode()), (b"accept-encoding", coding)])
    scope["state"].update(info=parse_request("GET", path, scope["query_string"]), warnings=[])
    return Exchange(scope, receive, send)


@pytest.mark.parametrize("count", [0, IN_A_PIECE, ITEMS])
@pytest.mark.parametrize("coding", [b"identity", b"gzip"])
@pytest.mark.parametrize("form", FORMS)
async def test_whole_list(form: str, coding: bytes, count: int) -> None:
    """All items arrive, compressed if they are many and the client can unpack them; a length that is told is right."""
    answer = Answer()
    await exchange(*FORMS[form], coding, answer.send).reply_body(200, Made(count).body)
    is_packed = answer.headers.get(b"content-encoding") == b"gzip"
    assert is_packed == (coding == b"gzip" and count == ITEMS)
    data = gzip.decompress(answer.body) if is_packed else answer.body
    assert yaml.load(data, yaml.CSafeLoader) == {"items": [ITEM] * count}
    assert answer.complete
    assert int(answer.headers.get(b"content-length", len(answer.body))) == len(answer.body)


@pytest.mark.parametrize("coding", [b"identity", b"gzip"])
@pytest.mark.parametrize("form", ["indented", "yaml", "table"])
async def test_made_as_it_is_taken(form: str, coding: bytes) -> None:
    """What is made for one client is not all in memory when it takes nothing."""
    made = Made()

    async def send(message: Message) -> None:
        if message.get("body"):
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await exchange(*FORMS[form], coding, send).reply_body(200, made.body)
    assert 0 < made.items < ITEMS / 2
