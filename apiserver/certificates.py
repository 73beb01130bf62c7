"""A small certificate authority: ECDSA P-256 pairs, kept in files and renewed before they expire.

Files of a pair lie side by side, `<name>.crt` and `<name>.key` (PKCS #8), PEM both; keys are readable by their owner
only. All of it is synchronous: call it before the event loop runs, or in a thread.
"""

import ipaddress
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

RENEW_BEFORE = timedelta(days=30)
_CLOCK_SKEW = timedelta(minutes=5)
_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key, both PEM."""

    cert_pem: bytes
    key_pem: bytes


@dataclass(frozen=True)
class Profile:
    """What a leaf certificate says: its subject, its names, and what it may be used for."""

    common_name: str
    organizations: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    server: bool = False
    client: bool = False


@dataclass(frozen=True)
class Identities:
    """What a server without a cluster needs: `ca` signs the other two; `admin` may do everything."""

    ca: KeyPair
    serving: KeyPair
    admin: KeyPair


SERVING = Profile(
    "apiserver",
    dns=(
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ),
    ips=("127.0.0.1", "::1"),
    server=True,
)
ADMIN = Profile("admin", organizations=("system:masters",), client=True)


def make_ca(common_name: str, days: int = 3650, now: datetime | None = None) -> KeyPair:
    """A self-signed authority that can sign leaves, but no further authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(common_name, ())
    builder = _builder(subject, key.public_key(), days, now).issuer_name(subject)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(authority=True), critical=True)
    return _signed(builder, key, key)


def issue(
    ca: KeyPair,
    common_name: str,
    *,
    organizations: Sequence[str] = (),
    dns: Sequence[str] = (),
    ips: Sequence[str] = (),
    server: bool = False,
    client: bool = False,
    days: int = 365,
) -> KeyPair:
    """A leaf signed by `ca`. Raises ValueError for an address in `ips` that is none."""
    profile = Profile(common_name, tuple(organizations), tuple(dns), tuple(ips), server, client)
    return issue_profile(ca, profile, days=days)


def issue_profile(ca: KeyPair, profile: Profile, days: int = 365, now: datetime | None = None) -> KeyPair:
    """The same, of a Profile; `now` is when it begins to be valid."""
    authority = x509.load_pem_x509_certificate(ca.cert_pem)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_name(profile.common_name, profile.organizations), key.public_key(), days, now)
    builder = builder.issuer_name(authority.subject)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(authority=False), critical=True)
    builder = builder.add_extension(_authority_key(authority), critical=False)
    if usages := _usages(profile):
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    if names := _alternative_names(profile):
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return _signed(builder, key, _private_key(ca))


def read(directory: Path, name: str) -> KeyPair | None:
    """The pair in these files; None where one of them does not exist."""
    try:
        return KeyPair((directory / f"{name}.crt").read_bytes(), (directory / f"{name}.key").read_bytes())
    except FileNotFoundError:
        return None


def store(directory: Path, name: str, pair: KeyPair) -> None:
    """Writes both files, the key first: a certificate is never seen beside an older key for longer than a rename."""
    write(directory / f"{name}.key", pair.key_pem, private=True)
    write(directory / f"{name}.crt", pair.cert_pem)


def write(path: Path, data: bytes, private: bool = False) -> None:
    """Replaces the file atomically, with mode 0600 when private, else 0644; makes the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # mkstemp creates with 0600: no moment at which others could read a key.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o600 if private else 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def expires(cert_file: str) -> datetime:
    """When the first certificate of a PEM file ends; never, for one that cannot be read. Raises OSError."""
    try:
        return x509.load_pem_x509_certificate(Path(cert_file).read_bytes()).not_valid_after_utc
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)


def ensure_ca(
    directory: Path, name: str, common_name: str, *, force: bool = False, now: datetime | None = None
) -> KeyPair:
    """The authority in these files, made anew when there is none, it is about to expire, or `force`."""
    pair = None if force else read(directory, name)
    if pair is None or not _usable(pair, pair, _now(now)):
        pair = make_ca(common_name, now=now)
        store(directory, name, pair)
    return pair


def ensure_leaf(
    directory: Path, name: str, ca: KeyPair, profile: Profile, *, force: bool = False, now: datetime | None = None
) -> KeyPair:
    """The leaf in these files, made anew when there is none, `ca` did not sign it, it says something else than
    `profile`, it is about to expire, or `force`."""
    pair = None if force else read(directory, name)
    if pair is None or not _usable(pair, ca, _now(now)) or profile_of(pair) != profile:
        pair = issue_profile(ca, profile, now=now)
        store(directory, name, pair)
    return pair


def ensure(directory: Path, now: datetime | None = None) -> Identities:
    """Authority, serving pair and administrator of a server without a cluster: reused while good for 30 more days."""
    ca = ensure_ca(directory, "ca", "apiserver-ca", now=now)
    serving = ensure_leaf(directory, "serving", ca, SERVING, now=now)
    return Identities(ca, serving, ensure_leaf(directory, "admin", ca, ADMIN, now=now))


def profile_of(pair: KeyPair) -> Profile:
    """What a leaf made here says; the inverse of `issue_profile`."""
    cert = x509.load_pem_x509_certificate(pair.cert_pem)
    names = _extension(cert, x509.SubjectAlternativeName) or x509.SubjectAlternativeName([])
    usages = _extension(cert, x509.ExtendedKeyUsage) or ()
    return Profile(
        "".join(str(attribute.value) for attribute in cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME)),
        tuple(str(attribute.value) for attribute in cert.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)),
        tuple(names.get_values_for_type(x509.DNSName)),
        tuple(str(address) for address in names.get_values_for_type(x509.IPAddress)),
        ExtendedKeyUsageOID.SERVER_AUTH in usages,
        ExtendedKeyUsageOID.CLIENT_AUTH in usages,
    )


def _now(now: datetime | None) -> datetime:
    return now or datetime.now(UTC)


def _usable(pair: KeyPair, ca: KeyPair, now: datetime) -> bool:
    """Whether `ca` signed it, key and certificate belong together, and it does not expire soon."""
    try:
        cert = x509.load_pem_x509_certificate(pair.cert_pem)
        cert.verify_directly_issued_by(x509.load_pem_x509_certificate(ca.cert_pem))
        same_key = _private_key(pair).public_key() == cert.public_key()
    except (ValueError, TypeError, InvalidSignature):
        return False
    return same_key and now < cert.not_valid_after_utc - RENEW_BEFORE


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, days: int, now: datetime | None
) -> x509.CertificateBuilder:
    start = _now(now)
    builder = x509.CertificateBuilder().subject_name(subject).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(start - _CLOCK_SKEW).not_valid_after(start + timedelta(days=days))
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _signed(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey
) -> KeyPair:
    cert = builder.sign(signer, hashes.SHA256())
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return KeyPair(cert.public_bytes(serialization.Encoding.PEM), key_pem)


def _private_key(pair: KeyPair) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pair.key_pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("not an elliptic curve key")
    return key


def _name(common_name: str, organizations: Sequence[str]) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization) for organization in organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _usages(profile: Profile) -> list[x509.ObjectIdentifier]:
    server = [ExtendedKeyUsageOID.SERVER_AUTH] if profile.server else []
    return server + ([ExtendedKeyUsageOID.CLIENT_AUTH] if profile.client else [])


def _alternative_names(profile: Profile) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in profile.dns]
    return names + [x509.IPAddress(ipaddress.ip_address(address)) for address in profile.ips]


def _authority_key(authority: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    subject_key = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(subject_key)


def _extension(cert: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    try:
        return cert.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
