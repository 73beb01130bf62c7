"""apiserver.machinery.apply against what a kube-apiserver answered for the same requests."""

from copy import deepcopy
from typing import Any

import pytest

from apiserver.machinery.apply import apply
from apiserver.machinery.errors import BadRequest, Conflict, Plain
from apiserver.machinery.managedfields import Write
from tests.unit.test_managedfields import LATER, MAIN, NOW, SCHEMA, STATUS, VERSION, entries, entry, thing, track

Tree = dict[str, Any]
REPO: Tree = {"f:spec": {"f:gitRepo": {}}}
REPO_AND_BRANCH: Tree = {"f:spec": {"f:branch": {}, "f:gitRepo": {}}}


def config(**spec: Any) -> Tree:
    made: Tree = {"apiVersion": VERSION, "kind": "Thing", "metadata": {"name": "a"}}
    return {**made, "spec": spec} if spec else made


def applied(
    live: Tree | None, sent: Tree, manager: str = "one", *, force: bool = False, now: str = NOW, subresource: str = ""
) -> Tree:
    """Applies, checks that the arguments stay as they were, and defaults replicas as the server does."""
    before = deepcopy((live, sent))
    reset = STATUS if subresource else MAIN
    write = Write(manager, VERSION, subresource, now, reset)
    try:
        made = apply(live, sent, kind_name="Thing", schema=SCHEMA, write=write, force=force)
    finally:
        assert before == (live, sent)
    if made.get("spec"):
        made["spec"].setdefault("replicas", 1)
    made["metadata"].setdefault("uid", "u")
    return made


def by(manager: str, fields: Tree, time: str = NOW, subresource: str = "") -> Tree:
    return entry(manager, fields, time, "Apply", subresource)


def test_apply_creates() -> None:
    """Recorded as apply-creates: the applier owns its fields, nobody the default, and no container."""
    made = applied(None, config(gitRepo="r"))
    assert made["spec"] == {"gitRepo": "r", "replicas": 1}
    assert entries(made) == [by("one", REPO)]


def test_the_same_again_changes_nothing() -> None:
    """Recorded as apply-again-is-noop: not even the time."""
    live = applied(None, config(gitRepo="r"))
    assert applied(live, config(gitRepo="r"), now=LATER) == live


def test_a_change_of_anothers_field_is_a_conflict() -> None:
    """Recorded as apply-conflict-and-force#1."""
    live = applied(None, config(gitRepo="r"))
    with pytest.raises(Conflict) as caught:
        applied(live, config(gitRepo="other"), "two")
    assert caught.value.message == 'Apply failed with 1 conflict: conflict with "one": .spec.gitRepo'
    cause = {"field": ".spec.gitRepo", "message": 'conflict with "one"', "reason": "FieldManagerConflict"}
    assert caught.value.details == {"causes": [cause]}


def test_force_takes_the_field() -> None:
    """Recorded as apply-conflict-and-force#2."""
    live = applied(None, config(gitRepo="r"))
    forced = applied(live, config(gitRepo="other"), "two", force=True, now=LATER)
    assert forced["spec"]["gitRepo"] == "other"
    assert entries(forced) == [by("two", REPO, LATER)]


def test_shared_fields_go_with_their_last_owner() -> None:
    """Recorded as apply-shared-then-dropped: co-ownership alone sets no time."""
    both = config(gitRepo="r", branch="dev")
    live = applied(None, both)
    live = applied(live, both, "two", now=LATER)
    assert entries(live) == [by("two", REPO_AND_BRANCH, ""), by("one", REPO_AND_BRANCH)]
    live = applied(live, config(gitRepo="r"), now=LATER)
    assert live["spec"]["branch"] == "dev"
    assert entries(live) == [by("two", REPO_AND_BRANCH, ""), by("one", REPO)]
    live = applied(live, config(gitRepo="r"), "two", now=LATER)
    assert live["spec"] == {"gitRepo": "r", "replicas": 1}
    assert entries(live) == [by("one", REPO), by("two", REPO, LATER)]


def test_apply_over_update() -> None:
    """Recorded as apply-over-update: equal values are shared, other ones conflict with the updater."""
    live = track(None, thing(labels={"x": "1"}, gitRepo="r"), "creator")
    live = applied(live, config(gitRepo="r", branch="b"), now=LATER)
    assert entries(live)[0] == by("one", REPO_AND_BRANCH, LATER)
    assert entries(live)[1]["manager"] == "creator"
    with pytest.raises(Conflict) as caught:
        applied(live, config(gitRepo="x", branch="b"))
    assert caught.value.details is not None
    assert caught.value.details["causes"][0]["message"] == f'conflict with "creator" using {VERSION}'


def test_several_conflicts_are_listed_by_manager() -> None:
    """Managers in the order of their identifiers, paths in the order of fields."""
    live = track(None, thing(gitRepo="r"), "updater")
    live = track(live, {**live, "status": {"url": "u"}}, "controller", subresource="status")
    live = applied(live, config(branch="b"), "b-team")
    with pytest.raises(Conflict) as caught:
        applied(live, config(gitRepo="x", replicas=2, branch="c"))
    assert caught.value.message == (
        'Apply failed with 3 conflicts: conflicts with "b-team":\n- .spec.branch\n'
        f'conflicts with "updater" using {VERSION}:\n- .spec.gitRepo\n- .spec.replicas'
    )
    with pytest.raises(Conflict) as caught:
        applied(live, {**config(), "status": {"url": "x"}}, subresource="status")
    assert caught.value.message == (
        'Apply failed with 1 conflict: conflict with "controller" with subresource "status" '
        f"using {VERSION}: .status.url"
    )


def test_an_empty_configuration_gives_everything_up() -> None:
    """What only this applier owned goes, with the containers that it made."""
    live = applied(None, {**config(gitRepo="r"), "metadata": {"name": "a", "labels": {"x": "1"}}})
    bare = applied(live, config())
    assert bare == {**config(), "metadata": {"name": "a", "uid": "u"}}


def test_what_an_updater_owns_is_not_pruned() -> None:
    """Giving a field up removes it only when nobody else owns it."""
    live = applied(None, config(gitRepo="r", branch="b"))
    live = track(live, {**live, "spec": {**live["spec"], "replicas": 5}}, "scaler")
    assert applied(live, config())["spec"] == {"replicas": 5}


def test_list_items_are_owned_one_by_one() -> None:
    """Two appliers keep an item each; an item that its applier drops goes alone."""

    def condition(name: str) -> Tree:
        return {**config(), "status": {"conditions": [{"type": name, "status": "True"}]}}

    live = applied(applied(None, config(gitRepo="r")), condition("A"), "a", subresource="status")
    live = applied(live, condition("B"), "b", subresource="status")
    assert [item["type"] for item in live["status"]["conditions"]] == ["A", "B"]
    owned: Tree = {".": {}, "f:status": {}, "f:type": {}}
    fields = {"f:status": {"f:conditions": {'k:{"type":"B"}': owned}}}
    assert by("b", fields, subresource="status") in entries(live)
    live = applied(live, config(), "a", subresource="status")
    assert [item["type"] for item in live["status"]["conditions"]] == ["B"]


def test_an_untracked_object_belongs_to_before_first_apply() -> None:
    """Its fields conflict like any other's."""
    with pytest.raises(Conflict) as caught:
        applied(thing(gitRepo="r"), config(gitRepo="x"))
    assert caught.value.message == (
        f'Apply failed with 1 conflict: conflict with "before-first-apply" using {VERSION}: .spec.gitRepo'
    )
    managers = [one["manager"] for one in entries(applied(thing(gitRepo="r"), config(gitRepo="r")))]
    assert sorted(managers) == ["before-first-apply", "one"]


def test_fields_that_the_endpoint_resets_are_not_owned() -> None:
    """Applying them is no error."""
    made = applied(None, {**config(gitRepo="r"), "status": {"url": "u"}})
    assert entries(made) == [by("one", REPO)]


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (
            {**config(), "metadata": {"name": "a", "managedFields": []}},
            "metadata.managedFields must be nil",
        ),
        (
            {**config(), "apiVersion": "g/v2"},
            "invalid object type: g/v2, Kind=Thing",
        ),
        ({**config(), "kind": "Other"}, f"invalid object type: {VERSION}, Kind=Other"),
    ],
)
def test_what_is_not_a_configuration_of_the_kind(sent: Tree, message: str) -> None:
    """Recorded as apply-with-managed-fields; another kind or version likewise is a 400."""
    with pytest.raises(BadRequest) as caught:
        applied(None, sent)
    assert caught.value.message == message


def test_an_unknown_field_is_a_plain_500() -> None:
    """Recorded as apply-unknown-field."""
    with pytest.raises(Plain) as caught:
        applied(None, config(gitRepo="r", foo=1))
    assert caught.value.message == (
        f"failed to create typed patch object (/a; {VERSION}, Kind=Thing): .spec.foo: field not declared in schema"
    )
    assert caught.value.to_status()["code"] == 500


def test_the_result_is_a_tree_of_its_own() -> None:
    """Defaulting it must not change the shared live object, parts of which it takes over."""
    live = track(None, {**thing(), "status": {"url": "u"}})
    made = applied(live, config(branch="b"))
    made["status"]["url"] = "changed"
    assert live["status"]["url"] == "u"


def test_live_managed_fields_that_make_no_sense_are_an_error() -> None:
    """Apply cannot guess who owns what."""
    live = thing()
    live["metadata"]["managedFields"] = [{"manager": "x", "operation": "Other"}]
    with pytest.raises(Plain) as caught:
        applied(live, config(gitRepo="r"))
    assert caught.value.message == "failed to decode managed fields: operation must be `Apply` or `Update`"
