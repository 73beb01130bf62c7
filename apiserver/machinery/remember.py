"""Answers that are remembered by what a client has sent, within a bound on the memory that it can have held."""

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")


def remembered(size: int, longest: int) -> Callable[[Callable[[str], T]], Callable[[str], T]]:
    """A decorator: the answers to the `size` texts asked for last are remembered, but not to one that has more than
    `longest` characters, nor errors."""

    def decorate(answer: Callable[[str], T]) -> Callable[[str], T]:
        cached = lru_cache(size)(answer)
        return lambda text: cached(text) if len(text) <= longest else answer(text)

    return decorate
