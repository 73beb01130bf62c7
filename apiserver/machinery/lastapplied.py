"""From client-side to server-side apply: what kubectl's last-applied annotation says about an object.

Only the manager named kubectl is concerned; another fieldManager opts out (k8s.io/apimachinery
`pkg/util/managedfields/internal` lastappliedmanager.go, lastappliedupdater.go; wire.md 5.4).
"""

from typing import Any

from apiserver.machinery import gojson
from apiserver.machinery.encoding import encode
from apiserver.machinery.errors import Object
from apiserver.machinery.fieldset import FieldSet, difference
from apiserver.machinery.fieldtype import MapType, TypedError
from apiserver.machinery.typecheck import check
from apiserver.machinery.typed import compare, set_of
from apiserver.machinery.validation import ANNOTATIONS_LIMIT

MANAGER = "kubectl"
ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"


def allowed_conflicts(live: Object, of: MapType) -> FieldSet:
    """The fields that kubectl may take over: those of the annotated configuration that still have its values. None
    where there is no annotation or it makes no sense."""
    try:
        last = gojson.decode(_annotation(live).encode())
    except gojson.GoJSONError:
        return {}
    if not isinstance(last, dict) or any(last.get(key) != live.get(key) for key in ("apiVersion", "kind")):
        return {}
    try:
        for tree in (live, last):
            check(tree, of)
        fields = set_of(last, of)
        for changed in compare(last, live, of):
            fields = difference(fields, changed)
    except TypedError:
        return {}
    return fields


def keep_consistent(obj: Object, config: Object) -> None:
    """Writes the configuration into the annotation of an object that has one, in place; one that would make the
    annotations too large is dropped."""
    if not _annotation(obj):
        return
    annotations = obj["metadata"]["annotations"]
    annotations[ANNOTATION] = f"{encode(_without_annotation(config)).decode()}\n"
    if sum(len(key.encode()) + len((value or "").encode()) for key, value in annotations.items()) > ANNOTATIONS_LIMIT:
        del annotations[ANNOTATION]


def _annotation(obj: Object) -> str:
    annotations: Any = (obj.get("metadata") or {}).get("annotations") or {}
    return annotations.get(ANNOTATION) or ""


def _without_annotation(config: Object) -> Object:
    meta = config.get("metadata")
    if not isinstance(meta, dict) or "annotations" not in meta:
        return config
    annotations = meta["annotations"]
    rest = {key: value for key, value in meta.items() if key != "annotations"}
    if annotations is not None:
        rest["annotations"] = {key: value or "" for key, value in annotations.items() if key != ANNOTATION}
    return {**config, "metadata": rest}
