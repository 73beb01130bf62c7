"""Who owns what is what a real kube-apiserver says, whatever is written in whatever order."""

from collections.abc import Sequence
from itertools import count

import httpx

from tests.e2e.ownership.exchange import Subject, await_next_second
from tests.e2e.ownership.generator import Write, writes_of

SEEDS = range(40)


def _subjects(client: httpx.Client) -> list[Subject]:
    """One object a seed, each in a namespace of its own."""
    for seed in SEEDS:
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"seed-{seed}"}}
        client.post("/api/v1/namespaces", json=manifest).raise_for_status()
    return [Subject(client, f"seed-{seed}") for seed in SEEDS]


def _described(seed: int, writes: Sequence[Write]) -> str:
    return "\n".join([f"seed {seed}, and the last of these writes was answered otherwise:", *map(str, writes)])


def test_random_writes(reference: httpx.Client, ours: httpx.Client) -> None:
    """Creates, applies with and without force, updates, patches, writes of status and scale, deletions and resets by
    several managers: each is answered as kube-apiserver answers it (code, warnings, every member of the body), and
    leaves the same object, whose managedFields say the same of whom, what and when."""
    sequences = {seed: writes_of(seed) for seed in SEEDS}
    there, here = _subjects(reference), _subjects(ours)
    for number in count():
        steps = [(seed, writes[number]) for seed, writes in sequences.items() if number < len(writes)]
        if not steps:
            break
        await_next_second()
        for seed, write in steps:
            expected, actual = there[seed].step(write), here[seed].step(write)
            assert actual == expected, _described(seed, sequences[seed][: number + 1])
