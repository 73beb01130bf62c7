"""What cases are written with: a Step is one request, the functions below make those that are sent often."""

from dataclasses import dataclass, field
from typing import Any

from tests.e2e.websites import REPO


@dataclass(frozen=True)
class Step:
    """One request: `path` is below the collection, unless it starts with /apis. {ns}, {GROUP} and what earlier steps
    saved are filled in. `save`: name -> members of the answer's body, such as metadata.uid. `with_headers`: whether all
    headers of the answer are compared."""

    method: str
    path: str = ""
    body: Any = None
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    raw: str | None = None
    save: dict[str, str] = field(default_factory=dict)
    with_headers: bool = False


Cases = dict[str, tuple[Step, ...]]
"""Name -> requests, which are sent one after the other in a namespace made for this case alone."""

MERGE = {"Content-Type": "application/merge-patch+json"}
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}
YAML = {"Content-Type": "application/yaml"}
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
PARTIAL = {"Accept": "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"}
PARTIALS = {"Accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}
STRICT = {"fieldValidation": "Strict"}


def site(name: str | None = "a", spec: Any = None, status: Any = None, **meta: Any) -> dict[str, Any]:
    """A manifest; keywords go into metadata."""
    named = {"name": name, **meta} if name else dict(meta)
    made = {"apiVersion": "{GROUP}/v1alpha1", "kind": "Website", "metadata": named}
    made["spec"] = {"gitRepo": REPO} if spec is None else spec
    return made if status is None else {**made, "status": status}


def create(name: str | None = "a", spec: Any = None, query: dict[str, str] | None = None, **meta: Any) -> Step:
    return Step("POST", body=site(name, spec, **meta), query=query or {})


def saved(**meta: Any) -> Step:
    """Creates `a` and keeps its uid and resourceVersion."""
    return Step("POST", body=site(**meta), save={"uid": "metadata.uid", "rv": "metadata.resourceVersion"})


def merge(body: Any, path: str = "/a", **query: str) -> Step:
    return Step("PATCH", path, body, query, MERGE)


def operations(*body: Any, path: str = "/a", **query: str) -> Step:
    return Step("PATCH", path, list(body), query, JSON_PATCH)


def apply(spec: Any, manager: str = "one", path: str = "/a", status: Any = None, **query: str) -> Step:
    body = site("a", spec, status) if spec is not None else {**site("a", {}, status), "spec": {}}
    return Step("PATCH", path, body, {"fieldManager": manager, **query}, APPLY)


def read(path: str = "/a", headers: dict[str, str] | None = None, token: str = "", **query: str) -> Step:
    """`token` continues a list."""
    return Step("GET", path, query={**query, **({"continue": token} if token else {})}, headers=headers or {})


def listed(query: dict[str, str], path: str = "") -> Step:
    """A read with options that may be of any name."""
    return Step("GET", path, query=query)


def delete(body: Any = None, path: str = "/a", **query: str) -> Step:
    return Step("DELETE", path, body, query)


def watch(headers: dict[str, str] | None = None, **query: str) -> Step:
    return Step("GET", query={"watch": "1", "timeoutSeconds": "1", **query}, headers=headers or {})


READY = {"type": "Ready", "status": "True", "reason": "R", "message": "m", "lastTransitionTime": "2020-01-01T00:00:00Z"}
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "1"}
LABELLED = (create("a", labels={"t": "x", "n": "1"}), create("b", labels={"t": "y"}), create("c"))
PUT = {"resourceVersion": "{rv}"}
CAUGHT_UP = read("")
"""Before a read with resourceVersion=0: kube-apiserver's cache may be behind until somebody lists without."""
