"""OpenAPI documents as clients cache them: by their ETag and by the hash in their URL."""

from pathlib import Path

import httpx
import pytest

from tests.controlplane.process import SOON, eventually
from tests.controlplane.server import Standalone
from tests.e2e.conftest import Target
from tests.e2e.websites import API

INDEX = "/openapi/v3"
DOCUMENT = f"{INDEX}{API}"


def _answers(directory: Path) -> dict[str, tuple[str, bytes]]:
    """ETag and bytes of every document that a new server publishes."""
    with Standalone(directory) as server, server.http() as client:
        documents = [f"{INDEX}/{path}" for path in client.get(INDEX).json()["paths"]]
        found = {path: client.get(path) for path in ("/openapi/v2", INDEX, *documents)}
    return {path: (answer.headers["ETag"], answer.content) for path, answer in found.items()}


def test_every_process_publishes_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that asks another replica, or the same one after a restart, still has the document: nothing of it
    depends on the order in which Python hashes."""
    answers = []
    for seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        answers.append(_answers(tmp_path / seed))
    assert DOCUMENT in answers[0]
    assert answers[0] == answers[1]


@pytest.fixture
def url(target: Target) -> str:
    """Where the index says that the kind's document is."""

    def listed() -> str:
        with target.http() as client:
            return str(client.get(INDEX).json()["paths"].get(API.removeprefix("/"), {}).get("serverRelativeURL", ""))

    return eventually(listed, SOON, "the kind is in the index")


def test_the_index_names_a_document_for_ever(target: Target, url: str) -> None:
    """By its hash: a client may keep it for a year without asking."""
    with target.http() as client:
        answer = client.get(url)
    assert url == f"{DOCUMENT}?hash={answer.headers['ETag'].strip(chr(34))}"
    assert "public, immutable" in answer.headers["Cache-Control"]


def test_who_has_it_is_not_sent_it(target: Target, url: str) -> None:
    """304 for a document's own ETag, the document for another one."""
    with target.http() as client:
        etag = client.get(url).headers["ETag"]
        same = client.get(url, headers={"If-None-Match": etag})
        other = client.get(url, headers={"If-None-Match": '"0"'})
    assert (same.status_code, same.content) == (httpx.codes.NOT_MODIFIED, b"")
    assert (other.status_code, other.headers["ETag"]) == (httpx.codes.OK, etag)


def test_an_old_hash_is_answered_with_the_document(target: Target) -> None:
    """Not with a redirect, which the aggregator refuses; and nobody may keep that answer."""
    with target.http() as client:
        answer = client.get(DOCUMENT, params={"hash": "0"})
        current = client.get(DOCUMENT)
    assert (answer.status_code, answer.content) == (httpx.codes.OK, current.content)
    assert "immutable" not in answer.headers["Cache-Control"]
