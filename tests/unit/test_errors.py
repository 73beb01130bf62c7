"""Status objects and field errors; expected values are a real kube-apiserver's answers."""

import orjson
import pytest

from apiserver.machinery import errors
from apiserver.machinery.errors import APIError, FieldError, Resource

WEBSITES = Resource("extensions.example.com", "websites", "Website")
NAMESPACES = Resource("", "namespaces", "Namespace")


def on_the_wire(error: APIError) -> str:
    return orjson.dumps(error.to_status()).decode()


def test_key_order() -> None:
    """A Status has its keys in the order of Go's struct, details included."""
    assert on_the_wire(errors.NotFound.of(WEBSITES, "a")) == (
        '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",'
        '"message":"websites.extensions.example.com \\"a\\" not found","reason":"NotFound",'
        '"details":{"name":"a","group":"extensions.example.com","kind":"websites"},"code":404}'
    )


def test_order_of_causes() -> None:
    """A 422 names the Kind; each cause is reason, message, field."""
    fault = errors.required("spec.gitRepo")

    assert on_the_wire(errors.Invalid.of(WEBSITES, "a", [fault])) == (
        '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",'
        '"message":"Website.extensions.example.com \\"a\\" is invalid: spec.gitRepo: Required value",'
        '"reason":"Invalid","details":{"name":"a","group":"extensions.example.com","kind":"Website",'
        '"causes":[{"reason":"FieldValueRequired","message":"Required value","field":"spec.gitRepo"}]},"code":422}'
    )


def test_core_group_and_empty_name() -> None:
    """The core group leaves no trailing dot in texts and, like an empty name, no member in details."""
    assert errors.NotFound.of(NAMESPACES, "x").to_status()["message"] == 'namespaces "x" not found'
    assert errors.NotFound.of(NAMESPACES, "x").to_status()["details"] == {"name": "x", "kind": "namespaces"}
    assert errors.Forbidden.to_resource(WEBSITES, "", "no").to_status()["details"] == {
        "group": "extensions.example.com",
        "kind": "websites",
    }


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"
NOT_UNIQUE = "the server was not able to generate a unique name for the object"
TEXTS: list[tuple[APIError, int, str, str]] = [
    (errors.BadRequest("no"), 400, "BadRequest", "no"),
    (errors.Unauthorized(), 401, "Unauthorized", "Unauthorized"),
    (
        *(errors.Forbidden.to_resource(WEBSITES, "a", 'User "alice" cannot get'), 403, "Forbidden"),
        'websites.extensions.example.com "a" is forbidden: User "alice" cannot get',
    ),
    (
        *(errors.Forbidden.to_resource(WEBSITES, "", 'User "alice" cannot list'), 403, "Forbidden"),
        'websites.extensions.example.com is forbidden: User "alice" cannot list',
    ),
    (
        *(errors.MethodNotAllowed.on(WEBSITES, "patch"), 405, "MethodNotAllowed"),
        'patch is not supported on resources of kind "websites.extensions.example.com"',
    ),
    (errors.NotAcceptable("no"), 406, "NotAcceptable", "no"),
    (
        *(errors.AlreadyExists.of(WEBSITES, "a"), 409, "AlreadyExists"),
        'websites.extensions.example.com "a" already exists',
    ),
    (
        *(errors.AlreadyExists.of(WEBSITES, "a", "object is being deleted: "), 409, "AlreadyExists"),
        'object is being deleted: websites.extensions.example.com "a" already exists',
    ),
    (
        *(errors.AlreadyExists.generated(WEBSITES, "a-x"), 409, "AlreadyExists"),
        f'websites.extensions.example.com "a-x" already exists, {NOT_UNIQUE}',
    ),
    (
        *(errors.Conflict.of(WEBSITES, "a"), 409, "Conflict"),
        f'Operation cannot be fulfilled on websites.extensions.example.com "a": {MODIFIED}',
    ),
    (
        *(errors.Conflict.precondition(WEBSITES, "a", "the UID differs"), 409, "Conflict"),
        'Operation cannot be fulfilled on Website.extensions.example.com "a": the UID differs',
    ),
    (errors.Expired("old"), 410, "Expired", "old"),
    (
        *(errors.RequestEntityTooLarge("limit is 3145728"), 413, "RequestEntityTooLarge"),
        "Request entity too large: limit is 3145728",
    ),
    (
        *(errors.UnsupportedMediaType.accepting(("a/b", "c/d")), 415, "UnsupportedMediaType"),
        "the body of the request was in an unknown format - accepted media types include: a/b, c/d",
    ),
    (errors.Invalid.rejected(), 422, "Invalid", "the server rejected our request due to an error in our request"),
    (errors.InternalError("boom"), 500, "InternalError", "Internal error occurred: boom"),
    (errors.ServiceUnavailable("down"), 503, "ServiceUnavailable", "down"),
    (errors.Timeout("slow"), 504, "Timeout", "Timeout: slow"),
]


@pytest.mark.parametrize(("error", "code", "reason", "message"), TEXTS, ids=lambda value: type(value).__name__)
def test_texts(error: APIError, code: int, reason: str, message: str) -> None:
    """Code, reason and message are those of apimachinery's constructors."""
    status = error.to_status()

    assert (status["code"], status["reason"], status["message"]) == (code, reason, message)


def test_plain_error() -> None:
    """A bare Go error is a 500 with neither reason nor details."""
    assert on_the_wire(errors.Plain("resourceVersion should not be set on objects to be created")) == (
        '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",'
        '"message":"resourceVersion should not be set on objects to be created","code":500}'
    )


def test_generic_answers_have_empty_details() -> None:
    """A rejected patch carries `details: {}`."""
    assert errors.Invalid.rejected().to_status()["details"] == {}


def test_retry_after() -> None:
    """How long to wait is the last member of details."""
    error = errors.Timeout.too_large_resource_version(9999999999, 211)

    assert list(error.to_status()["details"].items()) == [
        ("causes", [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]),
        ("retryAfterSeconds", 1),
    ]
    assert error.message == "Timeout: Too large resource version: 9999999999, current: 211"


def test_continue_token() -> None:
    """An expired list may say how to go on, in metadata."""
    error = errors.Expired("old")
    error.continue_token = "TOKEN"

    assert error.to_status()["metadata"] == {"continue": "TOKEN"}


def test_several_field_errors() -> None:
    """Several field errors are bracketed; a repeated one is a cause each time, but named once."""
    first, second = errors.required("spec"), errors.invalid("spec.n", 101, "too much")
    status = errors.Invalid.of(WEBSITES, "a", [first, second, first]).to_status()

    assert status["message"] == (
        'Website.extensions.example.com "a" is invalid: [spec: Required value, spec.n: Invalid value: 101: too much]'
    )
    assert [cause["field"] for cause in status["details"]["causes"]] == ["spec", "spec.n", "spec"]


def test_repeated_field_error_alone() -> None:
    """A single text has no brackets, even if two checks found it."""
    fault = errors.required("spec")

    assert errors.Invalid.of(WEBSITES, "a", [fault, fault]).message.endswith("is invalid: spec: Required value")


BODIES: list[tuple[FieldError, str, str]] = [
    (errors.required("f"), "FieldValueRequired", "Required value"),
    (errors.required("f", "is needed"), "FieldValueRequired", "Required value: is needed"),
    (errors.invalid("f", "x", "no"), "FieldValueInvalid", 'Invalid value: "x": no'),
    (errors.invalid("f", 0.5, "no"), "FieldValueInvalid", "Invalid value: 0.5: no"),
    (errors.invalid("f", True, "no"), "FieldValueInvalid", "Invalid value: true: no"),
    (errors.invalid("f", None, "no"), "FieldValueInvalid", "Invalid value: null: no"),
    (errors.invalid("f", ["a", "b"], "no"), "FieldValueInvalid", 'Invalid value: ["a","b"]: no'),
    (errors.type_invalid("f", "integer", "no"), "FieldValueTypeInvalid", 'Invalid value: "integer": no'),
    (errors.duplicate("f", {"k": "a"}), "FieldValueDuplicate", 'Duplicate value: {"k":"a"}'),
    (
        *(errors.not_supported("f", "c", ("a", "b")), "FieldValueNotSupported"),
        'Unsupported value: "c": supported values: "a", "b"',
    ),
    (
        *(errors.not_supported("f", 3, (1, 2)), "FieldValueNotSupported"),
        'Unsupported value: 3: supported values: "1", "2"',
    ),
    (
        *(errors.not_supported("dryRun", ["Some"], ("All",)), "FieldValueNotSupported"),
        'Unsupported value: ["Some"]: supported values: "All"',
    ),
    (errors.forbidden("f", "never"), "FieldValueForbidden", "Forbidden: never"),
    (errors.too_long("f", 3), "FieldValueTooLong", "Too long: may not be more than 3 bytes"),
    (errors.too_long("f", 1), "FieldValueTooLong", "Too long: may not be more than 1 byte"),
    (errors.too_many("f", 5, 4), "FieldValueTooMany", "Too many: 5: must have at most 4 items"),
    (errors.too_many("f", 5, 1), "FieldValueTooMany", "Too many: 5: must have at most 1 item"),
]


@pytest.mark.parametrize(("fault", "reason", "body"), BODIES, ids=lambda value: value if isinstance(value, str) else "")
def test_field_errors(fault: FieldError, reason: str, body: str) -> None:
    """The body of each kind of field error; as a text it follows the field."""
    assert (fault.reason, fault.body) == (reason, body)
    assert str(fault) == f"{fault.field}: {body}"


def test_strings_are_quoted_as_go_does() -> None:
    """%q: named escapes, \\x and \\u for what is not printable, everything else as it is."""
    assert errors.quoted('a\a\x01\x7fé"\\') == '"a\\a\\x01\\x7fé\\"\\\\"'
    assert errors.quoted("\b\f\n\r\t\v") == '"\\b\\f\\n\\r\\t\\v"'
    assert errors.quoted("\u00ad\u200b\U000e0001😀") == '"\\u00ad\\u200b\\U000e0001😀"'


def test_name_is_quoted_in_messages() -> None:
    """A name from the URL cannot break out of its quotes."""
    assert errors.NotFound.of(WEBSITES, 'a"\n').message == 'websites.extensions.example.com "a\\"\\n" not found'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((1.0, "1"), (-0.0, "-0"), (1.5, "1.5"), (123456.0, "123456"), (1234567.0, "1.234567e+06"), (1e20, "1e+20")),
        *(
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (9.223372036854776e18, "9.223372036854776e+18"),
            (-2.5e-7, "-2.5e-07"),
        ),
    ],
)
def test_floats(value: float, text: str) -> None:
    """Floats are printed as by Go's %v."""
    assert errors.quoted(value) == text
