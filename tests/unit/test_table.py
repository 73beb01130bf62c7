"""Tables; columns and cells were compared with those of a real kube-apiserver for custom resources."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apiserver.machinery.kind import AGE, Column, Kind
from apiserver.machinery.table import age, column_definitions, human_duration, row, table

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KIND = Kind(
    "example.com",
    "v1",
    "Thing",
    "things",
    columns=(Column("Repo", ".spec.repo"), Column("Size", ".spec.size", "integer", "int32", "How big.", 1), AGE),
)
THING: dict[str, Any] = {
    "apiVersion": "example.com/v1",
    "kind": "Thing",
    "metadata": {"name": "a", "creationTimestamp": "2025-12-31T23:58:30Z", "managedFields": []},
    "spec": {"repo": "r", "size": 3},
}


def test_column_definitions() -> None:
    """Name comes first; a column without a description is described by its path."""
    name, repo, size, created = column_definitions(KIND)
    assert (name["name"], name["type"], name["format"], name["priority"]) == ("Name", "string", "name", 0)
    assert name["description"].startswith(
        "Name must be unique within a namespace. Is required when creating resources, "
    )
    assert name["description"].endswith("/overview/working-with-objects/names#names")
    path = "Custom resource definition column (in JSONPath format): .spec.repo"
    assert repo == {"name": "Repo", "type": "string", "format": "", "description": path, "priority": 0}
    assert size == {"name": "Size", "type": "integer", "format": "int32", "description": "How big.", "priority": 1}
    assert (created["name"], created["type"]) == ("Age", "date")


@pytest.mark.parametrize(
    ("include", "included"),
    [
        ("", {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": THING["metadata"]}),
        ("Metadata", {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": THING["metadata"]}),
        ("Object", THING),
        ("None", None),
    ],
)
def test_rows(include: str, included: Any) -> None:
    """A row has the cells and as much of the object as was asked for; Metadata is the default."""
    made = table(KIND, [THING], {"resourceVersion": "7"}, include, NOW)
    assert made == {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": "7"},
        "columnDefinitions": column_definitions(KIND),
        "rows": [{"cells": ["a", "r", 3, "90s"], "object": included}],
    }


def test_empty_list_has_an_empty_list_of_rows() -> None:
    """Not null, as a custom resource's Table."""
    assert table(KIND, [], {}, "", NOW)["rows"] == []


def test_only_the_first_table_of_a_watch_defines_columns() -> None:
    """Later events carry null in their place."""
    assert table(KIND, [THING], {}, "", NOW, first=False)["columnDefinitions"] is None


def test_bookmark_without_a_name() -> None:
    """A bookmark has only a resourceVersion; its cells are empty."""
    made = row(KIND, {"metadata": {"resourceVersion": "9"}}, "", NOW)
    assert made["cells"] == ["", None, None, None]


@pytest.mark.parametrize(
    ("type_", "value", "cell"),
    [
        ("integer", 5, 5),
        ("integer", 1.5, 1),
        ("integer", 1e300, None),
        ("integer", "5", None),
        ("integer", True, None),
        ("number", 5, 5),
        ("number", 1.5, 1.5),
        ("number", "1.5", None),
        ("boolean", False, False),
        ("boolean", "true", None),
        ("string", "<&>é", "<&>é"),
        ("string", "", ""),
        ("string", 5, "5"),
        ("string", True, "true"),
        ("string", ["one", 2], '["one",2]'),
        ("string", {"b": 1, "a": "<"}, '{"a":"\\u003c","b":1}'),
        ("string", 1.5, "1.5"),
        ("string", 100000000.0, "100000000"),
        ("string", 123456789.125, "1.23456789125e+08"),
        ("string", 999999.5, "999999.5"),
        ("string", 1000000.5, "1.0000005e+06"),
        ("string", 0.0001, "0.0001"),
        ("string", -0.00001234, "-1.234e-05"),
        ("string", 1e21, "1e+21"),
        ("string", 1e300, "1e+300"),
        ("date", "2025-12-31T23:59:50Z", "10s"),
        ("date", 5, None),
        ("other", "x", None),
        ("string", None, None),
    ],
)
def test_cells(type_: str, value: Any, cell: Any) -> None:
    """A cell has its column's type, or is null where the value is of another."""
    kind = Kind("example.com", "v1", "Thing", "things", columns=(Column("C", ".v", type_),))
    made = row(kind, {"metadata": {"name": "a"}, "v": value}, "None", NOW)["cells"][1]
    assert (made, type(made)) == (cell, type(cell))


@pytest.mark.parametrize(
    ("timestamp", "text"),
    [
        ("2025-12-31T23:59:59.5+00:00", "0s"),
        ("2026-01-01T01:00:00+01:00", "0s"),
        ("2026-01-01T00:00:01Z", "0s"),
        ("2026-01-01T00:00:02Z", "<invalid>"),
        ("", "<unknown>"),
        ("0001-01-01T00:00:00Z", "<unknown>"),
        ("junk", "<invalid>"),
        ("2025-13-01T00:00:00Z", "<invalid>"),
        ("2020-01-01 00:00:00Z", "<invalid>"),
        ("2020-01-01T00:00:00", "<invalid>"),
    ],
)
def test_age(timestamp: str, text: str) -> None:
    """RFC 3339 only; clocks may differ by a second."""
    assert age(timestamp, NOW) == text


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(seconds=-2), "<invalid>"),
        (timedelta(seconds=-1.9), "0s"),
        (timedelta(seconds=119), "119s"),
        (timedelta(minutes=2), "2m"),
        (timedelta(minutes=9, seconds=59), "9m59s"),
        (timedelta(minutes=10, seconds=59), "10m"),
        (timedelta(minutes=179), "179m"),
        (timedelta(hours=3), "3h"),
        (timedelta(hours=7, minutes=59), "7h59m"),
        (timedelta(hours=8, minutes=59), "8h"),
        (timedelta(hours=47), "47h"),
        (timedelta(days=2), "2d"),
        (timedelta(days=7, hours=23), "7d23h"),
        (timedelta(days=8, hours=23), "8d"),
        (timedelta(days=729), "729d"),
        (timedelta(days=730), "2y"),
        (timedelta(days=731), "2y1d"),
        (timedelta(days=365 * 8), "8y"),
        (timedelta(days=365 * 30 + 5), "30y"),
    ],
)
def test_human_duration(duration: timedelta, text: str) -> None:
    """Each scale has its units, and a smaller one that is zero is left out."""
    assert human_duration(duration.total_seconds()) == text
