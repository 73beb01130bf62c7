"""Warning headers; how they are cut was recorded from a kube-apiserver 1.36."""

from apiserver.endpoints.exchange import Exchange
from apiserver.http.asgi import Message
from apiserver.http.warning import warning_headers


def texts(*warnings: str) -> list[str]:
    headers = warning_headers(list(warnings))
    assert all(name == b"warning" for name, _ in headers)
    return [value.decode().removeprefix('299 - "').removesuffix('"') for _, value in headers]


def test_quotes() -> None:
    """A text is a quoted string; one with control characters cannot be."""
    assert texts('a "b" \\ é', "a\nb", "") == ['a \\"b\\" \\\\ é', ""]


def test_within_the_budget() -> None:
    """4096 characters are written as they are."""
    assert texts("a" * 4000, "b" * 96) == ["a" * 4000, "b" * 96]


def test_beyond_the_budget() -> None:
    """The text that goes beyond has all of them cut, the earlier ones too."""
    assert texts("a" * 4000, "b" * 97, "c" * 300) == ["a" * 256, "b" * 97, "c" * 256]


def test_far_beyond_the_budget() -> None:
    """Cut texts go on until the budget is used up once more."""
    shown = texts(*(f"{number:03}" + "x" * 97 for number in range(60)))

    assert len(shown) == 41
    assert sum(map(len, shown)) == 4100


def test_many() -> None:
    """However many there are, those that are told are the same: texts of one character are told 4097 times."""
    assert texts(*["x"] * 300_000) == ["x"] * 4097


async def _nothing() -> Message:
    return {}


async def _nowhere(_: Message) -> None:
    return None


def test_each_warning_once() -> None:
    """A text that is said again, as when a write is tried again, is not another warning; a look-up each."""
    state = {"info": None, "warnings": ["first"]}
    exchange = Exchange({"headers": [], "state": state}, _nothing, _nowhere)
    many = [f"unknown field {number}" for number in range(100_000)]
    for _ in range(2):
        exchange.warn("first", *many, "last", "last")
    assert state["warnings"] == ["first", *many, "last"]
