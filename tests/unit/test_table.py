"""Tables; columns and cells were compared with those of a real kube-apiserver for custom resources."""

from datetime import UTC, datetime
from math import inf
from typing import Any

import orjson
import pytest

from apiserver.machinery.kind import AGE, Column, Kind
from apiserver.machinery.table import CLOSING, cells, column_definitions, opening, row

NOW = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
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


def shown(kind: Kind, obj: Any, now: float = NOW) -> Any:
    data, _ = cells(kind, obj).at(now)
    return orjson.loads(data)


def test_opening() -> None:
    """What stands before a Table's rows, in the version that was asked for."""
    assert orjson.loads(opening(KIND, {"resourceVersion": "7"}, "v1beta1") + CLOSING) == {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1beta1",
        "metadata": {"resourceVersion": "7"},
        "columnDefinitions": column_definitions(KIND),
        "rows": [],
    }


def test_only_the_first_table_of_a_watch_defines_columns() -> None:
    """Later events carry null in their place."""
    assert orjson.loads(opening(KIND, {}, "v1", first=False) + CLOSING)["columnDefinitions"] is None


def test_row() -> None:
    """Cells, and the object as it is to be shown."""
    assert row(b'["a"]', b"null") == b'{"cells":["a"],"object":null}'


def test_cells_of_an_object() -> None:
    """The name, then a cell for each column."""
    assert shown(KIND, THING) == ["a", "r", 3, "90s"]


def test_bookmark_without_a_name() -> None:
    """A bookmark has only a resourceVersion; its cells are empty."""
    assert shown(KIND, {"metadata": {"resourceVersion": "9"}}) == ["", None, None, None]


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
    made = shown(kind, {"metadata": {"name": "a"}, "v": value})[1]
    assert (made, type(made)) == (cell, type(cell))


def test_cells_as_time_goes_by() -> None:
    """Ages are all that changes; it is said until when they are right. Other columns may stand after them."""
    kind = Kind("g", "v1", "Thing", "things", columns=(AGE, Column("Old", ".spec.old", "date"), Column("V", ".spec.v")))
    meta = {"name": "%b<", "creationTimestamp": "2025-12-31T23:58:30Z"}
    made = cells(kind, {"metadata": meta, "spec": {"old": "2025-12-31T20:00:00Z", "v": "x"}})

    assert made.at(NOW) == (b'["%b\\u003c","90s","4h","x"]', NOW + 1)
    assert made.at(NOW + 600) == (b'["%b\\u003c","11m","4h10m","x"]', NOW + 630)


def test_cells_without_an_age() -> None:
    """They are right for ever; a date that is none stays what it is, too."""
    kind = Kind("g", "v1", "Thing", "things", columns=(Column("Never", ".spec.never", "date"),))

    assert cells(kind, {"metadata": {"name": "a"}}).at(NOW) == (b'["a",null]', inf)
    assert cells(kind, {"metadata": {"name": "a"}, "spec": {"never": ""}}).at(NOW)[1] == inf
