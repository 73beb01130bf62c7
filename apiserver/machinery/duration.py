"""Go's durations: "1m30s"."""

import re

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)([^\d.]*)")


def parse_duration(text: str) -> float:
    """Seconds. Raises ValueError with the text of Go's time.ParseDuration."""
    sign, digits = (text[0], text[1:]) if text[:1] in ("+", "-") else ("", text)
    if digits == "0":
        return 0.0
    seconds, end = 0.0, 0
    for part in _PART.finditer(digits):
        if part.start() != end:
            break
        seconds += float(part[1]) * _unit(part[2], text)
        end = part.end()
    if not digits or end != len(digits):
        raise ValueError(f'time: invalid duration "{text}"')
    return -seconds if sign == "-" else seconds


def _unit(unit: str, text: str) -> float:
    if not unit:
        raise ValueError(f'time: missing unit in duration "{text}"')
    if unit not in _UNITS:
        raise ValueError(f'time: unknown unit "{unit}" in duration "{text}"')
    return _UNITS[unit]
