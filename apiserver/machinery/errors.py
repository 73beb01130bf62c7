"""Every error an API client can see, as a tree; each class knows its HTTP code and `Status.reason`.

APIError
  BadRequest 400, Unauthorized 401, Forbidden 403, NotFound 404, MethodNotAllowed 405, NotAcceptable 406,
  AlreadyExists 409, Conflict 409, Expired 410, RequestEntityTooLarge 413, UnsupportedMediaType 415, Invalid 422,
  InternalError 500, Plain 500 (no reason: what Go's bare errors become), ServiceUnavailable 503, Timeout 504

Texts and details are those of k8s.io/apimachinery `pkg/api/errors` (wire.md 3.1).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Object = dict[str, Any]
"""A JSON tree. An object that came out of storage is shared: never change it in place."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource as error texts name it."""

    group: str
    plural: str
    kind: str = ""

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind


class APIError(Exception):
    """Base: `code` and `reason` belong to the class, message and details to the instance."""

    code = 500
    reason = ""

    def __init__(self, message: str, details: Mapping[str, Any] | None = None, retry_after: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.details = dict(details) if details is not None else None
        self.retry_after = retry_after
        self.continue_token = ""

    def __str__(self) -> str:
        return self.message

    def to_status(self) -> Object:
        """The `Status` object, keys in Go's order (wire.md 0.1 item 39)."""
        metadata = {"continue": self.continue_token} if self.continue_token else {}
        status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": metadata, "status": "Failure"}
        status["message"] = self.message
        if self.reason:
            status["reason"] = self.reason
        if self.retry_after:
            status["details"] = {**(self.details or {}), "retryAfterSeconds": self.retry_after}
        elif self.details is not None:
            status["details"] = self.details
        status["code"] = self.code
        return status


def _details(name: str, resource: Resource, kind: str = "") -> dict[str, Any]:
    """Go's StatusDetails leaves empty members out."""
    members = {"name": name, "group": resource.group, "kind": kind or resource.plural}
    return {key: value for key, value in members.items() if value}


NO_VERSION = "Object 'apiVersion' is missing in 'object has no apiVersion field'"


class BadRequest(APIError):
    code, reason = 400, "BadRequest"


class Unauthorized(APIError):
    code, reason = 401, "Unauthorized"

    def __init__(self) -> None:
        super().__init__("Unauthorized")


class Forbidden(APIError):
    code, reason = 403, "Forbidden"

    @classmethod
    def to_resource(cls, resource: Resource, name: str, text: str, causes: Sequence[Object] = ()) -> "Forbidden":
        details = _details(name, resource)
        if causes:
            details["causes"] = list(causes)
        subject = f"{resource} {quoted(name)}" if name else str(resource)
        return cls(f"{subject} is forbidden: {text}", details)


class NotFound(APIError):
    code, reason = 404, "NotFound"

    @classmethod
    def of(cls, resource: Resource, name: str) -> "NotFound":
        return cls(f"{resource} {quoted(name)} not found", _details(name, resource))


class MethodNotAllowed(APIError):
    code, reason = 405, "MethodNotAllowed"

    @classmethod
    def on(cls, resource: Resource, verb: str) -> "MethodNotAllowed":
        text = f'{verb} is not supported on resources of kind "{resource}"'
        return cls(text, _details("", resource))


class NotAcceptable(APIError):
    code, reason = 406, "NotAcceptable"


class AlreadyExists(APIError):
    code, reason = 409, "AlreadyExists"

    @classmethod
    def of(cls, resource: Resource, name: str, prefix: str = "") -> "AlreadyExists":
        return cls(f"{prefix}{resource} {quoted(name)} already exists", _details(name, resource))

    @classmethod
    def generated(cls, resource: Resource, name: str, prefix: str = "") -> "AlreadyExists":
        """For an object that has a generateName, whoever chose its name."""
        text = f"{prefix}{resource} {quoted(name)} already exists, "
        text += "the server was not able to generate a unique name for the object"
        return cls(text, _details(name, resource), retry_after=1)


class Conflict(APIError):
    code, reason = 409, "Conflict"
    MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"

    @classmethod
    def of(cls, resource: Resource, name: str, text: str = MODIFIED) -> "Conflict":
        return cls(f"Operation cannot be fulfilled on {resource} {quoted(name)}: {text}", _details(name, resource))

    @classmethod
    def precondition(cls, resource: Resource, name: str, text: str) -> "Conflict":
        """A DELETE's precondition names the Kind, not the plural (wire.md 3.9)."""
        message = f"Operation cannot be fulfilled on {resource.qualified_kind} {quoted(name)}: {text}"
        return cls(message, _details(name, resource, resource.kind))


class Expired(APIError):
    code, reason = 410, "Expired"


class RequestEntityTooLarge(APIError):
    code, reason = 413, "RequestEntityTooLarge"

    def __init__(self, text: str) -> None:
        super().__init__(f"Request entity too large: {text}")


class UnsupportedMediaType(APIError):
    code, reason = 415, "UnsupportedMediaType"

    @classmethod
    def accepting(cls, media_types: Sequence[str]) -> "UnsupportedMediaType":
        accepted = ", ".join(media_types)
        return cls(f"the body of the request was in an unknown format - accepted media types include: {accepted}")


class Invalid(APIError):
    """422 with one cause a field, made by `of`; a bare one is GenericServerResponse's."""

    code, reason = 422, "Invalid"

    @classmethod
    def of(cls, resource: Resource, name: str, errors: Sequence["FieldError"], kind: str = "") -> "Invalid":
        """One field error is its own text, several are bracketed, duplicates named once (k8s ErrorList.ToAggregate)."""
        texts = list(dict.fromkeys(str(error) for error in errors))
        joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
        kind = kind or resource.kind
        subject = f"{kind}.{resource.group}" if resource.group else kind
        details = {**_details(name, resource, kind), "causes": [error.to_cause() for error in errors]}
        return cls(f"{subject} {quoted(name)} is invalid: {joined}", details)

    @classmethod
    def rejected(cls) -> "Invalid":
        return cls("the server rejected our request due to an error in our request", {})


class Plain(APIError):
    """What a bare Go error becomes: 500 without a reason (wire.md 0.1 items 16 and 19)."""


class InternalError(APIError):
    code, reason = 500, "InternalError"

    def __init__(self, text: str) -> None:
        super().__init__(f"Internal error occurred: {text}", {"causes": [{"message": text}]})


class ServiceUnavailable(APIError):
    code, reason = 503, "ServiceUnavailable"


class Timeout(APIError):
    code, reason = 504, "Timeout"

    def __init__(self, text: str, details: Mapping[str, Any] | None = None, retry_after: int = 0) -> None:
        super().__init__(f"Timeout: {text}", details if details is not None else {}, retry_after)

    @classmethod
    def too_large_resource_version(cls, asked: int, current: int, retry_after: int = 1) -> "Timeout":
        cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
        text = f"Too large resource version: {asked}, current: {current}"
        return cls(text, {"causes": [cause]}, retry_after)


@dataclass(frozen=True, slots=True)
class FieldError:
    """One cause of an `Invalid`. Make it with the functions below; `reason` is Go's field.ErrorType."""

    reason: str
    field: str
    body: str

    def __str__(self) -> str:
        return f"{self.field}: {self.body}"

    def to_cause(self) -> Object:
        return {"reason": self.reason, "message": self.body, "field": self.field}


class _GoEscapes(dict[int, str]):
    """For str.translate, which looks up what each character becomes: those that cost something are there."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if char.isprintable():
            return char
        return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_GO_ESCAPES = _GoEscapes()
_GO_ESCAPES.update({code: _GO_ESCAPES[code] for code in range(0x100)})
_GO_ESCAPES.update({ord(char): f"\\{char}" for char in '"\\'})
_GO_ESCAPES.update(zip(range(7, 14), ("\\a", "\\b", "\\t", "\\n", "\\v", "\\f", "\\r"), strict=True))


def quoted(value: Any) -> str:
    """A value as Go prints it in a field error: strings %q, numbers %v, the rest JSON."""
    if isinstance(value, str):
        return f'"{value.translate(_GO_ESCAPES)}"'
    if isinstance(value, float):
        return go_float(value)
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def go_float(value: float) -> str:
    """Go's %v: the fewest digits that are exact, with an exponent below 1e-4 and from 1e6 on."""
    exact = Decimal(repr(value))
    if not value or -4 <= exact.adjusted() < 6:
        return repr(value).removesuffix(".0")
    sign, digits, _ = exact.normalize().as_tuple()
    first, rest = str(digits[0]), "".join(map(str, digits[1:]))
    return f"{'-' * sign}{first}{'.' * bool(rest)}{rest}e{exact.adjusted():+03d}"


SCHEME = "pkg/runtime/scheme.go:111"
"""What texts call kube-apiserver's registry of Go types."""


def unregistered(kind: str, version: str) -> str:
    """Why nothing can be decoded as this."""
    return f'no kind {quoted(kind)} is registered for version {quoted(version)} in scheme "{SCHEME}"'


def required(field: str, detail: str = "") -> FieldError:
    return FieldError("FieldValueRequired", field, f"Required value: {detail}" if detail else "Required value")


def invalid(field: str, value: Any, detail: str) -> FieldError:
    return FieldError("FieldValueInvalid", field, f"Invalid value: {quoted(value)}: {detail}")


def type_invalid(field: str, value: Any, detail: str) -> FieldError:
    return FieldError("FieldValueTypeInvalid", field, f"Invalid value: {quoted(value)}: {detail}")


def duplicate(field: str, value: Any) -> FieldError:
    return FieldError("FieldValueDuplicate", field, f"Duplicate value: {quoted(value)}")


def not_supported(field: str, value: Any, supported: Sequence[Any]) -> FieldError:
    choices = ", ".join(quoted(choice if isinstance(choice, str) else quoted(choice)) for choice in supported)
    body = f"Unsupported value: {quoted(value)}: supported values: {choices}"
    return FieldError("FieldValueNotSupported", field, body)


def forbidden(field: str, detail: str) -> FieldError:
    return FieldError("FieldValueForbidden", field, f"Forbidden: {detail}")


def too_long(field: str, limit: int) -> FieldError:
    return FieldError("FieldValueTooLong", field, f"Too long: may not be more than {limit} {_plural('byte', limit)}")


def too_many(field: str, count: int, limit: int) -> FieldError:
    body = f"Too many: {count}: must have at most {limit} {_plural('item', limit)}"
    return FieldError("FieldValueTooMany", field, body)


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
