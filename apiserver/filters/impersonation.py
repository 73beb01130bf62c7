"""Acting as somebody else: Impersonate-* headers (k8s.io/apiserver `endpoints/filters/impersonation`).

A front proxy has already acted on them and sends none; this is for clients that come directly. Ignoring the headers
would be wrong: who asks for fewer rights must not get their own.

There are two ways to be allowed it. The constrained one (KEP 5284) is for one sort of users and for what is asked for:
it takes `impersonate-on:SORT:VERB` on that and `impersonate:SORT` on each part of the identity. The other takes
`impersonate` on each part, whatever is done then.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from apiserver.filters.identity import Headers, extra_of, text_of
from apiserver.machinery import errors
from apiserver.machinery.authorization import Authorizer, forbidden
from apiserver.machinery.errors import BadRequest, Forbidden, quoted
from apiserver.machinery.names import is_dns1123_subdomain
from apiserver.machinery.request import ANONYMOUS, RequestInfo, User, with_group

_USER, _UID, _GROUP, _EXTRA = b"impersonate-user", b"impersonate-uid", b"impersonate-group", b"impersonate-extra-"
_SERVICE_ACCOUNT, _NODE = "system:serviceaccount:", "system:node:"
_AUTHENTICATION = "authentication.k8s.io"
_PLAIN = "impersonate"
_PRIVILEGED = "system:masters"
_NODE_NAME, _NODE_KEYS = "authentication.kubernetes.io/node-name", "authentication.kubernetes.io/associated-node-keys"


def wanted_user(headers: Headers) -> User | None:
    """The user that the headers ask for, its name missing when they do not say it; None when they ask for nobody."""
    name, uid = ("".join(_values(headers, header)[:1]) for header in (_USER, _UID))
    wanted = User(name, uid, tuple(_values(headers, _GROUP)), extra_of(headers, (_EXTRA,)))
    return None if wanted == User("") else wanted


def _values(headers: Headers, name: bytes) -> list[str]:
    return [text_of(value) for header, value in headers if header == name]


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


def _node(name: str) -> str:
    """The node that a user is, "" for any other user."""
    node = name.removeprefix(_NODE)
    return node if name.startswith(_NODE) and not is_dns1123_subdomain(node) else ""


def permissions(wanted: User, verb: str = _PLAIN) -> Iterator[RequestInfo]:
    """What the one who asks must be allowed: this verb on each part of the identity."""
    part = partial(_part, verb)
    group = "" if verb == _PLAIN else _AUTHENTICATION
    if account := _service_account(wanted.name):
        yield part(group, "serviceaccounts", account[1], namespace=account[0])
    elif group and (node := _node(wanted.name)):
        yield part(group, "nodes", node)
    else:
        yield part(group, "users", wanted.name)
    if wanted.uid:
        yield part(_AUTHENTICATION, "uids", wanted.uid)
    for name in wanted.groups:
        yield part(group, "groups", name)
    for key, values in wanted.extra.items():
        for value in values:
            yield part(_AUTHENTICATION, "userextras", value, subresource=key)


def _part(
    verb: str, group: str, resource: str, name: str, *, namespace: str = "", subresource: str = ""
) -> RequestInfo:
    return RequestInfo(
        "",
        "",
        {},
        verb,
        is_resource=True,
        group=group,
        version="v1",
        namespace=namespace,
        resource=resource,
        subresource=subresource,
        name=name,
    )


class Way(NamedTuple):
    """A way to be allowed it: what `asking` must be allowed to become `user`. `never`: what nobody is, and why."""

    asking: User
    permissions: list[RequestInfo]
    user: User
    never: tuple[RequestInfo, str] | None = None


def ways(asking: User, wanted: User, info: RequestInfo) -> Iterator[Way]:
    """All that there are, in kube-apiserver's order; `info` is what is asked for."""
    node = _node(wanted.name)
    if not (node or _service_account(wanted.name)):
        yield _constrained(asking, wanted, info, "user-info")
    elif wanted == User(wanted.name):
        yield from _of_node(asking, wanted, info) if node else [_constrained(asking, wanted, info, "serviceaccount")]
    yield Way(asking, list(permissions(wanted)), with_groups(wanted))


def _of_node(asking: User, wanted: User, info: RequestInfo) -> Iterator[Way]:
    """A service account's own node is one that it names: which one does not matter."""
    if _service_account(asking.name) and asking.extra.get(_NODE_NAME) == (_node(wanted.name),):
        account = replace(asking, extra={_NODE_KEYS: tuple(sorted(asking.extra))})
        way = _constrained(account, wanted, info, "associated-node")
        yield way._replace(permissions=[way.permissions[0], replace(way.permissions[1], name="*")])
    yield _constrained(asking, wanted, info, "arbitrary-node")


def _constrained(asking: User, wanted: User, info: RequestInfo, sort: str) -> Way:
    verb = f"{_PLAIN}:{sort}"
    deed = replace(info, verb=f"{_PLAIN}-on:{sort}:{info.verb}")
    user = replace(wanted, groups=("system:nodes",)) if _node(wanted.name) else wanted
    return Way(asking, [deed, *permissions(wanted, verb)], with_groups(user), _never(wanted, verb))


def _never(wanted: User, verb: str) -> tuple[RequestInfo, str] | None:
    """The part of an identity that no constrained permission covers."""
    for group, called in (("", "empty string"), (_PRIVILEGED, _PRIVILEGED)):
        if group in wanted.groups:
            text = f"impersonating the {called} group is not allowed"
            return _part(verb, _AUTHENTICATION, "groups", group), text
    faults = filter(None, [_extra_fault(key, values) for key, values in wanted.extra.items()])
    return next(((_part(verb, _AUTHENTICATION, "userextras", ""), fault) for fault in faults), None)


def _extra_fault(key: str, values: Sequence[str]) -> str:
    """What a constrained identity's extra may not be, "" if it may."""
    if not key:
        return "impersonating the empty string key in extra is not allowed"
    if fault := _key_fault(key):
        return f"impersonating an invalid key in extra is not allowed: {fault}"
    if key != key.lower():
        return f"impersonating a non-lowercase key in extra is not allowed: {quoted(key)}"
    return "impersonating the empty string value in extra is not allowed" if "" in values else ""


_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"


def _key_fault(key: str) -> errors.FieldError | None:
    """Why it is no domain and a path."""
    domain, _, path = key.partition("/")
    if not (domain and path):
        return errors.invalid("extra.key", key, 'must be a domain-prefixed path (such as "acme.io/foo")')
    if faults := is_dns1123_subdomain(domain):
        return errors.invalid("extra.key", domain, faults[0])
    if not re.fullmatch(_PATH, path):
        return errors.invalid("extra.key", path, f"Invalid path (regex used for validation is '{_PATH}')")
    return None


async def assumed(authorizer: Authorizer, asking: User, headers: Headers, info: RequestInfo) -> User:
    """Whom `asking` acts as from now on. Raises BadRequest, Forbidden, AuthorizationError."""
    wanted = wanted_user(headers)
    if wanted is None:
        return asking
    if not wanted.name:
        raise BadRequest(f"requested {_go_syntax(wanted)} without impersonating a user name")
    faults: list[Forbidden] = []
    for way in ways(asking, wanted, info):
        fault = await _refusal(authorizer, way)
        if fault is None:
            return way.user
        faults.append(fault)
    raise faults[0]


def _go_syntax(user: User) -> str:
    """Go's %#v."""
    groups = _strings(user.groups) if user.groups else "[]string(nil)"
    members = ", ".join(f"{quoted(key)}:{_strings(values)}" for key, values in sorted(user.extra.items()))
    extra = f"map[string][]string{{{members}}}" if user.extra else "map[string][]string(nil)"
    return f"&user.DefaultInfo{{Name:{quoted(user.name)}, UID:{quoted(user.uid)}, Groups:{groups}, Extra:{extra}}}"


def _strings(values: Sequence[str]) -> str:
    return f"[]string{{{', '.join(map(quoted, values))}}}"


async def _refusal(authorizer: Authorizer, way: Way) -> Forbidden | None:
    for permission in way.permissions:
        decision = await authorizer(way.asking, permission)
        if not decision.allowed:
            return forbidden(way.asking, permission, decision.reason)
    return forbidden(way.asking, *way.never) if way.never else None
