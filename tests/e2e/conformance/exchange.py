"""Sends the requests of cases and makes two servers' answers comparable."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

from tests.e2e.conformance.cases import CASES
from tests.e2e.conformance.steps import Step

VERSION = "v1alpha1"
WORKERS = 8
"""Cases at a time: most of a watch is waiting."""

_OWN_HEADERS = ("audit-id", "connection", "content-length", "content-type", "date", "transfer-encoding", "warning")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_REVISION = re.compile(
    r"(?<=in record \()\d+(?=\))|(?<=resourceVersion\\\":\\\")\d+|(?<=resourceVersion\":\")\d+|(?<=current: )\d+"
    r"|(?<=too old resource version: )\d+ \(\d+\)"
)
_YAML_AGE = re.compile(r"(?<=- )\d+s$", re.MULTILINE)
_ENDLESS = re.compile(r"(.)\1{9999,}")
_GENERATED = re.compile(r"(?<=gen-|Bad_)[bcdfghjklmnpqrstvwxz2456789]{5}\b")
_HASH = re.compile(r"(?<=storageVersionHash: )\S+")
"""In YAML: of group, version and kind, and the groups differ."""


@dataclass(frozen=True)
class Answer:
    """What can be compared of an answer. `request`: method and target as the case has them. `headers`: all that are
    in no other member and are not of this very answer alone; empty unless the step asks for them."""

    request: str
    code: int
    media_type: str
    warnings: list[str]
    body: Any
    headers: dict[str, list[str]] = field(default_factory=dict)


Answers = Mapping[str, Future[list[Answer]]]
"""By the name of the case."""


@dataclass(frozen=True)
class Server:
    """Who is asked: `websites` serves the kind in `group`, `host` is where namespaces are made."""

    websites: httpx.Client
    host: httpx.Client
    group: str

    def kubernetes(self) -> str:
        """The version of the host, such as v1.36.3."""
        return str(self.host.get("/version").raise_for_status().json()["gitVersion"])

    @contextmanager
    def ask(self, names: Iterable[str]) -> Iterator[Answers]:
        """Runs these cases, some at a time. The future of an answer raises httpx.HTTPError when there was none."""
        with ThreadPoolExecutor(WORKERS) as pool:
            try:
                yield {name: pool.submit(self._run, name) for name in names}
            finally:
                pool.shutdown(cancel_futures=True)

    def _run(self, name: str) -> list[Answer]:
        namespace = f"case-{name.replace('/', '-')}"
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": f"{namespace}-"}}
        made = self.host.post("/api/v1/namespaces", json=manifest).raise_for_status()
        return _Run(self.websites, self.group, made.json()["metadata"]["name"]).answers(CASES[name])


class _Run:
    """One case on one server, in a namespace of its own."""

    def __init__(self, client: httpx.Client, group: str, namespace: str) -> None:
        self._client, self._group, self._namespace = client, group, namespace
        self._saved: dict[str, str] = {}
        self._uids: dict[str, str] = {}

    def answers(self, steps: Sequence[Step]) -> list[Answer]:
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
        shown = _headers(answer.headers) if step.with_headers else {}
        body = self._comparable(answer.text)
        return Answer(_request(step), answer.status_code, media_type, warnings, body, shown)

    def _comparable(self, text: str) -> Any:
        try:
            return self._value(orjson.loads(text))
        except orjson.JSONDecodeError:
            pass
        try:
            return _without_chance([self._value(orjson.loads(line)) for line in text.splitlines()])
        except orjson.JSONDecodeError:
            text = _YAML_AGE.sub("AGE", self._neutral(text))
            return re.sub(r'resourceVersion: "\d+"', "resourceVersion: RV", text)

    def _value(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            # The hash of group, version and kind: the groups differ.
            compared = {name: member for name, member in value.items() if name != "storageVersionHash"}
            return {self._neutral(name): self._value(member, name) for name, member in compared.items()}
        if isinstance(value, list):
            items = [self._value(item, key) for item in value]
            # Sorted by time first: whether two writes fell into one second is chance.
            return sorted(items, key=_owner) if key == "managedFields" else items
        if key == "resourceVersion" and value not in ("", "0"):
            return "RV"
        if key == "continue" and value:
            return "TOKEN"
        return self._neutral(value) if isinstance(value, str) else value

    def _neutral(self, text: str) -> str:
        """Text without what differs from run to run: names, uids, times, revisions. Endless repetitions
        are told by their length."""
        text = text.replace(self._namespace, "NS").replace(self._group, "GROUP")
        text = _ENDLESS.sub(lambda found: f"{found[1]}*{len(found[0])}", text)
        text = _UUID.sub(lambda found: self._uids.setdefault(found[0], f"UID{len(self._uids)}"), text)
        text = _HASH.sub("HASH", text)
        text = _GENERATED.sub("XXXXX", _REVISION.sub("RV", _TIME.sub("TIME", text)))
        return "AGE" if re.fullmatch(r"\d+s", text) else text


def _headers(headers: httpx.Headers) -> dict[str, list[str]]:
    """Whoever forwards an answer may repeat a value. Which flow schema and level a request had is not compared: those
    are kube-apiserver's."""
    names = {name for name in headers if name not in _OWN_HEADERS and not name.startswith("x-kubernetes-pf-")}
    values = {name: sorted(set(headers.get_list(name, split_commas=True))) for name in names}
    return values | ({"audit-id": ["ID"]} if "audit-id" in headers else {})


def _without_chance(events: list[Any]) -> Any:
    """A watch that has said how far it is may say so again before it ends, or not."""
    bookmarks = [isinstance(event, dict) and event.get("type") == "BOOKMARK" for event in events]
    kept = [event for number, event in enumerate(events) if not (bookmarks[number] and any(bookmarks[:number]))]
    return kept[0] if len(kept) == 1 else kept


def _owner(entry: Any) -> tuple[str, ...]:
    return tuple(entry.get(name, "") for name in ("operation", "manager", "subresource", "apiVersion"))


def _request(step: Step) -> str:
    query = "&".join(f"{key}={value}" for key, value in step.query.items())
    return f"{step.method} {step.path or '/'}{'?' if query else ''}{query}"


def _member(text: str, members: str) -> str:
    value = orjson.loads(text)
    for member in members.split("."):
        value = value[member]
    return str(value)
