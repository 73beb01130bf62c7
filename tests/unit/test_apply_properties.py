"""Rules of field ownership that hold for whatever is written, on a kind with every sort of field."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from apiserver.machinery.apply import apply
from apiserver.machinery.errors import Conflict, Object
from apiserver.machinery.fieldset import (
    FieldSet,
    Path,
    difference,
    intersection,
    item_element,
    parse,
    paths,
    recursive_difference,
    union,
)
from apiserver.machinery.fieldtype import MapType, equal, item_key_or_none, member_type, type_of
from apiserver.machinery.managedfields import Entry, Write, decode, encode, key_of, track_update
from apiserver.machinery.merging import merge
from apiserver.machinery.pruning import defaulted
from apiserver.machinery.schemacheck import validate
from apiserver.machinery.typed import compare, set_of
from tests.kinds.rack import KIND

settings.register_profile(
    "unit",
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    # Explaining a failure takes minutes.
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
)
settings.load_profile("unit")

OF = type_of(KIND.schema)
NOW, LATER = "2024-01-01T00:00:00Z", "2024-01-01T00:01:00Z"
MAIN = frozenset({("status",)})

WORDS = st.sampled_from("pqr")
COUNTS = st.integers(0, 2)
# Nothing is empty: as nobody owns the items of an empty list, it may go with whatever else goes.
SETS = st.lists(WORDS, min_size=1, unique=True)
TEXTS = st.dictionaries(WORDS, WORDS, min_size=1, max_size=2)


def some(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[Object]:
    """An object with some of these members."""
    return st.fixed_dictionaries({}, optional=members).filter(bool)


def items(keys: dict[str, st.SearchStrategy[Any]], **members: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A list-map without repeated items."""
    item = st.fixed_dictionaries(keys, optional=members)
    return st.lists(item, min_size=1, max_size=3, unique_by=lambda each: tuple(each[key] for key in keys))


WINDOWS = some(start=WORDS, hours=COUNTS)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "replicas": COUNTS,
    "aisles": SETS,
    "steps": st.lists(WINDOWS, min_size=1, max_size=2),
    "ports": items({"number": COUNTS, "protocol": st.sampled_from(["TCP", "UDP"])}, label=WORDS),
    "slots": items({"name": WORDS}, height=COUNTS, devices=items({"id": COUNTS}, tags=SETS)),
    "window": WINDOWS,
    "owners": TEXTS,
    "power": some(mode=WORDS, zones=st.dictionaries(WORDS, COUNTS, min_size=1, max_size=2)),
    "extra": some(p=TEXTS, q=st.lists(WORDS, min_size=1, max_size=2), r=st.sampled_from([1, True, "x", 1.5])),
}
SPECS = some(**FIELDS)
LABELS = st.fixed_dictionaries({}, optional={"labels": TEXTS})


@st.composite
def configurations(draw: st.DrawFn, specs: st.SearchStrategy[Object] = SPECS) -> Object:
    return config(draw(specs), **draw(LABELS))


def config(spec: Object | None = None, **meta: Any) -> Object:
    made: Object = {"apiVersion": KIND.api_version, "kind": KIND.kind, "metadata": {"name": "a", **meta}}
    return {**made, "spec": spec} if spec else made


def write(manager: str, now: str = NOW) -> Write:
    return Write(manager, KIND.api_version, "", now, MAIN)


def applied(live: Object | None, sent: Object, manager: str, *, force: bool = True, now: str = NOW) -> Object:
    made = apply(live, sent, kind_name=KIND.kind, schema=KIND.schema, write=write(manager, now), force=force)
    result: Object = defaulted(made, KIND.schema)
    return result


def updated(live: Object, spec: Object, manager: str) -> Object:
    new = defaulted({**live, "spec": spec}, KIND.schema)
    return track_update(live, new, KIND.schema, write(manager))


def created() -> Object:
    return track_update(None, config({"location": "here"}), KIND.schema, write("creator"))


def entries(obj: Object) -> list[Object]:
    found: list[Object] = obj["metadata"].get("managedFields") or []
    return found


def content(obj: Object) -> Object:
    """The object without who owns what."""
    return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key != "managedFields"}}


WRITERS = st.sampled_from(["m0", "m1", "m2"])
WRITES = st.lists(st.tuples(WRITERS, st.booleans(), configurations()), min_size=1, max_size=4)


def history(writes: list[tuple[str, bool, Object]]) -> Object:
    """An object after applies (with force) and updates by several managers."""
    live = created()
    for manager, is_apply, sent in writes:
        live = applied(live, sent, manager) if is_apply else updated(live, sent["spec"], manager)
    return live


LIVE = WRITES.map(history)


@given(LIVE, configurations())
def test_apply_is_idempotent(live: Object, sent: Object) -> None:
    """The same configuration again changes nothing, not even a time."""
    once = applied(live, sent, "m0")
    assert applied(once, sent, "m0", force=False, now=LATER) == once


@given(LIVE, configurations())
def test_force_ends_in_no_conflict(live: Object, sent: Object) -> None:
    """What is forced is there, and whoever forced it owns it."""
    forced = applied(live, sent, "m0")
    assert equal(content(merge(forced, sent, OF)), content(forced))
    changes = compare(content(live), content(forced), OF)
    changed = union(changes.modified, changes.added)
    own = entry_of(forced, "m0", "Apply")
    assert not any(intersection(entry.fields, changed) for entry in decode(entries(forced)).values() if entry != own)
    assert applied(forced, sent, "m0", force=False) == forced


@given(LIVE, configurations())
def test_a_conflict_is_about_values_of_others(live: Object, sent: Object) -> None:
    """Without force an apply does the same or is refused, and then names fields that another manager owns."""
    forced, outcome = applied(live, sent, "m0"), attempted(live, sent, "m0")
    if not isinstance(outcome, Conflict):
        assert outcome == forced
        return
    causes = (outcome.details or {})["causes"]
    assert causes
    assert all(cause["message"].startswith('conflict with "') for cause in causes)
    assert content(forced) != content(live)


def attempted(live: Object, sent: Object, manager: str) -> Object | Conflict:
    try:
        return applied(live, sent, manager, force=False)
    except Conflict as conflict:
        return conflict


@given(LIVE)
def test_ownership_names_what_is_there(live: Object) -> None:
    """Nobody owns a field or an item that the object does not have."""
    for entry in decode(entries(live)).values():
        for path in paths(entry.fields):
            assert resolves(live, path), (path, entry)


def resolves(value: Any, path: Path) -> bool:
    """Does the object have what the path names?"""
    of: Any = OF
    for element in path:
        value, of = _below(value, of, element)
        if value is _MISSING:
            return False
    return True


_MISSING: Any = object()


def _below(value: Any, of: Any, element: str) -> tuple[Any, Any]:
    """A member or item, _MISSING where there is none, and its type."""
    if element[:2] == "f:":
        name, members = element[2:], of if isinstance(of, MapType) else of.map
        there = isinstance(value, dict) and name in value
        return (value[name] if there else _MISSING), member_type(members, name)
    found = [item for item in value or () if item_key_or_none(item, of.list) == element]
    return (found[0] if found else _MISSING), of.list.items


@given(st.data(), st.sets(st.sampled_from(sorted(FIELDS))))
def test_disjoint_managers_commute(data: st.DataObject, chosen: set[str]) -> None:
    """Appliers of different fields come to the same object and the same owners in either order."""
    mine, other = (
        config(data.draw(st.fixed_dictionaries({}, optional={name: FIELDS[name] for name in names})))
        for names in (sorted(chosen), sorted(FIELDS.keys() - chosen))
    )
    live = created()
    one_way = applied(applied(live, mine, "m0", force=False), other, "m1", force=False)
    assert one_way == applied(applied(live, other, "m1", force=False), mine, "m0", force=False)


@given(LIVE, configurations(), configurations())
def test_giving_up_keeps_the_fields_of_others(live: Object, mine: Object, other: Object) -> None:
    """Who applies nothing any more loses everything, and takes nothing from others."""
    both = applied(applied(live, mine, "m0"), other, "m1")
    left = applied(both, config(), "m0")
    # A container that others own may become null, which the server refuses for a custom resource.
    assume(not validate(left, KIND.schema))
    assert equal(content(merge(left, other, OF)), content(left))
    assert entry_of(left, "m0", "Apply") is None
    assert entry_of(left, "m1", "Apply") == entry_of(both, "m1", "Apply")


def entry_of(obj: Object, manager: str, operation: str) -> Entry | None:
    managed = decode(entries(obj)).values()
    return next((entry for entry in managed if (entry.manager, entry.operation) == (manager, operation)), None)


@given(LIVE)
def test_an_update_of_nothing_changes_nothing(live: Object) -> None:
    """Neither values nor owners nor times."""
    assert track_update(live, live, KIND.schema, write("m2", LATER)) == live


@given(LIVE, SPECS)
def test_an_updater_owns_what_it_changed(live: Object, spec: Object) -> None:
    """And nobody else does."""
    new = updated(live, spec, "m2")
    changes = compare(content(live), content(new), OF)
    changed = union(changes.modified, changes.added)
    managed = decode(entries(new))
    own = entry_of(new, "m2", "Update")
    assert set(paths(changed)) <= set(paths(own.fields if own else {}))
    assert not any(intersection(entry.fields, changed) for entry in managed.values() if entry != own)


@given(configurations(), configurations())
def test_comparing_is_symmetric(left: Object, right: Object) -> None:
    """What one way adds the other way removes; equal trees have no differences."""
    there, back = compare(left, right, OF), compare(right, left, OF)
    assert (there.added, there.modified, there.removed) == (back.removed, back.modified, back.added)
    assert any(there) != equal(left, right) or order_only(left, right)
    assert not any(compare(left, left, OF))


def order_only(left: Object, right: Object) -> bool:
    """Items of sets and list-maps in another order are no difference."""
    return set_of(left, OF) == set_of(right, OF)


@given(configurations())
def test_merging_with_itself(tree: Object) -> None:
    """Changes nothing."""
    assert merge(tree, tree, OF) == tree


def elements() -> st.SearchStrategy[str]:
    keys = st.dictionaries(WORDS, st.one_of(WORDS, COUNTS, st.booleans()), min_size=1, max_size=2)
    values = st.sampled_from(['v:"p"', "v:1", "v:true", "v:1.5"])
    return st.one_of(WORDS.map("f:".__add__), keys.map(item_element), values, st.sampled_from(["i:0", "i:1"]))


PATHS = st.lists(st.lists(elements(), min_size=1, max_size=3).map(tuple), max_size=6).map(set)


def of_paths(members: set[Path]) -> FieldSet:
    made: FieldSet = {}
    for path in members:
        node: FieldSet = {}
        for element in reversed(path):
            node = {element: node}
        made = union(made, node)
    return made


@given(PATHS, PATHS)
def test_sets_are_sets(left: set[Path], right: set[Path]) -> None:
    """Union, intersection and difference are those of the sets of paths."""
    mine, other = of_paths(left), of_paths(right)
    assert set(paths(mine)) == left
    assert set(paths(union(mine, other))) == left | right
    assert set(paths(intersection(mine, other))) == left & right
    assert set(paths(difference(mine, other))) == left - right
    below = {path for path in left if any(path[: len(parent)] == parent for parent in right)}
    assert set(paths(recursive_difference(mine, other))) == left - below


@given(PATHS)
def test_paths_come_in_order_and_once(members: set[Path]) -> None:
    """A parent comes before what is below it."""
    found = list(paths(of_paths(members)))
    assert len(found) == len(set(found))
    for path in found:
        parents: Iterator[Path] = (path[:depth] for depth in range(1, len(path)))
        assert all(found.index(parent) < found.index(path) for parent in parents if parent in members)


ENTRIES = st.lists(
    st.builds(
        Entry,
        manager=st.text(max_size=4),
        operation=st.sampled_from(["Apply", "Update"]),
        api_version=st.just(KIND.api_version),
        subresource=st.sampled_from(["", "status"]),
        fields=PATHS.map(of_paths),
        time=st.sampled_from(["", NOW, LATER]),
    ),
    max_size=5,
    unique_by=key_of,
)


@given(ENTRIES)
def test_entries_round_trip(managed: list[Entry]) -> None:
    """What is written is read again, in whatever order it was kept."""
    made = {key_of(entry): entry for entry in managed}
    encoded = encode(made)
    assert decode(encoded) == made
    assert encode(dict(reversed(made.items()))) == encoded


@given(PATHS)
def test_fields_round_trip(members: set[Path]) -> None:
    """A set is FieldsV1 itself, so that parsing it changes nothing."""
    fields = of_paths(members)
    assert parse(fields) == fields


@pytest.mark.parametrize("noise", ["x:1", "z:"])
@given(PATHS)
def test_unknown_elements_are_ignored(noise: str, members: set[Path]) -> None:
    """A later Kubernetes may write other sorts of elements."""
    fields = of_paths(members)
    assert parse({**fields, noise: {}}) == fields
