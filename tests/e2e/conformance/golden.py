"""Answers that were recorded from kube-apiserver: one JSON file for each module of `cases/`.

A file holds {"kubernetes": version, "cases": {name: [answer, ...]}}, an answer as `exchange.Answer` has it.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from tests.e2e.conformance.cases import CASES
from tests.e2e.conformance.exchange import Answer

FOLDER = Path(__file__).with_name("golden")
_LAYOUT = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE


class VersionsDiffer(Exception):
    """A file would hold answers of two versions of Kubernetes."""


def load(name: str) -> list[Answer]:
    """Of the case `module/name`. Raises KeyError when it has not been recorded."""
    module, case = name.split("/")
    return [Answer(**answer) for answer in _read(module)["cases"][case]]


def versions() -> set[str]:
    """The versions of Kubernetes that answered, such as v1.36.3."""
    return {str(_read(path.stem)["kubernetes"]) for path in FOLDER.glob("*.json")}


def recorded() -> set[str]:
    """The names of all cases that have answers."""
    return {f"{path.stem}/{case}" for path in FOLDER.glob("*.json") for case in _read(path.stem)["cases"]}


def save(kubernetes: str, answers: Mapping[str, list[Answer]]) -> None:
    """Replaces the answers of these cases; those of cases that are no more go. Raises VersionsDiffer."""
    for module in {name.split("/")[0] for name in answers}:
        _save(module, kubernetes, {name.split("/")[1]: each for name, each in answers.items() if _of(module, name)})
    for path in FOLDER.glob("*.json"):
        if not any(_of(path.stem, name) for name in CASES):
            path.unlink()


def _save(module: str, kubernetes: str, answers: Mapping[str, list[Answer]]) -> None:
    before = _read(module)
    kept = {case: each for case, each in before["cases"].items() if f"{module}/{case}" in CASES and case not in answers}
    if kept and before["kubernetes"] != kubernetes:
        raise VersionsDiffer(f"{module} holds answers of {before['kubernetes']}: record the whole module")
    cases = kept | {case: list(map(_record, each)) for case, each in answers.items()}
    FOLDER.mkdir(exist_ok=True)
    document = {"kubernetes": kubernetes, "cases": cases}
    FOLDER.joinpath(f"{module}.json").write_bytes(orjson.dumps(document, option=_LAYOUT))


def _record(answer: Answer) -> dict[str, Any]:
    return {name: value for name, value in asdict(answer).items() if name != "headers" or value}


def _of(module: str, name: str) -> bool:
    return name.startswith(f"{module}/")


def _read(module: str) -> Any:
    path = FOLDER / f"{module}.json"
    return orjson.loads(path.read_bytes()) if path.exists() else {"kubernetes": "", "cases": {}}
