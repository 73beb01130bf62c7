"""From kubectl apply to kubectl apply --server-side: no conflicts with one's own earlier self."""

from typing import Any

import orjson
import pytest

from apiserver.machinery.apply import apply
from apiserver.machinery.errors import Conflict, Object
from apiserver.machinery.lastapplied import ANNOTATION
from apiserver.machinery.managedfields import Write
from tests.unit.test_managedfields import MAIN, NOW, SCHEMA, VERSION, thing, track


def client_side(last: Any, **live: Any) -> Object:
    """An object that kubectl applied by itself, as `last`; now it is `live`."""
    obj = thing(**live)
    obj["metadata"]["annotations"] = {ANNOTATION: orjson.dumps(last).decode()}
    return track(None, obj, "kubectl-client-side-apply")


def config(**spec: object) -> Object:
    return {"apiVersion": VERSION, "kind": "Thing", "metadata": {"name": "a"}, "spec": spec}


def applied(live: Object, sent: Object, manager: str = "kubectl") -> Object:
    write = Write(manager, VERSION, "", NOW, MAIN)
    return apply(live, sent, kind_name="Thing", schema=SCHEMA, write=write)


def test_kubectl_takes_over_what_it_applied() -> None:
    """A field that is in the annotation with the value that it has is kubectl's to change."""
    live = client_side(config(gitRepo="r"), gitRepo="r")
    assert applied(live, config(gitRepo="new"))["spec"]["gitRepo"] == "new"


def test_other_managers_do_not() -> None:
    """Another field manager opts out."""
    live = client_side(config(gitRepo="r"), gitRepo="r")
    with pytest.raises(Conflict, match='conflict with "kubectl-client-side-apply"'):
        applied(live, config(gitRepo="new"), "somebody")


@pytest.mark.parametrize(
    "last",
    [
        config(gitRepo="changed since"),
        config(branch="b"),
        {**config(gitRepo="r"), "apiVersion": "g/v0"},
        {**config(gitRepo="r"), "kind": "Other"},
        config(gitRepo=5),
        [],
    ],
)
def test_what_is_not_in_the_annotation_is_a_conflict(last: Object) -> None:
    """Nor what another one has changed since, nor an annotation that makes no sense."""
    live = client_side(last, gitRepo="r")
    with pytest.raises(Conflict) as caught:
        applied(live, config(gitRepo="new"))
    assert [cause["field"] for cause in (caught.value.details or {})["causes"]] == [".spec.gitRepo"]


def test_only_refused_fields_are_named() -> None:
    """A conflict that is allowed is not listed beside one that is not."""
    live = client_side(config(gitRepo="r"), gitRepo="r", branch="b")
    with pytest.raises(Conflict) as caught:
        applied(live, config(gitRepo="new", branch="new"))
    assert caught.value.message.endswith(": .spec.branch")


def test_the_annotation_says_what_is_applied_now() -> None:
    """So that one may go back: sorted members, one line, without itself."""
    live = client_side(config(gitRepo="r"), gitRepo="r")
    sent = {"x": "y", **live["metadata"]["annotations"]}
    made = applied(live, {**config(gitRepo="<new>"), "metadata": {"annotations": sent}})
    assert made["metadata"]["annotations"] == {
        "x": "y",
        ANNOTATION: f'{{"apiVersion":"{VERSION}","kind":"Thing","metadata":{{"annotations":{{"x":"y"}}}},'
        '"spec":{"gitRepo":"\\u003cnew\\u003e"}}\n',
    }


def test_no_annotation_is_made() -> None:
    """An object that was never applied by a client gets none."""
    made = applied(track(None, thing(gitRepo="r"), "somebody"), config(gitRepo="r"))
    assert "annotations" not in made["metadata"]


def test_an_annotation_that_is_too_large_goes() -> None:
    """Rather than making the object invalid."""
    live = client_side(config(gitRepo="r"), gitRepo="r")
    assert ANNOTATION not in applied(live, config(gitRepo="x" * 300_000))["metadata"]["annotations"]
