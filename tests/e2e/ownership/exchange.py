"""Sends sequences to a server and makes two servers' answers comparable."""

import json
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from tests.e2e.ownership.generator import Write
from tests.kinds.rack import KIND

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_REVISION = re.compile(r'(resourceVersion\\*":\\*")(\d+)')
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_SINCE = datetime.now(UTC).strftime(_TIME_FORMAT)


@dataclass
class Names:
    """Stand-ins for what differs from run to run: uids and resourceVersions in the order of their appearance, times
    as the number of the step in which they were."""

    known: dict[str, str] = field(default_factory=dict)
    spans: list[tuple[str, str]] = field(default_factory=list)
    exact_times: bool = True

    def of(self, sort: str, value: str) -> str:
        return self.known.setdefault(f"{sort} {value}", f"{sort}{sum(each.startswith(sort) for each in self.known)}")

    def moment(self, value: str) -> str:
        if value < _SINCE:
            return value
        if not self.exact_times:
            return "TIME"
        return next((f"step {n}" for n, (start, end) in enumerate(self.spans) if start <= value <= end), value)


def now() -> str:
    return datetime.now(UTC).strftime(_TIME_FORMAT)


def await_next_second() -> None:
    """managedFields have times of whole seconds; whether one moved shows only in another second."""
    time.sleep(1.001 - time.time() % 1)


class Subject:
    """One object on one server, in a namespace of its own."""

    def __init__(self, client: httpx.Client, namespace: str, *, exact_times: bool = True) -> None:
        self._client, self._namespace = client, namespace
        self.path = f"/apis/{KIND.api_version}/namespaces/{namespace}/{KIND.plural}"
        self._live: dict[str, Any] = {}
        self._names = Names(exact_times=exact_times)

    def step(self, write: Write) -> list[Any]:
        """What can be compared: code, warnings and body of the answer, then the stored object."""
        started = now()
        answer = self._send(write)
        stored = self._client.get(f"{self.path}/a", headers={"Accept": "application/json"})
        self._names.spans.append((started, now()))
        self._live = stored.json() if stored.status_code == 200 else {}
        warnings = sorted(answer.headers.get_list("warning"))
        return [answer.status_code, warnings, self._neutral(_body(answer)), self._neutral(self._live)]

    def _send(self, write: Write) -> httpx.Response:
        path = self.path if write.method == "POST" else f"{self.path}/a"
        headers = {"Accept": "application/json", "User-Agent": "agent/1.0", "Content-Type": write.media_type}
        url = f"{path}/{write.subresource}" if write.subresource else path
        content = self._filled(write.text) or None
        return self._client.request(write.method, url, content=content, params=write.query, headers=headers)

    def _filled(self, text: str) -> str:
        meta = self._live.get("metadata") or {}
        text = text.replace("{rv}", meta.get("resourceVersion", "1")).replace("{uid}", meta.get("uid", "u"))
        return text.replace('"{managed}"', json.dumps(meta.get("managedFields")))

    def _neutral(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: self._neutral(member, name) for name, member in value.items()}
        if isinstance(value, list):
            items = [self._neutral(item, key) for item in value]
            if key == "causes" or (key == "managedFields" and not self._names.exact_times):
                return sorted(items, key=json.dumps)
            return items
        if key == "resourceVersion" and value:
            return self._names.of("RV", value)
        if isinstance(value, str):
            if key in ("time", "creationTimestamp", "deletionTimestamp"):
                return self._names.moment(value)
            return self._text(value)
        return value

    def _text(self, text: str) -> str:
        text = _UUID.sub(lambda found: self._names.of("UID", found[0]), text).replace(self._namespace, "NS")
        text = _REVISION.sub(lambda found: found[1] + self._names.of("RV", found[2]), text)
        text = _TIME.sub(lambda found: self._names.moment(found[0]), text)
        return _ordered(text)


def _ordered(text: str) -> str:
    """Several faults, in one order: Go finds them in the random order of its maps."""
    first, *lines = text.split("\n")
    if first.endswith("errors:"):
        return "\n".join([first, *sorted(lines)])
    head, bracket, faults = text.partition(" is invalid: [")
    return f"{head}{bracket}{', '.join(sorted(faults.removesuffix(']').split(', ')))}"


def _body(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return answer.text
