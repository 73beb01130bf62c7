"""Label and field selectors; results and error texts are those that a real kube-apiserver gave."""

import random
from typing import Any

import pytest

from apiserver.machinery.errors import BadRequest
from apiserver.machinery.selectors import check_selectable, parse_fields, parse_labels

OBJECTS = {
    "a": {"t": "x", "n": "1"},
    "b": {"t": "y"},
    "c": {},
    "d": {"t": ""},
    "e": {"t": "5"},
}
OPERATORS = "expected: in, notin, =, ==, !=, gt, lt"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "abcde"),
        ("  ", "abcde"),
        ("t", "abde"),
        ("!t", "c"),
        ("! t", "c"),
        ("t=x", "a"),
        ("t==x", "a"),
        ("t = x", "a"),
        ("t!=x", "bcde"),
        ("t=", "d"),
        ("t!=", "abce"),
        ("t in (x,y)", "ab"),
        ("t in(x)", "a"),
        ("t\nin\t(x , y)", "ab"),
        ("t notin (x)", "bcde"),
        ("t in ()", "d"),
        ("t in (,)", "d"),
        ("t in (x,)", "ad"),
        ("t in (,x)", "ad"),
        ("t in (x,,y)", "abd"),
        ("n>0", "a"),
        ("n>1", ""),
        ("n<2", "a"),
        ("t>4", "e"),
        ("t<5", ""),
        ("t=x,n=1", "a"),
        ("t=x,!n", ""),
        ("in in (in)", ""),
        ("notin,!in", ""),
        ("t=in", ""),
        ("t\0=\0x", "a"),
        ("t=x \0,n=2", "a"),
        ("\0t=x", "abcde"),
        (" \0=", "abcde"),
    ],
)
def test_label_selectors_match(text: str, names: str) -> None:
    """Every form of the grammar selects what it says; != and notin also what lacks the label."""
    selector = parse_labels(text)
    assert "".join(name for name, labels in OBJECTS.items() if selector.matches(labels)) == names


class CountedLabels(dict[str, str]):
    """Counts what is asked of it; going through all of it is one question."""

    asked = 0

    def _ask(self) -> None:
        self.asked += 1

    def get(self, *arguments: Any) -> Any:
        self._ask()
        return super().get(*arguments)

    def __getitem__(self, key: str) -> str:
        self._ask()
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self._ask()
        return super().__contains__(key)

    def items(self) -> Any:
        self._ask()
        return super().items()


@pytest.mark.parametrize(
    ("term", "matches"),
    [("!k{}", True), ("k{}!=x", True), ("k{} notin (x,y)", True), ("k{}", False), ("k{}=x", False), ("a<1{}", True)],
)
def test_a_long_selector_asks_little(term: str, matches: bool) -> None:
    """However many terms a selector has, of an object's labels it asks as much as one of a few."""
    selector = parse_labels(",".join(term.format(number) for number in range(1000)))
    labels = CountedLabels(a="5")

    assert selector.matches(labels) is matches
    assert labels.asked < 5


def test_many_terms_are_as_each_of_them() -> None:
    """What a selector of any terms selects is what all of its terms select."""
    choose = random.Random(7)
    forms = ("{}", "!{}", "{}={}", "{}!={}", "{} in ({},{})", "{} notin ({},{})", "{}>{}", "{}<{}")
    for _ in range(3000):
        terms = [
            choose.choice(forms).format(choose.choice("ab"), choose.choice("0123"), choose.choice("0123"))
            for _ in range(choose.randrange(1, 6))
        ]
        labels = {key: choose.choice(["0", "1", "2", "3", "x", ""]) for key in "abc" if choose.random() < 0.6}
        each = [parse_labels(term).matches(labels) for term in terms]
        assert parse_labels(",".join(terms)).matches(labels) is all(each)


def test_many_fields_are_as_each_of_them() -> None:
    """The same of field selectors."""
    choose = random.Random(8)
    for _ in range(2000):
        terms = [
            f"metadata.{choose.choice(('name', 'namespace'))}{choose.choice(('=', '!='))}{choose.choice('ab')}"
            for _ in range(choose.randrange(1, 6))
        ]
        obj = {"metadata": {"name": choose.choice("abc"), "namespace": choose.choice("ab")}}
        each = [parse_fields(term).matches(obj) for term in terms]
        assert parse_fields(",".join(terms)).matches(obj) is all(each)


def test_empty_selectors_are_false() -> None:
    """A caller can skip the whole test."""
    assert not parse_labels("")
    assert not parse_fields("")
    assert parse_labels("a")
    assert parse_fields("metadata.name=a")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("=", "found '=', expected: !, identifier, or 'end of string'"),
        (",a", "found ',', expected: !, identifier, or 'end of string'"),
        ("()", "found '(', expected: !, identifier, or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        ("a,,b", "found ',', expected: identifier after ','"),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("a!=b!=c", "found '!=', expected: ',' or 'end of string'"),
        ("a=b)", "found ')', expected: ',' or 'end of string'"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("!!a", "unable to parse requirement: found '!', expected: identifier"),
        ("a b", f"unable to parse requirement: found 'b', {OPERATORS}"),
        ("a gt 5", f"unable to parse requirement: found 'gt', {OPERATORS}"),
        ("a!b", f"unable to parse requirement: found '!', {OPERATORS}"),
        ("a)", f"unable to parse requirement: found ')', {OPERATORS}"),
        ("a===b", "unable to parse requirement: found '=', expected: identifier"),
        ("a=(b)", "unable to parse requirement: found '(', expected: identifier"),
        ("a>=5", "unable to parse requirement: found '=', expected: identifier"),
        ("t in x", "unable to parse requirement: found 'x' expected: '('"),
        ("t notin", "unable to parse requirement: found '' expected: '('"),
        ("t in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
        ("t in (=)", "unable to parse requirement: found '=', expected: ',', ')' or identifier"),
        ("t in (x", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("t in (x y)", "unable to parse requirement: found 'y', expected: ',' or ')'"),
        ("t in (x,", "unable to parse requirement: found '', expected: ',', or identifier"),
        ("t in (,,x", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("/b=c", 'unable to parse requirement: <nil>: Invalid value: "/b": prefix part must be non-empty'),
        (
            "a>x",
            'unable to parse requirement: values[0]: Invalid value: "x": '
            "for 'Gt', 'Lt' operators, the value must be an integer",
        ),
        (
            "a>99999999999999999999",
            'unable to parse requirement: values[0]: Invalid value: "99999999999999999999": '
            "for 'Gt', 'Lt' operators, the value must be an integer",
        ),
        (
            "a>" + "9" * 5000,
            f'unable to parse requirement: [values[0]: Invalid value: "{"9" * 5000}": '
            "for 'Gt', 'Lt' operators, the value must be an integer, "
            f'values[0][a]: Invalid value: "{"9" * 5000}": must be no more than 63 bytes]',
        ),
        (
            "a=" + "b" * 64,
            f'unable to parse requirement: values[0][a]: Invalid value: "{"b" * 64}": must be no more than 63 bytes',
        ),
    ],
)
def test_label_selector_errors(text: str, message: str) -> None:
    """What cannot be parsed is told in the reference's words."""
    with pytest.raises(BadRequest) as caught:
        parse_labels(text)
    assert caught.value.message == message


def test_several_faults_are_bracketed() -> None:
    """Values are numbered in sorted order, each one once."""
    with pytest.raises(BadRequest) as caught:
        parse_labels("t in (-a,x,_c,-a)")
    text = caught.value.message
    assert text.startswith('unable to parse requirement: [values[0][t]: Invalid value: "-a": a valid label must be ')
    assert ', values[1][t]: Invalid value: "_c": a valid label must be ' in text
    assert text.endswith(")?')]")


def test_label_requirements_for_authorization() -> None:
    """Comparisons cannot be said in a SubjectAccessReview and are left out."""
    selector = parse_labels("a=1,b!=2,c in (y,x),d notin (z),e,!f,g>5,h<6")
    assert selector.requirements() == [
        {"key": "a", "operator": "In", "values": ["1"]},
        {"key": "b", "operator": "NotIn", "values": ["2"]},
        {"key": "c", "operator": "In", "values": ["x", "y"]},
        {"key": "d", "operator": "NotIn", "values": ["z"]},
        {"key": "e", "operator": "Exists"},
        {"key": "f", "operator": "DoesNotExist"},
    ]


OBJECT: dict[str, Any] = {
    "metadata": {"name": "a", "namespace": "ns"},
    "spec": {"s": "p,q=r\\", "i": 5, "b": True, "none": None},
}
SELECTABLE = ("spec.s", "spec.i", "spec.b", "spec.none", "spec.absent")


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        (",", True),
        ("=", True),
        ("metadata.name=a", True),
        ("metadata.name==a", True),
        ("metadata.name=b", False),
        ("metadata.name!=b", True),
        ("metadata.name= a", False),
        ("metadata.name=a,metadata.namespace=ns", True),
        (",metadata.name=a,", True),
        ("metadata.name=a,metadata.name=b", False),
        (r"spec.s=p\,q\=r\\", True),
        ("spec.i=5", True),
        ("spec.b=true", True),
        ("spec.b!=true", False),
        ("spec.absent=", True),
        ("spec.none=", True),
        ("spec.absent!=x", True),
    ],
)
def test_field_selectors_match(text: str, matches: bool) -> None:
    """Fields compare as text; an absent one is empty."""
    assert parse_fields(text).matches(OBJECT) is matches


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("spec.gitRepo=x", "field label not supported: spec.gitRepo"),
        ("x=1,a=2", "field label not supported: a"),
        (" metadata.name=a", "field label not supported:  metadata.name"),
        ("=a", "field label not supported: "),
        ("metadata.name", "invalid selector: 'metadata.name'; can't understand 'metadata.name'"),
        ("metadata.name=a,x!y", "invalid selector: 'metadata.name=a,x!y'; can't understand 'x!y'"),
        (r"metadata.name=\a", r"invalid field selector: invalid escape sequence: \a"),
        ("metadata.name=\\", "invalid field selector: invalid escape sequence: \\"),
        ("metadata.name=a=b", "invalid field selector: unescaped character in value: 61"),
        ("metadata.name===a", "invalid field selector: unescaped character in value: 61"),
    ],
)
def test_field_selector_errors(text: str, message: str) -> None:
    """What cannot be parsed, or is not selectable, is told in the reference's words."""
    with pytest.raises(BadRequest) as caught:
        check_selectable(parse_fields(text), SELECTABLE)
    assert caught.value.message == message


def test_exact_narrows_a_read() -> None:
    """The value that a field must have, and none where a selector leaves it open."""
    selector = parse_fields("metadata.name=a,metadata.namespace!=b")
    assert selector.exact("metadata.name") == "a"
    assert selector.exact("metadata.namespace") is None
    assert selector.exact("spec.s") is None


def test_field_requirements_for_authorization() -> None:
    """Equality is In and inequality NotIn, each with one value."""
    assert parse_fields("metadata.name=a,metadata.namespace!=b").requirements() == [
        {"key": "metadata.name", "operator": "In", "values": ["a"]},
        {"key": "metadata.namespace", "operator": "NotIn", "values": ["b"]},
    ]
