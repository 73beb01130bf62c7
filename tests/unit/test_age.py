"""Ages in Tables; their texts were compared with those of a real kube-apiserver."""

from datetime import UTC, datetime, timedelta

import pytest

from apiserver.machinery.age import INVALID, UNKNOWN, age, human_duration, moment

NOW = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("timestamp", "text"),
    [
        ("2025-12-31T23:59:59.5+00:00", "0s"),
        ("2026-01-01T01:00:00+01:00", "0s"),
        ("2026-01-01T00:00:01Z", "0s"),
        ("2026-01-01T00:00:02Z", INVALID),
    ],
)
def test_age(timestamp: str, text: str) -> None:
    """Clocks may differ by a second."""
    since = moment(timestamp)

    assert isinstance(since, float)
    assert age(since, NOW)[0] == text


@pytest.mark.parametrize(
    ("timestamp", "text"),
    [
        ("", UNKNOWN),
        ("0001-01-01T00:00:00Z", UNKNOWN),
        ("junk", INVALID),
        ("2025-13-01T00:00:00Z", INVALID),
        ("2020-01-01 00:00:00Z", INVALID),
        ("2020-01-01T00:00:00", INVALID),
    ],
)
def test_what_is_no_moment(timestamp: str, text: str) -> None:
    """RFC 3339 only."""
    assert moment(timestamp) == text


@pytest.mark.parametrize(
    ("duration", "text", "step"),
    [
        (timedelta(seconds=-2), INVALID, timedelta(seconds=1)),
        (timedelta(seconds=-1), "0s", timedelta(seconds=1)),
        (timedelta(seconds=119), "119s", timedelta(seconds=1)),
        (timedelta(minutes=2), "2m", timedelta(seconds=1)),
        (timedelta(minutes=9, seconds=59), "9m59s", timedelta(seconds=1)),
        (timedelta(minutes=10, seconds=59), "10m", timedelta(minutes=1)),
        (timedelta(minutes=179), "179m", timedelta(minutes=1)),
        (timedelta(hours=3), "3h", timedelta(minutes=1)),
        (timedelta(hours=7, minutes=59), "7h59m", timedelta(minutes=1)),
        (timedelta(hours=8, minutes=59), "8h", timedelta(hours=1)),
        (timedelta(hours=47), "47h", timedelta(hours=1)),
        (timedelta(days=2), "2d", timedelta(hours=1)),
        (timedelta(days=7, hours=23), "7d23h", timedelta(hours=1)),
        (timedelta(days=8, hours=23), "8d", timedelta(days=1)),
        (timedelta(days=729), "729d", timedelta(days=1)),
        (timedelta(days=730), "2y", timedelta(days=1)),
        (timedelta(days=731), "2y1d", timedelta(days=1)),
        (timedelta(days=365 * 8), "8y", timedelta(days=365)),
        (timedelta(days=365 * 30 + 5), "30y", timedelta(days=365)),
    ],
)
def test_human_duration(duration: timedelta, text: str, step: timedelta) -> None:
    """Each scale has its units, and a smaller one that is zero is left out."""
    assert human_duration(int(duration.total_seconds())) == (text, step.total_seconds())


def test_an_age_is_right_until_it_changes() -> None:
    """Never longer than it says: at every moment up to then the text is the same. And for long when little changes."""
    for passed in [*range(-5, 1000), *range(1000, 40 * 365 * 86400, 1_000_003)]:
        text, until = age(NOW, NOW + passed + 0.25)

        assert until > NOW + passed + 0.25
        assert age(NOW, until - 0.25)[0] == text
    assert age(NOW, NOW + 86400)[1] == NOW + 90000
    assert age(NOW, NOW + 3600.5)[1] == NOW + 3660
