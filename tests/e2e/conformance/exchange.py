"""Sends a case's requests and makes two servers' answers comparable."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

GROUP = "extensions.example.com"
VERSION = "v1alpha1"

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_REVISION = re.compile(r"(?<=in record \()\d+(?=\))|(?<=resourceVersion\\\":\\\")\d+|(?<=current: )\d+")
_GENERATED = re.compile(r"(?<=gen-|Bad_)[bcdfghjklmnpqrstvwxz2456789]{5}\b")


@dataclass(frozen=True)
class Step:
    """One request: `path` is below the collection, unless it starts with /apis. {ns}, {GROUP} and what earlier steps
    saved are filled in. `save`: name -> members of the answer's body, such as metadata.uid."""

    method: str
    path: str = ""
    body: Any = None
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    raw: str | None = None
    save: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What can be compared of an answer."""

    request: str
    code: int
    media_type: str
    warnings: list[str]
    body: Any


class Run:
    """One case on one server, in a namespace of its own."""

    def __init__(self, client: httpx.Client, group: str, namespace: str) -> None:
        self._client, self._group, self._namespace = client, group, namespace
        self._saved: dict[str, str] = {}
        self._uids: dict[str, str] = {}

    def answers(self, steps: Sequence[Step]) -> list[Answer]:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self._namespace}}
        self._client.post("/api/v1/namespaces", json=namespace).raise_for_status()
        return [self._answer(step) for step in steps]

    def _fill(self, text: str) -> str:
        for name, value in {"ns": self._namespace, "GROUP": self._group, **self._saved}.items():
            text = text.replace("{" + name + "}", value)
        return text

    def _answer(self, step: Step) -> Answer:
        collection = f"/apis/{self._group}/{VERSION}/namespaces/{self._namespace}/websites"
        path = self._fill(step.path if step.path.startswith("/apis") else collection + step.path)
        headers = {"User-Agent": "compare/v1", "Accept": "application/json", **step.headers}
        content = step.raw if step.body is None else json.dumps(step.body)
        if content is not None:
            headers.setdefault("Content-Type", "application/json")
        query = {key: self._fill(value) for key, value in step.query.items()}
        data = self._fill(content) if content is not None else None
        answer = self._client.request(step.method, path, content=data, params=query, headers=headers)
        for name, members in step.save.items():
            self._saved[name] = _member(answer.text, members)
        warnings = sorted(self._neutral(text) for text in answer.headers.get_list("warning"))
        media_type = answer.headers.get("content-type", "")
        return Answer(f"{step.method} {path}", answer.status_code, media_type, warnings, self._comparable(answer.text))

    def _comparable(self, text: str) -> Any:
        try:
            return self._value(orjson.loads(text))
        except orjson.JSONDecodeError:
            pass
        try:
            return [self._value(orjson.loads(line)) for line in text.splitlines()]
        except orjson.JSONDecodeError:
            return re.sub(r'resourceVersion: "\d+"', "resourceVersion: RV", self._neutral(text))

    def _value(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            # The hash of group, version and kind: the groups differ.
            compared = {name: member for name, member in value.items() if name != "storageVersionHash"}
            return {self._neutral(name): self._value(member, name) for name, member in compared.items()}
        if isinstance(value, list):
            return [self._value(item, key) for item in value]
        if key == "resourceVersion" and value not in ("", "0"):
            return "RV"
        if key == "continue" and value:
            return "TOKEN"
        return self._neutral(value) if isinstance(value, str) else value

    def _neutral(self, text: str) -> str:
        """Text without what differs from run to run: names, uids, times, revisions."""
        text = text.replace(self._namespace, "NS").replace(self._group, "GROUP")
        text = _UUID.sub(lambda found: self._uids.setdefault(found[0], f"UID{len(self._uids)}"), text)
        text = _GENERATED.sub("XXXXX", _REVISION.sub("RV", _TIME.sub("TIME", text)))
        return "AGE" if re.fullmatch(r"\d+s", text) else text


def _member(text: str, members: str) -> str:
    value = orjson.loads(text)
    for member in members.split("."):
        value = value[member]
    return str(value)
