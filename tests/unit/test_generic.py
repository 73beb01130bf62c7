"""Code for any kind stays code for any kind."""

from pathlib import Path

import pytest

from apiserver import kinds

ROOT = Path(__file__).resolve().parents[2]
OWN = ("apiserver/kinds/{}.py", "reconciler/{}/*.py")
"""What is about one kind, by its singular name."""
WORDS = [kind.singular for kind in kinds.discover()]


@pytest.mark.parametrize("word", WORDS)
def test_generic_code_names_no_kind(word: str) -> None:
    """Only a kind's own module and its controller's know its name."""
    own = {path for pattern in OWN for path in ROOT.glob(pattern.format(word))}
    packages = ("apiserver", "http2", "reconciler", "storage")
    modules = {path for package in packages for path in ROOT.glob(f"{package}/**/*.py")}
    assert own < modules
    naming = [str(path.relative_to(ROOT)) for path in modules - own if word in path.read_text().lower()]
    assert not naming
