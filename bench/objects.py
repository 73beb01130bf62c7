"""The objects that the servers are filled with: equally long on the wire, whatever the kind."""

from dataclasses import replace

import httpx
import orjson

from bench.generator import Generator, Job, LoadFailed, Objects
from bench.targets import KEPT, MADE, Target

SIZE = 650
"""Bytes of an object in an answer, managedFields and all."""
_SENT = "0" * 19


def template(target: Target, padding: int) -> str:
    """An object for the load generator; the annotation `sent` takes the time of sending."""
    annotations = {"sent": "SENT", "padding": "x" * padding}
    document = {
        "apiVersion": f"{target.group}/{target.version}",
        "kind": target.kind,
        "metadata": {"name": "NAME", "annotations": annotations},
        "spec": target.spec,
    }
    return orjson.dumps(document).decode()


def prepare(target: Target) -> str:
    """The template of objects of SIZE. Raises httpx.HTTPError."""
    with target.http() as client:
        return template(target, 1 + SIZE - _length(client, target))


def _length(client: httpx.Client, target: Target) -> int:
    """Of an object with a padding of one byte, as the server answers a GET."""
    probe = template(target, 1).replace("NAME", "probe-1000").replace("SENT", _SENT)
    url = target.collection(MADE)
    client.post(url, content=probe, headers={"Content-Type": "application/json"}).raise_for_status()
    length = len(client.get(f"{url}/probe-1000").raise_for_status().content)
    client.delete(f"{url}/probe-1000").raise_for_status()
    return length


def fill(generator: Generator, target: Target, text: str, count: int, already: int = 0) -> Objects:
    """Creates those beyond the first `already`, and makes sure that the server lists `count`, plain and compressed.

    Raises LoadFailed.
    """
    objects = Objects(KEPT, "kept", count, text)
    generator.run(target, objects, Job("create", connections=16, count=count - already, first=already))
    with target.http() as client:
        for encoding in ("identity", "gzip"):
            answer = client.get(target.collection(KEPT), headers={"Accept-Encoding": encoding})
            found = len(answer.raise_for_status().json()["items"])
            if found != count:
                raise LoadFailed(f"{target.name} lists {found} of {count} objects")
    return objects


def made(objects: Objects) -> Objects:
    """Those that a job creates beside them."""
    return replace(objects, namespace=MADE, prefix="made")
