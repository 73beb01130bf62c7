"""Random sequences of writes to one Rack. A seed always makes the same sequence."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import yaml

from tests.kinds.rack import KIND

MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
APPLY, JSON, YAML = "application/apply-patch+yaml", "application/json", "application/yaml"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
NAME = "a"
STEPS = 10

Tree = dict[str, Any]
Make = Callable[[Random], Any]


@dataclass(frozen=True)
class Write:
    """One request about the object. In `text` stand "{rv}", "{uid}" and "{managed}" (with the quotes) for what the
    live object has."""

    method: str
    subresource: str = ""
    media_type: str = JSON
    text: str = ""
    query: dict[str, str] = field(default_factory=dict)


def _names(*choices: Any) -> Make:
    return lambda rng: rng.choice(choices)


def _some(item: Make, most: int = 3) -> Make:
    return lambda rng: [item(rng) for _ in range(rng.randint(0, most))]


def _members(**fields: Make) -> Make:
    """An object with some of these fields."""
    return lambda rng: {name: make(rng) for name, make in fields.items() if rng.random() < 0.5}


def _keyed(keys: dict[str, Make], **fields: Make) -> Make:
    """Items of a list-map; those with the same keys as an earlier one are left out, except now and then."""
    item = _members(**fields)

    def make(rng: Random) -> list[Tree]:
        made: list[Tree] = []
        for _ in range(rng.randint(0, 3)):
            one = {name: key(rng) for name, key in keys.items()}
            one = {name: value for name, value in one.items() if value is not None} | item(rng)
            repeated = all(value in [item.get(name) for item in made] for name, value in one.items() if name in keys)
            if not (made and repeated) or rng.random() < 0.1:
                made.append(one)
        return made

    return make


def _distinct(item: Make) -> Make:
    def make(rng: Random) -> list[Any]:
        made = [item(rng) for _ in range(rng.randint(0, 4))]
        return made if rng.random() < 0.05 else list(dict.fromkeys(made))

    return make


_WORD = _names("p", "q", "r")
_COUNT = _names(0, 1, 2)
_MAP = _members(p=_WORD, q=_WORD, r=_WORD)
_COUNTS = _members(p=_COUNT, q=_COUNT)
_WINDOW = _members(start=_WORD, hours=_COUNT)
_COOLING = _members(mode=_WORD, fans=_COUNT, zones=_COUNTS)
_FREE = _members(p=_MAP, q=_some(_WORD), r=_names(1, True, "x", 1.5, None), s=_some(_MAP))
_DEVICES = _keyed({"id": _COUNT}, model=_WORD, tags=_distinct(_WORD))
_SPEC: dict[str, Make] = {
    "replicas": _COUNT,
    "location": _WORD,
    "weight": _names(1, 1.5, 2),
    "locked": _names(True, False),
    "depth": _names(1, "1", "x"),
    "note": _names("p", "q", None),
    "aisles": _distinct(_WORD),
    "sizes": _distinct(_COUNT),
    "cables": _some(_WORD),
    "steps": _some(_WINDOW, 2),
    "ports": _keyed({"number": _COUNT, "protocol": _names("TCP", "UDP", None)}, label=_WORD, target=_names(80, "http")),
    "slots": _keyed({"name": _WORD}, height=_COUNT, devices=_DEVICES),
    "window": _WINDOW,
    "limits": _COUNTS,
    "owners": _MAP,
    "cooling": _COOLING,
    "power": _COOLING,
    "extra": _FREE,
    "vendor": lambda rng: {**_FREE(rng), **_members(name=_WORD)(rng)},
}
_CONDITION = {"status": _names("True", "False"), "reason": _WORD, "message": _WORD}
_STATUS: dict[str, Make] = {
    "replicas": _COUNT,
    "selector": _names("a=b", "c=d"),
    "phase": _WORD,
    "conditions": _keyed({"type": _WORD, **_CONDITION, "lastTransitionTime": _names("2020-01-01T00:00:00Z")}),
}
# Of a kind that there is not, or garbage collectors would write too.
_OWNER = {"apiVersion": "none.example.com/v1", "kind": "None", "name": "x"}
_META: dict[str, Make] = {
    "labels": _MAP,
    "annotations": _MAP,
    "finalizers": _distinct(_names("example.com/x", "example.com/y")),
    "ownerReferences": lambda rng: [{**_OWNER, "uid": uid} for uid in _distinct(_names("1", "2"))(rng)],
}
_STRANGE: tuple[Any, ...] = (None, {}, [], "s", 5, 1.0, True, [None], [[]], {"a": None})


def _part(rng: Random, fields: dict[str, Make], most: int = 4) -> Tree:
    """Some of the fields, now and then with a value that does not fit."""
    chosen = rng.sample(list(fields), rng.randint(0, min(most, len(fields))))
    made = {name: fields[name](rng) for name in chosen}
    if made.keys() - {"replicas"} and rng.random() < 0.06:
        made[rng.choice(sorted(made.keys() - {"replicas"}))] = rng.choice(_STRANGE)
    return made


def _body(rng: Random, *parts: str) -> Tree:
    made: Tree = {"apiVersion": KIND.api_version, "kind": KIND.kind, "metadata": {"name": NAME}}
    if rng.random() < 0.4:
        made["metadata"] |= _part(rng, _META, 2)
    for part, fields in (("spec", _SPEC), ("status", _STATUS)):
        if part in parts or rng.random() < 0.1:
            made[part] = _part(rng, fields)
    return made


class Sequence:
    """The writes of one seed; `crowd` seeds have more managers than an object can tell apart."""

    def __init__(self, seed: int) -> None:
        self._rng = rng = Random(seed)
        crowd = rng.random() < 0.15
        self._managers = [f"m{number}" for number in range(14)] if crowd else ["m0", "m1", "kubectl"]
        self._kinds: dict[str, float] = {"apply": 8, "update": 3, "merge": 3, "operations": 2, "status": 3, "scale": 2}
        self._kinds |= {"create": 0.3, "delete": 0.4, "reset": 0.4}
        if crowd:
            self._kinds |= {"update": 6, "merge": 12}
        self._applied: dict[str, Tree] = {}
        self._steps = 2 * STEPS if crowd else STEPS

    def writes(self) -> list[Write]:
        first = self._rng.choice(["create", "create", "apply"])
        kinds = self._rng.choices(list(self._kinds), list(self._kinds.values()), k=self._steps)
        return [getattr(self, f"_{kind}")() for kind in (first, *kinds)]

    def _query(self, **more: str) -> dict[str, str]:
        rng = self._rng
        query = {"fieldManager": rng.choice(self._managers), **more}
        if rng.random() < 0.05:
            del query["fieldManager"]
        if rng.random() < 0.05:
            query["dryRun"] = "All"
        if rng.random() < 0.1:
            query["fieldValidation"] = rng.choice(["Strict", "Ignore", "Warn"])
        return query

    def _create(self) -> Write:
        body = _body(self._rng, "spec")
        query = self._query()
        if self._rng.random() < 0.3:
            # As kubectl's client-side apply does.
            query["fieldManager"] = "kubectl-client-side-apply"
            body["metadata"]["annotations"] = {"x": "y", LAST_APPLIED: json.dumps(body) + "\n"}
        return Write("POST", text=json.dumps(body), query=query)

    def _apply(self) -> Write:
        body, query = self._configuration("spec"), self._query()
        return self._applying(body, query)

    def _applying(self, body: Tree, query: dict[str, str], subresource: str = "") -> Write:
        rng = self._rng
        if rng.random() < 0.5:
            query["force"] = rng.choice(["true", "true", "false"])
        text = yaml.safe_dump(body, sort_keys=False) if rng.random() < 0.2 else json.dumps(body)
        return Write("PATCH", subresource, APPLY, text, query)

    def _configuration(self, *parts: str) -> Tree:
        """A new one, or a slight change of one that was applied before."""
        rng = self._rng
        known = self._applied.get("".join(parts))
        if known is None or rng.random() < 0.4:
            made = _body(rng, *parts)
        else:
            made = json.loads(json.dumps(known))
            for part in parts:
                fields = _SPEC if part == "spec" else _STATUS
                members = made.setdefault(part, {})
                for name in rng.sample(list(members), rng.randint(0, min(2, len(members)))):
                    del members[name]
                members |= _part(rng, fields, 2)
        # What is empty in applied metadata kube-apiserver stores, and drops at the next write, which changes nothing.
        kept = {key: value for key, value in made["metadata"].items() if value not in (None, {}, [], {"a": None})}
        made["metadata"] = kept
        self._applied["".join(parts)] = made
        if rng.random() < 0.03:
            # Nothing else that is wrong: Go's random order of maps says what it looks at before the unknown field.
            return {**_body(Random(0)), "spec": {"unknown": 1}}
        if rng.random() < 0.03:
            given = rng.choice(
                [("uid", "{uid}"), ("uid", "other"), ("resourceVersion", "{rv}"), ("resourceVersion", "x")]
            )
            return {**made, "metadata": {**made["metadata"], given[0]: given[1]}}
        return made

    def _update(self) -> Write:
        body = _body(self._rng, "spec")
        self._based_on_live(body["metadata"])
        media_type = YAML if self._rng.random() < 0.1 else JSON
        return Write("PUT", "", media_type, json.dumps(body), self._query())

    def _based_on_live(self, meta: Tree) -> None:
        meta["resourceVersion"] = "{rv}"
        choice = self._rng.random()
        if choice < 0.5:
            meta["managedFields"] = "{managed}"
        elif choice < 0.6:
            meta["managedFields"] = self._rng.choice(_MANAGED)

    def _merge(self) -> Write:
        rng = self._rng
        body: Tree = {"spec": _part(rng, _SPEC, 2)} if rng.random() < 0.8 else {}
        if "spec" in body and rng.random() < 0.05:
            body["spec"]["unknown"] = 1
        if rng.random() < 0.3:
            body["metadata"] = _part(rng, _META, 2)
        for part in body.values():
            for name in list(part):
                if rng.random() < 0.2:
                    part[name] = None
        return Write("PATCH", "", MERGE, json.dumps(body), self._query())

    def _operations(self) -> Write:
        rng = self._rng
        made = []
        for _ in range(rng.randint(1, 2)):
            name = rng.choice(list(_SPEC))
            path = rng.choice(
                [
                    f"/spec/{name}",
                    f"/spec/{name}",
                    "/spec/ports/0/label",
                    "/spec/slots/0",
                    "/metadata/labels",
                    "/spec/owners/p",
                    "/spec",
                ]
            )
            value = {"/spec": lambda r: _part(r, _SPEC), "/metadata/labels": _MAP, f"/spec/{name}": _SPEC[name]}.get(
                path, _WORD
            )(rng)
            made.append({"op": rng.choice(["add", "add", "replace", "remove"]), "path": path, "value": value})
        return Write("PATCH", "", JSON_PATCH, json.dumps(made), self._query())

    def _reset(self) -> Write:
        """Of managedFields."""
        managed = self._rng.choice(_MANAGED)
        return Write("PATCH", "", MERGE, json.dumps({"metadata": {"managedFields": managed}}), self._query())

    def _status(self) -> Write:
        rng = self._rng
        match rng.choice(["apply", "apply", "update", "merge"]):
            case "apply":
                return self._applying(self._configuration("status"), self._query(), "status")
            case "update":
                body = _body(rng, "status")
                self._based_on_live(body["metadata"])
                return Write("PUT", "status", JSON, json.dumps(body), self._query())
        return Write("PATCH", "status", MERGE, json.dumps({"status": _part(rng, _STATUS, 2)}), self._query())

    def _scale(self) -> Write:
        rng = self._rng
        meta: Tree = {"name": NAME, **({"resourceVersion": "{rv}"} if rng.random() < 0.2 else {})}
        spec = {"replicas": _COUNT(rng)} if rng.random() < 0.9 else {}
        scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": meta, "spec": spec}
        match rng.choice(["update", "merge", "operations", "get"]):
            case "update":
                return Write("PUT", "scale", JSON, json.dumps(scale), self._query())
            case "merge":
                return Write("PATCH", "scale", MERGE, json.dumps({"spec": spec}), self._query())
            case "operations":
                made = [{"op": "replace", "path": "/spec/replicas", "value": _COUNT(rng)}]
                return Write("PATCH", "scale", JSON_PATCH, json.dumps(made), self._query())
        return Write("GET", "scale")

    def _delete(self) -> Write:
        return Write("DELETE")


_ENTRY = {"manager": "m0", "operation": "Update", "apiVersion": KIND.api_version, "fieldsType": "FieldsV1"}
_MANAGED: tuple[Any, ...] = (
    *([], [], [{}], [{}], None, [{"manager": "x"}], "x"),
    [{**_ENTRY, "fieldsV1": {"f:spec": {"f:location": {}}}, "time": "2020-01-01T00:00:00Z"}],
    [{**_ENTRY, "fieldsV1": {"f:spec": {"f:nothing": {}, ".": {}}}}],
    [
        {
            **_ENTRY,
            "operation": "Apply",
            "fieldsV1": {"f:spec": {"f:slots": {'k:{"name":"p"}': {".": {}, "f:name": {}}}}},
        }
    ],
)


def writes_of(seed: int) -> list[Write]:
    return Sequence(seed).writes()
