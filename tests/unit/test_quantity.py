"""Quantities in the form that Kubernetes gives back."""

import pytest

from apiserver.machinery.quantity import canonical

CANONICAL = {
    "100m": "100m",
    "64Mi": "64Mi",
    "1024Mi": "1Gi",
    "1.5Gi": "1536Mi",
    "0.5": "500m",
    ".5": "500m",
    "1000m": "1",
    "1.5": "1500m",
    "1000000": "1M",
    "1024": "1024",
    "0.5Ki": "512",
    "1.5Ki": "1536",
    "0": "0",
    "0Mi": "0",
}
"""What a kube-apiserver gives back; tests/e2e/test_reconciler.py asks one."""


@pytest.mark.parametrize(("text", "expected"), CANONICAL.items())
def test_canonical(text: str, expected: str) -> None:
    """The largest suffix without a fraction; less than a Ki is counted in thousands."""
    assert canonical(text) == expected


@pytest.mark.parametrize("text", ["", "x", "-1", "1K", "1mi", "1 Gi", "1e3", "0.1m"])
def test_no_quantity(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match="is"):
        canonical(text)
