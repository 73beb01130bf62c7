"""Go's durations: "1m30s"."""

import re

_UNITS = {"ns": 1.0, "us": 1e3, "µs": 1e3, "μs": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9, "h": 3600e9}
_MOST = float(2**63)
"""Nanoseconds that an int64 holds: 292 years."""
_PART = re.compile(r"(\d+\.?\d*|\.\d+)([^\d.]*)", re.ASCII)
_ESCAPED = re.compile(r"[^ !#-\[\]-\x7f]")


def parse_duration(text: str) -> float:
    """Seconds. Raises ValueError with the text of Go's time.ParseDuration."""
    sign, digits = (text[0], text[1:]) if text[:1] in ("+", "-") else ("", text)
    if digits == "0":
        return 0.0
    nanoseconds, end = 0.0, 0
    for part in _PART.finditer(digits):
        number = float(part[1])
        if part.start() != end or number > _MOST:
            break
        nanoseconds += number * _unit(part[2], text)
        end = part.end()
    if not digits or end != len(digits) or nanoseconds > _MOST:
        raise ValueError(f"time: invalid duration {_quoted(text)}")
    return -nanoseconds / 1e9 if sign == "-" else nanoseconds / 1e9


def _unit(unit: str, text: str) -> float:
    if not unit:
        raise ValueError(f"time: missing unit in duration {_quoted(text)}")
    if unit not in _UNITS:
        raise ValueError(f"time: unknown unit {_quoted(unit)} in duration {_quoted(text)}")
    return _UNITS[unit]


def _quoted(text: str) -> str:
    """As this package of Go does it, which is not as all others do."""
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(found: re.Match[str]) -> str:
    return f"\\{found[0]}" if found[0] in '"\\' else "".join(f"\\x{byte:02x}" for byte in found[0].encode())
