"""Kubeconfig files for the users of a test cluster."""

from base64 import b64encode
from pathlib import Path

import yaml

from apiserver import certificates
from apiserver.certificates import KeyPair


def write(path: Path, server: str, ca_pem: bytes, identity: KeyPair | str) -> Path:
    """A kubeconfig of one context; the identity is a client certificate or a bearer token. Returns the path."""
    if isinstance(identity, str):
        user: dict[str, str] = {"token": identity}
    else:
        user = {"client-certificate-data": _data(identity.cert_pem), "client-key-data": _data(identity.key_pem)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority-data": _data(ca_pem)}}],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "user"}}],
        "current-context": "test",
    }
    certificates.write(path, yaml.safe_dump(document).encode(), private=True)
    return path


def _data(pem: bytes) -> str:
    return b64encode(pem).decode()
