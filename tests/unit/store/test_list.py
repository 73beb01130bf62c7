"""Lists: order, pages, selectors and revisions."""

import asyncio
from contextlib import aclosing
from itertools import pairwise

import pytest

from apiserver.machinery import errors
from apiserver.machinery.continuation import Continuation, decode_continue, encode_continue
from apiserver.machinery.selectors import parse_fields, parse_labels
from apiserver.registry.item import Item
from apiserver.registry.listing import read_page
from apiserver.registry.options import ListOptions, WatchOptions
from apiserver.registry.selection import Position
from apiserver.registry.store import Store
from storage.cacher import Cacher
from storage.interface import Storage
from storage.runs import MAX_ITEMS
from storage.sqlite import SQLiteStorage
from tests.contract.batches import in_batches
from tests.unit.store.widgets import WIDGET, fill, names, widget


async def test_list(store: Store) -> None:
    """Items come in the order of their keys, at the newest revision."""
    await fill(store, "b", "c", "a")
    found = await store.list("ns")

    assert names(found.items) == ["a", "b", "c"]
    assert found.resource_version == (await store.get("ns", "a")).meta["resourceVersion"]
    assert (found.continue_, found.remaining) == ("", None)


async def test_empty_list(store: Store) -> None:
    """An empty list has a revision too."""
    found = await store.list("ns")

    assert found.items == []
    assert int(found.resource_version) > 0


async def test_pages(store: Store) -> None:
    """A limited list says how many remain and how to go on; all pages are of one revision."""
    await fill(store, "a", "b", "c", "d", "e")
    first = await store.list("ns", ListOptions(limit=2))
    await store.create(widget("bb"))
    await store.delete("ns", "d")
    second = await store.list("ns", ListOptions(limit=2, continue_=first.continue_))
    third = await store.list("ns", ListOptions(limit=2, continue_=second.continue_))

    assert [names(page.items) for page in (first, second, third)] == [["a", "b"], ["c", "d"], ["e"]]
    assert [page.remaining for page in (first, second, third)] == [3, 1, None]
    assert first.resource_version == second.resource_version == third.resource_version
    assert third.continue_ == ""


@pytest.mark.parametrize("limit", [0, 1, 900])
async def test_others_have_their_turn(cacher: Cacher, limit: int) -> None:
    """However many objects a selector looks at, and finds, a few are looked at, and encoded, before others run."""
    store = Store(WIDGET, cacher)
    await in_batches(store.create(widget(f"w{number:03}")) for number in range(800))
    looks, turns = 0, [0]

    def matches(_: Item) -> bool:
        nonlocal looks
        looks += 1
        return True

    listing = asyncio.create_task(read_page(cacher, store.prefix, Position(limit=limit), matches))
    while not listing.done():
        await asyncio.sleep(0)
        turns.append(looks)
    assert looks == (500 if limit == 1 else 800)
    assert max(after - before for before, after in pairwise(turns)) <= MAX_ITEMS
    assert max(len(chunk.items) for chunk in (await listing).chunks) <= MAX_ITEMS


async def test_token(store: Store) -> None:
    """A token's key is relative to what is listed: the namespace, or everything."""
    await fill(store, "a", "b")
    one = decode_continue((await store.list("ns", ListOptions(limit=1))).continue_)
    everywhere = decode_continue((await store.list("", ListOptions(limit=1))).continue_)

    assert (one.start, everywhere.start) == ("a\0", "ns/a\0")


async def test_page_that_is_just_full(store: Store) -> None:
    """When nothing remains there is no token."""
    await fill(store, "a", "b")
    found = await store.list("ns", ListOptions(limit=2))

    assert (names(found.items), found.continue_, found.remaining) == (["a", "b"], "", None)


async def test_continue_from_the_cache(store: Store) -> None:
    """What may come from the cache is not cut into pages, nor is the rest of what was."""
    await fill(store, "a", "b", "c")
    page = await store.list("ns", ListOptions(limit=1))
    rest = await store.list("ns", ListOptions(limit=1, continue_=page.continue_, resource_version="0"))

    assert (names(rest.items), rest.continue_, rest.remaining) == (["b", "c"], "", None)


async def test_inconsistent_continue(store: Store) -> None:
    """A token of the latest revision goes on with what there is now; the pages after it are of one revision again."""
    await fill(store, "a", "b", "d", "e")
    await store.create(widget("c"))
    page = await store.list("ns", ListOptions(limit=1, continue_=encode_continue(-1, "b")))

    assert names(page.items) == ["c"]
    assert decode_continue(page.continue_) == Continuation(int(page.resource_version), "c\0")


@pytest.mark.parametrize("limit", [-5, 0])
async def test_no_limit(store: Store, limit: int) -> None:
    """Zero and negative limits mean none."""
    await fill(store, "a", "b")

    assert len((await store.list("ns", ListOptions(limit=limit))).items) == 2


async def test_label_selector(store: Store) -> None:
    """A selector picks items by their labels; objects without labels have none of them."""
    await fill(store, "a", "b", "c")
    await store.create(widget("bare"))

    async def selected(text: str) -> list[str]:
        return names((await store.list("ns", ListOptions(parse_labels(text)))).items)

    assert await selected("n in (a,c)") == ["a", "c"]
    assert await selected("n!=a") == ["b", "bare", "c"]
    assert await selected("!n") == ["bare"]


async def test_field_selector(store: Store) -> None:
    """Name and namespace can always be selected."""
    await store.create(widget("a", namespace="x"))
    await store.create(widget("a", namespace="y"))
    await store.create(widget("b", namespace="y"))
    await store.create(widget("bb", namespace="y"))

    async def selected(text: str, namespace: str = "") -> list[tuple[str, str]]:
        found = await store.list(namespace, ListOptions(field_selector=parse_fields(text)))
        return [(item.meta["namespace"], item.meta["name"]) for item in found.items]

    assert await selected("metadata.name=a") == [("x", "a"), ("y", "a")]
    assert await selected("metadata.namespace=y") == [("y", "a"), ("y", "b"), ("y", "bb")]
    assert await selected("metadata.name!=a", "y") == [("y", "b"), ("y", "bb")]
    assert await selected("metadata.name=b", "y") == [("y", "b")]
    assert await selected("metadata.name=", "y") == []
    assert await selected("metadata.name=a,metadata.name=b") == []
    assert await selected("metadata.namespace=x", "y") == []


async def test_a_selector_of_everything_shares_what_lists_are_made_of(cacher: Cacher) -> None:
    """Where all of a run matches, its part of the list is the one that lists without a selector have."""
    store = Store(WIDGET, cacher)
    await fill(store, "a", "b")
    whole = await store.list("ns")
    same, less = [await store.list("ns", ListOptions(parse_labels(text))) for text in ("n", "n=a")]

    assert [chunk is other for chunk, other in zip(whole.chunks, same.chunks, strict=True)] == [True]
    assert [chunk is other for chunk, other in zip(whole.chunks, less.chunks, strict=True)] == [False]


async def test_one_name_reads_one_object(cacher: Cacher) -> None:
    """Who lists or watches a single object costs what the object costs, not what the collection does."""
    store = Store(WIDGET, cacher)
    await fill(store, "a", "b", "c")
    fields = parse_fields("metadata.name=b")
    found = await store.list("ns", ListOptions(field_selector=fields))
    async with aclosing(store.watch("ns", WatchOptions(field_selector=fields))) as events:
        await anext(events)
        await fill(store, "d")

    assert names(found.items) == ["b"]
    looked_into = [kv.key for kv in (await cacher.list(store.prefix)).items if kv.memo is not None]
    assert [key.rpartition("/")[2] for key in looked_into] == ["b"]


async def test_selected_pages(store: Store) -> None:
    """With a selector pages are as full as without; how many remain is not known."""
    await fill(store, "a", "b", "c", "d", "e")
    selector = parse_labels("n in (b,c,e)")
    first = await store.list("ns", ListOptions(selector, limit=2))
    await store.delete("ns", "e")
    second = await store.list("ns", ListOptions(selector, limit=2, continue_=first.continue_))

    assert (names(first.items), names(second.items)) == (["b", "c"], ["e"])
    assert (first.remaining, second.remaining, second.continue_) == (None, None, "")
    assert second.resource_version == first.resource_version


async def test_selected_page_without_match(store: Store) -> None:
    """Nothing matches: an empty page and no token."""
    await fill(store, "a", "b", "c")
    found = await store.list("ns", ListOptions(parse_labels("n=z"), limit=1))

    assert (found.items, found.continue_) == ([], "")


async def test_selection_over_many_objects(store: Store) -> None:
    """A page is put together from more than one read, all of the first read's revision."""
    await in_batches(store.create(widget(f"w{n:04}", labels={"m": str(n % 400)})) for n in range(1001))
    found = await store.list("ns", ListOptions(parse_labels("m=7"), limit=2))
    rest = await store.list("ns", ListOptions(parse_labels("m=7"), limit=2, continue_=found.continue_))

    assert names(found.items) == ["w0007", "w0407"]
    assert names(rest.items) == ["w0807"]
    assert rest.continue_ == ""


async def test_selection_lets_others_run(cacher: Cacher) -> None:
    """Objects that have to be decoded to be selected are so run by run, and others have their turn in between."""
    store, turns = Store(WIDGET, cacher), 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    await in_batches(store.create(widget(f"w{n:04}")) for n in range(1001))
    await store.list("ns", ListOptions(limit=1))
    others = asyncio.create_task(count_turns())
    found = await store.list("ns", ListOptions(parse_labels("!m"), resource_version="0"))
    others.cancel()
    assert (len(found.items), turns) == (1001, len(found.chunks))
    assert turns > 1


async def test_list_of_an_exact_revision(store: Store) -> None:
    """Exact is the state at that revision, also with a limit and no match."""
    items = await fill(store, "a", "b")
    version = items[-1].meta["resourceVersion"]
    await fill(store, "c")
    exact = await store.list("ns", ListOptions(resource_version=version, resource_version_match="Exact"))
    legacy = await store.list("ns", ListOptions(resource_version=version, limit=10))

    assert names(exact.items) == names(legacy.items) == ["a", "b"]
    assert exact.resource_version == legacy.resource_version == version


async def test_list_not_older_than(store: Store) -> None:
    """A revision alone, or NotOlderThan, is a lower bound."""
    version = (await fill(store, "a"))[0].meta["resourceVersion"]
    await fill(store, "b")
    for match in ("", "NotOlderThan"):
        found = await store.list("ns", ListOptions(resource_version=version, resource_version_match=match))
        assert names(found.items)[0] == "a"
        assert int(found.resource_version) >= int(version)


async def test_any_revision_ignores_the_limit(store: Store) -> None:
    """A list of any cached state is not paged."""
    await fill(store, "a", "b", "c")
    await store.list("ns")

    assert len((await store.list("ns", ListOptions(resource_version="0", limit=1))).items) == 3


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            ListOptions(resource_version="x"),
            'invalid resource version: resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": '
            "invalid syntax",
        ),
        (
            ListOptions(resource_version="99999999999999999999"),
            'invalid resource version: resourceVersion: Invalid value: "99999999999999999999": '
            'strconv.ParseUint: parsing "99999999999999999999": value out of range',
        ),
        (
            ListOptions(resource_version="1", continue_=encode_continue(1, "a")),
            "specifying resource version is not allowed when using continue",
        ),
        (
            ListOptions(continue_="!"),
            "invalid continue token: continue key is not valid: illegal base64 data at input byte 0",
        ),
    ],
)
async def test_bad_list_options(store: Store, options: ListOptions, text: str) -> None:
    """Bad revisions and tokens are a 400."""
    with pytest.raises(errors.BadRequest) as caught:
        await store.list("ns", options)

    assert caught.value.message == text


@pytest.mark.parametrize("revision", ["99999", str(2**64 - 1)])
async def test_list_of_the_future(sqlite: SQLiteStorage, revision: str) -> None:
    """A revision that does not exist yet is a timeout, also one beyond what a storage counts to."""
    with pytest.raises(errors.Timeout, match=f"Too large resource version: {revision}, current: 1"):
        await Store(WIDGET, sqlite).list("ns", ListOptions(resource_version=revision, resource_version_match="Exact"))


async def test_continue_after_compaction(backend: Storage, sqlite: SQLiteStorage) -> None:
    """A token whose revision is gone is answered with one that goes on at the latest state."""
    store = Store(WIDGET, backend)
    await fill(store, "a", "b", "c")
    first = await store.list("ns", ListOptions(limit=1))
    await fill(store, "bb", "d")
    await sqlite.compact(await sqlite.current_revision())
    await store.list("ns")
    with pytest.raises(errors.Expired) as caught:
        await store.list("ns", ListOptions(limit=1, continue_=first.continue_))

    token = caught.value.to_status()["metadata"]["continue"]
    assert caught.value.message.startswith("The provided continue parameter is too old")
    assert names((await store.list("ns", ListOptions(limit=2, continue_=token))).items) == ["b", "bb"]


async def test_exact_revision_after_compaction(backend: Storage, sqlite: SQLiteStorage) -> None:
    """A revision whose history is gone is a 410."""
    store = Store(WIDGET, backend)
    version = (await fill(store, "a"))[0].meta["resourceVersion"]
    await fill(store, "b", "c")
    await sqlite.compact(await sqlite.current_revision())
    with pytest.raises(errors.Expired) as caught:
        await store.list("ns", ListOptions(resource_version=version, resource_version_match="Exact"))

    assert caught.value.message == "The resourceVersion for the provided list is too old."
