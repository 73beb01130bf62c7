"""What is written about conformance is what its tests know."""

from tests.e2e.conformance import golden
from tests.e2e.conformance.cases import CASES
from tests.e2e.conformance.differences import DIFFERENCES
from tests.e2e.conformance.documentation import FILE, rendered


def test_the_document_lists_the_differences() -> None:
    """docs/conformance.md has every difference that the tests allow, and no other."""
    text = FILE.read_text()
    assert all(f"| {each.reason} |" in text for each in DIFFERENCES)
    assert rendered(text) == text


def test_everything_is_recorded() -> None:
    """There are recorded answers to every case, as many as it has steps, and to none else."""
    assert golden.recorded() == CASES.keys()
    assert {name: len(golden.load(name)) for name in CASES} == {name: len(steps) for name, steps in CASES.items()}


def test_differences_are_of_steps_that_are_there() -> None:
    """A case that goes, or becomes shorter, takes its differences with it."""
    for each in DIFFERENCES:
        assert all(max(steps) < len(CASES[case]) for case, steps in each.steps.items())
