"""Who asks (k8s.io/apiserver `authentication`; wire.md 2.2): the front proxy's word, a client certificate, a token.

All three are tried in this order and the first that names a user wins. Without one, any error on the way is 401; no
credential at all is system:anonymous. What identified the user is then removed from the request, whoever sent it.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from apiserver.filters.certificates import Authorities
from apiserver.filters.identity import Headers, extra_of, text_of
from apiserver.filters.tokens import Review, ReviewError
from apiserver.http.asgi import Application, Message, Receive, Scope, Send
from apiserver.http.metrics import Metrics
from apiserver.http.respond import format_of, send_status
from apiserver.http.warning import warning_headers
from apiserver.machinery.errors import Unauthorized
from apiserver.machinery.request import ANONYMOUS, User, is_anonymous, with_group

IMPERSONATE = b"impersonate-"

HeaderList = list[tuple[bytes, bytes]]

_REMEMBERED, _LONGEST_REMEMBERED = 4096, 8 * 1024
"""Users of a front proxy, and bytes of the headers that name one: a proxy passes on what its clients add to them."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RequestHeaderConfig:
    """Whom to believe as a front proxy: a certificate of `ca_pem` with a common name of `allowed_names` (none: any);
    and in which headers it says who the user is."""

    ca_pem: str
    allowed_names: tuple[str, ...] = ()
    username_headers: tuple[str, ...] = ("x-remote-user",)
    uid_headers: tuple[str, ...] = ("x-remote-uid",)
    group_headers: tuple[str, ...] = ("x-remote-group",)
    extra_prefixes: tuple[str, ...] = ("x-remote-extra-",)


@dataclass(frozen=True)
class AuthenticationConfig:
    """`client_ca_pem`: "" when client certificates name nobody; `requestheader`: None when there is no front proxy."""

    client_ca_pem: str = ""
    requestheader: RequestHeaderConfig | None = None

    @property
    def authorities(self) -> list[str]:
        """What the TLS listener must know, PEM."""
        pems = (self.client_ca_pem, self.requestheader.ca_pem if self.requestheader else "")
        return [pem for pem in pems if pem]


class _Refused(Exception):
    """A credential that is not to be believed."""


class FrontProxy:
    """A RequestHeaderConfig made ready. Raises ValueError for a bundle without a usable certificate."""

    def __init__(self, config: RequestHeaderConfig) -> None:
        self._authorities = Authorities(config.ca_pem)
        self._allowed_names = frozenset(config.allowed_names)
        self._names, self._uids = _lower(config.username_headers), _lower(config.uid_headers)
        self._groups, self.prefixes = _lower(config.group_headers), _lower(config.extra_prefixes)
        self.headers = frozenset((*self._names, *self._uids, *self._groups))
        # The same few users come again and again.
        self._named = lru_cache(_REMEMBERED)(self._read)

    def user(self, der: bytes, headers: Headers) -> User | None:
        """The user that a proxy with this certificate names, None when it is silent. Raises _Refused."""
        checked = self._authorities.check(der)
        if checked.error:
            raise _Refused(checked.error)
        if self._allowed_names and checked.common_name not in self._allowed_names:
            raise _Refused(f"x509: subject with cn={checked.common_name} is not in the allowed list")
        size = sum(len(name) + len(value) for name, value in headers)
        return self._named(tuple(headers)) if size <= _LONGEST_REMEMBERED else self._read(headers)

    def _read(self, headers: Headers) -> User | None:
        name = _first(headers, self._names)
        if not name:
            return None
        groups = tuple(text_of(value) for wanted in self._groups for key, value in headers if key == wanted and value)
        return with_group(User(name, _first(headers, self._uids), groups, extra_of(headers, self.prefixes)))


def _lower(names: Iterable[str]) -> tuple[bytes, ...]:
    return tuple(name.lower().encode("latin-1") for name in names)


def _first(headers: Headers, names: Sequence[bytes]) -> str:
    """Of each name only the first header counts, and the first of these that is not empty."""
    for wanted in names:
        value = next((value for name, value in headers if name == wanted), b"")
        if value:
            return text_of(value)
    return ""


def bearer_token(authorization: bytes) -> str:
    """The token of an Authorization header, "" when it holds none."""
    parts = _bearer(authorization)
    return parts[1] if len(parts) > 1 else ""


def has_extra_space(authorization: bytes) -> bool:
    """Whether there would be a token, but for a space too many before it."""
    parts = _bearer(authorization)
    return len(parts) > 2 and not parts[1]


def _bearer(authorization: bytes) -> list[str]:
    """The header's first two words and the rest, nothing when it is of another scheme."""
    parts = authorization.decode("utf-8", "surrogateescape").strip().split(" ", 2)
    return parts if parts[0].lower() == "bearer" else []


class Authenticator:
    """`configure` may come at any time: a request sees one configuration, whole. Without `review`, tokens name nobody
    and do no harm.

    `_secret`, `_prefixes`: names and beginnings of the headers, beside Authorization, that say who asks."""

    def __init__(self, config: AuthenticationConfig, review: Review | None = None) -> None:
        self._review = review
        self.configure(config)

    def configure(self, config: AuthenticationConfig) -> None:
        """Raises ValueError for a bundle without a usable certificate; then nothing has changed."""
        proxy = FrontProxy(config.requestheader) if config.requestheader else None
        clients = Authorities(config.client_ca_pem) if config.client_ca_pem else None
        self._proxy, self._clients = proxy, clients
        self._secret = proxy.headers if proxy else frozenset()
        self._prefixes = (b"x-remote-", IMPERSONATE, *(proxy.prefixes if proxy else ()))

    def split(self, headers: Headers) -> tuple[HeaderList, HeaderList, bytes]:
        """The headers that do not say who asks, those that do, and the first Authorization header's value."""
        secret, prefixes = self._secret, self._prefixes
        others: HeaderList = []
        identity: HeaderList = []
        authorization = b""
        for header in headers:
            name = header[0]
            if name in secret or name.startswith(prefixes):
                identity.append(header)
            elif name != b"authorization":
                others.append(header)
            else:
                authorization = authorization or header[1]
        return others, identity, authorization

    async def authenticate(self, der: bytes | None, identity: Headers, authorization: bytes = b"") -> User:
        """Raises Unauthorized."""
        faults: list[str] = []
        user = None
        if der is not None:
            user = self._from_proxy(der, identity, faults) or self._from_certificate(der, faults)
        if user is None and authorization and (token := bearer_token(authorization)):
            user = await self._from_token(token, faults)
        if user is None and faults:
            logger.info("unable to authenticate a request: [%s]", ", ".join(faults))
            raise Unauthorized
        return ANONYMOUS if user is None else with_group(user)

    def _from_proxy(self, der: bytes, identity: Headers, faults: list[str]) -> User | None:
        if self._proxy is None:
            return None
        try:
            return self._proxy.user(der, identity)
        except _Refused as fault:
            faults.append(str(fault))
            return None

    def _from_certificate(self, der: bytes, faults: list[str]) -> User | None:
        if self._clients is None:
            return None
        checked = self._clients.check(der)
        if checked.error:
            faults.append(checked.error)
        return checked.user

    async def _from_token(self, token: str, faults: list[str]) -> User | None:
        if self._review is None:
            return None
        try:
            user = await self._review(token)
        except ReviewError as fault:
            faults.append(str(fault))
            return None
        if user is None:
            faults.append("invalid bearer token")
        return user


_EXTRA_SPACE = "the provided Authorization header contains extra space before the bearer token, and is ignored"


def _warning(send: Send) -> Send:
    """Whoever answers, the client learns why it is nobody."""

    async def warn(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *warning_headers([_EXTRA_SPACE])]
        await send(message)

    return warn


def _once(scope: Scope, send: Send) -> Send:
    """Who proves no identity does not keep a connection of HTTP/2, which is a means of abuse (CVE-2023-44487)."""
    if scope["http_version"] != "2":
        return send

    async def close(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await send(message)

    return close


_NO_TLS: dict[str, dict[str, bytes | None]] = {}


class Authenticate:
    """The filter: puts the User into the scope's state, or answers 401. Headers that ask for another identity go into
    the state as "impersonate"."""

    def __init__(self, app: Application, authenticator: Authenticator, metrics: Metrics) -> None:
        self._app, self._authenticator = app, authenticator
        self._succeeded, self._failed = (metrics.authentication.counter((result,)) for result in ("success", "failure"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        others, identity, authorization = self._authenticator.split(scope["headers"])
        scope["headers"] = others
        der = scope.get("extensions", _NO_TLS).get("tls", {}).get("client_cert_der")
        try:
            user = await self._authenticator.authenticate(der, identity, authorization)
        except Unauthorized as error:
            self._failed.value += 1
            await send_status(_once(scope, send), error, format_of(scope))
            return
        self._succeeded.value += 1
        state = scope["state"]
        state["user"] = user
        if is_anonymous(user):
            send = _once(scope, send)
        if user is ANONYMOUS and authorization and has_extra_space(authorization):
            send = _warning(send)
        state["impersonate"] = identity and [header for header in identity if header[0].startswith(IMPERSONATE)]
        await self._app(scope, receive, send)
