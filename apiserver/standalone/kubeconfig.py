"""The kubeconfig with which an administrator reaches a server that runs without a cluster."""

from base64 import b64encode

import yaml

from apiserver.certificates import KeyPair


def admin_kubeconfig(server_url: str, ca: KeyPair, pair: KeyPair) -> str:
    """A kubeconfig (YAML) with everything embedded: the authority that the server's certificate chains to, and the
    client pair. It holds a private key: write it with `certificates.write(..., private=True)`."""
    name = "standalone"
    cluster = {"server": server_url, "certificate-authority-data": _encoded(ca.cert_pem)}
    user = {"client-certificate-data": _encoded(pair.cert_pem), "client-key-data": _encoded(pair.key_pem)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": "admin", "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "admin", "namespace": "default"}}],
        "current-context": name,
    }
    return yaml.safe_dump(document, sort_keys=False)


def _encoded(pem: bytes) -> str:
    return b64encode(pem).decode("ascii")
