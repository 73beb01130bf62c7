"""What the README names in deploy/ is there."""

import re

from tests.controlplane.server import ROOT, manifests


def test_names_in_the_cluster() -> None:
    """The namespace and the Deployment of the README's commands are those of the manifests."""
    text = (ROOT / "README.md").read_text()
    found = re.search(r"kubectl -n (\S+) logs deploy/([^`\s]+)", text)
    assert found is not None
    assert found[1] == manifests().namespace_name
    assert f"name: {found[2]}\n" in (ROOT / "deploy" / "deployment.yaml").read_text()
