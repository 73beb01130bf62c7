"""Certificates: what they say, who accepts them, and when they are renewed."""

import asyncio
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from apiserver import certificates
from apiserver.certificates import ADMIN, SERVING, KeyPair, Profile

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def loaded(pair: KeyPair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.cert_pem)


def test_ca_is_an_authority_for_leaves_only() -> None:
    """An authority may sign certificates but no further authority, for ten years."""
    cert = loaded(certificates.make_ca("test-ca", now=NOW))
    constraints = cert.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = cert.extensions.get_extension_for_class(x509.KeyUsage).value

    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)
    assert (usage.key_cert_sign, usage.digital_signature) == (True, False)
    assert cert.not_valid_after_utc == NOW + timedelta(days=3650)
    cert.verify_directly_issued_by(cert)


def test_leaf_says_what_was_asked() -> None:
    """A leaf carries subject, names and usages as given, and points at its authority's key."""
    ca = certificates.make_ca("test-ca")
    cert = loaded(certificates.issue(ca, "me", organizations=["a", "b"], dns=["x.svc"], ips=["::1"], server=True))
    usage = cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    own = loaded(ca).extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    authority = cert.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value

    assert cert.subject.rfc4514_string() == "CN=me,O=b,O=a"
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert names.get_values_for_type(x509.DNSName) == ["x.svc"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["::1"]
    assert not cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert authority.key_identifier == own.digest


def test_profile_of_is_the_inverse_of_issue() -> None:
    """What a leaf says can be read back, so that a changed wish leads to a new leaf."""
    ca = certificates.make_ca("test-ca")
    bare = Profile("bare")

    for profile in (SERVING, ADMIN, bare):
        assert certificates.profile_of(certificates.issue_profile(ca, profile)) == profile


def test_write_is_private_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """A private file is 0600 even when it replaces one that was not, and no temporary file stays."""
    path = tmp_path / "new" / "a.key"
    certificates.write(path, b"one")
    certificates.write(path, b"two", private=True)

    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["a.key"]


def test_failed_write_removes_its_temporary_file(tmp_path: Path) -> None:
    """When the target cannot be replaced the error is raised and the folder looks as before."""
    (tmp_path / "taken").mkdir()

    with pytest.raises(IsADirectoryError):
        certificates.write(tmp_path / "taken", b"x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]


def test_ensure_reuses_while_good(tmp_path: Path) -> None:
    """The next start finds the same authority and pairs."""
    first = certificates.ensure(tmp_path, now=NOW)

    assert certificates.ensure(tmp_path, now=NOW + timedelta(days=334)) == first


def test_ensure_renews_leaves_that_expire_within_30_days(tmp_path: Path) -> None:
    """Leaves are renewed 30 days early; the authority, still good, stays, so that clients go on trusting it."""
    first = certificates.ensure(tmp_path, now=NOW)
    later = certificates.ensure(tmp_path, now=NOW + timedelta(days=336))

    assert later.ca == first.ca
    assert later.serving != first.serving
    assert later.admin != first.admin


def test_ensure_replaces_everything_with_the_authority(tmp_path: Path) -> None:
    """A new authority means new leaves, whatever their dates are."""
    first = certificates.ensure(tmp_path)
    (tmp_path / "ca.crt").unlink()
    second = certificates.ensure(tmp_path)

    assert second.ca != first.ca
    loaded(second.serving).verify_directly_issued_by(loaded(second.ca))
    loaded(second.admin).verify_directly_issued_by(loaded(second.ca))


@pytest.mark.parametrize("damage", [b"", b"no PEM at all", certificates.make_ca("other").key_pem])
def test_ensure_replaces_a_damaged_key(tmp_path: Path, damage: bytes) -> None:
    """An empty, unreadable or foreign key is replaced instead of failing the start."""
    first = certificates.ensure(tmp_path)
    (tmp_path / "serving.key").write_bytes(damage)
    second = certificates.ensure(tmp_path)

    assert second.ca == first.ca
    assert second.serving != first.serving


def test_leaf_is_made_anew_for_another_profile(tmp_path: Path) -> None:
    """A leaf that lacks a name that is wanted now is replaced."""
    ca = certificates.ensure_ca(tmp_path, "ca", "test-ca")
    first = certificates.ensure_leaf(tmp_path, "x", ca, Profile("x", dns=("a",), server=True))
    second = certificates.ensure_leaf(tmp_path, "x", ca, Profile("x", dns=("a", "b"), server=True))

    assert first != second


def test_force_makes_everything_new(tmp_path: Path) -> None:
    """`force` replaces what is still good."""
    first = certificates.ensure_ca(tmp_path, "ca", "test-ca")

    assert certificates.ensure_ca(tmp_path, "ca", "test-ca", force=True) != first


def test_keys_on_disk_are_private(tmp_path: Path) -> None:
    """Every key that `ensure` writes is 0600."""
    certificates.ensure(tmp_path)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("*.key")}
    assert modes == {"ca.key": 0o600, "serving.key": 0o600, "admin.key": 0o600}


async def test_openssl_accepts_the_pairs_on_both_sides(tmp_path: Path) -> None:
    """A TLS handshake with strict verification in both directions succeeds on 127.0.0.1."""
    certificates.ensure(tmp_path)
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "ca.crt"))
    server_side.load_cert_chain(tmp_path / "serving.crt", tmp_path / "serving.key")
    server_side.verify_mode = ssl.CERT_REQUIRED
    server_side.verify_flags |= ssl.VERIFY_X509_STRICT
    client_side = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    client_side.load_cert_chain(tmp_path / "admin.crt", tmp_path / "admin.key")
    client_side.verify_flags |= ssl.VERIFY_X509_STRICT

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peercert")
        writer.write(repr(peer["subject"]).encode())
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=server_side)
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_side)
        subject = await reader.read()
        writer.close()
        await writer.wait_closed()

    assert b"system:masters" in subject
    assert b"admin" in subject
