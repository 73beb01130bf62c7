"""Code for any kind stays code for any kind."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OWN = ("apiserver/kinds/website.py", "reconciler/website/*.py")
WORD = "website"
"""The kind that comes with the server. The name of one that is added may be a word of Kubernetes, such as queue."""


def test_generic_code_names_no_kind() -> None:
    """Only the kind's own module and its controller's know its name."""
    own = {path for pattern in OWN for path in ROOT.glob(pattern)}
    packages = ("apiserver", "http2", "reconciler", "storage")
    modules = {path for package in packages for path in ROOT.glob(f"{package}/**/*.py")}
    assert own < modules
    naming = [str(path.relative_to(ROOT)) for path in modules - own if WORD in path.read_text().lower()]
    assert not naming
