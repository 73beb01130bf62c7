"""Quantities: "500m", "64Mi" (k8s.io/apimachinery `pkg/api/resource`)."""

import re
from fractions import Fraction

_LETTERS = "KMGTPE"
_BINARY = {"": Fraction(1)} | {f"{letter}i": Fraction(1024**power) for power, letter in enumerate(_LETTERS, 1)}
_DECIMAL = {"m": Fraction(1, 1000), "": Fraction(1), "k": Fraction(1000)}
_DECIMAL |= {letter: Fraction(1000**power) for power, letter in enumerate(_LETTERS[1:], 2)}
_FORM = re.compile(r"(\d+\.?\d*|\.\d+)([KMGTPE]i|[mkMGTPE]?)")


def canonical(text: str) -> str:
    """The form in which Kubernetes gives an amount back: no fraction, the largest suffix of the same family that has
    none. Amounts of less than a thousandth, signs and exponents are not for what a container may use. Raises
    ValueError."""
    found = _FORM.fullmatch(text)
    if not found:
        raise ValueError(f'"{text}" is no quantity')
    number, suffix = Fraction(found[1]), found[2]
    family = _BINARY if suffix.endswith("i") else _DECIMAL
    amount = number * family[suffix]
    if amount < _BINARY["Ki"]:
        family = _DECIMAL
    whole = [(amount / size, name) for name, size in family.items() if (amount / size).denominator == 1]
    if not amount:
        return "0"
    if not whole:
        raise ValueError(f'"{text}" is finer than a thousandth')
    count, name = whole[-1]
    return f"{count}{name}"
