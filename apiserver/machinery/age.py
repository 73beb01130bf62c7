"""Ages in Tables: apimachinery's HumanDuration of the time that has passed, and for how long it reads so."""

import re
from datetime import UTC, datetime
from functools import lru_cache

UNKNOWN, INVALID = "<unknown>", "<invalid>"
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_ZERO_TIME = datetime(1, 1, 1, tzinfo=UTC)

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400
# Below so many seconds: the unit to count in, and the smaller unit beside it (0: none).
_SCALES = (
    (2 * _MINUTE, 1, 0),
    (10 * _MINUTE, _MINUTE, 1),
    (3 * _HOUR, _MINUTE, 0),
    (8 * _HOUR, _HOUR, _MINUTE),
    (2 * _DAY, _HOUR, 0),
    (8 * _DAY, _DAY, _HOUR),
    (2 * _YEAR, _DAY, 0),
    (8 * _YEAR, _YEAR, _DAY),
)
_LETTERS = {1: "s", _MINUTE: "m", _HOUR: "h", _DAY: "d", _YEAR: "y"}


def moment(timestamp: str) -> float | str:
    """An RFC 3339 time in seconds since the epoch; UNKNOWN for none, INVALID for what is no time."""
    if not timestamp:
        return UNKNOWN
    try:
        time = datetime.fromisoformat(timestamp) if _RFC3339.fullmatch(timestamp) else None
    except ValueError:
        time = None
    if time is None:
        return INVALID
    return UNKNOWN if time == _ZERO_TIME else time.timestamp()


def age(since: float, now: float) -> tuple[str, float]:
    """How long ago a moment was, INVALID if it is yet to come; and the moment until which this is right."""
    whole = int(now - since)
    text, step = human_duration(whole)
    # Go rounds towards zero, too.
    return text, since + ((whole // step + 1) * step if whole >= 0 else whole)


@lru_cache(maxsize=16_384)
def human_duration(seconds: int) -> tuple[str, int]:
    """Seconds in two or three significant digits, `59s`, `5m30s`, `3h`, `2d4h`, `1y20d`, and how many a unit of the
    last digit is. Clocks may differ by a second."""
    if seconds < -1:
        return INVALID, 1
    whole = max(seconds, 0)
    unit, smaller = next(((unit, smaller) for limit, unit, smaller in _SCALES if whole < limit), (_YEAR, 0))
    rest = whole % unit // smaller if smaller else 0
    text = f"{whole // unit}{_LETTERS[unit]}" + (f"{rest}{_LETTERS[smaller]}" if rest else "")
    return text, smaller or unit
