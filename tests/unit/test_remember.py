"""What is remembered of what clients send."""

from apiserver.machinery.remember import remembered


def test_bounds() -> None:
    """The last answers are remembered, and none to a long text: what a client can have held is `size` times
    `longest`."""
    asked = []

    @remembered(2, longest=3)
    def answer(text: str) -> int:
        asked.append(text)
        return len(text)

    for text in ("a", "a", "bb", "long", "long", "a", "ccc", "bb"):
        assert answer(text) == len(text)
    assert asked == ["a", "bb", "long", "long", "ccc", "bb"]
