"""Many changes by way of two replicas, which are killed and started again at random: what is left is what was asked."""

import random
from dataclasses import dataclass, field

import httpx

from tests.controlplane.kubectl import Kubectl, Object
from tests.controlplane.process import SOON, eventually
from tests.e2e.resilience.conftest import Replica, StartReplica, registered
from tests.e2e.websites import website

SEED = 6
CHANGES = 500
NAMES = [f"site-{number}" for number in range(25)]
KILL_EVERY = 60
"""Changes, on average."""
DOWN_FOR = 20
"""Changes that a killed replica misses."""


@dataclass
class Wanted:
    """What a Website must be in the end; `changes` is how many states of its spec there have been."""

    spec: Object
    changes: int = 1


@dataclass
class Driver:
    """Sends changes to a replica that runs, and to the other when that one dies of it."""

    replicas: tuple[Replica, Replica]
    namespace: str
    dice: random.Random
    """Says what happens, however often something has to be sent."""
    way: random.Random
    """Says by way of which replica."""
    wanted: dict[str, Wanted] = field(default_factory=dict)
    down: dict[str, int] = field(default_factory=dict)
    """Replicas that were killed -> the change at which they are started again."""
    kills: int = 0

    def change(self, number: int) -> None:
        """One change, perhaps with a kill on the way."""
        self._revive(number)
        if not self.down and self.dice.randrange(KILL_EVERY) == 0:
            victim = self.dice.choice(self.replicas)
            victim.server.kill()
            self.down[victim.server.name] = number + DOWN_FOR
            self.kills += 1
        name = self.dice.choice(NAMES)
        if name not in self.wanted:
            self._create(name, number)
        elif self.dice.randrange(5) == 0:
            self._send("DELETE", f"/{name}", {}, {200, 404})
            del self.wanted[name]
        else:
            self._update(name, number)

    def _revive(self, number: int) -> None:
        for replica in self.replicas:
            if number >= self.down.get(replica.server.name, number + 1):
                replica.server.start()
                del self.down[replica.server.name]

    def finish(self) -> None:
        """Both run again."""
        self._revive(CHANGES + DOWN_FOR)

    def _create(self, name: str, number: int) -> None:
        spec = {"branch": f"b{number}", "replicas": 0}
        # A create whose answer was lost has happened: it is found existing when it is sent again.
        self._send("POST", "", website(name, **spec), {201, 409})
        self.wanted[name] = Wanted(spec)

    def _update(self, name: str, number: int) -> None:
        spec = {"branch": f"b{number}", "replicas": self.dice.randrange(2)}
        self._send("PATCH", f"/{name}", {"spec": spec}, {200})
        self.wanted[name] = Wanted(spec, self.wanted[name].changes + 1)

    def _send(self, method: str, path: str, body: Object, expected: set[int]) -> None:
        """Until it is answered with one of these codes; it is fit to be sent again."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"

        def sent() -> bool:
            replica = self.way.choice([each for each in self.replicas if each.server.name not in self.down])
            with replica.server.http() as client:
                url = replica.collection + path
                answer = client.request(method, url, json=body, headers={"Content-Type": kind})
            assert answer.status_code in expected or answer.status_code >= 500, answer.text
            return answer.status_code in expected

        eventually(sent, SOON, f"{method} {path}, seed {SEED}")


def test_random_kills(start_replica: StartReplica, kubectl: Kubectl) -> None:
    """After 500 creates, changes and deletes and as many kills as there happened, both replicas list what was asked
    for; each Website has its two children, as it wants them and of its own, and nothing else is there; no child has
    seen more states than its Website."""
    one, other = start_replica("one"), start_replica("other")
    with registered(one, kubectl):
        driver = Driver((one, other), kubectl.namespace, random.Random(SEED), random.Random(SEED))
        for number in range(CHANGES):
            driver.change(number)
        driver.finish()
        assert driver.kills >= 3
        eventually(lambda: _settled(driver, kubectl), SOON, f"everything as asked, seed {SEED}")
        generations = {
            item["metadata"]["name"].removesuffix("-website"): item["metadata"]["generation"]
            for item in kubectl.get("deployments")["items"]
        }
    assert {name: count for name, count in generations.items() if count > driver.wanted[name].changes} == {}


def _settled(driver: Driver, kubectl: Kubectl) -> bool:
    sites = [_listed(replica) for replica in driver.replicas]
    assert sites[0] == sites[1]
    assert {name: _chosen(site["spec"]) for name, site in sites[0].items()} == {
        name: wanted.spec for name, wanted in driver.wanted.items()
    }
    for kind in ("deployments", "services"):
        children = kubectl.get(kind)["items"]
        owners = {child["metadata"]["name"]: _owners(child) for child in children}
        assert owners == {f"{name}-website": [site["metadata"]["uid"]] for name, site in sites[0].items()}
    for deployment in kubectl.get("deployments")["items"]:
        wanted = driver.wanted[deployment["metadata"]["name"].removesuffix("-website")].spec
        assert deployment["spec"]["replicas"] == wanted["replicas"]
        assert f"={wanted['branch']}'" in str(deployment["spec"]["template"])
    return all(_is_reported(site) for site in sites[0].values())


def _is_reported(site: Object) -> bool:
    return bool(site.get("status", {}).get("observedGeneration") == site["metadata"]["generation"])


def _listed(replica: Replica) -> dict[str, Object]:
    with replica.server.http() as client:
        answer = client.get(replica.collection)
    assert answer.status_code == httpx.codes.OK, answer.text
    return {item["metadata"]["name"]: item for item in answer.json()["items"]}


def _chosen(spec: Object) -> Object:
    return {name: value for name, value in spec.items() if name != "gitRepo"}


def _owners(child: Object) -> list[str]:
    return [owner["uid"] for owner in child["metadata"].get("ownerReferences", [])]
