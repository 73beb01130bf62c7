"""Acting as somebody else: Impersonate-* headers (k8s.io/apiserver `endpoints/filters/impersonation`).

A front proxy has already acted on them and sends none; this is for clients that come directly. Ignoring the headers
would be wrong: who asks for fewer rights must not get their own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from urllib.parse import unquote_to_bytes

from apiserver.filters.authentication import with_group
from apiserver.machinery.authorization import Authorizer, forbidden
from apiserver.machinery.errors import BadRequest
from apiserver.machinery.request import ANONYMOUS, RequestInfo, User

_USER, _UID, _GROUP, _EXTRA = b"impersonate-user", b"impersonate-uid", b"impersonate-group", b"impersonate-extra-"
_SERVICE_ACCOUNT = "system:serviceaccount:"
_AUTHENTICATION = "authentication.k8s.io"


def wanted_user(headers: Sequence[tuple[bytes, bytes]]) -> User | None:
    """The user that the headers ask for, None when they name no user."""
    name = _values(headers, _USER)[:1]
    if not name or not name[0]:
        return None
    extra: dict[str, tuple[str, ...]] = {}
    for header, value in headers:
        if header.startswith(_EXTRA):
            key = _text(unquote_to_bytes(header[len(_EXTRA) :]))
            extra[key] = (*extra.get(key, ()), _text(value))
    return User(name[0], "".join(_values(headers, _UID)[:1]), tuple(_values(headers, _GROUP)), extra)


def _values(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [_text(value) for header, value in headers if header == name]


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def with_groups(wanted: User) -> User:
    """The groups that such a user has in any case; a service account's own only when none were asked for."""
    if wanted.name == ANONYMOUS.name:
        return replace(wanted, groups=tuple(dict.fromkeys((*wanted.groups, *ANONYMOUS.groups))))
    if not wanted.groups and (account := _service_account(wanted.name)):
        wanted = replace(wanted, groups=("system:serviceaccounts", f"system:serviceaccounts:{account[0]}"))
    return with_group(wanted)


def _service_account(name: str) -> tuple[str, str] | None:
    namespace, colon, account = name.removeprefix(_SERVICE_ACCOUNT).partition(":")
    is_account = name.startswith(_SERVICE_ACCOUNT) and colon and namespace and account and ":" not in account
    return (namespace, account) if is_account else None


def permissions(wanted: User) -> Iterator[RequestInfo]:
    """What the one who asks must be allowed: to impersonate each part of the identity."""
    account = _service_account(wanted.name)
    if account:
        yield _impersonate("", "serviceaccounts", account[1], namespace=account[0])
    else:
        yield _impersonate("", "users", wanted.name)
    for group in wanted.groups:
        yield _impersonate("", "groups", group)
    for key, values in wanted.extra.items():
        for value in values:
            yield _impersonate(_AUTHENTICATION, "userextras", value, subresource=key)
    if wanted.uid:
        yield _impersonate(_AUTHENTICATION, "uids", wanted.uid)


def _impersonate(group: str, resource: str, name: str, *, namespace: str = "", subresource: str = "") -> RequestInfo:
    return RequestInfo(
        "",
        "",
        {},
        "impersonate",
        is_resource=True,
        group=group,
        version="v1",
        namespace=namespace,
        resource=resource,
        subresource=subresource,
        name=name,
    )


async def assumed(authorizer: Authorizer, user: User, headers: Sequence[tuple[bytes, bytes]]) -> User:
    """Whom `user` acts as from now on. Raises BadRequest, Forbidden, AuthorizationError."""
    wanted = wanted_user(headers)
    if wanted is None:
        raise BadRequest("impersonation was requested without a user name")
    for permission in permissions(wanted):
        decision = await authorizer(user, permission)
        if not decision.allowed:
            raise forbidden(user, permission, decision.reason)
    return with_groups(wanted)
