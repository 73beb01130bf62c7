"""Quantities: "500m", "64Mi" (k8s.io/apimachinery `pkg/api/resource`)."""

import re
from fractions import Fraction

_LETTERS = "KMGTPE"
_BINARY = {"": Fraction(1)} | {f"{letter}i": Fraction(1024**power) for power, letter in enumerate(_LETTERS, 1)}
_DECIMAL = {"m": Fraction(1, 1000), "": Fraction(1), "k": Fraction(1000)}
_DECIMAL |= {letter: Fraction(1000**power) for power, letter in enumerate(_LETTERS[1:], 2)}
_FORM = re.compile(r"(\d+\.?\d*|\.\d+)([KMGTPE]i|[mkMGTPE]?)")


def amount(text: str) -> Fraction:
    """Signs and exponents are not for what a container may use. Raises ValueError."""
    return _read(text)[0]


def canonical(text: str) -> str:
    """The form in which Kubernetes gives an amount back: no fraction, the largest suffix of the same family that has
    none. Raises ValueError, also for less than a thousandth."""
    value, family = _read(text)
    if value < _BINARY["Ki"]:
        family = _DECIMAL
    whole = [(value / size, name) for name, size in family.items() if (value / size).denominator == 1]
    if not value:
        return "0"
    if not whole:
        raise ValueError(f'"{text}" is finer than a thousandth')
    count, name = whole[-1]
    return f"{count}{name}"


def _read(text: str) -> tuple[Fraction, dict[str, Fraction]]:
    """The amount, and its suffix' family."""
    found = _FORM.fullmatch(text)
    if not found:
        raise ValueError(f'"{text}" is no quantity')
    family = _BINARY if found[2].endswith("i") else _DECIMAL
    return Fraction(found[1]) * family[found[2]], family
