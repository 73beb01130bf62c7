"""ObjectMeta's rules; texts were recorded from a kube-apiserver 1.36."""

import pytest

from apiserver.machinery.errors import Object
from apiserver.machinery.validation import validate_meta, validate_meta_update

GOOD: Object = {"name": "a", "namespace": "ns"}
NAME_PART = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
LABEL_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def faults(namespaced: bool = True, **meta: object) -> list[str]:
    return [str(fault) for fault in validate_meta({**GOOD, **meta}, namespaced)]


def test_good_metadata() -> None:
    """Names, labels, annotations and finalizers as people use them pass."""
    found = faults(
        labels={"app.kubernetes.io/name": "x", "a": ""},
        annotations={"example.com/A_b": "anything\n at all", "UPPER.com/x": ""},
        finalizers=["example.com/hold", "plain", "orphan"],
        ownerReferences=[{"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "uid": "u", "controller": True}],
    )

    assert found == []


def test_name_is_required() -> None:
    """Neither a name nor something to generate one from."""
    assert faults(name="") == ["metadata.name: Required value: name or generateName is required"]


@pytest.mark.parametrize("name", ["Bad_Name", "-a", "a.", "a..b", "ä"])
def test_bad_name(name: str) -> None:
    """A name is a DNS subdomain."""
    assert faults(name=name) == [f'metadata.name: Invalid value: "{name}": {SUBDOMAIN}']


def test_long_name() -> None:
    """253 characters are the limit."""
    assert faults(name="x" * 253) == []
    (fault,) = faults(name="x" * 254)
    assert fault == f'metadata.name: Invalid value: "{"x" * 254}": must be no more than 253 characters'


def test_bad_generate_name() -> None:
    """generateName is checked too, before the name made from it."""
    assert faults(name="good", generateName="Bad_") == [f'metadata.generateName: Invalid value: "Bad_": {SUBDOMAIN}']
    assert faults(name="Bad_cxvx8", generateName="Bad_") == [
        f'metadata.generateName: Invalid value: "Bad_": {SUBDOMAIN}',
        f'metadata.name: Invalid value: "Bad_cxvx8": {SUBDOMAIN}',
    ]


def test_generate_name_may_end_in_a_dash() -> None:
    """Random characters follow it."""
    assert faults(name="gen-x", generateName="gen-") == []


def test_namespace() -> None:
    """A namespaced object has one, a DNS label; a cluster-scoped object has none."""
    assert faults(namespace="") == ["metadata.namespace: Required value"]
    assert faults(namespace="a.b") == ['metadata.namespace: Invalid value: "a.b": must not contain dots']
    assert faults(False, namespace="ns") == ["metadata.namespace: Forbidden: not allowed on this type"]
    assert faults(False, namespace="") == []


def test_bad_labels() -> None:
    """A label's fault has no key in its path; the value that is shown is the key or the label's value."""
    assert faults(labels={"a b": "x"}) == [f'metadata.labels: Invalid value: "a b": {NAME_PART}']
    assert faults(labels={"a": "not valid!"}) == [f'metadata.labels: Invalid value: "not valid!": {LABEL_VALUE}']


def test_bad_annotations() -> None:
    """An annotation's key is a label key, upper case prefix or not."""
    assert faults(annotations={"A b": "x", "/x": ""}) == [
        f'metadata.annotations: Invalid value: "A b": {NAME_PART}',
        'metadata.annotations: Invalid value: "/x": prefix part must be non-empty',
    ]


def test_annotations_limit() -> None:
    """Keys and values together take at most 256 KiB."""
    assert faults(annotations={"a": "x" * 262143}) == []
    assert faults(annotations={"a": "x" * 262144}) == [
        "metadata.annotations: Too long: may not be more than 262144 bytes",
    ]
    assert len(faults(annotations={"a": "ä" * 131072})) == 1


def test_empty_owner() -> None:
    """An owner reference says version, kind, name and uid; paths have no index."""
    assert faults(ownerReferences=[{}]) == [
        'metadata.ownerReferences.apiVersion: Invalid value: "": version must not be empty',
        'metadata.ownerReferences.kind: Invalid value: "": must not be empty',
        'metadata.ownerReferences.name: Invalid value: "": must not be empty',
        'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
    ]


def test_owner_that_is_an_event() -> None:
    """Events come and go; they own nothing."""
    owner = {"apiVersion": "v1", "kind": "Event", "name": "a", "uid": "1"}

    assert faults(ownerReferences=[owner]) == [
        'metadata.ownerReferences: Invalid value: {"apiVersion":"v1","kind":"Event","name":"a","uid":"1"}: '
        "/v1, Kind=Event is disallowed from being an owner"
    ]


def test_several_controllers() -> None:
    """At most one owner is the controller; of others it is said beside the first."""
    owners = [{"apiVersion": "v1", "kind": "Pod", "name": name, "uid": name, "controller": True} for name in "abc"]
    found = faults(ownerReferences=owners)

    assert all(fault.startswith("metadata.ownerReferences: Invalid value: [{") for fault in found)
    assert [fault.partition("}]: ")[2] for fault in found] == [
        f'Only one reference can have Controller set to true. Found "true" in references for Pod/a and Pod/{name}'
        for name in "bc"
    ]


def test_faults_that_tell_much() -> None:
    """Where each fault tells all there is, only so many are told of: the answer is not many times the request."""
    owners = [{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "a", "controller": True}] * 10_000
    assert len(faults(ownerReferences=owners)) == 10
    assert len(faults(managedFields=[{"manager": "\x7f" * 1_000_000}])) == 1
    assert len(faults(managedFields=[{"manager": "\x7f" * 100}] * 1000)) == 100


def test_many_finalizers() -> None:
    """That none is new is seen by a look-up each."""
    finalizers = [f"a/b{number}" for number in range(100_000)]
    meta = {**GOOD, "finalizers": finalizers, "deletionTimestamp": "2026-01-01T00:00:00Z"}
    assert validate_meta_update(meta, meta, namespaced=True) == ([], [])


def test_bad_finalizers() -> None:
    """A finalizer is a qualified name, with or without a domain; the two propagation policies exclude each other."""
    assert faults(finalizers=["a b", "plain"]) == [f'metadata.finalizers: Invalid value: "a b": {NAME_PART}']
    assert faults(finalizers=["orphan", "foregroundDeletion"]) == [
        'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: '
        "finalizer orphan and foregroundDeletion cannot be both set"
    ]


LIVE: Object = {**GOOD, "uid": "u", "creationTimestamp": "2026-01-02T03:04:05Z", "generation": 2}
DELETED = "2026-01-03T03:04:05Z"


def update_faults(old: Object, **changes: object) -> list[str]:
    """Each finding once."""
    found, _ = validate_meta_update({**old, **changes}, old, namespaced=True)
    return list(dict.fromkeys(map(str, found)))


def test_how_often_a_finding_is_listed() -> None:
    """As by kube-apiserver: what may change is checked as in a new object, and then with what must stay."""
    found, again = validate_meta_update({**LIVE, "uid": "other", "labels": {"a b": "c"}}, LIVE, namespaced=True)
    assert [fault.field for fault in found] == ["metadata.labels", "metadata.uid", "metadata.labels"]
    assert [fault.field for fault in again] == ["metadata.uid", "metadata.labels"]


def test_unchanged_metadata() -> None:
    """An update may leave metadata as it is."""
    assert update_faults(LIVE) == []


@pytest.mark.parametrize("field", ["name", "namespace", "uid"])
def test_immutable_fields(field: str) -> None:
    """An object's identity never changes."""
    assert update_faults(LIVE, **{field: "x"}) == [f'metadata.{field}: Invalid value: "x": field is immutable']


def test_deletion_is_not_requested_by_an_update() -> None:
    """deletionTimestamp and the grace period belong to DELETE."""
    assert update_faults(LIVE, deletionTimestamp=DELETED, deletionGracePeriodSeconds=3) == [
        f'metadata.deletionTimestamp: Invalid value: "{DELETED}": field is immutable',
        "metadata.deletionGracePeriodSeconds: Invalid value: 3: field is immutable",
    ]


def test_generation_only_grows() -> None:
    """A generation that went down is refused."""
    assert update_faults(LIVE, generation=1) == ["metadata.generation: Invalid value: 1: must not be decremented"]


def test_no_new_finalizers_while_deleting() -> None:
    """An object that is being deleted may lose finalizers, not get any; all new ones are named, sorted."""
    deleting = {**LIVE, "deletionTimestamp": DELETED, "finalizers": ["x/hold"]}
    text = "no new finalizers can be added if the object is being deleted, found new finalizers"

    assert update_faults(deleting, finalizers=[]) == []
    assert update_faults(deleting, finalizers=["x/hold", "x/b", "x/a"]) == [
        f'metadata.finalizers: Forbidden: {text} []string{{"x/a", "x/b"}}'
    ]
    assert update_faults(LIVE, finalizers=["x/a"]) == []


def test_changed_labels_are_checked() -> None:
    """What may change has the same rules as in a new object."""
    assert update_faults(LIVE, labels={"a b": "x"}) == [f'metadata.labels: Invalid value: "a b": {NAME_PART}']


def test_changed_finalizers_are_checked() -> None:
    """Their names have rules on an update, too."""
    assert update_faults(LIVE, finalizers=["a b"]) == [f'metadata.finalizers: Invalid value: "a b": {NAME_PART}']
    assert update_faults(LIVE, finalizers=["orphan", "foregroundDeletion"]) == [
        'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: '
        "finalizer orphan and foregroundDeletion cannot be both set"
    ]


def test_managers() -> None:
    """Names in managed fields have the rules of ?fieldManager, and a place."""
    entries = [{"manager": "fine"}, {"manager": "a\tb", "subresource": "x" * 257}, {"manager": "x" * 129}]

    assert faults(managedFields=entries) == [
        'metadata.managedFields[1].manager: Invalid value: "a\\tb": invalid character U+0009 (at position 1)',
        "metadata.managedFields[1].subresource: Too long: may not be more than 256 bytes",
        "metadata.managedFields[2].manager: Too long: may not be more than 128 bytes",
    ]
