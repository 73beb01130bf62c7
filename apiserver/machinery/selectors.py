"""Label and field selectors: parsed once from a query, then asked about many objects (wire.md 3.14).

Grammar and error texts are those of apimachinery `pkg/labels` and `pkg/fields`.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from apiserver.machinery import names
from apiserver.machinery.errors import BadRequest, Object, quoted
from apiserver.machinery.jsonpath import Getter, compile_path

LONG = 8 * 1024
"""Characters of a selector; to parse more than so many takes longer than others should be made to wait."""
Labels = Mapping[str, str]
_Accepts = Callable[[str], bool]

IN, NOT_IN, EXISTS, DOES_NOT_EXIST, GREATER, LESS = "In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"


@dataclass(frozen=True)
class LabelRequirement:
    """One condition on one label. `values` has one member for Gt and Lt, none for Exists and DoesNotExist."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()


@dataclass(frozen=True)
class LabelSelector:
    """All of its terms must hold; false when it has none, and then everything matches."""

    terms: tuple[LabelRequirement, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.terms)

    @cached_property
    def _rules(self) -> tuple[Mapping[str, _Accepts], Mapping[str, Collection[str]]]:
        """What a label must be that must be there, and the values that another must not have."""
        terms: defaultdict[str, list[LabelRequirement]] = defaultdict(list)
        for term in self.terms:
            terms[term.key].append(term)
        needed = {key: accepts for key, about in terms.items() if (accepts := _accepts(about)) is not None}
        refused = {key: values for key, about in terms.items() if (values := _refused(about))}
        return needed, refused

    def prepared(self) -> Self:
        """Itself, after what the first match would have to do."""
        _ = self._rules
        return self

    def matches(self, labels: Labels) -> bool:
        """However many terms there are, only as many are looked at as there are labels."""
        needed, refused = self._rules
        for key, accepts in needed.items():
            if key not in labels or not accepts(labels[key]):
                return False
        if refused:
            for key, value in labels.items():
                if key in refused and value in refused[key]:
                    return False
        return True

    def requirements(self) -> list[Object]:
        """For a SubjectAccessReview, which has no words for Gt and Lt: leaving them out asks for more."""
        return [_requirement(term) for term in self.terms if term.operator not in (GREATER, LESS)]


def _requirement(term: LabelRequirement) -> Object:
    requirement: Object = {"key": term.key, "operator": term.operator}
    if term.values:
        requirement["values"] = sorted(term.values)
    return requirement


class _Everything(frozenset[str]):
    """Has every value."""

    def __contains__(self, value: object) -> bool:
        return True

    def __bool__(self) -> bool:
        return True


_EVERYTHING = _Everything()


def _accepts(terms: Sequence[LabelRequirement]) -> _Accepts | None:
    """All that is said of a label that must be there, as one condition; None when it need not be."""
    if all(term.operator in (NOT_IN, DOES_NOT_EXIST) for term in terms):
        return None
    sets = [term.values for term in terms if term.operator == IN]
    values = frozenset.intersection(*sets) if sets else _EVERYTHING
    above = max((_bound(term) for term in terms if term.operator == GREATER), default=None)
    below = min((_bound(term) for term in terms if term.operator == LESS), default=None)
    if above is None and below is None:
        return values.__contains__
    return lambda value: value in values and _is_between(_integer(value), above, below)


def _refused(terms: Sequence[LabelRequirement]) -> Collection[str]:
    """The values that a label must not have."""
    if any(term.operator == DOES_NOT_EXIST for term in terms):
        return _EVERYTHING
    return frozenset[str]().union(*(term.values for term in terms if term.operator == NOT_IN))


def _bound(term: LabelRequirement) -> int:
    return int(next(iter(term.values)))


def _is_between(number: int | None, above: int | None, below: int | None) -> bool:
    """A label that is no integer is not."""
    if number is None:
        return False
    return (above is None or number > above) and (below is None or number < below)


def _integer(text: str) -> int | None:
    """Go's ParseInt of 64 bits, for what can stand in a label; longer texts are not even tried."""
    if len(text) > 63 or not text.isascii() or not text.isdigit() or int(text) >= 2**63:
        return None
    return int(text)


_BLANKS = " \t\r\n"
# Go's lexer takes a zero byte for the end: of the token before it, or of the text where a token would begin.
_LABEL_TOKEN = re.compile(rf"[{_BLANKS}]*(==|!=|[=!(),<>]|[^{_BLANKS}\0=!(),<>]+)\0?")
_LABEL_TEXT_END = re.compile(rf"(?:^|[{_BLANKS}\0])\0")
_END = ""
_SYMBOLS = frozenset(("==", "!=", "=", "!", "(", ")", ",", "<", ">", _END))
_COMPARISONS = {"=": IN, "==": IN, "!=": NOT_IN, ">": GREATER, "<": LESS}


class _Tokens:
    """The text's tokens from first to last, then `_END` for ever."""

    def __init__(self, text: str) -> None:
        # Blanks at the end precede no token, and trying them from each of their positions would take quadratic time.
        self._rest = _LABEL_TOKEN.findall(_LABEL_TEXT_END.split(text, 1)[0].rstrip(_BLANKS))[::-1]

    def peek(self) -> str:
        return self._rest[-1] if self._rest else _END

    def take(self) -> str:
        return self._rest.pop() if self._rest else _END


class _Fault(Exception):
    """A requirement that cannot be parsed."""


def parse_labels(text: str) -> LabelSelector:
    """The selector that `text` says; an empty text selects everything. Raises BadRequest."""
    tokens = _Tokens(text)
    terms: list[LabelRequirement] = []
    if tokens.peek() in _SYMBOLS - {"!", _END}:
        raise BadRequest(f"found '{tokens.peek()}', expected: !, identifier, or 'end of string'")
    while tokens.peek() != _END:
        terms.append(_parse_term(tokens))
        separator = tokens.take()
        if separator not in (",", _END):
            raise BadRequest(f"found '{separator}', expected: ',' or 'end of string'")
        if separator == "," and tokens.peek() in _SYMBOLS - {"!"}:
            raise BadRequest(f"found '{tokens.peek()}', expected: identifier after ','")
    return LabelSelector(tuple(sorted(terms, key=lambda term: term.key)))


def _parse_term(tokens: _Tokens) -> LabelRequirement:
    try:
        return _parse_requirement(tokens)
    except _Fault as fault:
        raise BadRequest(f"unable to parse requirement: {fault}") from None


def _parse_requirement(tokens: _Tokens) -> LabelRequirement:
    absent = tokens.peek() == "!" and bool(tokens.take())
    key = _take_identifier(tokens)
    faults = names.is_qualified_name(key)
    if faults:
        raise _Fault(f"<nil>: Invalid value: {quoted(key)}: {'; '.join(faults)}")
    if absent:
        return LabelRequirement(key, DOES_NOT_EXIST)
    if tokens.peek() in (_END, ","):
        return LabelRequirement(key, EXISTS)
    return _parse_condition(key, tokens)


def _take_identifier(tokens: _Tokens) -> str:
    token = tokens.take()
    if token in _SYMBOLS:
        raise _Fault(f"found '{token}', expected: identifier")
    return token


def _parse_condition(key: str, tokens: _Tokens) -> LabelRequirement:
    sign = tokens.take()
    if sign in ("in", "notin"):
        operator, values = IN if sign == "in" else NOT_IN, _parse_values(tokens)
    elif sign in _COMPARISONS:
        operator = _COMPARISONS[sign]
        values = frozenset(("" if tokens.peek() in (_END, ",") else _take_identifier(tokens),))
    else:
        raise _Fault(f"found '{sign}', expected: in, notin, =, ==, !=, gt, lt")
    faults = _value_faults(key, operator, values)
    if faults:
        raise _Fault(faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]")
    return LabelRequirement(key, operator, values)


def _value_faults(key: str, operator: str, values: frozenset[str]) -> list[str]:
    """Faults in the order that Go tells them; values are numbered in sorted order."""
    faults = []
    if operator in (GREATER, LESS):
        text = "for 'Gt', 'Lt' operators, the value must be an integer"
        faults = [f"values[0]: Invalid value: {quoted(value)}: {text}" for value in values if not _is_integer(value)]
    for index, value in enumerate(sorted(values)):
        messages = names.is_label_value(value)
        if messages:
            faults.append(f"values[{index}][{key}]: Invalid value: {quoted(value)}: {'; '.join(messages)}")
    return faults


def _is_integer(text: str) -> bool:
    return _integer(text[1:] if text[:1] in ("+", "-") else text) is not None


def _parse_values(tokens: _Tokens) -> frozenset[str]:
    """`(a,b)`. A value left out stands for the empty one: `()`, `(,)` and `(a,)` have it."""
    opening = tokens.take()
    if opening != "(":
        raise _Fault(f"found '{opening}' expected: '('")
    if tokens.peek() in _SYMBOLS - {",", ")"}:
        raise _Fault(f"found '{tokens.peek()}', expected: ',', ')' or identifier")
    values: set[str] = set()
    while True:
        value = "" if tokens.peek() in (",", ")") else tokens.take()
        if value in _SYMBOLS - {_END} or (value == _END and tokens.peek() == _END):
            raise _Fault(f"found '{value}', expected: ',', or identifier")
        values.add(value)
        separator = tokens.take()
        if separator == ")":
            return frozenset(values)
        if separator != ",":
            raise _Fault(f"found '{separator}', expected: ',' or ')'")


@dataclass(frozen=True)
class FieldRequirement:
    """One field equals, or differs from, a value; a field that is absent has the value ""."""

    path: str
    value: str
    negated: bool = False


@dataclass(frozen=True)
class FieldSelector:
    """All of its terms must hold; false when it has none, and then everything matches."""

    terms: tuple[FieldRequirement, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.terms)

    @cached_property
    def _rules(self) -> Sequence[tuple[str, Getter, Collection[str], Collection[str]]]:
        """For each path: the values of which it must have one, and those that it must not have."""
        rules: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
        for term in self.terms:
            rules[term.path][term.negated].add(term.value)
        return [
            (path, compile_path(path), _only(wanted) if wanted else _EVERYTHING, refused)
            for path, (wanted, refused) in rules.items()
        ]

    def prepared(self) -> Self:
        """As a LabelSelector's."""
        _ = self._rules
        return self

    def matches(self, obj: Object) -> bool:
        return self.matches_known({}, lambda: obj)

    def matches_known(self, known: dict[str, str], look: Callable[[], Object]) -> bool:
        """Whether it matches the object that `look` returns. `known`: the fields of it that were looked at before, by
        path; this call's are added."""
        for path, get, wanted, refused in self._rules:
            value = known.get(path)
            if value is None:
                value = known[path] = _text(get(look()))
            if value not in wanted or value in refused:
                return False
        return True

    def exact(self, path: str) -> str | None:
        """The one value that the field must have, None when several may do."""
        return next((term.value for term in self.terms if term.path == path and not term.negated), None)

    def requirements(self) -> list[Object]:
        """For a SubjectAccessReview."""
        return [
            {"key": term.path, "operator": NOT_IN if term.negated else IN, "values": [term.value]}
            for term in self.terms
        ]


def _only(values: Collection[str]) -> Collection[str]:
    """What is equal to each of them."""
    return values if len(values) == 1 else ()


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


_ALWAYS_SELECTABLE = ("metadata.name", "metadata.namespace")
_FIELD_TERM = re.compile(r"(?:[^\\,]|\\.?)+", re.DOTALL)
_FIELD_SIGN = re.compile(r"!=|==|=")
_VALUE_PART = re.compile(r"\\(?P<escaped>.?)|(?P<bare>[,=])", re.DOTALL)


def parse_fields(text: str) -> FieldSelector:
    """The selector that `text` says, whatever fields it names. Raises BadRequest."""
    parsed = [_parse_field(term, text) for term in sorted(_FIELD_TERM.findall(text))]
    # Nothing equal to nothing, such as "=", is no condition at all.
    return FieldSelector(tuple(term for term in parsed if term.path or term.value))


def check_selectable(selector: FieldSelector, selectable: Collection[str]) -> None:
    """`selectable`: the paths beside name and namespace. Raises BadRequest."""
    for term in selector.terms:
        if term.path not in _ALWAYS_SELECTABLE and term.path not in selectable:
            raise BadRequest(f"field label not supported: {term.path}")


def _parse_field(term: str, text: str) -> FieldRequirement:
    sign = _FIELD_SIGN.search(term)
    if sign is None:
        raise BadRequest(f"invalid selector: '{text}'; can't understand '{term}'")
    value = _VALUE_PART.sub(_unescape, term[sign.end() :])
    return FieldRequirement(term[: sign.start()], value, sign[0] == "!=")


def _unescape(part: re.Match[str]) -> str:
    if part["bare"]:
        raise BadRequest(f"invalid field selector: unescaped character in value: {ord(part['bare'])}")
    if part["escaped"] not in ("\\", ",", "="):
        raise BadRequest(f"invalid field selector: invalid escape sequence: \\{part['escaped']}")
    return part["escaped"] or ""
