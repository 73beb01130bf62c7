"""Keeps what docs/conformance.md says of differences the same as `differences.py`.

python -m tests.e2e.conformance.documentation     # writes its two tables again
"""

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.e2e.conformance.differences import DIFFERENCES, OPENAPI, Difference

FILE = Path(__file__).resolve().parents[3] / "docs" / "conformance.md"


def rendered(text: str) -> str:
    """The document with its tables as they must be; each stands between `<!-- NAME -->` and `<!-- end -->`."""
    answers = ((each.reason, each.where or "everywhere", _steps(each)) for each in DIFFERENCES)
    documents = ((each.reason, "<br>".join(f"`{path}`" for path in each.paths)) for each in OPENAPI)
    text = _with_table(text, "answers", ("What differs, and why", "Where", "Steps of cases"), answers)
    return _with_table(text, "openapi", ("What differs, and why", "Where in the documents"), documents)


def _steps(difference: Difference) -> str:
    return "<br>".join(f"`{case}` {_numbers(steps)}" for case, steps in difference.steps.items())


def _numbers(steps: Sequence[int]) -> str:
    return f"{steps[0]} to {steps[-1]}" if isinstance(steps, range) else ", ".join(map(str, steps))


def _with_table(text: str, name: str, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [" | ".join(row) for row in (head, ("---",) * len(head), *rows)]
    table = "".join(f"| {line} |\n" for line in lines)
    return re.sub(rf"(<!-- {name} -->\n).*?(<!-- end -->)", lambda found: found[1] + table + found[2], text, flags=re.S)


def main() -> int:
    """Writes the file."""
    FILE.write_text(rendered(FILE.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
