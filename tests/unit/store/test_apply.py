"""Server-side apply through the Store."""

import asyncio
from typing import Any

import pytest

from apiserver.machinery import errors
from apiserver.machinery.errors import Object
from apiserver.registry.options import WriteOptions
from apiserver.registry.store import Store


def config(**spec: Any) -> Object:
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": spec}


def applier(name: str, *, force: bool = False, dry_run: bool = False) -> WriteOptions:
    return WriteOptions(field_manager=name, force=force, dry_run=dry_run)


async def test_apply_creates(store: Store) -> None:
    """What is not there is created, with defaults that nobody owns."""
    item, created = await store.apply("ns", "a", config(color="red"), applier("one"))

    assert created
    assert item.object["spec"] == {"color": "red", "size": 1}
    assert (item.meta["namespace"], item.meta["generation"]) == ("ns", 1)
    (entry,) = item.meta["managedFields"]
    assert (entry["operation"], entry["fieldsV1"]) == ("Apply", {"f:spec": {"f:color": {}}})


async def test_apply_again(store: Store) -> None:
    """The same configuration is not written twice."""
    first, _ = await store.apply("ns", "a", config(color="red"), applier("one"))
    second, created = await store.apply("ns", "a", config(color="red"), applier("one"))

    assert not created
    assert second.wire == first.wire


async def test_two_apply_what_is_not_there(store: Store) -> None:
    """Of two that apply the same new object at once one creates it, and the other one's fields are added."""
    size = {**config(size=3), "metadata": {"name": "a", "labels": {"l": "x"}}}
    size["spec"]["color"] = "red"
    answers = await asyncio.gather(
        store.apply("ns", "a", config(color="red"), applier("one")), store.apply("ns", "a", size, applier("two"))
    )

    assert sorted(created for _, created in answers) == [False, True]
    item = await store.get("ns", "a")
    assert (item.object["spec"], item.meta["labels"]) == ({"color": "red", "size": 3}, {"l": "x"})
    assert {entry["manager"] for entry in item.meta["managedFields"]} == {"one", "two"}


async def test_apply_conflict(store: Store) -> None:
    """Another's field is not taken without force, as recorded."""
    await store.apply("ns", "a", config(color="red"), applier("one"))
    with pytest.raises(errors.Conflict) as caught:
        await store.apply("ns", "a", config(color="blue"), applier("two"))
    assert caught.value.message == 'Apply failed with 1 conflict: conflict with "one": .spec.color'

    item, _ = await store.apply("ns", "a", config(color="blue"), applier("two", force=True))
    assert (item.object["spec"]["color"], item.meta["generation"]) == ("blue", 2)
    assert [entry["manager"] for entry in item.meta["managedFields"]] == ["two"]


async def test_apply_asks_before_it_creates(store: Store) -> None:
    """Creating by apply needs a permission of its own; updating does not."""
    asked = []

    async def authorize() -> None:
        asked.append("create")

    options = WriteOptions(field_manager="one", authorize_create=authorize)
    await store.apply("ns", "a", config(color="red"), options)
    await store.apply("ns", "a", config(color="blue"), options)

    assert asked == ["create"]


async def test_apply_that_may_not_create(store: Store) -> None:
    """Who may not create creates nothing."""

    async def refuse() -> None:
        raise errors.Forbidden("no")

    with pytest.raises(errors.Forbidden):
        await store.apply("ns", "a", config(color="red"), WriteOptions(field_manager="one", authorize_create=refuse))

    assert (await store.list()).items == []


async def test_apply_of_another_uid(store: Store) -> None:
    """A configuration with a uid is about an object that exists."""
    named = {**config(color="red"), "metadata": {"name": "a", "uid": "x"}}
    with pytest.raises(errors.Conflict, match="uid mismatch: the provided object specified uid x"):
        await store.apply("ns", "a", named, applier("one"))


async def test_apply_to_a_subresource_of_nothing(store: Store) -> None:
    """A subresource is not created."""
    with pytest.raises(errors.NotFound):
        await store.apply("ns", "a", {**config(), "status": {"seen": 1}}, applier("one"), "status")


async def test_apply_dry_run(store: Store) -> None:
    """A dry run creates nothing."""
    _, created = await store.apply("ns", "a", config(color="red"), applier("one", dry_run=True))

    assert created
    with pytest.raises(errors.NotFound):
        await store.get("ns", "a")


async def test_invalid_apply(store: Store) -> None:
    """The result is validated."""
    with pytest.raises(errors.Invalid, match=r"spec\.color: Required value"):
        await store.apply("ns", "a", config(size=1), applier("one"))


async def test_nulls_in_apply(store: Store) -> None:
    """A null gets the default where there is one, and is the zero value in metadata."""
    nulls = {**config(color="red", size=None), "metadata": {"name": "a", "labels": {"x": None}, "annotations": None}}
    item, _ = await store.apply("ns", "a", nulls, applier("one"))

    assert item.object["spec"] == {"color": "red", "size": 1}
    assert "annotations" not in item.meta
    assert item.meta["labels"] == {"x": ""}


async def test_nulls_without_a_default(store: Store) -> None:
    """kube-apiserver refuses them for a custom resource, though the same null in a merge patch removes the field."""
    with pytest.raises(errors.Invalid, match=r'spec\.color in body must be of type string: "null"'):
        await store.apply("ns", "a", config(color=None), applier("one"))
