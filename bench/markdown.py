"""Pieces of Markdown."""

from collections.abc import Iterable, Mapping, Sequence

from bench.comparison import Spread


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The first column is text, the others are numbers."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def facts(values: Mapping[str, str]) -> str:
    """As a list."""
    return "\n".join(f"- {name}: {value}" for name, value in values.items())


def median_text(spread: Spread | None, form: str) -> str:
    """The median in that format; a dash where nothing was measured."""
    return form.format(spread.median) if spread else "-"


def ratio_text(spread: Spread | None) -> str:
    """Such as **4.5x** (4.1–4.9)."""
    if spread is None:
        return "-"
    return f"**{_digits(spread.median)}x** ({_digits(spread.low)}–{_digits(spread.high)})"


def _digits(value: float) -> str:
    """Two that matter."""
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"
