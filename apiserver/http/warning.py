"""Warning headers as kube-apiserver writes them (k8s.io/apiserver `endpoints/filters/warning.go`; wire.md 3.4)."""

import re
from itertools import islice

_BUDGET, _LIMIT = 4096, 256
"""Characters of all texts, and of one text once that is not enough."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def warning_headers(warnings: list[str]) -> list[tuple[bytes, bytes]]:
    """One header a text; a text with control characters has none."""
    if not warnings:
        return []
    headers = []
    # There may be as many as a body has members; of those that say something, no more can count.
    shown = islice((text for text in warnings if not _CONTROL.search(text)), _BUDGET + 1)
    for text in _shortened(list(shown)):
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        headers.append((b"warning", f'299 - "{quoted}"'.encode()))
    return headers


def _shortened(texts: list[str]) -> list[str]:
    """The first text beyond the budget has all of them cut; then they go on until the budget is used up again."""
    kept: list[str] = []
    written, limit = 0, max(map(len, texts), default=0)
    for text in texts:
        if limit == _LIMIT and written >= _BUDGET:
            break
        kept.append(text[:limit])
        written += len(kept[-1])
        if limit != _LIMIT and written > _BUDGET:
            limit = _LIMIT
            kept = [each[:limit] for each in kept]
            written = sum(map(len, kept))
    return kept
