"""apiserver.machinery.managedfields against what a kube-apiserver answered for the same requests."""

from copy import deepcopy
from typing import Any

import pytest

from apiserver.machinery import managedfields
from apiserver.machinery.managedfields import Write, restore_times_if_unchanged, track_update, without_times

Tree = dict[str, Any]
VERSION = "extensions.example.com/v1alpha1"
STRING: Tree = {"type": "string"}
CONDITIONS: Tree = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
    "items": {
        "type": "object",
        "properties": dict.fromkeys(("type", "status", "reason", "message", "lastTransitionTime"), STRING),
    },
}
SCHEMA: Tree = {
    "type": "object",
    "properties": {
        "apiVersion": STRING,
        "kind": STRING,
        "metadata": {"type": "object"},
        "spec": {
            "type": "object",
            "properties": {"gitRepo": STRING, "branch": STRING, "replicas": {"type": "integer"}},
        },
        "status": {"type": "object", "properties": {"url": STRING, "conditions": CONDITIONS}},
    },
}
MAIN, STATUS = frozenset({("status",)}), frozenset({("spec",), ("metadata",)})
NOW, LATER = "2024-01-01T00:00:00Z", "2024-01-01T00:01:00Z"


def thing(labels: Tree | None = None, **spec: Any) -> Tree:
    meta: Tree = {"name": "a", "namespace": "ns", "uid": "u", "resourceVersion": "1", "generation": 1}
    if labels:
        meta["labels"] = labels
    return {
        "apiVersion": VERSION,
        "kind": "Thing",
        "metadata": meta,
        "spec": {"gitRepo": "https://x", "replicas": 1, **spec},
    }


def track(live: Tree | None, new: Tree, manager: str = "m1", now: str = NOW, subresource: str = "") -> Tree:
    """Tracks a write and checks that it left its arguments alone."""
    before = deepcopy((live, new))
    reset = {"": MAIN, "status": STATUS}[subresource]
    tracked = track_update(live, new, SCHEMA, Write(manager, VERSION, subresource, now, reset))
    assert before == (live, new)
    return tracked


def entries(obj: Tree) -> Any:
    return obj["metadata"].get("managedFields")


def entry(manager: str, fields: Tree, time: str = NOW, operation: str = "Update", subresource: str = "") -> Tree:
    made: Tree = {"apiVersion": VERSION, "fieldsType": "FieldsV1", "fieldsV1": fields, "manager": manager}
    made["operation"] = operation
    if time:
        made["time"] = time
    return {**made, "subresource": subresource} if subresource else made


CREATED: Tree = {
    "f:metadata": {"f:labels": {".": {}, "f:l": {}}},
    "f:spec": {".": {}, "f:gitRepo": {}, "f:replicas": {}},
}
SPEC: Tree = {"f:spec": {".": {}, "f:gitRepo": {}, "f:replicas": {}}}
READY = {"lastTransitionTime": NOW, "message": "m", "reason": "R", "status": "True", "type": "Ready"}


def test_the_creator_owns_what_it_sent() -> None:
    """Recorded as managed-fields-of-update#0: containers it created are its own, identity is nobody's."""
    assert entries(track(None, thing(labels={"l": "1"}))) == [entry("m1", CREATED)]


def test_each_updater_owns_what_it_changed() -> None:
    """Recorded as managed-fields-of-update#1 and #2, through two endpoints."""
    live = track(None, thing(labels={"l": "1"}))
    live = track(live, {**live, "spec": {**live["spec"], "branch": "z"}}, "m2")
    live = track(live, {**live, "status": {"conditions": [READY]}}, "m3", subresource="status")
    condition: Tree = {".": {}, **{f"f:{name}": {} for name in READY}}
    status = {"f:status": {".": {}, "f:conditions": {".": {}, 'k:{"type":"Ready"}': condition}}}
    assert entries(live) == [
        entry("m1", CREATED),
        entry("m2", {"f:spec": {"f:branch": {}}}),
        entry("m3", status, subresource="status"),
    ]


def test_ownership_moves_to_whoever_changes_a_value() -> None:
    """An update never conflicts; who lost everything has no entry any more."""
    live = track(None, thing())
    live = track(live, thing(branch="a", replicas=2) | {"metadata": live["metadata"]}, "m2", LATER)
    moved: Tree = {"f:spec": {".": {}, "f:gitRepo": {}}}
    assert entries(live) == [entry("m1", moved), entry("m2", {"f:spec": {"f:branch": {}, "f:replicas": {}}}, LATER)]
    live = track(live, thing(branch="b", replicas=3) | {"metadata": live["metadata"]}, "m3", LATER)
    assert [one["manager"] for one in entries(live)] == ["m1", "m3"]


def test_a_removed_field_is_nobodys() -> None:
    """Removing a field takes it from its owner and gives it to no one."""
    live = track(None, thing(branch="a"))
    gone = track(live, thing() | {"metadata": live["metadata"]}, "m2", LATER)
    assert entries(gone) == [entry("m1", SPEC)]


def test_a_second_update_adds_to_the_managers_entry() -> None:
    """The entry keeps what was owned before; its time is that of the last change."""
    live = track(None, thing())
    live = track(live, {**live, "spec": {**live["spec"], "branch": "b"}}, now=LATER)
    assert entries(live) == [entry("m1", {"f:spec": {**SPEC["f:spec"], "f:branch": {}}}, LATER)]


def test_an_update_that_changes_nothing_keeps_the_time() -> None:
    """Only a manager that changed something gets a new time."""
    live = track(None, thing())
    assert entries(track(live, live, now=LATER)) == entries(live)
    assert entries(track(live, live, "m2", LATER)) == entries(live)


def test_an_endpoint_does_not_own_what_it_resets() -> None:
    """The main endpoint cannot touch status, /status nothing else."""
    live = track(None, {**thing(), "status": {"url": "x"}})
    assert entries(live) == [entry("m1", SPEC)]
    written = track(live, {**thing(branch="b"), "status": {"url": "y"}}, "m2", LATER, "status")
    assert entries(written) == [
        entry("m1", SPEC),
        entry("m2", {"f:status": {"f:url": {}}}, LATER, subresource="status"),
    ]


def test_a_client_may_reset_managed_fields() -> None:
    """Recorded as managed-fields-cleared: the object is not tracked from then on, except through a subresource."""
    live = track(None, thing())
    reset: list[Tree] = [{}]
    cleared = track(live, {**live, "metadata": {**live["metadata"], "managedFields": reset}})
    assert entries(cleared) is None
    assert entries(track(cleared, thing(branch="b"))) is None
    assert entries(
        track(live, {**live, "metadata": {**live["metadata"], "managedFields": reset}}, subresource="status")
    )


def test_a_reset_does_not_stop_tracking_on_create() -> None:
    """A new object is always tracked."""
    new = thing()
    new["metadata"]["managedFields"] = [{}]
    assert entries(track(None, new)) == [entry("m1", SPEC)]


def test_a_client_may_edit_managed_fields() -> None:
    """What the request says is where tracking starts."""
    live = track(None, thing())
    edited = {
        **live,
        "metadata": {**live["metadata"], "managedFields": [entry("other", {"f:spec": {"f:gitRepo": {}}})]},
    }
    assert entries(track(live, edited)) == [entry("other", {"f:spec": {"f:gitRepo": {}}})]


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "x",
        ["x"],
        [{"manager": "x"}],
        [entry("x", {"x": {}})],
        [{**entry("x", {}), "fieldsType": "V2"}],
        [{**entry("x", {}), "time": "noon"}],
        [{**entry("x", {}), "time": "2024-01-01"}],
        [{**entry("x", {}), "apiVersion": ""}],
    ],
)
def test_managed_fields_that_make_no_sense_are_ignored(sent: Any) -> None:
    """Clients that do not understand managedFields cannot delete them by accident."""
    live = track(None, thing())
    assert entries(track(live, {**live, "metadata": {**live["metadata"], "managedFields": sent}})) == entries(live)


def test_times_are_kept_in_utc() -> None:
    """A client may write another zone."""
    live = track(None, thing())
    sent = [entry("m1", SPEC, "2024-01-01T02:00:00+01:00")]
    kept = track(live, {**live, "metadata": {**live["metadata"], "managedFields": sent}})
    assert entries(kept) == [entry("m1", SPEC, "2024-01-01T01:00:00Z")]


def test_entries_of_a_version_that_is_gone_are_dropped() -> None:
    """Nobody can compare fields of a version that is not served."""
    live = thing()
    live["metadata"]["managedFields"] = [
        entry("old", SPEC) | {"apiVersion": "extensions.example.com/v0"},
        entry("m1", SPEC),
    ]
    assert [one["manager"] for one in entries(track(live, live))] == ["m1"]


def test_a_manager_without_a_name_is_unknown() -> None:
    """No fieldManager and no user agent."""
    assert entries(track(None, thing(), ""))[0]["manager"] == "unknown"


def test_entries_are_sorted_by_operation_time_and_manager() -> None:
    """Apply before Update, then the oldest, then by name."""
    live = thing()
    live["metadata"]["managedFields"] = [
        entry("z", {"f:a": {}}, NOW),
        entry("b", {"f:a": {}}, LATER),
        entry("a", {"f:a": {}}, LATER, "Apply"),
        entry("y", {"f:a": {}}, NOW),
    ]
    assert [one["manager"] for one in entries(track(live, {**live, "spec": live["spec"]}))] == ["a", "y", "z", "b"]


def test_at_most_ten_updaters_are_told_apart() -> None:
    """The two oldest become "ancient-changes", with the newer one's time; later the next oldest joins them."""
    live = track(None, thing(labels={"l0": "x"}), "u0")
    for number in range(1, 12):
        labels = {**live["metadata"]["labels"], f"l{number}": "x"}
        changed = {**live, "metadata": {**live["metadata"], "labels": labels}}
        live = track(live, changed, f"u{number}", f"2024-01-01T00:{number:02}:00Z")
    assert [one["manager"] for one in entries(live)] == ["ancient-changes", *(f"u{number}" for number in range(3, 12))]
    ancient = entries(live)[0]
    assert ancient["time"] == "2024-01-01T00:02:00Z"
    assert set(ancient["fieldsV1"]["f:metadata"]["f:labels"]) == {".", "f:l0", "f:l1", "f:l2"}


def test_what_cannot_be_compared_is_not_tracked() -> None:
    """An update never fails because of its managedFields: validation is another's task."""
    live = track(None, thing())
    assert entries(track(live, {**live, "status": {"conditions": [None]}})) is None


def test_a_change_of_nothing_but_times_is_undone() -> None:
    """So a no-op write stores the same bytes."""
    live = track(None, thing())
    touched = deepcopy(live)
    touched["metadata"]["managedFields"][0]["time"] = LATER
    assert restore_times_if_unchanged(live, touched) == live
    assert without_times(entries(touched)) == without_times(entries(live))


def test_a_change_of_more_than_times_stays() -> None:
    """The object, the owners and the absence of entries all count."""
    live = track(None, thing())
    touched = deepcopy(live)
    touched["metadata"]["managedFields"][0]["time"] = LATER
    other_value = {**touched, "spec": {**touched["spec"], "gitRepo": "y"}}
    other_owner = track(live, {**live, "spec": {**live["spec"], "branch": "b"}}, "m2")
    untracked = {**live, "metadata": {"name": "a"}}
    for new in (other_value, other_owner, untracked):
        assert restore_times_if_unchanged(live, new) is new


def test_creators_of_like_objects() -> None:
    """Objects that differ in values only are owned alike; the fields that a list's items make are each object's own."""
    first, second = thing(branch="a"), thing(branch="b")
    assert entries(track(None, first)) == entries(track(None, second, now=NOW))
    listed = [{**thing(), "metadata": {**thing()["metadata"], "finalizers": [name]}} for name in ("x/a", "x/b")]
    owned = [entries(track(None, obj))[0]["fieldsV1"]["f:metadata"]["f:finalizers"] for obj in listed]
    assert owned == [{".": {}, f'v:"{name}"': {}} for name in ("x/a", "x/b")]


def test_creators_of_misfits() -> None:
    """What cannot be tracked is not, each time, though an object of nearly the same shape was before."""
    for second, tracked in (({"type": "b"}, True), (None, False), (None, False), ({"type": "c"}, True)):
        status = {"conditions": [{"type": "a"}, second]}
        assert bool(entries(track(None, {**thing(), "status": status}))) is tracked


def test_a_large_creation_is_not_remembered() -> None:
    """Of an object with very many fields nothing is kept: few of these would fill the memory."""
    before = managedfields._owned_by_creator.cache_info()
    new = thing({f"label-{number}": "" for number in range(4000)})
    assert len(entries(track(None, new))[0]["fieldsV1"]["f:metadata"]["f:labels"]) == 4001
    assert managedfields._owned_by_creator.cache_info() == before
