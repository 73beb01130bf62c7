"""Whether a user may do what a request asks for (k8s.io/apiserver `authorization/authorizer`; wire.md 2.3, 2.4)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from apiserver.machinery.errors import Forbidden, Resource, quoted
from apiserver.machinery.request import RequestInfo, User


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason` is shown to the user."""

    allowed: bool
    reason: str = ""


class AuthorizationError(Exception):
    """Nobody could decide."""


Authorizer = Callable[[User, RequestInfo], Awaitable[Decision]]
"""Raises AuthorizationError."""

_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def forbidden(user: User, info: RequestInfo, reason: str = "") -> Forbidden:
    """The 403 of a request that was denied."""
    text = f"User {quoted(user.name)} cannot {_deed(info)}".translate(_HTML)
    text = f"{text}: {reason}" if reason else text
    if not info.is_resource:
        return Forbidden(f"forbidden: {text}", {})
    return Forbidden.to_resource(Resource(info.group, info.resource), info.name, text)


def _deed(info: RequestInfo) -> str:
    if not info.is_resource:
        return f"{info.verb} path {quoted(info.path)}"
    resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    scope = f"in the namespace {quoted(info.namespace)}" if info.namespace else "at the cluster scope"
    return f"{info.verb} resource {quoted(resource)} in API group {quoted(info.group)} {scope}"
