"""/scale: autoscaling/v1 Scale as a view of three paths of its parent (wire.md 3.15)."""

from dataclasses import replace

from apiserver.endpoints import representation
from apiserver.endpoints.exchange import Exchange
from apiserver.machinery import codec, errors
from apiserver.machinery.codec import YAMLError
from apiserver.machinery.errors import BadRequest, Object
from apiserver.machinery.jsonpath import compile_path, set_path
from apiserver.machinery.kind import AGE, Column, Kind, Scale
from apiserver.machinery.patch import APPLY, PATCH_TYPES, PATCHES
from apiserver.machinery.queryoptions import check_get, write_query
from apiserver.machinery.request import first
from apiserver.machinery.schema import validate
from apiserver.registry.item import Item
from apiserver.registry.options import WriteOptions
from apiserver.registry.store import Store

_NAMED: Object = {"type": "string", "nullable": True}
_SCHEMA: Object = {
    "type": "object",
    "properties": {
        "kind": _NAMED,
        "metadata": {
            "type": "object",
            "nullable": True,
            "properties": {"name": _NAMED, "resourceVersion": _NAMED},
        },
        "spec": {
            "type": "object",
            "nullable": True,
            "properties": {"replicas": {"type": "integer", "format": "int32"}},
        },
    },
}
"""What is read of a Scale that a client sends."""
_CREATED = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed "
    "to be set in happens-before order across separate operations. Clients may not set this value. It is represented "
    "in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)
_KIND = Kind(
    group="autoscaling",
    version="v1",
    kind="Scale",
    plural="scales",
    columns=(
        Column("Desired", ".spec.replicas", "integer", description="Number of desired replicas"),
        Column("Available", ".status.replicas", "integer", description="Number of actual replicas"),
        replace(AGE, description=_CREATED),
    ),
)
"""A Scale as clients are shown it."""
_META = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def _paths(kind: Kind) -> Scale:
    assert kind.scale is not None  # noqa: S101 - only kinds that declare a Scale are routed here
    return kind.scale


def to_scale(kind: Kind, obj: Object) -> Object:
    """The Scale of an object whose kind declares one; absent counts are 0."""
    paths = _paths(kind)
    meta = {key: obj["metadata"][key] for key in _META if key in obj["metadata"]}
    status: Object = {"replicas": compile_path(paths.status_replicas)(obj) or 0}
    selector = compile_path(paths.selector)(obj) if paths.selector else None
    if selector:
        status["selector"] = selector
    spec = {"replicas": compile_path(paths.spec_replicas)(obj) or 0}
    return {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": meta, "spec": spec, "status": status}


def _checked(scale: Object) -> Object:
    """A Scale whose members have the types of autoscaling/v1. Raises BadRequest."""
    fault = next(validate({"metadata": {}, "spec": {}, **scale}, _SCHEMA), None)
    if fault is not None:
        raise BadRequest(f'Scale in version "v1" cannot be handled as a Scale: {fault}')
    return scale


def _scaled(kind: Kind, parent: Object, scale: Object) -> Object:
    """The parent with the Scale's replicas and resourceVersion. Raises BadRequest."""
    _checked(scale)
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    changed = set_path(parent, _paths(kind).spec_replicas, replicas)
    version = (scale.get("metadata") or {}).get("resourceVersion")
    return {**changed, "metadata": {**parent["metadata"], **({"resourceVersion": version} if version else {})}}


async def get(store: Store, exchange: Exchange) -> None:
    info = exchange.info
    check_get(info.query)
    item = await store.get(info.namespace, info.name, first(info.query, "resourceVersion"))
    await _reply(store, exchange, item)


async def _reply(store: Store, exchange: Exchange, item: Item) -> None:
    chosen = exchange.format
    if chosen.target == "PartialObjectMetadataList":
        text = "you requested PartialObjectMetadataList, but the requested object is not a list (*v1.Scale)"
        raise errors.NotAcceptable(text)
    scale = Item(to_scale(store.kind, item.object))
    await exchange.reply(200, representation.one(_KIND, scale, chosen, exchange.include_object))


async def update(store: Store, exchange: Exchange) -> None:
    info = exchange.info
    query = write_query(info.query, "UpdateOptions", exchange.header(b"user-agent"))
    scale = _checked(await exchange.untyped(await exchange.body()))
    if scale.get("kind", "Scale") != "Scale":
        raise BadRequest(f"wrong object passed to Scale update: {scale.get('kind')}")
    name = (scale.get("metadata") or {}).get("name", "")
    if name != info.name:
        raise BadRequest(f"the name of the object ({name}) does not match the name on the URL ({info.name})")
    options = WriteOptions(query.field_manager, query.dry_run)

    def change(live: Object) -> Object:
        return _scaled(store.kind, live, scale)

    item = await store.update(info.namespace, info.name, change, options, "scale")
    await _reply(store, exchange, item)


async def patch_(store: Store, exchange: Exchange) -> None:
    """JSON and merge patches are of the Scale; an applied Scale is applied to the parent's path."""
    info = exchange.info
    media_type = codec.media_type(exchange.header(b"content-type"))
    if media_type not in PATCH_TYPES:
        raise errors.UnsupportedMediaType.accepting(PATCH_TYPES)
    query = write_query(info.query, "PatchOptions", exchange.header(b"user-agent"), apply=media_type == APPLY)
    options = WriteOptions(query.field_manager, query.dry_run, query.force)
    body = await exchange.body()
    if media_type == APPLY:
        config = _parent_config(store.kind, info.name, _applied(body))
        item, _ = await store.apply(info.namespace, info.name, config, options, "scale")
    else:
        apply_patch = PATCHES[media_type]

        def change(live: Object) -> Object:
            return _scaled(store.kind, live, apply_patch(to_scale(store.kind, live), body))

        item = await store.update(info.namespace, info.name, change, options, "scale")
    await _reply(store, exchange, item)


def _applied(body: bytes) -> Object:
    try:
        config, _ = codec.parse_yaml(body)
    except YAMLError as error:
        raise BadRequest(f"error decoding YAML: error converting YAML to JSON: {error}") from error
    if not isinstance(config, dict) or config.get("kind") != "Scale":
        raise BadRequest("invalid object type: an autoscaling/v1 Scale is expected")
    return _checked(config)


def _parent_config(kind: Kind, name: str, scale: Object) -> Object:
    config: Object = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name}}
    replicas = (scale.get("spec") or {}).get("replicas")
    return config if replicas is None else set_path(config, _paths(kind).spec_replicas, replicas)
