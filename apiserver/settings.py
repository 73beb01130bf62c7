"""Flags and environment, read here and nowhere else.

Names and defaults are those of k8s.io/apiserver's servers (wire.md 8.4) wherever they have a word for it. Each flag can
also be given as an environment variable: `--etcd-servers` is APISERVER_ETCD_SERVERS; the flag wins. Durations are
written as Go writes them ("1m30s") and held in seconds; lists are separated by commas, and a repeated list flag adds.
"""

import logging
import os
import re
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from apiserver.flags import PREFIX, FlagError, flag, given, variable
from apiserver.machinery.duration import parse_duration
from apiserver.machinery.quantity import amount, canonical

VERSION = "0.1.0"
_COMPUTE_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class SettingsError(Exception):
    """The server cannot start like this; the message is one sentence that says what to do about it."""


def _seconds(text: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError:
        seconds = -1.0
    if seconds < 0:
        raise ValueError("must be a duration such as 30s, 5m or 1h30m")
    return seconds


def _list(value: str | Sequence[str]) -> Sequence[str]:
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _quantities(value: str | dict[str, str]) -> dict[str, str]:
    """`cpu=100m,memory=64Mi`, as `kubectl set resources` takes it."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in _list(value)]
    try:
        if all(name in _COMPUTE_RESOURCES for name, _, _ in pairs):
            return {name: canonical(quantity) for name, _, quantity in pairs}
    except ValueError:
        pass
    raise ValueError(f"must be quantities such as cpu=100m,memory=64Mi, of {', '.join(_COMPUTE_RESOURCES)}")


def _controllers(value: str | Sequence[str]) -> Sequence[str]:
    """`true` and `false` are short for all and none."""
    if value in ("true", "false"):
        return ("*",) if value == "true" else ()
    return _list(value)


def _readable(path: Path | None) -> Path | None:
    if path is not None:
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            raise ValueError(f"cannot be read ({error.strerror}); name a file that this process may read") from None
    return path


def _unwritable(path: Path) -> str:
    """Why a folder cannot be written to, or made: the nearest one that exists must let us write."""
    nearest = next(folder for folder in (path.absolute(), *path.absolute().parents) if os.path.exists(folder))
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return ""
    return f"{nearest} is not a folder in which this process may write"


def _address(value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        raise ValueError("must be an IP address of this machine, or 0.0.0.0 or :: for all of them") from None


def _etcd_urls(urls: tuple[str, ...]) -> tuple[str, ...]:
    schemes = {re.fullmatch(r"(https?)://[^/\s]+:\d+/?", url) for url in urls}
    if None in schemes or len({scheme[1] for scheme in schemes if scheme}) > 1:
        raise ValueError("must be URLs such as https://etcd-0:2379, separated by commas, all https or all http")
    return tuple(url.rstrip("/") for url in urls)


def _storage(value: str) -> str:
    if value not in ("etcd", "sqlite://:memory:") and not re.fullmatch(r"sqlite:///.+", value):
        raise ValueError("must be etcd, sqlite:///relative/path, sqlite:////absolute/path or sqlite://:memory:")
    return value


def _pod_namespace() -> str:
    try:
        return _POD_NAMESPACE.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _default_storage(values: dict[str, Any]) -> str:
    sqlite = values.get("standalone") and not values.get("etcd_servers")
    return f"sqlite:///{values.get('data_dir')}/storage.db" if sqlite else "etcd"


def _default_cert_dir(values: dict[str, Any]) -> Path:
    below = values.get("data_dir") if values.get("standalone") else None
    return below / "certificates" if below else Path("apiserver.local.config/certificates")


Seconds = Annotated[float, BeforeValidator(_seconds)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_list)]
File = Annotated[Path | None, AfterValidator(_readable)]
Count = Annotated[int, Field(ge=0)]
Quantities = Annotated[dict[str, str], NoDecode, BeforeValidator(_quantities)]
LogLevel = Literal["debug", "info", "warning", "error"]

# What --standalone has no use for, because it is about the host cluster.
_CLUSTER_ONLY = (
    "kubeconfig",
    "authentication_kubeconfig",
    "authentication_skip_lookup",
    "authentication_tolerate_lookup_failure",
    "authentication_token_webhook_cache_ttl",
    "authorization_kubeconfig",
    "authorization_webhook_cache_authorized_ttl",
    "authorization_webhook_cache_unauthorized_ttl",
)
_REQUESTHEADER = (
    "requestheader_allowed_names",
    "requestheader_username_headers",
    "requestheader_uid_headers",
    "requestheader_group_headers",
    "requestheader_extra_headers_prefix",
)
_ETCD_TLS = ("etcd_cafile", "etcd_certfile", "etcd_keyfile")


def _field(default: Any, description: str) -> Any:
    """A flag whose default is written as on the command line."""
    return Field(default, description=description)


class Settings(BaseSettings):
    """Everything that can be set, checked: a Settings that exists can be started with."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid")

    # Own flags, first: the defaults of others depend on them.
    standalone: bool = _field(False, "Run without a cluster: own certificates, kubeconfig and host kinds.")
    data_dir: Path = _field(".local", "Folder of everything that --standalone keeps.")
    etcd_servers: Annotated[Names, AfterValidator(_etcd_urls)] = _field((), "URLs of the etcd members.")
    storage: Annotated[str, AfterValidator(_storage)] = Field(
        default_factory=_default_storage,
        description="etcd, sqlite:///relative/path, sqlite:////absolute/path or sqlite://:memory: (default: etcd; "
        "with --standalone and no --etcd-servers, storage.db in --data-dir).",
    )
    controllers: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_controllers)] = _field(
        ("*",), "Controllers to run: * is all, NAME runs it, -NAME does not; true or false for all or none."
    )
    leader_elect: bool = _field(False, "Let only one of several replicas run the controllers.")
    leader_elect_resource_name: str = _field("apiserver-controllers", "Name of the Lease.")
    leader_elect_resource_namespace: str = Field(
        default_factory=lambda values: "kube-system" if values.get("standalone") else _pod_namespace(),
        description="Namespace of the Lease (default: the pod's).",
    )
    leader_elect_lease_duration: Seconds = _field("12s", "A lease not renewed for so long may be taken.")
    leader_elect_renew_deadline: Seconds = _field("8s", "The leader stops when renewing fails for so long.")
    leader_elect_retry_period: Seconds = _field("2s", "Time between two tries to take or renew the lease.")

    nginx_image: str = _field(
        "docker.io/nginxinc/nginx-unprivileged:1.30-alpine-slim",
        "Image of the Pods' web server; it must run as a user.",
    )
    nginx_requests: Quantities = _field("cpu=10m,memory=16Mi", "What a web server is given at least.")
    nginx_limits: Quantities = _field("cpu=500m,memory=128Mi", "What a web server may use at most.")
    git_sync_image: str = _field("registry.k8s.io/git-sync/git-sync:v4.7.1", "Image that follows a repository.")
    git_sync_requests: Quantities = _field("cpu=10m,memory=32Mi", "What git-sync is given at least.")
    git_sync_limits: Quantities = _field("cpu=500m,memory=512Mi", "What git-sync may use at most.")
    git_sync_period: Annotated[Seconds, Field(ge=0.01)] = _field(
        "30s", "Time between two looks at a repository: 10ms or more."
    )

    etcd_prefix: str = _field("/registry", "Prefix of all keys.")
    etcd_cafile: File = _field(None, "Authorities that etcd's certificate must chain to.")
    etcd_certfile: File = _field(None, "Client certificate for etcd.")
    etcd_keyfile: File = _field(None, "Key of --etcd-certfile.")
    etcd_compaction_interval: Seconds = _field("5m", "Time between two compactions; 0 for none.")

    bind_address: Annotated[str, AfterValidator(_address)] = Field(
        default_factory=lambda values: "127.0.0.1" if values.get("standalone") else "0.0.0.0",  # noqa: S104 - in a pod
        description="Address to listen on (default: 0.0.0.0; 127.0.0.1 with --standalone).",
    )
    secure_port: Annotated[int, Field(ge=1, le=65535)] = Field(
        default_factory=lambda values: 8443 if values.get("standalone") else 443,
        description="Port to serve HTTPS on (default: 443; 8443 with --standalone).",
    )
    tls_cert_file: File = _field(None, "Serving certificate, then its intermediates.")
    tls_private_key_file: File = _field(None, "Key of --tls-cert-file.")
    cert_dir: Path = Field(
        default_factory=_default_cert_dir,
        description="Folder of the certificates that are made when --tls-cert-file is not given (default: "
        "apiserver.local.config/certificates; certificates in --data-dir with --standalone).",
    )

    kubeconfig: File = _field(None, "The host cluster's kubeconfig (default: the pod's service account).")
    authentication_kubeconfig: File = Field(
        default_factory=lambda values: values.get("kubeconfig"),
        description="Kubeconfig for TokenReviews and the authentication ConfigMap (default: --kubeconfig).",
    )
    authentication_skip_lookup: bool = _field(
        False, "Do not read ConfigMap kube-system/extension-apiserver-authentication."
    )
    authentication_tolerate_lookup_failure: bool = _field(False, "Start even if it cannot be read.")
    authentication_token_webhook_cache_ttl: Seconds = _field("10s", "How long a TokenReview is good.")
    client_ca_file: File = _field(None, "Authorities of client certificates (default: the ConfigMap's).")
    requestheader_client_ca_file: File = _field(
        None, "Authorities of the front proxy's client certificate (default: the ConfigMap's)."
    )
    requestheader_allowed_names: Names = _field((), "Common names it may have; none means any.")
    requestheader_username_headers: Names = _field("x-remote-user", "Headers with the user's name.")
    requestheader_uid_headers: Names = _field((), "Headers with the user's uid.")
    requestheader_group_headers: Names = _field("x-remote-group", "Headers with the user's groups.")
    requestheader_extra_headers_prefix: Names = _field("x-remote-extra-", "Prefixes of further headers.")
    token_auth_file: File = _field(None, 'CSV of token,user,uid,"group,group" (--standalone only).')
    authorization_kubeconfig: File = Field(
        default_factory=lambda values: values.get("kubeconfig"),
        description="Kubeconfig for SubjectAccessReviews (default: --kubeconfig).",
    )
    authorization_always_allow_paths: Names = _field(
        "/healthz,/readyz,/livez", "Paths that anyone may get; a trailing * makes a prefix."
    )
    authorization_webhook_cache_authorized_ttl: Seconds = _field("10s", "How long an allowed answer is good.")
    authorization_webhook_cache_unauthorized_ttl: Seconds = _field("10s", "How long a denied answer is good.")

    max_requests_inflight: Count = _field(400, "Most reading requests at a time; 0 for no limit.")
    max_mutating_requests_inflight: Count = _field(200, "Most writing requests at a time; 0 for no limit.")
    request_timeout: Annotated[Seconds, Field(gt=0)] = _field("60s", "Time that a request may take, watches excepted.")
    min_request_timeout: Annotated[int, Field(ge=1)] = _field(
        1800, "Seconds after which a watch that names no timeout is ended: this to twice this, at random."
    )
    shutdown_delay_duration: Seconds = _field("0s", "Time to go on serving, not ready, before stopping.")
    log_level: LogLevel = _field("info", "debug, info, warning or error.")
    v: Count = _field(0, "Verbosity as in other Kubernetes programs: 4 and above is --log-level=debug.")

    @classmethod
    def load(cls, argv: Sequence[str]) -> Self:
        """The settings of a command line (without the program's name) and the environment. Raises SettingsError;
        --help and --version print and raise SystemExit."""
        texts: dict[str, Any] = {}
        try:
            texts = dict(given(cls.model_fields, argv, VERSION))
            return cls(**texts)
        except FlagError as error:
            raise SettingsError(str(error)) from None
        except ValidationError as error:
            raise SettingsError(_sentence(error, texts)) from None

    @model_validator(mode="after")
    def _combinations(self) -> Self:
        rules = (self._storage_problem, self._pair_problem, self._mode_problem, self._election_problem)
        for rule in (*rules, self._pod_problem, self._folder_problem):
            if problem := rule():
                raise ValueError(problem)
        return self

    def _storage_problem(self) -> str:
        if self.storage == "etcd" and not self.etcd_servers:
            return "--etcd-servers is required unless --standalone or --storage is given"
        if self.storage != "etcd" and self.etcd_servers:
            return f"--etcd-servers and --storage={self.storage} exclude each other: give one of them"
        if self.storage != "etcd" and (dead := self._first_set(_ETCD_TLS)):
            return f"{dead} has no effect without --etcd-servers: give both or neither"
        return ""

    def _pair_problem(self) -> str:
        pairs = (("etcd_certfile", "etcd_keyfile"), ("tls_cert_file", "tls_private_key_file"))
        for one, other in pairs:
            if bool(getattr(self, one)) != bool(getattr(self, other)):
                return f"{flag(one)} and {flag(other)} belong together: give both or neither"
        if not self.requestheader_client_ca_file and (dead := self._first_set(_REQUESTHEADER)):
            return f"{dead} has no effect without --requestheader-client-ca-file: give both or neither"
        return ""

    def _mode_problem(self) -> str:
        if self.standalone and (dead := self._first_set(_CLUSTER_ONLY)):
            return f"{dead} is about a cluster, and --standalone runs without one: give one of them"
        if not self.standalone and (dead := self._first_set(("token_auth_file", "data_dir"))):
            return f"{dead} has an effect with --standalone only: give both or neither"
        return ""

    def _election_problem(self) -> str:
        if not self.leader_elect:
            return ""
        if not self.leader_elect_resource_namespace:
            return "--leader-elect-resource-namespace is required with --leader-elect outside of a pod"
        if not self.leader_elect_lease_duration > self.leader_elect_renew_deadline > self.leader_elect_retry_period > 0:
            names = "--leader-elect-lease-duration, --leader-elect-renew-deadline and --leader-elect-retry-period"
            return f"{names} must each be longer than the next"
        return ""

    def _pod_problem(self) -> str:
        for container in ("nginx", "git_sync"):
            requests, limits = f"{container}_requests", f"{container}_limits"
            most = getattr(self, limits)
            for name, least in getattr(self, requests).items():
                if name in most and amount(least) > amount(most[name]):
                    found = f"{flag(requests)} has {name}={least}, {flag(limits)} only {name}={most[name]}"
                    return f"{found}: lower the one or raise the other"
        return ""

    def _folder_problem(self) -> str:
        if self.standalone and (why := _unwritable(self.data_dir)):
            return f"{why}: name another --data-dir"
        if not self.tls_cert_file and (why := _unwritable(self.cert_dir)):
            return f"{why}: give --tls-cert-file, or name another --cert-dir"
        if self.sqlite_path not in ("", ":memory:") and (why := _unwritable(Path(self.sqlite_path).parent)):
            return f"{why}: name another file in --storage"
        return ""

    def _first_set(self, fields: Sequence[str]) -> str:
        return next((flag(field) for field in fields if field in self.model_fields_set), "")

    @property
    def sqlite_path(self) -> str:
        """SQLite's file, or ":memory:"; empty when the storage is etcd."""
        return self.storage.removeprefix("sqlite://").removeprefix("/") if self.storage != "etcd" else ""

    @property
    def logging_level(self) -> int:
        """The level of the standard library's logging."""
        return logging.DEBUG if self.v >= 4 else logging.getLevelNamesMapping()[self.log_level.upper()]

    def runs(self, controller: str) -> bool:
        """Whether --controllers wants it: the first entry that names it decides, then whether there is a `*`
        (kube-controller-manager's rule)."""
        named = [entry for entry in self.controllers if entry.removeprefix("-") == controller]
        return named[0] == controller if named else "*" in self.controllers


def _sentence(error: ValidationError, given: dict[str, Any]) -> str:
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return message
    field = str(first["loc"][0])
    name = flag(field) if field in given else variable(field)
    return f"{name}={first['input']}: {message[:1].lower()}{message[1:]}"
