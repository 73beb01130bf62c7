"""Client certificates against one set of authorities: who they name, and whether they may be believed.

Chains are verified by `cryptography.x509.verification`, less strict than the web in what Kubernetes' own tools leave
out (names, key identifiers, a key usage). As for Go, each certificate of the bundle is trusted in itself.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from apiserver.machinery.request import User, with_group

_UID = x509.ObjectIdentifier("1.3.6.1.4.1.57683.2")
_CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
_RECHECK_SECONDS = 60.0
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Checked:
    """A certificate after its check: `error` says why it is not to be believed, "" when it is. `user` is None when the
    subject has no common name."""

    error: str = ""
    common_name: str = ""
    user: User | None = None


class Authorities:
    """A bundle of trusted certificates. Checks are remembered for a minute, so that an expired certificate is noticed.

    `_checks`: by certificate (DER), with the time until which the check is good."""

    def __init__(self, pem: str, clock: Callable[[], float] = time.time) -> None:
        """`clock`: seconds since the epoch. Raises ValueError for a bundle without a usable certificate."""
        self._store = Store(x509.load_pem_x509_certificates(pem.encode()))
        self._clock = clock
        self._checks: dict[bytes, tuple[Checked, float]] = {}

    def check(self, der: bytes) -> Checked:
        now = self._clock()
        known = self._checks.get(der)
        if known is not None and now < known[1]:
            return known[0]
        if len(self._checks) >= _REMEMBERED:
            self._checks.clear()
        checked = self._check(der, datetime.fromtimestamp(now, UTC))
        self._checks[der] = (checked, now + _RECHECK_SECONDS)
        return checked

    def _check(self, der: bytes, now: datetime) -> Checked:
        try:
            certificate = x509.load_der_x509_certificate(der)
            self._verify(certificate, now)
            user = certificate_user(certificate)
        except (VerificationError, ValueError) as error:
            return Checked(f"x509: {error}")
        return Checked("", user.name, with_group(user) if user.name else None)

    def _verify(self, certificate: x509.Certificate, now: datetime) -> None:
        builder = PolicyBuilder().store(self._store).time(now.replace(tzinfo=None))
        builder = builder.extension_policies(ca_policy=_CA_POLICY, ee_policy=_CLIENT_POLICY)
        builder.build_client_verifier().verify(certificate, [])


def certificate_user(certificate: x509.Certificate) -> User:
    """Common name, organizations as groups, and the uid attribute (wire.md 2.2). Raises ValueError for two uids."""
    subject = certificate.subject
    names = [str(part.value) for part in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    uids = [str(part.value) for part in subject.get_attributes_for_oid(_UID)]
    groups = tuple(str(part.value) for part in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME))
    if len(uids) > 1:
        raise ValueError("expected 1 UID, but found multiple")
    digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
    # As in Go, the last of several common names counts.
    return User(names[-1] if names else "", "".join(uids), groups, {_CREDENTIAL_ID: (f"X509SHA256={digest}",)})


def _may_sign(_policy: Policy, _certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("the issuer's key must not sign certificates")


def _is_authority(_policy: Policy, _certificate: x509.Certificate, constraints: x509.BasicConstraints) -> None:
    if not constraints.ca:
        raise ValueError("the issuer is not an authority")


_CLIENT_POLICY = (
    ExtensionPolicy.webpki_defaults_ee()
    .may_be_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
    .may_be_present(x509.AuthorityKeyIdentifier, Criticality.AGNOSTIC, None)
)
_CA_POLICY = (
    ExtensionPolicy.webpki_defaults_ca()
    .may_be_present(x509.SubjectKeyIdentifier, Criticality.AGNOSTIC, None)
    .may_be_present(x509.AuthorityKeyIdentifier, Criticality.AGNOSTIC, None)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_sign)
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _is_authority)
)
