"""The rules of create, update and delete that hold for every kind; recorded from a kube-apiserver 1.36."""

import copy
from collections.abc import Sequence
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, model_validator

from apiserver.machinery.errors import Conflict, FieldError, InternalError, Invalid, Object, invalid
from apiserver.machinery.kind import Kind, Scale
from apiserver.machinery.strategy import (
    DeleteOptions,
    before_create,
    before_delete,
    before_update,
    check_preconditions,
    deletion_finalizers,
    generate_name,
    is_finalized,
    wipe_applied,
    wipe_system_fields,
)
from tests.kinds.rack import KIND as RACK

NOW, LATER = "2026-01-02T03:04:05Z", "2026-01-02T04:04:05Z"


class WidgetSpec(BaseModel):
    color: Annotated[str, Field(pattern="^[a-z]+$")]
    replicas: Annotated[int, Field(ge=0)] = 1
    low: int = 0
    high: int = 9

    @model_validator(mode="after")
    def _ordered(self) -> "WidgetSpec":
        if self.low > self.high:
            raise ValueError("low must not be above high")
        return self


class WidgetStatus(BaseModel):
    replicas: int | None = None


def no_changes_to_pink(new: Object, old: Object | None) -> Sequence[FieldError]:
    if old is not None and old["spec"]["color"] != "pink" and new["spec"]["color"] == "pink":
        return [invalid("spec.color", "pink", "cannot become pink")]
    return ()


WIDGET = Kind(
    group="example.com",
    version="v1",
    kind="Widget",
    plural="widgets",
    spec=WidgetSpec,
    status=WidgetStatus,
    scale=Scale(".spec.replicas", ".status.replicas"),
    validate=no_changes_to_pink,
)
GADGET = Kind("example.com", "v1", "Gadget", "gadgets")


def widget(**meta: Any) -> Object:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "a", "namespace": "ns", **meta},
        "spec": {"color": "red", "replicas": 1},
    }


def live(**meta: Any) -> Object:
    """A stored widget of generation 2."""
    stored = {"uid": "u", "creationTimestamp": NOW, "generation": 2, "resourceVersion": "7", **meta}
    return {**widget(**stored), "status": {"replicas": 1}}


def created(obj: Object) -> Object:
    before_create(WIDGET, obj, now=NOW, uid="u")
    return obj


def messages(obj: Object) -> list[str]:
    with pytest.raises(Invalid) as caught:
        created(obj)
    return [f"{cause['field']}: {cause['message']}" for cause in caught.value.to_status()["details"]["causes"]]


def test_create_fills_metadata() -> None:
    """A new object gets uid, creation time and generation 1."""
    meta = created(widget(generation=7))["metadata"]

    assert meta == {"name": "a", "namespace": "ns", "uid": "u", "creationTimestamp": NOW, "generation": 1}


def test_create_drops_status() -> None:
    """Status has its own endpoint; a kind without one keeps whatever it has."""
    assert "status" not in created({**widget(), "status": {"replicas": 5}})

    gadget = {**widget(), "kind": "Gadget", "status": {"x": 1}}
    before_create(GADGET, gadget, now=NOW, uid="u")
    assert gadget["status"] == {"x": 1}


def test_create_validates() -> None:
    """Metadata comes first, then the schema; the error names kind and object."""
    obj = widget(name="")
    obj["spec"]["color"] = "RED"
    with pytest.raises(Invalid) as caught:
        created(obj)

    assert caught.value.message == (
        'Widget.example.com "" is invalid: [metadata.name: Required value: name or generateName is required, '
        "spec.color: Invalid value: \"RED\": spec.color in body should match '^[a-z]+$']"
    )
    assert caught.value.to_status()["details"]["kind"] == "Widget"


def test_missing_spec() -> None:
    """A spec with required members is required itself."""
    obj = widget()
    del obj["spec"]

    assert messages(obj) == ["spec: Required value"]


def test_negative_replicas() -> None:
    """The scale subresource's count is checked as such too."""
    obj = widget()
    obj["spec"]["replicas"] = -1

    assert messages(obj) == [
        "spec.replicas: Invalid value: -1: spec.replicas in body should be greater than or equal to 0",
        ".spec.replicas: Invalid value: -1: should be a non-negative integer",
    ]


def test_replicas_that_are_no_integer() -> None:
    """2.0 is an integer for the schema, but no count."""
    obj = widget()
    obj["spec"]["replicas"] = 2.0

    fault = ".spec.replicas accessor error: 2 is of the type float64, expected int64"
    assert messages(obj) == [f".spec.replicas: Invalid value: 0: {fault}"]


def test_model_validators_run_on_valid_objects() -> None:
    """A model's validator speaks once the schema has nothing to say."""
    obj = widget()
    obj["spec"] |= {"low": 5, "high": 4}
    (fault,) = messages(obj)
    assert fault.startswith("spec: Invalid value: {")
    assert fault.endswith(": low must not be above high")

    obj["spec"]["color"] = "RED"
    (fault,) = messages(obj)
    assert fault.startswith("spec.color")


def test_wipe_system_fields() -> None:
    """What only the server sets is dropped; resourceVersion and managedFields are not its business."""
    system = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")
    meta: Object = {"name": "a", "resourceVersion": "1", "managedFields": [], **dict.fromkeys(system, "x")}
    wipe_system_fields(meta)

    assert meta == {"name": "a", "resourceVersion": "1", "managedFields": []}


def test_wipe_applied() -> None:
    """A dry run of an apply that creates keeps what would not be stored; of its deletion no object may speak."""
    kept = {"name": "a", "resourceVersion": "1", "selfLink": "/x"}
    for dry_run, left in ((True, kept), (False, {"name": "a"})):
        meta: Object = {**kept, "deletionTimestamp": "x", "deletionGracePeriodSeconds": 0}
        wipe_applied(meta, dry_run=dry_run)
        assert meta == left


def test_generate_name() -> None:
    """The base leaves room for five characters in a label's 63."""
    assert generate_name("gen-", "xyz12") == "gen-xyz12"
    assert generate_name("x" * 100, "xyz12") == "x" * 58 + "xyz12"


def updated(new: Object, old: Object, subresource: str = "") -> Object:
    before = copy.deepcopy(old)
    made = before_update(WIDGET, copy.deepcopy(new), old, subresource)
    assert old == before
    return made


def test_spec_change_is_a_new_generation() -> None:
    """A changed spec counts, changed metadata does not."""
    new = live()
    new["spec"]["color"] = "blue"

    assert updated(new, live())["metadata"]["generation"] == 3
    assert updated(live(labels={"x": "y"}), live())["metadata"]["generation"] == 2


def test_change_without_status_subresource() -> None:
    """For a kind without /status everything but metadata counts."""
    new = {**live(), "kind": "Gadget", "status": {"replicas": 2}}

    assert before_update(GADGET, copy.deepcopy(new), live())["metadata"]["generation"] == 3


def test_update_keeps_status() -> None:
    """The main endpoint neither changes nor drops status."""
    assert updated({**live(), "status": {"replicas": 9}}, live())["status"] == {"replicas": 1}
    new = live()
    del new["status"]
    assert updated(new, live())["status"] == {"replicas": 1}


def test_update_of_an_object_without_status() -> None:
    """It cannot set one either."""
    old = live()
    del old["status"]

    assert "status" not in updated(live(), old)


def test_update_restores_system_fields() -> None:
    """Generation and creation time are the server's; an empty uid is filled."""
    made = updated(live(generation=99, creationTimestamp=LATER, uid=""), live())

    assert {key: made["metadata"][key] for key in ("generation", "creationTimestamp", "uid")} == {
        "generation": 2,
        "creationTimestamp": NOW,
        "uid": "u",
    }


def test_other_uid() -> None:
    """A wrong uid is a field error; metadata is checked twice, and so are its causes."""
    with pytest.raises(Invalid) as caught:
        updated(live(uid="x"), live())
    status = caught.value.to_status()

    assert status["message"] == (
        'Widget.example.com "a" is invalid: metadata.uid: Invalid value: "x": field is immutable'
    )
    assert len(status["details"]["causes"]) == 2


def test_update_cannot_delete() -> None:
    """deletionTimestamp comes from DELETE only."""
    with pytest.raises(Invalid, match="deletionTimestamp: Invalid value"):
        updated(live(deletionTimestamp=LATER), live())


def test_update_cannot_undelete() -> None:
    """While an object is being deleted, its deletionTimestamp stays whatever is sent."""
    deleting = live(deletionTimestamp=NOW, deletionGracePeriodSeconds=0, finalizers=["x/hold"])
    meta = updated(live(finalizers=["x/hold"]), deleting)["metadata"]

    assert (meta["deletionTimestamp"], meta["deletionGracePeriodSeconds"]) == (NOW, 0)


def test_no_finalizer_is_added_while_deleting() -> None:
    """The recorded answer lists the cause twice and names it once."""
    deleting = live(deletionTimestamp=NOW, deletionGracePeriodSeconds=0, finalizers=["x/hold"])
    with pytest.raises(Invalid) as caught:
        updated(live(finalizers=["x/hold", "example.com/new"]), deleting)

    assert caught.value.message == (
        'Widget.example.com "a" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the '
        'object is being deleted, found new finalizers []string{"example.com/new"}'
    )
    assert len(caught.value.to_status()["details"]["causes"]) == 2


def test_empty_managed_fields_are_dropped() -> None:
    """Whoever sends an empty list has them forgotten."""
    assert "managedFields" not in updated(live(managedFields=[]), live(managedFields=[{"manager": "m"}]))["metadata"]


def test_validate_sees_old_and_new() -> None:
    """A kind's own rule can compare."""
    new = live()
    new["spec"]["color"] = "pink"
    with pytest.raises(Invalid, match="cannot become pink"):
        updated(new, live())

    assert created({**widget(), "spec": {"color": "pink"}})


def test_status_update() -> None:
    """/status changes status and its field ownership, nothing else, and is no new generation."""
    new = live(labels={"x": "y"}, finalizers=["x/y"], managedFields=[{"manager": "m"}])
    new["spec"]["color"] = "blue"
    new["status"] = {"replicas": 5}

    assert updated(new, live(labels={"old": "1"}), "status") == {
        **live(labels={"old": "1"}, managedFields=[{"manager": "m"}]),
        "status": {"replicas": 5},
    }


def test_status_can_be_removed() -> None:
    """An update of /status without one drops it."""
    new = live()
    del new["status"]

    assert "status" not in updated(new, live(), "status")


def test_status_is_validated() -> None:
    """A status of the wrong type is refused."""
    with pytest.raises(Invalid, match="must be of type integer"):
        updated({**live(), "status": {"replicas": "x"}}, live(), "status")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            DeleteOptions(uid="x"),
            "the UID in the precondition (x) does not match the UID in record (u). "
            "The object might have been deleted and then recreated",
        ),
        (
            DeleteOptions(resource_version="1"),
            "the ResourceVersion in the precondition (1) does not match the ResourceVersion in record (7). "
            "The object might have been modified",
        ),
        (
            DeleteOptions(uid="x", resource_version="1"),
            "the UID in the precondition (x) does not match the UID in record (u). "
            "The object might have been deleted and then recreated",
        ),
    ],
)
def test_unmet_preconditions(options: DeleteOptions, text: str) -> None:
    """A DELETE for another object or revision is a conflict in the Kind's name."""
    with pytest.raises(Conflict) as caught:
        check_preconditions(WIDGET, live(), options)

    assert caught.value.message == f'Operation cannot be fulfilled on Widget.example.com "a": {text}'
    assert caught.value.to_status()["details"] == {"name": "a", "group": "example.com", "kind": "Widget"}


def test_met_preconditions() -> None:
    """The right uid and revision pass, as does asking for neither."""
    check_preconditions(WIDGET, live(), DeleteOptions("u", "7"))
    check_preconditions(WIDGET, live(), DeleteOptions())


def test_delete_at_once() -> None:
    """Without finalizers nothing holds the object."""
    assert before_delete(live(), DeleteOptions(), now=LATER) is None


def test_delete_waits_for_finalizers() -> None:
    """With finalizers the object is marked, which is a new generation; the stored one is not touched."""
    old = live(finalizers=["x/hold"])
    marked = before_delete(old, DeleteOptions(), now=LATER)

    assert marked == live(generation=3, finalizers=["x/hold"], deletionTimestamp=LATER, deletionGracePeriodSeconds=0)
    assert old == live(finalizers=["x/hold"])


def test_second_delete() -> None:
    """The first deletion's time and generation stay."""
    first = before_delete(live(finalizers=["x/hold"]), DeleteOptions(), now=NOW)

    assert first is not None
    assert before_delete(first, DeleteOptions(), now=LATER) == first


HOLD, ORPHAN, FOREGROUND = "x/hold", "orphan", "foregroundDeletion"


@pytest.mark.parametrize(
    ("present", "options", "expected"),
    [
        ([FOREGROUND, HOLD], DeleteOptions(propagation_policy="Foreground"), [FOREGROUND, HOLD]),
        ([ORPHAN, HOLD], DeleteOptions(propagation_policy="Foreground"), [HOLD, FOREGROUND]),
        ([], DeleteOptions(), []),
        ([HOLD], DeleteOptions(propagation_policy="Orphan"), [HOLD, ORPHAN]),
        ([HOLD], DeleteOptions(propagation_policy="Foreground"), [HOLD, FOREGROUND]),
        ([HOLD, ORPHAN, FOREGROUND], DeleteOptions(propagation_policy="Background"), [HOLD]),
        ([HOLD, FOREGROUND], DeleteOptions(), [HOLD, FOREGROUND]),
        ([ORPHAN], DeleteOptions(), [ORPHAN]),
        ([FOREGROUND], DeleteOptions(propagation_policy="Orphan"), [ORPHAN]),
        ([ORPHAN], DeleteOptions(propagation_policy="Foreground"), [FOREGROUND]),
        ([HOLD], DeleteOptions(orphan_dependents=True), [HOLD, ORPHAN]),
        ([HOLD, ORPHAN, FOREGROUND], DeleteOptions(orphan_dependents=False), [HOLD]),
    ],
)
def test_propagation(present: list[str], options: DeleteOptions, expected: list[str]) -> None:
    """The policy decides which of the two deletion finalizers there is; without one, what was there stays."""
    assert deletion_finalizers(present, options) == expected


def test_is_finalized() -> None:
    """Gone is what is being deleted and not held any more."""
    assert is_finalized(live(deletionTimestamp=NOW))
    assert is_finalized(live(deletionTimestamp=NOW, finalizers=[]))
    assert not is_finalized(live(deletionTimestamp=NOW, finalizers=["x"]))
    assert not is_finalized(live())


def test_another_kind() -> None:
    """An object that says it is something else is refused in that something's name, for nothing else but lists."""
    with pytest.raises(Invalid) as caught:
        created({**widget(), "apiVersion": "other/v1", "kind": "Other", "spec": 5})

    assert caught.value.message == (
        'Other.other "a" is invalid: [kind: Invalid value: "Other": must be Widget, '
        'apiVersion: Invalid value: "other/v1": must be example.com/v1]'
    )
    with pytest.raises(InternalError):
        created({**widget(), "apiVersion": ""})
    other = {**widget(), "apiVersion": RACK.api_version, "kind": "Other", "spec": {"aisles": ["x", "x"], "locked": 5}}
    with pytest.raises(Invalid) as caught:
        before_create(RACK, other, now=NOW, uid="u")
    assert caught.value.message.endswith(
        '[kind: Invalid value: "Other": must be Rack, spec.aisles[1]: Duplicate value: "x"]'
    )


def test_status_faults() -> None:
    """/status looks at status alone, and its messages do not name it."""
    new = {**live(), "spec": 5, "status": {"replicas": "x"}}
    with pytest.raises(Invalid) as caught:
        before_update(WIDGET, new, live(), "status")

    field, text = "status.replicas", 'Invalid value: "string": replicas in body must be of type integer: "string"'
    assert caught.value.details is not None
    assert {"reason": "FieldValueTypeInvalid", "field": field, "message": text} in caught.value.details["causes"]
    with pytest.raises(Invalid) as caught:
        before_update(WIDGET, {**live(), "status": 5}, live(), "status")
    assert 'status: Invalid value: "integer":  in body must be of type object: "integer"' in caught.value.message
