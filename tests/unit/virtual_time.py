"""An event loop whose time passes only when nothing else is to be done: an hour's wait takes no time."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from tests.controlplane.process import SOON

_P = ParamSpec("_P")
_T = TypeVar("_T")


class _Selector(selectors.SelectSelector):
    """Does not wait, but for what only others can bring: `skipped` grows by what would have been waited for."""

    skipped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(SOON if timeout is None else 0)
        if not ready:
            assert timeout is not None, "nothing will ever happen"
            self.skipped += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.skipped

    def skip(self, seconds: float) -> None:
        self._virtual.skipped += seconds


def run(test: Coroutine[Any, Any, _T]) -> _T:
    """The coroutine's result, from a loop that starts at 0.0 seconds."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(test)


def be_busy(seconds: float) -> None:
    """As if whoever calls this kept the loop from anything else for so long."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, _Loop)
    loop.skip(seconds)


def virtually(test: Callable[_P, Coroutine[Any, Any, None]]) -> Callable[_P, None]:
    """The same test in such a loop: no machine is too slow for what happens in it."""

    @wraps(test)
    def run_it(*args: _P.args, **kwargs: _P.kwargs) -> None:
        run(test(*args, **kwargs))

    return run_it
