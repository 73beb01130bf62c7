"""EtcdStorage against a real etcd: TLS, several endpoints, and an etcd that goes away and comes back."""

import asyncio
import contextlib
import itertools
import re
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from storage.cacher import Cacher
from storage.compaction import Round, compaction_round
from storage.etcd import EtcdStorage
from storage.interface import Compacted, NoSpace, Page, Progress, RevisionConflict, Unavailable
from tests.contract.certificates import Authority, Leaf
from tests.contract.conftest import running
from tests.contract.watching import events_after, take
from tests.controlplane.etcd_process import Etcd, ServingCertificates
from tests.controlplane.process import free_port

IN_TIME = r"no answer from .* within 2\.\d s"
"""What a call says that is given up when its own time is over, and not when its connection is found dead."""


@pytest.fixture
async def own_etcd(tmp_path: Path) -> AsyncIterator[Etcd]:
    """An etcd that the test may kill."""
    server = Etcd(tmp_path)
    await asyncio.to_thread(server.start)
    yield server
    server.kill()


async def put_and_get(storage: EtcdStorage, key: str) -> None:
    await storage.put(key, b"value", 0)
    kv, _ = await storage.get(key)
    assert kv is not None
    assert kv.value == b"value"


async def test_client_certificates(tmp_path: Path, prefix: str) -> None:
    """With the authority and a client certificate etcd serves by IP and by name; without, it is Unavailable."""
    authority = Authority(tmp_path, "ca")
    serving, client = authority.issue("etcd"), authority.issue("apiserver")
    server = Etcd(tmp_path, ServingCertificates(serving.certificate, serving.key, authority.certificate))
    await asyncio.to_thread(server.start)
    try:
        await check_trusted(server, authority, client, prefix)
        other = Authority(tmp_path, "other")
        await asyncio.gather(
            check_untrusted(server, authority, None, "certificate required"),
            check_untrusted(server, authority, other.issue("stranger"), "unknown ca"),
            check_untrusted(server, other, client, "its certificate is not trusted: unable to get local issuer"),
        )
    finally:
        server.kill()


async def check_trusted(server: Etcd, authority: Authority, client: Leaf, prefix: str) -> None:
    for endpoint in (server.endpoint, server.endpoint.replace("127.0.0.1", "localhost")):
        storage = await connect_tls(endpoint, authority, client)
        await put_and_get(storage, prefix + endpoint)
        await storage.close()


async def check_untrusted(server: Etcd, authority: Authority, client: Leaf | None, reason: str) -> None:
    """Unavailable says why."""
    storage = await connect_tls(server.endpoint, authority, client)
    assert re.search(reason, await refusal(storage))
    await storage.close()


async def refusal(storage: EtcdStorage) -> str:
    """Why there is no connection, once one has been tried."""
    while True:
        with pytest.raises(Unavailable) as caught:
            await storage.check()
        if "no connection yet" not in str(caught.value):
            return str(caught.value)


async def answered(storage: EtcdStorage) -> None:
    """Returns when etcd, which is there, has been reached: lost connections are tried again after up to a second."""
    while True:
        with contextlib.suppress(Unavailable):
            await storage.check()
            return


async def connect_tls(endpoint: str, authority: Authority, client: Leaf | None) -> EtcdStorage:
    files = {"cert_file": str(client.certificate), "key_file": str(client.key)} if client else {}
    return await EtcdStorage.connect([endpoint], ca_file=str(authority.certificate), **files)


async def test_unreadable_certificate(tmp_path: Path) -> None:
    """A certificate file that cannot be read is named."""
    missing = str(tmp_path / "missing.crt")
    with pytest.raises(Unavailable, match=r"missing\.crt: No such file"):
        await EtcdStorage.connect(["https://127.0.0.1:1"], ca_file=missing)


async def test_unusable_certificates(tmp_path: Path) -> None:
    """Files that hold something else are named, a key that does not belong to its certificate, too; nobody is asked
    for the password of one that is encrypted."""
    authority = Authority(tmp_path, "ca")
    client, other = authority.issue("apiserver"), authority.issue("other")
    (tmp_path / "junk").write_text("junk")
    encrypted = load_pem_private_key(client.key.read_bytes(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    (tmp_path / "encrypted").write_bytes(encrypted)
    junk, certificate = str(tmp_path / "junk"), str(client.certificate)
    for files, reason in (
        ({"ca_file": junk}, "junk holds no certificates"),
        ({"cert_file": certificate, "key_file": junk}, "apiserver.crt and .*junk are no certificate and its key"),
        ({"cert_file": certificate, "key_file": str(tmp_path / "encrypted")}, "not PEM, or encrypted"),
        ({"cert_file": certificate, "key_file": str(other.key)}, "key values mismatch"),
    ):
        with pytest.raises(Unavailable, match=reason):
            await EtcdStorage.connect(["https://127.0.0.1:1"], **files)


async def test_renewed_certificates(tmp_path: Path) -> None:
    """The files are read for each connection: what was refused is let in once they are right."""
    authority = Authority(tmp_path, "ca")
    serving, client, stranger = (
        authority.issue("etcd"),
        authority.issue("apiserver"),
        Authority(tmp_path, "o").issue("x"),
    )
    server = Etcd(tmp_path, ServingCertificates(serving.certificate, serving.key, authority.certificate))
    await asyncio.to_thread(server.start)
    storage = await connect_tls(server.endpoint, authority, stranger)
    try:
        assert "unknown ca" in await refusal(storage)
        client.key.replace(stranger.key)
        client.certificate.replace(stranger.certificate)
        await answered(storage)
    finally:
        await storage.close()
        server.kill()


async def test_what_is_no_etcd(etcd: Etcd) -> None:
    """TLS with an etcd that has none, and a port where something else than HTTP/2 is spoken, are said to be so."""
    listener = await asyncio.start_server(speak_http1, "127.0.0.1", 0)
    web = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    for endpoint, reason in (
        (etcd.endpoint.replace("http:", "https:"), r"https://127\.0\.0\.1:\d+ \(it ended the connection"),
        (web, r"http://127\.0\.0\.1:\d+ \(this is no HTTP/2\)"),
    ):
        storage = await EtcdStorage.connect([endpoint])
        assert re.search(reason, await refusal(storage))
        await storage.close()
    listener.close()


async def speak_http1(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    writer.write(b"HTTP/1.1 505 HTTP Version Not Supported\r\n\r\n")
    await reader.read()
    writer.close()


@pytest.mark.parametrize("endpoint", ["127.0.0.1:2379", "ftp://127.0.0.1", "http://", ""])
async def test_not_an_endpoint(endpoint: str) -> None:
    """What is not http:// or https:// and a host is refused by name."""
    with pytest.raises(ValueError, match="is not an etcd endpoint"):
        await EtcdStorage.connect([endpoint])


async def test_first_endpoint_is_dead(etcd: Etcd, prefix: str) -> None:
    """With a dead endpoint before the living one every operation works, a watch too."""
    storage = await EtcdStorage.connect([f"http://localhost:{free_port()}", etcd.endpoint])
    await storage.check()
    before = await storage.current_revision()
    await put_and_get(storage, prefix + "a")
    async with aclosing(storage.watch(prefix, before)) as stream:
        assert [event.key for event in await take(stream, 1)] == [prefix + "a"]
    await storage.close()


async def test_no_etcd_at_all(prefix: str) -> None:
    """Where nothing listens, each call is Unavailable within its deadline, and closing is clean."""
    storage = await EtcdStorage.connect([f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"])
    outcomes = await asyncio.gather(
        storage.get(prefix),
        storage.list(prefix),
        storage.put(prefix, b"", 0),
        storage.check(),
        anext(storage.watch(prefix, 1)),
        return_exceptions=True,
    )
    assert_in_time(outcomes)
    await storage.close()


def assert_in_time(outcomes: Sequence[object]) -> None:
    """Each is Unavailable, by its own clock."""
    for outcome in outcomes:
        assert isinstance(outcome, Unavailable)
        assert re.search(IN_TIME, str(outcome))


async def test_closing_ends_watches(etcd: Etcd, prefix: str) -> None:
    """Closing ends an open watch with Unavailable, as it does later calls; closing again is fine."""
    storage = await EtcdStorage.connect([etcd.endpoint])
    stream = storage.watch(prefix, await storage.current_revision())
    await storage.put(prefix + "a", b"", 0)
    await take(stream, 1)
    reader = asyncio.create_task(take(stream, 1))
    await asyncio.sleep(0)
    await storage.close()
    with pytest.raises(Unavailable):
        await reader
    with pytest.raises(Unavailable):
        await storage.get(prefix)
    await storage.close()


async def test_restart(own_etcd: Etcd) -> None:
    """While etcd is away an open watch ends and calls are Unavailable in time; once it is back the storage goes on."""
    storage = await EtcdStorage.connect([own_etcd.endpoint])
    revision = await storage.put("/a", b"1", 0)
    stream = storage.watch("/", revision)
    assert await anext(stream) == Progress(revision)
    reader = asyncio.create_task(take(stream, 1))
    own_etcd.kill()
    with pytest.raises(Unavailable):
        await reader
    with pytest.raises(Unavailable, match=IN_TIME):
        await storage.check()
    with pytest.raises(Unavailable, match=IN_TIME):
        await storage.put("/a", b"2", revision)
    await asyncio.to_thread(own_etcd.start)
    await answered(storage)
    kv, _ = await storage.get("/a")
    assert kv is not None
    assert (kv.value, kv.mod_revision) == (b"1", revision)
    await storage.close()


async def test_frozen(own_etcd: Etcd) -> None:
    """An etcd that keeps its connections and says nothing is noticed in time. What was written to it then is written
    once or not at all, and the watch that was open has missed nothing."""
    storage = await EtcdStorage.connect([own_etcd.endpoint])
    revision = await storage.put("/a", b"1", 0)
    async with aclosing(storage.watch("/", revision)) as stream:
        assert await anext(stream) == Progress(revision)
        reader = asyncio.create_task(take(stream, 1))
        own_etcd.freeze()
        outcomes = await asyncio.gather(
            storage.put("/a", b"2", revision), storage.get("/a"), storage.check(), return_exceptions=True
        )
        assert_in_time(outcomes)
        own_etcd.thaw()
        await answered(storage)
        before, newer = await overwrite(storage, "/a", b"3")
        assert before in (revision, revision + 1)
        assert newer == before + 1
        assert (await reader)[0].revision == revision + 1
    await storage.close()


async def overwrite(storage: EtcdStorage, key: str, value: bytes) -> tuple[int, int]:
    """The revisions before and after; a write that nobody waits for any more may come first."""
    kv, _ = await storage.get(key)
    while True:
        assert kv is not None
        try:
            return kv.mod_revision, await storage.put(key, value, kv.mod_revision)
        except RevisionConflict as late:
            kv = late.current


async def test_cacher_through_a_restart(own_etcd: Etcd) -> None:
    """A cache serves any state while etcd is away, and its watches go on afterwards and miss nothing."""
    storage = await EtcdStorage.connect([own_etcd.endpoint])
    revision = await storage.put("/a", b"1", 0)
    async with running(Cacher(storage, "/")) as cacher, aclosing(cacher.watch("/", revision)) as stream:
        reader = asyncio.create_task(take(stream, 2))
        await cacher.get("/a")
        own_etcd.kill()
        with pytest.raises(Unavailable):
            await cacher.get("/a")
        kv, _ = await cacher.get("/a", not_older_than=0)
        assert kv is not None
        assert [item.key for item in (await cacher.list("/", not_older_than=0)).items] == ["/a"]
        await asyncio.to_thread(own_etcd.start)
        await answered(storage)
        written = [await cacher.put("/b", b"", 0), await cacher.put("/c", b"", 0)]
        assert [event.revision for event in await reader] == written
        assert len((await cacher.list("/")).items) == 3
    await storage.close()


async def test_members_come_and_go(tmp_path: Path) -> None:
    """Of three members any may say nothing, or be killed: reads and writes go on over the others, and a watch of the
    cache, whichever member it came from, has every acknowledged write once and in order."""
    members = Etcd.cluster(tmp_path, 3)
    try:
        for member in members:
            await asyncio.to_thread(member.launch)
        storage = await EtcdStorage.connect([member.endpoint for member in members])
        async with running(Cacher(storage, "/")) as cacher:
            acknowledged = [await put_at_last(cacher, "/first")]
            async with aclosing(cacher.watch("/", acknowledged[0] - 1)) as stream:
                for number, member in enumerate(members):
                    member.freeze()
                    acknowledged += [await put_at_last(cacher, f"/frozen-{number}-{each}") for each in range(3)]
                    member.thaw()
                    member.kill()
                    acknowledged += [await put_at_last(cacher, f"/killed-{number}-{each}") for each in range(3)]
                    await asyncio.to_thread(member.start)
                seen: list[int] = []
                while not seen or seen[-1] < acknowledged[-1]:
                    seen += [event.revision for event in await take(stream, 1)]
            assert seen == sorted(set(seen))
            assert set(acknowledged) <= set(seen)
        await storage.close()
    finally:
        for member in members:
            member.kill()


async def put_at_last(cacher: Cacher, key: str) -> int:
    """The revision of a key that is there at last, written and read by a majority."""
    while True:
        with contextlib.suppress(Unavailable, RevisionConflict):
            kv, _ = await cacher.get(key)
            if kv is not None:
                return kv.mod_revision
            await cacher.put(key, b"", 0)


async def test_full(tmp_path: Path) -> None:
    """An etcd whose quota is used up takes no values, and says so. All else goes on, and it counts as there: else
    nobody could reach what there is to be deleted."""
    server = Etcd(tmp_path, flags=["--quota-backend-bytes=4194304"])
    await asyncio.to_thread(server.start)
    storage = await EtcdStorage.connect([server.endpoint])
    try:
        with pytest.raises(NoSpace, match=r"^etcdserver: mvcc: database space exceeded$"):
            await put_until_full(storage)
        async with running(Cacher(storage, "/")) as cacher:
            first, *_ = (await cacher.list("/")).items
            await cacher.check()
            deleted = await cacher.delete(first.key, first.mod_revision)
            assert (await cacher.get(first.key))[0] is None
            assert [event.revision for event in await events_after(cacher, "/", deleted - 1, 1)] == [deleted]
            with pytest.raises(NoSpace, match=r"^etcdserver: mvcc: database space exceeded$"):
                await cacher.put(first.key, b"", 0)
    finally:
        await storage.close()
        server.kill()


async def put_until_full(storage: EtcdStorage) -> None:
    for number in itertools.count():
        await storage.put(f"/{number}", bytes(1 << 20), 0)


async def test_restored_backup(own_etcd: Etcd, tmp_path: Path) -> None:
    """An etcd that comes back with an older state is believed: no read is answered with what has not happened, the open
    watch is told that history is gone, and writes and watches go on from the older revision."""
    storage = await EtcdStorage.connect([own_etcd.endpoint])
    kept = await storage.put("/kept", b"1", 0)
    own_etcd.kill()
    shutil.copytree(tmp_path / "data", tmp_path / "backup")
    await asyncio.to_thread(own_etcd.start)
    async with running(Cacher(storage, "/")) as cacher, aclosing(cacher.watch("/", kept)) as stream:
        lost = [await cacher.put(f"/lost-{number}", b"", 0) for number in range(5)]
        await cacher.put("/kept", b"2", kept)
        await take(stream, 6)
        reader = asyncio.create_task(take(stream, 1))
        own_etcd.kill()
        shutil.rmtree(tmp_path / "data")
        shutil.move(tmp_path / "backup", tmp_path / "data")
        await asyncio.to_thread(own_etcd.start)
        await answered(storage)
        assert [kv.value for kv in (await freshly_listed(cacher)).items] == [b"1"]
        with pytest.raises(Compacted):
            await reader
        newer = await cacher.put("/new", b"", 0)
        assert newer < lost[-1]
        async with aclosing(cacher.watch("/", kept)) as again:
            assert [event.key for event in await take(again, 1)] == ["/new"]
            elsewhere = await storage.put("elsewhere", b"", 0)
            await cacher.request_progress()
            assert await anext(again) == Progress(elsewhere)
    await storage.close()


async def freshly_listed(cacher: Cacher) -> Page:
    """A consistent list, once there is one."""
    while True:
        with contextlib.suppress(Unavailable):
            return await cacher.list("/")


async def test_two_servers_compact(own_etcd: Etcd) -> None:
    """Servers that share an etcd compact it once an interval, to where it was an interval ago."""
    one = await EtcdStorage.connect([own_etcd.endpoint])
    two = await EtcdStorage.connect([own_etcd.endpoint])
    old = await one.put("/a", b"", 0)
    first, second = await compaction_round(one, Round()), await compaction_round(two, Round())
    recent = await one.put("/b", b"", 0)
    await compaction_round(one, first)
    await compaction_round(two, second)
    with pytest.raises(Compacted):
        await two.list("/", revision=old)
    assert len((await two.list("/", revision=recent)).items) == 2
    await one.close()
    await two.close()
