"""The Website kind: its schema and its own validation."""

from pathlib import Path
from typing import Any

import pytest

from apiserver.kinds import discover
from apiserver.kinds.website import KIND, child_name, validate

ACCEPTED = ["a", "kubia", "a-1", "x" * 55]
REFUSED = ["x" * 56, "a.b", "1a", "0"]


def website(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"gitRepo": "https://example.com/repo.git"}}


def test_discover_finds_the_module() -> None:
    """A module in the package is a kind that is served."""
    assert KIND in discover()


def test_discovered_kinds_are_distinct() -> None:
    """No two kinds share group and plural."""
    served = [(kind.group, kind.plural) for kind in discover()]

    assert len(served) == len(set(served))


@pytest.mark.parametrize("name", ACCEPTED)
def test_name_that_fits(name: str) -> None:
    """A name that a Service's can be made of is accepted, up to the 63 characters of a DNS label."""
    assert list(validate(website(name), None)) == []
    assert len(child_name(name)) <= 63


@pytest.mark.parametrize("name", REFUSED)
def test_name_that_does_not_fit(name: str) -> None:
    """A name that is too long, has a dot or starts with a digit is refused, saying why."""
    (error,) = validate(website(name), None)

    assert (error.reason, error.field) == ("FieldValueInvalid", "metadata.name")
    assert "must start with a letter, contain no dots and be no more than 55 characters" in error.body


def test_name_is_only_checked_on_create() -> None:
    """An object that exists can always be updated."""
    assert list(validate(website("1.0"), website("1.0"))) == []


def test_schema() -> None:
    """The models say what the reference CustomResourceDefinition says."""
    spec, status = KIND.schema["properties"]["spec"], KIND.schema["properties"]["status"]

    assert KIND.schema["required"] == ["spec"]
    assert spec["required"] == ["gitRepo"]
    assert without_descriptions(spec["properties"]) == {
        "gitRepo": {"type": "string", "minLength": 1, "maxLength": 2048, "pattern": "^(https?|ssh|git)://"},
        "branch": {"type": "string"},
        "replicas": {"type": "integer", "format": "int32", "minimum": 0, "maximum": 100, "default": 1},
    }
    assert "required" not in status
    conditions = status["properties"]["conditions"]
    assert (conditions["x-kubernetes-list-type"], conditions["x-kubernetes-list-map-keys"]) == ("map", ["type"])
    assert sorted(status["properties"]) == [
        *("conditions", "observedGeneration", "readyReplicas", "replicas", "selector", "url"),
    ]


def test_every_field_is_described() -> None:
    """`kubectl explain` has a text for each of our fields."""
    for part in ("spec", "status"):
        for name, field in KIND.schema["properties"][part]["properties"].items():
            assert field.get("description"), f"{part}.{name}"


def test_module_is_small() -> None:
    """A kind costs one file of few lines."""
    assert len(Path(validate.__code__.co_filename).read_text().splitlines()) <= 60


def without_descriptions(properties: dict[str, Any]) -> dict[str, Any]:
    return {name: {k: v for k, v in field.items() if k != "description"} for name, field in properties.items()}
