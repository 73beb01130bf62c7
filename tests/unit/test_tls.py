"""TLS handshakes in memory: whose certificate is served, and whose is taken."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from apiserver.certificates import KeyPair, issue, make_ca
from apiserver.tls import Serving

SERVING_CA, CLIENT_CA, OTHER_CA = (make_ca(name) for name in ("serving-ca", "client-ca", "other-ca"))


def files(folder: Path, name: str, pair: KeyPair) -> tuple[str, str]:
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    cert.write_bytes(pair.cert_pem)
    key.write_bytes(pair.key_pem)
    return str(cert), str(key)


def server_pair(name: str) -> KeyPair:
    return issue(SERVING_CA, name, dns=["server"], server=True)


@pytest.fixture
def serving(tmp_path: Path) -> Serving:
    return Serving(*files(tmp_path, "serving", server_pair("first")), [CLIENT_CA.cert_pem.decode()])


def client_context(folder: Path, pair: KeyPair | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=SERVING_CA.cert_pem.decode())
    context.set_alpn_protocols(["h2", "http/1.1"])
    if pair:
        context.load_cert_chain(*files(folder, "client", pair))
    return context


def handshake(serving: Serving, context: ssl.SSLContext) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Both ends after a handshake through memory. Raises ssl.SSLError of either."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, to_server, server_hostname="server")
    server = serving.context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return client, server


def served(serving: Serving, folder: Path) -> str:
    """The common name of the certificate that a client sees."""
    certificate = handshake(serving, client_context(folder))[0].getpeercert() or {}
    return str(certificate["subject"][0][0][1])


def test_expiry_is_told(serving: Serving, caplog: pytest.LogCaptureFixture) -> None:
    """A certificate in its last week, or past it, is told of once a day, with its file."""
    now = datetime.now(UTC)
    for days in (300, 359, 359, 360, 366):
        serving.tell_expiry(now + timedelta(days=days))
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 3
    assert all("serving.crt" in text and text.endswith("renew it") for text in told)
    assert [" expires on " in text for text in told] == [True, True, False]


async def test_expiry_of_a_renewed_certificate(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What was read again is what counts."""
    serving = Serving(*files(tmp_path, "serving", issue(SERVING_CA, "old", dns=["server"], server=True, days=1)))
    serving.tell_expiry(datetime.now(UTC))
    files(tmp_path, "serving", server_pair("new"))
    assert await serving.reload()
    serving.tell_expiry(datetime.now(UTC) + timedelta(days=1))
    assert caplog.text.count("renew it") == 1


def test_without_client_certificate(serving: Serving, tmp_path: Path) -> None:
    """A client needs none; HTTP/1.1 is agreed upon."""
    client, server = handshake(serving, client_context(tmp_path))
    assert server.getpeercert(binary_form=True) is None
    assert client.selected_alpn_protocol() == "h2"
    assert client.version() in ("TLSv1.2", "TLSv1.3")


def test_client_certificate(serving: Serving, tmp_path: Path) -> None:
    """The certificate of a known authority reaches the server."""
    _, server = handshake(serving, client_context(tmp_path, issue(CLIENT_CA, "dave", client=True)))
    assert server.getpeercert(binary_form=True)


def test_authority_becomes_known(serving: Serving, tmp_path: Path) -> None:
    """An unknown authority is refused until it is trusted."""
    context = client_context(tmp_path, issue(OTHER_CA, "dave", client=True))
    with pytest.raises(ssl.SSLError):
        handshake(serving, context)
    serving.trust([CLIENT_CA.cert_pem.decode(), OTHER_CA.cert_pem.decode()])
    assert handshake(serving, context)[1].getpeercert(binary_form=True)


def test_no_authorities(tmp_path: Path) -> None:
    """While there are no authorities a client is not asked for its certificate, and is served; later it is asked."""
    serving = Serving(*files(tmp_path, "serving", server_pair("first")), [""])
    context = client_context(tmp_path, issue(CLIENT_CA, "dave", client=True))
    assert handshake(serving, context)[1].getpeercert(binary_form=True) is None
    serving.trust([CLIENT_CA.cert_pem.decode()])
    assert handshake(serving, context)[1].getpeercert(binary_form=True)


@pytest.mark.parametrize("bits", [128, 256])
def test_the_client_chooses_the_cipher(serving: Serving, tmp_path: Path, bits: int) -> None:
    """The first of the client's that both have."""
    context = client_context(tmp_path)
    # TLS 1.3 has the same rule, but Python cannot order its ciphers.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"ECDHE+AES{bits}+AESGCM:ECDHE+AESGCM")

    assert (handshake(serving, context)[0].cipher() or ("", "", 0))[2] == bits


def test_old_protocols(serving: Serving, tmp_path: Path) -> None:
    """Nothing below TLS 1.2."""
    assert serving.context.minimum_version == ssl.TLSVersion.TLSv1_2


async def test_new_serving_certificate(serving: Serving, tmp_path: Path) -> None:
    """New files are served to new connections; known authorities stay known."""
    assert not await serving.reload()
    files(tmp_path, "serving", server_pair("second"))
    assert await serving.reload()
    assert served(serving, tmp_path) == "second"
    assert handshake(serving, client_context(tmp_path, issue(CLIENT_CA, "dave", client=True)))


@pytest.mark.parametrize("key", [b"garbage", server_pair("other").key_pem, None])
async def test_unusable_serving_certificate(
    serving: Serving, tmp_path: Path, key: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Files that do not belong together, or are not there, leave what was served, until they do."""
    second = server_pair("second")
    certificate, key_file = files(tmp_path, "serving", second)
    if key is None:
        Path(key_file).unlink()
    else:
        Path(key_file).write_bytes(key)
    assert not await serving.reload()
    assert certificate in caplog.text
    assert served(serving, tmp_path) == "first"
    files(tmp_path, "serving", second)
    assert await serving.reload()
    assert served(serving, tmp_path) == "second"
