"""What is published of the kind is what kube-apiserver publishes of it as a custom resource."""

from collections.abc import Iterator
from fnmatch import fnmatchcase

import orjson
import pytest

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.process import SOON, eventually
from tests.controlplane.reference import GROUP as REFERENCE
from tests.e2e.conformance.differences import OPENAPI
from tests.e2e.conformance.exchange import VERSION, Server
from tests.e2e.conformance.openapi import differences, in_our_group, of_group
from tests.e2e.conformance.record import kube_apiserver
from tests.e2e.websites import GROUP


@pytest.mark.parametrize("target", ["sqlite-aggregated"], indirect=True)
def test_openapi(server: Server, quiet_cluster: ControlPlane) -> None:
    """The documents through the aggregator, and the part that it merges into version 2's, have the structure of the
    custom resource's: paths, parameters, media types, references, extensions. What is listed as different is."""
    with kube_apiserver(quiet_cluster):
        found = {*_version_3(server), *_version_2(server)}
    patterns = [pattern for each in OPENAPI for pattern in each.paths]
    assert not {path for path in found if not any(fnmatchcase(path, pattern) for pattern in patterns)}
    assert not {pattern for pattern in patterns if not any(fnmatchcase(path, pattern) for path in found)}


def _version_3(server: Server) -> Iterator[str]:
    wanted, ours = (_published(server, f"/openapi/v3/apis/{group}/{VERSION}", group) for group in (REFERENCE, GROUP))
    return differences(in_our_group(wanted), orjson.loads(ours), "v3")


def _version_2(server: Server) -> Iterator[str]:
    merged = orjson.loads(_published(server, "/openapi/v2", REFERENCE, GROUP))
    wanted = in_our_group(orjson.dumps(of_group(merged, REFERENCE)))
    return differences(wanted, of_group(merged, GROUP), "v2")


def _published(server: Server, path: str, *groups: str) -> bytes:
    """The document, once it has these groups."""

    def document() -> bytes:
        answer = server.host.get(path)
        known = all(f"/apis/{group}/{VERSION}/".encode() in answer.content for group in groups)
        return answer.content if answer.is_success and known else b""

    return eventually(document, SOON, f"{groups} are in {path}")
