"""Plots as SVG, written by hand: nothing needs to be installed for them."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

Point = tuple[float, float]
COLORS = ("#767676", "#d55e00", "#0072b2", "#009e73")
"""Of servers, in the order of the tables; told apart with any colour vision."""

_INK, _GRID = "#1a1a1a", "#d9d9d9"
_FONT = 'font-family="system-ui, sans-serif" font-size="12"'


@dataclass(frozen=True)
class Bar:
    """One bar of a group: a ratio and its range."""

    label: str
    value: float
    low: float
    high: float
    color: str


@dataclass(frozen=True)
class Group:
    """The bars of one operation; `goal` is marked."""

    label: str
    bars: Sequence[Bar]
    goal: float | None = None


@dataclass(frozen=True)
class Line:
    """One server's points, x ascending, all positive."""

    label: str
    points: Sequence[Point]
    color: str


@dataclass(frozen=True)
class Axis:
    """A logarithmic axis: values from `low` to `high` lie between two places in the picture."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Where a value lies."""
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Powers of ten within."""
        first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
        return [10.0**power for power in range(first, last + 1)]


def _axis(values: Iterable[float], start: float, end: float) -> Axis:
    """From the power of ten below the least to the one above the greatest."""
    found = list(values) or [1.0]
    low = 10 ** math.floor(math.log10(min(found)))
    high = 10 ** math.ceil(math.log10(max(found)) - 1e-9)
    return Axis(low, max(high, low * 10), start, end)


def bars(groups: Sequence[Group], title: str) -> str:
    """Horizontal bars on a logarithmic axis, to the left and to the right of 1."""
    left, width, row = 290, 860, 16
    tops = _tops(groups, row)
    height = tops[-1] + 50
    shown = [value for group in groups for bar in group.bars for value in (bar.low, bar.high)]
    axis = _axis([*shown, *(group.goal for group in groups if group.goal), 1.0], left, width - 80)
    parts = [_text(16, 24, title, weight="bold")]
    for tick in axis.ticks():
        parts.append(_line(axis(tick), 60, axis(tick), tops[-1], _INK if tick == 1 else _GRID))
        parts.append(_text(axis(tick), tops[-1] + 18, f"{tick:g}x", anchor="middle"))
    parts += _legend([(bar.label, bar.color) for bar in groups[0].bars], 16, 46)
    for group, top in zip(groups, tops, strict=False):
        parts += _group(group, axis, top, row)
    return _svg(width, height, parts)


def _tops(groups: Sequence[Group], row: int) -> list[int]:
    """Where each group begins, and where the last ends."""
    tops = [68]
    for group in groups:
        tops.append(tops[-1] + len(group.bars) * row + 12)
    return tops


def _group(group: Group, axis: Axis, top: int, row: int) -> Iterator[str]:
    bottom = top + len(group.bars) * row
    yield _text(axis.start - 10, (top + bottom) / 2 + 4, group.label, anchor="end")
    for number, bar in enumerate(group.bars):
        y = top + number * row
        start, end = sorted((axis(1), axis(bar.value)))
        yield f'<rect x="{start:.1f}" y="{y + 2}" width="{end - start:.1f}" height="{row - 4}" fill="{bar.color}"/>'
        yield _line(axis(bar.low), y + row / 2, axis(bar.high), y + row / 2, _INK)
        yield _text(axis.end + 60, y + row - 4, f"{bar.value:.2g}x", anchor="end")
    if group.goal:
        yield _line(axis(group.goal), top - 2, axis(group.goal), bottom + 2, _INK, width=2, dashes="4 2")


def lines(panels: Sequence[tuple[str, Sequence[Line]]]) -> str:
    """Panels side by side, two in a row, logarithmic both ways."""
    wide, high = 440, 260
    parts = _legend([(line.label, line.color) for line in panels[0][1]], 16, 20)
    for number, (title, drawn) in enumerate(panels):
        x, y = number % 2 * wide, 36 + number // 2 * high
        parts.append(f'<g transform="translate({x},{y})">{"".join(_panel(title, drawn, wide, high))}</g>')
    return _svg(2 * wide, 36 + (len(panels) + 1) // 2 * high, parts)


def _panel(title: str, drawn: Sequence[Line], wide: int, high: int) -> Iterator[str]:
    points = [point for line in drawn for point in line.points]
    across = _axis([x for x, _ in points], 64, wide - 24)
    up = _axis([y for _, y in points], high - 36, 34)
    yield _text(16, 20, title, weight="bold")
    for tick in across.ticks():
        yield _text(across(tick), high - 18, f"{tick:,.0f}", anchor="middle")
    for tick in up.ticks():
        yield _line(across.start, up(tick), across.end, up(tick), _GRID)
        yield _text(across.start - 6, up(tick) + 4, f"{tick:,.12g}", anchor="end")
    for line in drawn:
        places = [(across(x), up(y)) for x, y in line.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        yield f'<polyline points="{path}" fill="none" stroke="{line.color}" stroke-width="2"/>'
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{line.color}"/>' for x, y in places)


def _legend(entries: Iterable[tuple[str, str]], x: float, y: float) -> list[str]:
    parts = []
    for label, color in entries:
        parts.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{color}"/>')
        parts.append(_text(x + 15, y, label))
        x += 40 + 7 * len(label)
    return parts


def _text(x: float, y: float, text: str, anchor: str = "start", weight: str = "normal") -> str:
    where = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}"'
    return f'<text {where} fill="{_INK}">{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, color: str, width: int = 1, dashes: str = "") -> str:
    where = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    pattern = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<line {where} stroke="{color}" stroke-width="{width}"{pattern}/>'


def _svg(width: int, height: int, parts: Iterable[str]) -> str:
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    content = "\n".join(parts)
    background = f'<rect width="{width}" height="{height}" fill="white"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {_FONT}>\n{background}\n{content}\n</svg>\n'
