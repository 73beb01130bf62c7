"""Large objects: looked through where they keep nobody waiting."""

import threading
from dataclasses import replace

import pytest

from apiserver.machinery.errors import FieldError, Object
from apiserver.registry.options import WriteOptions
from apiserver.registry.store import Store
from apiserver.registry.threads import LARGE
from storage.sqlite import SQLiteStorage
from tests.unit.store.widgets import WIDGET, paint, relabel, widget


@pytest.mark.parametrize(("size", "apart"), [(LARGE, False), (LARGE + 1, True)])
async def test_where_much_is_looked_through(sqlite: SQLiteStorage, size: int, apart: bool) -> None:
    """Whether created, applied or changed, what comes as a large body is merged and validated in a thread."""
    threads: list[int] = []

    def validate(new: Object, old: Object | None) -> list[FieldError]:
        threads.append(threading.get_ident())
        return []

    store = Store(replace(WIDGET, validate=validate), sqlite)
    options = WriteOptions(size=size)
    await store.create(widget(), options)
    await store.update("ns", "a", paint("blue"), options)
    await store.apply("ns", "b", widget("b"), options)
    await store.apply("ns", "b", widget("b", color="blue"), replace(options, force=True))
    assert [thread != threading.get_ident() for thread in threads] == [apart] * 4


async def test_small_change_of_a_large_object(sqlite: SQLiteStorage) -> None:
    """So is what changes a little of an object that has much."""
    threads: list[int] = []

    def change(live: Object) -> Object:
        threads.append(threading.get_ident())
        return relabel(a="b")(live)

    store = Store(WIDGET, sqlite)
    await store.create(widget(annotations={"a": "x" * LARGE}))
    assert (await store.update("ns", "a", change)).meta["labels"] == {"a": "b"}
    assert threading.get_ident() not in threads
