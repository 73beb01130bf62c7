"""/scale: autoscaling/v1 Scale as a subresource of its parent (wire.md 3.15)."""

from dataclasses import replace
from functools import partial
from typing import Any

from apiserver.endpoints import patching, representation
from apiserver.endpoints.exchange import Exchange
from apiserver.machinery import codec, errors, scale, strategy
from apiserver.machinery.codec import Decoded, NotAnObject
from apiserver.machinery.encoding import encode_ordered
from apiserver.machinery.errors import APIError, BadRequest, Object
from apiserver.machinery.gojson import GoJSONError
from apiserver.machinery.goyaml import YAMLError
from apiserver.machinery.kind import AGE, Column, Kind
from apiserver.machinery.patch import APPLY, PATCHES, patch_faults, patch_type
from apiserver.machinery.pruning import prune
from apiserver.machinery.queryoptions import WriteQuery, check_get, write_query
from apiserver.machinery.request import first
from apiserver.registry.item import Item
from apiserver.registry.options import WriteOptions
from apiserver.registry.store import Store

_CREATED = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed "
    "to be set in happens-before order across separate operations. Clients may not set this value. It is represented "
    "in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)
_PRINTED = Kind(
    group="autoscaling",
    version="v1",
    kind=scale.KIND,
    plural="scales",
    columns=(
        Column("Desired", ".spec.replicas", "integer", description="Number of desired replicas"),
        Column("Available", ".status.replicas", "integer", description="Number of actual replicas"),
        replace(AGE, description=_CREATED),
    ),
)
"""For Tables of a Scale."""


async def get(store: Store, exchange: Exchange) -> None:
    info = exchange.info
    check_get(info.query)
    item = await store.get(info.namespace, info.name, first(info.query, "resourceVersion"))
    await _show(exchange, scale.shown(store.kind, item.object))


async def _reply(store: Store, exchange: Exchange, item: Item) -> None:
    await _show(exchange, scale.view(store.kind, item.object))


async def _show(exchange: Exchange, shown: Object) -> None:
    chosen = exchange.format
    if chosen.target == "PartialObjectMetadataList":
        text = "you requested PartialObjectMetadataList, but the requested object is not a list (*v1.Scale)"
        raise errors.NotAcceptable(text)
    if chosen.target:
        data = representation.one(_PRINTED, Item(shown), chosen, exchange.include_object)
    else:
        data = encode_ordered(shown)
    await exchange.reply(200, data)


async def update(store: Store, exchange: Exchange) -> None:
    info = exchange.info
    data = await exchange.body()
    query = write_query(info.query, "UpdateOptions", exchange.header(b"user-agent"))
    new = await _decoded(exchange, data, query)
    strategy.check_namespace(store.kind, new, info.namespace)
    strategy.check_name(new, info.name)
    exchange.warn(*codec.dedup_owners(new["metadata"], codec.REPEATED_OWNERS))
    options = WriteOptions(query.field_manager, query.dry_run, size=len(data))

    def change(live: Object) -> Object:
        store.check_uid(new, live, dry_run=query.dry_run)
        return scale.updated(store.kind, live, lambda _: new, store.write(options, "scale"))

    await _reply(store, exchange, await store.update(info.namespace, info.name, change, options, "scale"))


async def _decoded(exchange: Exchange, data: bytes, query: WriteQuery) -> Object:
    """The body of an update. Raises BadRequest, UnsupportedMediaType."""

    def refuse(_: str) -> APIError:
        return BadRequest(_UNREADABLE)

    try:
        decoded = await exchange.decoded(codec.parse, data)
        new = _checked(exchange, _typed(decoded), query, refuse)
    except (GoJSONError, YAMLError, NotAnObject) as error:
        raise refuse("") from error
    return new


_UNREADABLE = f'no kind is registered for the type v1.Scale in scheme "{errors.SCHEME}"'
"""What kube-apiserver says of every body that it cannot read as a Scale."""


def _typed(decoded: Decoded) -> Decoded:
    """The document as a Scale; one that does not say what it is is one. Raises NotAnObject."""
    if fault := codec.type_meta_fault(decoded.tree):
        raise NotAnObject(fault)
    tree: Object = decoded.tree or {}
    said = {key: tree[key] for key in ("apiVersion", "kind") if tree.get(key)}
    tree = {**tree, "apiVersion": scale.API_VERSION, "kind": scale.KIND, **said}
    if fault := scale.fault(tree):
        raise NotAnObject(fault)
    return Decoded(tree, decoded.faults)


def _checked(exchange: Exchange, decoded: Decoded, query: WriteQuery, refuse: codec.Refuse) -> Object:
    """A Scale with the members that there are; warns of others, or raises what `refuse` makes of them."""
    unknown: list[str] = []
    pruned: Object = prune(decoded.tree, scale.SCHEMA, unknown)
    new = {**pruned, "metadata": codec.coerced_meta(pruned.get("metadata") or {}, [])}
    faults = decoded.faults + [f"unknown field {errors.quoted(path)}" for path in sorted(unknown)]
    exchange.warn(*codec.check_faults(faults, query.field_validation, refuse))
    return new


async def patch_(store: Store, exchange: Exchange) -> None:
    """JSON and merge patches are of the Scale; an applied Scale owns its replicas, which are the parent's."""
    info = exchange.info
    media_type = patch_type(exchange.header(b"content-type"))
    body = await exchange.body()
    query = write_query(info.query, "PatchOptions", exchange.header(b"user-agent"), apply=media_type == APPLY)
    options = WriteOptions(query.field_manager, query.dry_run, size=len(body))
    if media_type == APPLY:
        config, repeated = await patching.configuration(body)
        check = partial(patching.check_repeated, exchange, repeated, query)
        options = replace(options, force=query.force, check_applied=check)
        change = partial(_applied, store, exchange, config, options)
    else:
        change = partial(_patched, store, exchange, media_type, body, options, query)
    await _reply(store, exchange, await store.update(info.namespace, info.name, change, options, "scale"))


def _applied(store: Store, exchange: Exchange, config: Object, options: WriteOptions, live: Object) -> Object:
    made = scale.applied(store.kind, live, config, store.write(options, "scale"), force=options.force)
    options.check_applied()
    _check_identity(store, exchange, made)
    return made


def _patched(
    store: Store,
    exchange: Exchange,
    media_type: str,
    body: bytes,
    options: WriteOptions,
    query: WriteQuery,
    live: Object,
) -> Object:
    faults = patch_faults(media_type, body) if query.checked else []

    def change(current: Object) -> Object:
        document = PATCHES[media_type](current, body, query.checked)
        refuse = patching.refusal(_sorted_where_touched(current, document), encode_ordered)
        try:
            decoded = _typed(Decoded(document, faults))
        except NotAnObject as error:
            raise refuse(str(error)) from error
        new = _checked(exchange, decoded, query, refuse)
        _check_identity(store, exchange, new)
        return new

    return scale.updated(store.kind, live, change, store.write(options, "scale"))


def _sorted_where_touched(before: Any, after: Any) -> Any:
    """Go sorts the keys of what a patch touches, and only those."""
    if after == before or not isinstance(after, dict):
        return after
    known = before if isinstance(before, dict) else {}
    return {key: _sorted_where_touched(known.get(key), after[key]) for key in sorted(after)}


def _check_identity(store: Store, exchange: Exchange, new: Object) -> None:
    strategy.check_namespace(store.kind, new, exchange.info.namespace)
    strategy.check_name(new, exchange.info.name)
