"""What the server needs from around it, whoever provides it: a cluster (`cluster.py`) or `standalone/`."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from apiserver import certificates
from apiserver.admission.namespaces import NamespaceLifecycle
from apiserver.client import Client
from apiserver.filters.authentication import AuthenticationConfig, Authenticator, RequestHeaderConfig
from apiserver.filters.certificates import Authorities
from apiserver.machinery.authorization import Authorizer
from apiserver.machinery.errors import Object
from apiserver.machinery.kind import Kind
from apiserver.registry.store import AdmitCreate, Store, admit_all
from apiserver.settings import Settings, SettingsError
from apiserver.tls import Serving

Task = Callable[[], Awaitable[None]]
"""Runs until it is cancelled."""
Stores = Mapping[tuple[str, str, str], Store]
"""By group, version and plural."""


@dataclass(frozen=True)
class Environment:
    """`kinds` are served beside the server's own; `admit` says what speaks against creating an object of a kind;
    `tasks` run beside the server; `checks` are named conditions of readiness."""

    client: Client
    authenticator: Authenticator
    authorizer: Authorizer
    serving: Serving
    admit: Callable[[Kind], AdmitCreate]
    tasks: Callable[[Stores], Sequence[Task]]
    kinds: tuple[Kind, ...] = ()
    checks: Mapping[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)


def trusted_by_flags(settings: Settings) -> AuthenticationConfig:
    """Whom the command line itself names. Raises SettingsError."""
    client_ca = _bundle("--client-ca-file", settings.client_ca_file) if settings.client_ca_file else ""
    if settings.requestheader_client_ca_file is None:
        return AuthenticationConfig(client_ca)
    proxy = RequestHeaderConfig(
        _bundle("--requestheader-client-ca-file", settings.requestheader_client_ca_file),
        settings.requestheader_allowed_names,
        settings.requestheader_username_headers,
        settings.requestheader_uid_headers,
        settings.requestheader_group_headers,
        settings.requestheader_extra_headers_prefix,
    )
    return AuthenticationConfig(client_ca, proxy)


def _bundle(flag: str, file: Path) -> str:
    try:
        pem = file.read_text(encoding="utf-8")
        Authorities(pem)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{flag}={file}: {error}; name a file of PEM certificates") from error
    return pem


def serving(settings: Settings, authorities: Sequence[str]) -> Serving:
    """The pair that the flags name, else one that is made and kept in --cert-dir. Raises SettingsError."""
    cert, key = settings.tls_cert_file, settings.tls_private_key_file
    try:
        if cert is None or key is None:
            certificates.ensure(settings.cert_dir)
            cert, key = settings.cert_dir / "serving.crt", settings.cert_dir / "serving.key"
        return Serving(str(cert), str(key), authorities)
    except OSError as error:
        problem = f"{cert or settings.cert_dir} is no usable serving certificate ({error})"
        raise SettingsError(f"{problem}: name a PEM pair in --tls-cert-file and --tls-private-key-file") from error


def admission(lifecycle: NamespaceLifecycle, kind: Kind) -> AdmitCreate:
    """Objects of a namespaced kind need a namespace that lives."""
    if not kind.namespaced:
        return admit_all

    async def admit(obj: Object) -> None:
        meta = obj["metadata"]
        name = meta.get("name") or meta.get("generateName", "")
        await lifecycle.admit_create(kind.resource, meta["namespace"], name)

    return admit
