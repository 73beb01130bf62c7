"""The kubeconfig of standalone mode."""

from base64 import b64decode
from typing import Any

import yaml
from kubernetes.config.kube_config import KubeConfigLoader

from apiserver import certificates
from apiserver.certificates import ADMIN
from apiserver.standalone.kubeconfig import admin_kubeconfig


def test_kubeconfig_embeds_authority_and_pair() -> None:
    """All that a client needs is in the one file."""
    ca = certificates.make_ca("test-ca")
    admin = certificates.issue_profile(ca, ADMIN)
    document = yaml.safe_load(admin_kubeconfig("https://127.0.0.1:8443", ca, admin))

    assert document["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:8443"
    assert b64decode(document["clusters"][0]["cluster"]["certificate-authority-data"]) == ca.cert_pem
    assert b64decode(document["users"][0]["user"]["client-certificate-data"]) == admin.cert_pem
    assert b64decode(document["users"][0]["user"]["client-key-data"]) == admin.key_pem


def test_kubernetes_client_accepts_it() -> None:
    """The ecosystem's own loader finds the current context, its cluster and its user."""
    ca = certificates.make_ca("test-ca")
    document = yaml.safe_load(admin_kubeconfig("https://127.0.0.1:8443", ca, certificates.issue_profile(ca, ADMIN)))
    loader: Any = KubeConfigLoader
    context = loader(document).current_context

    assert context["name"] == "standalone"
    assert context["context"]["cluster"] == "standalone"
    assert context["context"]["user"] == "admin"
