"""Lists and events in every form: what they say, and what is made again."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from apiserver.endpoints import representation
from apiserver.http.negotiation import Format
from apiserver.machinery.errors import NotAcceptable, Object
from apiserver.machinery.kind import AGE, Column, Kind
from apiserver.machinery.pieces import Piece
from apiserver.registry.item import Item, WatchEvent, chunk_of
from apiserver.registry.options import ItemList
from apiserver.registry.stored import to_stored
from storage.interface import KeyValue, Run

KIND = Kind("example.com", "v1", "Widget", "widgets", columns=(Column("Size", ".spec.size", "integer"), AGE))
PLAIN, TABLE, PARTIAL = Format(), Format(target="Table"), Format(target="PartialObjectMetadataList", version="v1beta1")
OLD = "2020-01-01T00:00:00Z"


def widget(name: str, created: str = OLD) -> Object:
    meta = {"name": name, "creationTimestamp": created, "uid": f"uid-of-{name}"}
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": meta, "spec": {"size": 3}}


def run_of(*names: str, created: str = OLD) -> Run:
    return Run([KeyValue(f"/{name}", to_stored(widget(name, created)), 7) for name in names])


def listed(*runs: Run) -> ItemList:
    return ItemList([chunk_of(run) for run in runs], "9", "token", 4)


async def made(found: ItemList, chosen: Format, include: str = "") -> list[Piece]:
    before, items, after = representation.many(KIND, found, chosen, include)
    return [Piece(before), *[piece async for piece in items], Piece(after)]


def tree(pieces: list[Piece]) -> Any:
    return orjson.loads(b"".join(piece.data for piece in pieces))


def at_7(name: str) -> Object:
    obj = widget(name)
    return {**obj, "metadata": {**obj["metadata"], "resourceVersion": "7"}}


def partial(name: str, version: str) -> Object:
    identity = {"apiVersion": f"meta.k8s.io/{version}", "kind": "PartialObjectMetadata"}
    return {**identity, "metadata": at_7(name)["metadata"]}


META = {"resourceVersion": "9", "continue": "token", "remainingItemCount": 4}


async def test_plain_list() -> None:
    """The objects of all runs, with their resourceVersion."""
    assert tree(await made(listed(run_of("a", "b"), run_of("c")), PLAIN)) == {
        "apiVersion": "example.com/v1",
        "kind": "WidgetList",
        "metadata": META,
        "items": [at_7("a"), at_7("b"), at_7("c")],
    }


async def test_partial_metadata() -> None:
    """The objects' metadata, in the version that was asked for."""
    assert tree(await made(listed(run_of("a"), run_of("b")), PARTIAL)) == {
        "apiVersion": "meta.k8s.io/v1beta1",
        "kind": "PartialObjectMetadataList",
        "metadata": META,
        "items": [partial("a", "v1beta1"), partial("b", "v1beta1")],
    }


@pytest.mark.parametrize(
    ("include", "included"), [("Metadata", partial("a", "v1")), ("Object", at_7("a")), ("None", None)]
)
async def test_table(include: str, included: Any) -> None:
    """A row has the cells, and as much of the object as was asked for."""
    made_of = tree(await made(listed(run_of("a"), run_of("b")), TABLE, include))

    assert (made_of["kind"], made_of["apiVersion"], made_of["metadata"]) == ("Table", "meta.k8s.io/v1", META)
    assert [row["cells"][:2] for row in made_of["rows"]] == [["a", 3], ["b", 3]]
    assert made_of["rows"][0]["object"] == included


async def test_empty_lists() -> None:
    """Without items, only a list of partial metadata says null, and only a plain one has an empty token."""
    nothing = ItemList([], "9")

    assert tree(await made(nothing, PLAIN))["items"] == []
    assert tree(await made(nothing, PLAIN))["metadata"] == {"resourceVersion": "9", "continue": ""}
    assert tree(await made(nothing, TABLE))["rows"] == []
    assert tree(await made(nothing, TABLE))["metadata"] == {"resourceVersion": "9"}
    assert tree(await made(nothing, PARTIAL))["items"] is None


async def test_a_list_is_not_one_object() -> None:
    """Partial metadata of one object is not what a list can become."""
    with pytest.raises(NotAcceptable):
        await made(listed(run_of("a")), Format(target="PartialObjectMetadata"))


@pytest.mark.parametrize(("chosen", "include"), [(PLAIN, ""), (PARTIAL, ""), (TABLE, "Metadata"), (TABLE, "None")])
async def test_pieces_are_made_once(chosen: Format, include: str) -> None:
    """A run's part of a list is made at the first request for its form, and again only after a write to the run."""
    first, second, changed = run_of("a"), run_of("b"), run_of("b")
    before = await made(listed(first, second), chosen, include)
    again = await made(listed(first, second), chosen, include)
    after = await made(listed(first, changed), chosen, include)

    assert [one is other for one, other in zip(before, again, strict=True)] == [False, True, True, False]
    assert [one is other for one, other in zip(before, after, strict=True)] == [False, True, False, False]


@pytest.mark.parametrize(("chosen", "include"), [(PLAIN, ""), (PARTIAL, ""), (TABLE, "Metadata")])
async def test_first_lists_at_the_same_time_share_pieces(chosen: Format, include: str) -> None:
    """A herd that comes after a start or a write makes and holds one copy of a list."""
    runs = run_of("a"), run_of("b")
    herd = await asyncio.gather(*[made(listed(*runs), chosen, include) for _ in range(5)])

    assert len({id(piece) for pieces in herd for piece in pieces[1:-1]}) == len(runs)


async def test_forms_do_not_mix() -> None:
    """What was made for one form, or for another place in the list, is not sent for another."""
    run = run_of("a")
    forms = [(PLAIN, ""), (TABLE, "Metadata"), (TABLE, "None"), (PARTIAL, "")]
    pieces = [(await made(listed(run, run), chosen, include))[1:3] for chosen, include in forms]

    assert len({piece.data for pair in pieces for piece in pair}) == 2 * len(forms)


async def test_cells_are_made_once_an_object() -> None:
    """A row's cells outlive what is made of them: a write makes those of its object alone."""
    kept, written = run_of("a"), run_of("b")
    await made(listed(Run([*kept.items, *written.items])), TABLE, "None")
    cells = [kv.memo.cells(KIND) for kv in (*kept.items, *written.items)]
    await made(listed(Run([*kept.items, *run_of("b").items])), TABLE, "Object")

    assert [kv.memo.cells(KIND) is made_once for kv, made_once in zip(kept.items, cells, strict=False)] == [True]


async def test_a_young_objects_row_is_not_kept() -> None:
    """Its age changes with every second."""
    run = run_of("a", created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    await made(listed(run), TABLE, "None")
    await made(listed(run), PLAIN)

    assert len(chunk_of(run).forms) == 1


async def test_what_is_out_of_date_is_made_again() -> None:
    """A kept row whose age has changed is not shown."""
    run = run_of("a")
    pieces = await made(listed(run), TABLE, "None")
    [(key, (piece, until))] = chunk_of(run).forms.items()
    assert until > time.time()
    chunk_of(run).forms[key] = piece, time.time()

    assert (await made(listed(run), TABLE, "None"))[1] is not pieces[1]


@pytest.mark.parametrize(("chosen", "include"), [(PLAIN, ""), (PARTIAL, ""), (TABLE, "Metadata"), (TABLE, "Object")])
def test_events_are_encoded_once(chosen: Format, include: str) -> None:
    """All watchers that asked for the same form are sent the same bytes."""
    happened = WatchEvent("ADDED", Item(None, to_stored(widget("a")), 7))
    line = representation.event(KIND, happened, chosen, include, first=False)

    assert representation.event(KIND, happened, chosen, include, first=False) is line
    assert orjson.loads(line)["type"] == "ADDED"


def test_the_first_table_of_a_watch_has_columns() -> None:
    """Others that share the event and have had them are sent none."""
    happened = WatchEvent("ADDED", Item(None, to_stored(widget("a")), 7))
    tables = [orjson.loads(representation.event(KIND, happened, TABLE, "None", first)) for first in (True, False, True)]

    assert [table["object"]["columnDefinitions"] is None for table in tables] == [False, True, False]
