"""What patches of an object and of its Scale have in common: texts of refusal, configurations."""

from collections.abc import Callable, Sequence
from typing import Any

from apiserver.endpoints.conversion import converted
from apiserver.endpoints.exchange import Exchange
from apiserver.machinery import codec, errors, gojson
from apiserver.machinery.encoding import encode
from apiserver.machinery.errors import APIError, BadRequest, Invalid, Object, Resource
from apiserver.machinery.goyaml import YAMLError, parse_yaml
from apiserver.machinery.queryoptions import WriteQuery

_UNNAMED = Resource("", "", "")


def refusal(document: Any, as_bytes: Callable[[Any], bytes] = encode) -> codec.Refuse:
    """What a patch's result that cannot be taken is answered with: a nameless 422 with the document (wire.md 3.4)."""

    def refuse(text: str) -> APIError:
        return Invalid.of(_UNNAMED, "", [errors.invalid("patch", as_bytes(document).decode(), text)])

    return refuse


async def configuration(body: bytes) -> tuple[Object, list[str]]:
    """The body of an apply, and which keys are repeated in it. Raises BadRequest."""
    try:
        config, repeated = await converted(parse_yaml, body, yaml=True)
    except YAMLError as error:
        raise BadRequest(f"error decoding YAML: error converting YAML to JSON: {error}") from error
    if not isinstance(config, dict | None):
        text = "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal"
        into = "into Go value of type map[string]interface {}"
        raise BadRequest(f"error decoding YAML: {text} {gojson.type_name(config)} {into}")
    return config or {}, repeated


def check_repeated(exchange: Exchange, repeated: Sequence[str], options: WriteQuery) -> None:
    """Once the configuration could be applied: a conflict or a wrong type is told before. Raises BadRequest."""
    if repeated and options.field_validation == "Strict":
        lines = "\n  ".join(["error converting YAML to JSON: yaml: unmarshal errors:", *repeated])
        raise BadRequest(f"error strict decoding YAML: {lines}")
    if options.field_validation != "Ignore":
        exchange.warn(*repeated)
