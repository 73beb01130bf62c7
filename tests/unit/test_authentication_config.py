"""ConfigMap extension-apiserver-authentication: what it says, and following it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from apiserver.certificates import make_ca
from apiserver.client import ClientError
from apiserver.filters.authentication import AuthenticationConfig, RequestHeaderConfig
from apiserver.filters.authentication_config import PATH, SetupError, follow, load, parse
from apiserver.machinery.errors import Object

CA_1, CA_2 = (make_ca(name).cert_pem.decode() for name in ("one", "two"))
NOTHING = AuthenticationConfig()
HEADERS = {
    "requestheader-client-ca-file": CA_2,
    "requestheader-allowed-names": '["proxy"]',
    "requestheader-username-headers": '["X-Remote-User"]',
    "requestheader-uid-headers": '["X-Remote-Uid"]',
    "requestheader-group-headers": '["X-Remote-Group"]',
    "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
}
PROXY = RequestHeaderConfig(
    CA_2, ("proxy",), ("X-Remote-User",), ("X-Remote-Uid",), ("X-Remote-Group",), ("X-Remote-Extra-",)
)


def config_map(**data: str) -> Object:
    return {"data": {key.replace("_", "-"): value for key, value in data.items()}}


class Cluster:
    """Answers lists from `lists`, in order, and watches from the queue `events`; an exception is raised."""

    def __init__(self, *lists: Object | ClientError | None) -> None:
        self._lists = list(lists)
        self.events: asyncio.Queue[tuple[str, Object] | ClientError] = asyncio.Queue()

    async def get(self, path: str, **query: str) -> Object:
        assert (path, query["fieldSelector"]) == (PATH, "metadata.name=extension-apiserver-authentication")
        found = self._lists.pop(0)
        if isinstance(found, ClientError):
            raise found
        return {"metadata": {"resourceVersion": "7"}, "items": [found] if found else []}

    async def watch(self, path: str, **query: str) -> AsyncIterator[tuple[str, Object]]:
        assert query["resourceVersion"] == "7"
        while True:
            event = await self.events.get()
            if isinstance(event, ClientError):
                raise event
            yield event


def test_everything_comes_from_the_config_map() -> None:
    """All keys are read."""
    found = parse({"data": {"client-ca-file": CA_1, **HEADERS}}, NOTHING)
    assert found == AuthenticationConfig(CA_1, PROXY)
    assert found.authorities == [CA_1, CA_2]


def test_nothing_there() -> None:
    """Without a ConfigMap, or without authorities in it, nobody is trusted."""
    assert parse(None, NOTHING) == NOTHING
    assert parse(config_map(requestheader_allowed_names='["x"]'), NOTHING) == NOTHING


def test_command_line_wins() -> None:
    """What the command line names is not taken from the ConfigMap, not even in part."""
    mine = RequestHeaderConfig(CA_1)
    assert parse(
        {"data": {"client-ca-file": CA_1, **HEADERS}}, AuthenticationConfig(CA_2, mine)
    ) == AuthenticationConfig(CA_2, mine)


@pytest.mark.parametrize(
    "change",
    [{"client-ca-file": "x"}, {"requestheader-allowed-names": "x"}, {"requestheader-allowed-names": '{"a": 1}'}],
)
def test_contents_that_are_no_use(change: dict[str, str]) -> None:
    """Broken certificates and lists are refused as a whole."""
    with pytest.raises(ValueError):  # noqa: PT011 - the texts are those of the parsers
        parse({"data": HEADERS | change}, NOTHING)


async def test_forbidden_at_start() -> None:
    """The operator is told which role is missing; unless failure is tolerated."""
    error = ClientError(403, "Forbidden", "no")
    with pytest.raises(SetupError, match="extension-apiserver-authentication-reader"):
        await load(Cluster(error), NOTHING)
    assert await load(Cluster(error), AuthenticationConfig(CA_1), tolerate=True) == AuthenticationConfig(CA_1)


async def test_missing_at_start() -> None:
    """A cluster without the ConfigMap is no error."""
    assert await load(Cluster(None), NOTHING) == NOTHING


async def test_changes_are_followed() -> None:
    """Each change is applied once; garbage and disconnections leave what was; a deletion takes everything back."""
    applied: asyncio.Queue[AuthenticationConfig] = asyncio.Queue()
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    lost = ClientError(0, "", "lost")
    cluster = Cluster(config_map(client_ca_file=CA_1), lost, config_map(client_ca_file=CA_2))
    task = asyncio.create_task(follow(cluster, applied.put_nowait, NOTHING, pause))
    assert await applied.get() == AuthenticationConfig(CA_1)
    for event in (config_map(client_ca_file="garbage"), config_map(client_ca_file=CA_1)):
        cluster.events.put_nowait(("MODIFIED", event))
    cluster.events.put_nowait(lost)
    assert await applied.get() == AuthenticationConfig(CA_2)
    cluster.events.put_nowait(("BOOKMARK", {}))
    cluster.events.put_nowait(("DELETED", config_map(client_ca_file=CA_2)))
    assert await applied.get() == NOTHING
    assert len(pauses) == 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
