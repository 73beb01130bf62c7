"""Whose word counts: X-Remote-* headers without the front proxy's certificate never do."""

from collections.abc import Mapping

import httpx
import pytest

from apiserver import certificates
from apiserver.certificates import KeyPair
from tests.controlplane.cluster import FRONT_PROXY_NAME, TOKENS, ControlPlane
from tests.controlplane.server import APIServerProcess
from tests.e2e.websites import COLLECTION

MASTERS = {"X-Remote-User": "mallory", "X-Remote-Group": "system:masters"}


def _code(
    server: APIServerProcess, pair: KeyPair | None = None, *, token: str = "", headers: Mapping[str, str] = MASTERS
) -> int:
    """What such a caller gets for a list, by HTTP/1.1 and by HTTP/2; 0 when the server ends the TLS handshake."""
    codes = {_code_by(server, pair, token, headers, http2) for http2 in (False, True)}
    assert len(codes) == 1
    return codes.pop()


def _code_by(
    server: APIServerProcess, pair: KeyPair | None, token: str, headers: Mapping[str, str], http2: bool
) -> int:
    try:
        with server.http(token=token, pair=pair, http2=http2) as client:
            return client.get(COLLECTION, headers=headers).status_code
    except httpx.TransportError:
        return 0


def test_front_proxy_is_believed(registered: APIServerProcess, control_plane: ControlPlane) -> None:
    """The right certificate with an allowed name: the headers say who it is."""
    pair = certificates.issue(control_plane.authorities.front_proxy, FRONT_PROXY_NAME, client=True)
    assert _code(registered, pair) == httpx.codes.OK
    assert _code(registered, pair, headers={"X-Remote-User": "alice"}) == httpx.codes.FORBIDDEN


def test_headers_without_a_certificate(registered: APIServerProcess) -> None:
    """No certificate: whoever sends them is anonymous."""
    assert _code(registered) in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)


def test_certificate_of_another_authority(registered: APIServerProcess) -> None:
    """An authority that nobody has named, with the right name: refused."""
    pair = certificates.issue(certificates.make_ca("front-proxy-ca"), FRONT_PROXY_NAME, client=True)
    assert _code(registered, pair) in (0, httpx.codes.UNAUTHORIZED)


@pytest.mark.parametrize("name", ["admin", "front-proxy-client2", ""])
def test_certificate_with_another_name(registered: APIServerProcess, control_plane: ControlPlane, name: str) -> None:
    """The front proxy's authority, but a name that is not allowed: 401."""
    pair = certificates.issue(control_plane.authorities.front_proxy, name or "x", client=True)
    assert _code(registered, pair) == httpx.codes.UNAUTHORIZED


def test_certificate_of_the_cluster_authority(registered: APIServerProcess, control_plane: ControlPlane) -> None:
    """The cluster's authority is not the front proxy's: its certificates are their subjects, the headers nothing."""
    assert _code(registered, control_plane.client_pair(FRONT_PROXY_NAME)) == httpx.codes.FORBIDDEN
    assert _code(registered, control_plane.client_pair("alice")) == httpx.codes.FORBIDDEN
    assert _code(registered, control_plane.client_pair("root", "system:masters"), headers={}) == httpx.codes.OK


def test_token_and_forged_headers(registered: APIServerProcess) -> None:
    """alice's token beside forged headers: alice."""
    assert _code(registered, token=TOKENS["alice"][0]) == httpx.codes.FORBIDDEN
    assert _code(registered, token=TOKENS["admin"][0], headers={}) == httpx.codes.OK


def test_server_certificate_as_client(registered: APIServerProcess, control_plane: ControlPlane) -> None:
    """A certificate of the right authority and name that is not for clients does not count."""
    pair = certificates.issue(control_plane.authorities.front_proxy, FRONT_PROXY_NAME, server=True)
    assert _code(registered, pair) in (0, httpx.codes.UNAUTHORIZED)


def test_forged_headers_through_the_aggregator(control_plane: ControlPlane, registered: APIServerProcess) -> None:
    """kube-apiserver drops what a user sends and says who it is itself."""
    headers = MASTERS | {"Authorization": f"Bearer {TOKENS['alice'][0]}"}
    with control_plane.http() as client:
        answer = client.get(COLLECTION, headers=headers)
    assert answer.status_code == httpx.codes.FORBIDDEN
    assert 'User "alice"' in answer.json()["message"]


def test_health_needs_no_identity(registered: APIServerProcess) -> None:
    """The three health paths are open, their sub-paths and metrics are not."""
    for path in ("/healthz", "/livez", "/readyz"):
        assert registered.status(path) == httpx.codes.OK
    for path in ("/metrics", "/livez/ping", "/apis"):
        assert registered.status(path) in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)
