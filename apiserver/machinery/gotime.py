"""RFC 3339 times as Go's time.Parse reads them, with its words for what it does not understand."""

import re
from calendar import monthrange

_LAYOUT = "2006-01-02T15:04:05Z07:00"
_IS_USUAL = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ", re.ASCII
).fullmatch
"""What nothing is wrong with for sure."""


class _Fault(Exception):
    """The rest of the text is not what the layout's next element stands for; `out_of_range`: it is, but too large."""

    def __init__(self, rest: str, element: str, out_of_range: str = "") -> None:
        super().__init__(element)
        self.rest, self.element, self.out_of_range = rest, element, out_of_range


def time_fault(text: str) -> str:
    """Why the text is no time, "" if it is one."""
    if _IS_USUAL(text):
        return ""
    try:
        rest = _parse(text)
    except _Fault as fault:
        if fault.out_of_range:
            return f"parsing time {_quoted(text)}: {fault.out_of_range} out of range"
        expected = f"cannot parse {_quoted(fault.rest)} as {_quoted(fault.element)}"
        return f"parsing time {_quoted(text)} as {_quoted(_LAYOUT)}: {expected}"
    return f"parsing time {_quoted(text)}: extra text: {_quoted(rest)}" if rest else ""


def _quoted(text: str) -> str:
    """As Go's package time quotes, which knows bytes."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    if char < " " or char > "\x7f":
        return "".join(f"\\x{byte:02x}" for byte in char.encode())
    return f"\\{char}" if char in '"\\' else char


def _parse(text: str) -> str:
    """What follows the time. Raises _Fault."""
    year, text = _number(text, "2006", r"\d{4}")
    month, text = _number(_literal(text, "-"), "01", r"\d\d", range(1, 13), "month")
    day, text = _number(_literal(text, "-"), "02", r"\d\d")
    _, text = _number(_literal(text, "T"), "15", r"\d\d?", range(24), "hour")
    _, text = _number(_literal(text, ":"), "04", r"\d\d", range(60), "minute")
    _, text = _number(_literal(text, ":"), "05", r"\d\d", range(60), "second")
    text = _zone(re.sub(r"^[.,]\d+", "", text, flags=re.ASCII))
    if not text and not 1 <= day <= days_of(year, month):
        raise _Fault("", "", "day")
    return text


def _number(text: str, element: str, pattern: str, allowed: range | None = None, name: str = "") -> tuple[int, str]:
    found = re.match(pattern, text, re.ASCII)
    if not found:
        raise _Fault(text, element)
    if allowed is not None and int(found[0]) not in allowed:
        raise _Fault(text, element, name)
    return int(found[0]), text[found.end() :]


def _literal(text: str, wanted: str) -> str:
    if not text.startswith(wanted):
        raise _Fault(text, wanted)
    return text[1:]


def _zone(text: str) -> str:
    if text.startswith("Z"):
        return text[1:]
    found = re.match(r"[-+](\d\d):(\d\d)", text, re.ASCII)
    if not found:
        raise _Fault(text, "Z07:00")
    for number, limit, name in ((found[1], 24, "hour"), (found[2], 60, "minute")):
        if int(number) > limit:
            raise _Fault(text, "Z07:00", f"time zone offset {name}")
    return text[6:]


def days_of(year: int, month: int) -> int:
    """How many days the month has."""
    # Go has a year 0, and it is a leap year.
    return monthrange(year or 4, month)[1]
