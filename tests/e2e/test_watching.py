"""The watch that other tests have beside them."""

import httpx
import pytest

from tests.controlplane.process import SOON
from tests.controlplane.server import Server
from tests.e2e.watching import Watch, WatchEnded
from tests.e2e.websites import COLLECTION, website


def test_nothing_is_awaited_of_a_watch_that_has_ended(own_server: Server) -> None:
    """What came before its end is found; what did not is an error at once."""
    with own_server.http() as client:
        assert client.post(COLLECTION, json=website()).status_code == httpx.codes.CREATED
    with Watch(own_server, COLLECTION, timeoutSeconds="1") as watch:
        assert watch.ended.wait(SOON)
        assert watch.wait_for("ADDED", "kubia", SOON)
        with pytest.raises(WatchEnded, match="DELETED kubia"):
            watch.wait_for("DELETED", "kubia", SOON)


def test_what_comes_after_a_watch_is_not_read_by_it(own_server: Server) -> None:
    """Who leaves it while it is open has ended it: the descriptor of its connection is the next one's."""
    with Watch(own_server, COLLECTION) as watch:
        assert not watch.ended.is_set()
    assert watch.ended.is_set()
