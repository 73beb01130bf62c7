"""Times as Go reads them; texts were recorded from a kube-apiserver 1.36."""

import pytest

from apiserver.machinery.gotime import time_fault

LAYOUT = '"2006-01-02T15:04:05Z07:00"'


@pytest.mark.parametrize(
    "text",
    [
        *("2026-01-02T03:04:05Z", "2024-02-29T00:00:00.123456789Z", "2026-01-02T3:04:05+02:00"),
        *("0000-02-29T23:59:59-24:00", "2026-01-02T03:04:05,5Z"),
    ],
)
def test_times(text: str) -> None:
    """RFC 3339, and what Go lets pass beside it: an hour of one digit, a comma."""
    assert time_fault(text) == ""


@pytest.mark.parametrize(
    ("text", "rest", "element"),
    [
        ("", "", "2006"),
        ("noon", "noon", "2006"),
        ("2020", "", "-"),
        ("2020-1-1", "1-1", "01"),
        ("2020-01-01", "", "T"),
        ("2020-01-01 00:00:00Z", " 00:00:00Z", "T"),
        ("2020-01-01T00:00:00", "", "Z07:00"),
        ("2020-01-01T00:00:00+0200", "+0200", "Z07:00"),
    ],
)
def test_what_is_no_time(text: str, rest: str, element: str) -> None:
    """The text says from where on it is not what the layout has there."""
    assert time_fault(text) == f'parsing time "{text}" as {LAYOUT}: cannot parse "{rest}" as "{element}"'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("2020-13-01T00:00:00Z", "month out of range"),
        ("2020-02-30T00:00:00Z", "day out of range"),
        ("2020-01-01T24:00:00Z", "hour out of range"),
        ("2020-01-01T00:60:00Z", "minute out of range"),
        ("2020-01-01T00:00:60Z", "second out of range"),
        ("2020-01-01T00:00:00+25:00", "time zone offset hour out of range"),
        ("2020-01-01T00:00:00Zx", 'extra text: "x"'),
    ],
)
def test_times_that_there_are_not(text: str, fault: str) -> None:
    """A number that is too large is named."""
    assert time_fault(text) == f'parsing time "{text}": {fault}'
