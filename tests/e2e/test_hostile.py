"""Requests that no well-meaning client sends: each is answered with a Status, and the server goes on."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.controlplane.server import Standalone
from tests.e2e.conftest import Target, new_namespace
from tests.e2e.websites import COLLECTION, create, website

MERGE = {"Content-Type": "application/merge-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}
ODD: list[Any] = [None, 5, 1e30, True, "", "x", [], [1], [None], [{}], {}, {"a": 1}, {"a": {"b": [1]}}, "9" * 5000]
MEMBERS = ("apiVersion", "kind", "metadata", "spec", "status")
METADATA = ("name", "labels", "annotations", "finalizers", "ownerReferences", "managedFields", "resourceVersion", "uid")


@pytest.fixture(params=["HTTP/1.1", "HTTP/2"])
def client(request: pytest.FixtureRequest, standalone: Standalone, standalone_target: Target) -> Iterator[httpx.Client]:
    """A client of a server that holds one Website in the namespace of this test."""
    kubectl = new_namespace(standalone_target.kubectl)
    create(kubectl)
    collection = COLLECTION.replace("/default/", f"/{kubectl.namespace}/")
    with standalone.http(http2=request.param == "HTTP/2") as session:
        session.base_url = session.base_url.join(collection)
        yield session


def _bodies() -> Iterator[dict[str, Any]]:
    for odd in ODD:
        yield from ({**website(), member: odd} for member in MEMBERS)
        yield from ({**website(), "metadata": {"name": "kubia", member: odd}} for member in METADATA)
        yield {**website(), "status": {"conditions": [{"type": odd}]}}


def _is_answer(answer: httpx.Response) -> bool:
    """An object or a Status; never a panic's text."""
    return answer.headers["content-type"] == "application/json" and "kind" in answer.json()


@pytest.mark.parametrize("path", ["/kubia", "/kubia/status", "/kubia/scale"])
@pytest.mark.parametrize(("method", "headers"), [("PUT", {}), ("PATCH", MERGE), ("PATCH", APPLY)])
def test_members_of_wrong_types(client: httpx.Client, path: str, method: str, headers: dict[str, str]) -> None:
    """Whatever type a member of the body has."""
    query = {"fieldManager": "odd"}
    for body in _bodies():
        answer = client.request(method, str(client.base_url) + path, json=body, headers=headers, params=query)
        assert _is_answer(answer), (body, answer.text)


@pytest.mark.parametrize("levels", [150, 199, 201, 260, 2000])
def test_deep_objects(client: httpx.Client, levels: int) -> None:
    """What is deep is refused or stored, and whatever was stored can be listed in every form."""
    text = '{"f:x":' * levels + "{}" + "}" * levels
    entry = '{"manager":"m","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":' + text + "}"
    head = (
        '{"apiVersion":"extensions.example.com/v1alpha1","kind":"Website","metadata":{"name":"deep","managedFields":['
    )
    body = head + entry + ']},"spec":{"gitRepo":"https://x.example"}}'
    answer = client.post(str(client.base_url), content=body, headers={"Content-Type": "application/json"})
    assert _is_answer(answer)
    for form in ("", ";as=Table;v=v1;g=meta.k8s.io", ";as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"):
        listed = client.get(str(client.base_url), headers={"Accept": "application/json" + form}, params={"pretty": "1"})
        assert listed.status_code == 200


def test_thousands_of_warnings(client: httpx.Client) -> None:
    """Warnings have a budget, however many fields are unknown."""
    item = website("many") | {"spec": website()["spec"] | {f"unknown{number}": 1 for number in range(20_000)}}
    answer = client.post(str(client.base_url), json=item)
    assert answer.status_code == 201
    assert 0 < sum(len(text) for text in answer.headers.get_list("warning")) < 10_000
