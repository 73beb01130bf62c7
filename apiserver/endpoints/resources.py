"""The verbs of a resource over HTTP: parse, call the Store, encode (k8s.io/apiserver `endpoints/handlers`)."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from apiserver.endpoints import patching, representation, scale
from apiserver.endpoints.conversion import converted
from apiserver.endpoints.exchange import Exchange, success_status
from apiserver.http.negotiation import Format
from apiserver.machinery import codec, errors, strategy
from apiserver.machinery.authorization import AuthorizationError, forbidden
from apiserver.machinery.codec import Decoded, NotAnObject
from apiserver.machinery.errors import BadRequest, Object
from apiserver.machinery.patch import APPLY, PATCHES, patch_faults, patch_type
from apiserver.machinery.queryoptions import WriteQuery, check_get, check_list, delete_options, integer, write_query
from apiserver.machinery.request import Query, first
from apiserver.machinery.selectors import (
    LONG,
    FieldSelector,
    LabelSelector,
    check_selectable,
    parse_fields,
    parse_labels,
)
from apiserver.machinery.strategy import DeleteOptions
from apiserver.machinery.validation import finalizer_warnings
from apiserver.registry.item import Item
from apiserver.registry.options import ListOptions, WriteOptions
from apiserver.registry.store import Store

T = TypeVar("T")


def selectors(store: Store, query: Query, check: Callable[[Query], T]) -> tuple[LabelSelector, FieldSelector, T]:
    """Both selectors and the answer of `check`, which judges the other options; what can be wrong with them is looked
    for in kube-apiserver's order. Raises BadRequest, Invalid."""
    integer(query, "timeoutSeconds")
    integer(query, "limit")
    labels = parse_labels(first(query, "labelSelector"))
    fields = parse_fields(first(query, "fieldSelector"))
    checked = check(query)
    check_selectable(fields, store.kind.selectable_fields)
    return labels.prepared(), fields.prepared(), checked


async def off_loop_if_long(query: Query, parse: Callable[[], T]) -> T:
    """What `parse` makes of the query; a selector may have 64 KiB, which take a tenth of a second."""
    long = len(first(query, "labelSelector")) + len(first(query, "fieldSelector")) > LONG
    return await asyncio.to_thread(parse) if long else parse()


async def list_options(store: Store, query: Query) -> ListOptions:
    """Raises BadRequest, Invalid."""
    labels, fields, _ = await off_loop_if_long(query, partial(selectors, store, query, check_list))
    return ListOptions(
        labels,
        fields,
        integer(query, "limit") or 0,
        first(query, "continue"),
        first(query, "resourceVersion"),
        first(query, "resourceVersionMatch"),
    )


async def get(store: Store, exchange: Exchange) -> None:
    info = exchange.info
    chosen = exchange.format
    version = ""
    if info.query:
        check_get(info.query)
        version = first(info.query, "resourceVersion")
    item = await store.get(info.namespace, info.name, version)
    await reply_item(store, exchange, 200, item, chosen)


async def reply_item(store: Store, exchange: Exchange, code: int, item: Item, chosen: Format) -> None:
    data = item.wire if not chosen.target else representation.one(store.kind, item, chosen, exchange.include_object)
    await exchange.reply(code, data)


async def list_(store: Store, exchange: Exchange) -> None:
    chosen = exchange.format
    found = await store.list(exchange.info.namespace, await list_options(store, exchange.info.query))
    await exchange.reply_body(200, representation.many(store.kind, found, chosen, exchange.include_object))


async def create(store: Store, exchange: Exchange) -> None:
    chosen = exchange.format
    codec.input_type(exchange.header(b"content-type"))
    data = await exchange.body()
    options = _write_options(exchange, "CreateOptions")
    obj = await _object(store, exchange, data, options)
    strategy.wipe_system_fields(obj["metadata"])
    strategy.check_namespace(store.kind, obj, exchange.info.namespace)
    exchange.warn(*codec.dedup_owners(obj["metadata"], codec.REPEATED_OWNERS))
    item = await store.create(obj, _to_store(exchange, options, len(data)))
    await reply_item(store, exchange, 201, item, chosen)


async def update(store: Store, exchange: Exchange) -> None:
    info = exchange.info
    _check_named(exchange)
    chosen = exchange.format
    data = await exchange.body()
    options = _write_options(exchange, "UpdateOptions")
    obj = await _object(store, exchange, data, options)
    strategy.check_namespace(store.kind, obj, info.namespace)
    strategy.check_name(obj, info.name)
    exchange.warn(*codec.dedup_owners(obj["metadata"], codec.REPEATED_OWNERS))

    def swap(live: Object) -> Object:
        store.check_uid(obj, live, dry_run=options.dry_run)
        return obj

    item = await store.update(
        info.namespace, info.name, swap, _to_store(exchange, options, len(data)), info.subresource
    )
    await reply_item(store, exchange, 200, item, chosen)


async def patch_(store: Store, exchange: Exchange) -> None:
    media_type = patch_type(exchange.header(b"content-type"))
    _check_named(exchange)
    chosen = exchange.format
    body = await exchange.body()
    options = _write_options(exchange, "PatchOptions", apply=media_type == APPLY)
    if media_type == APPLY:
        item, created = await _apply(store, exchange, body, options)
    else:
        item, created = await _patched(store, exchange, media_type, body, options), False
    await reply_item(store, exchange, 201 if created else 200, item, chosen)


async def _patched(store: Store, exchange: Exchange, media_type: str, body: bytes, options: WriteQuery) -> Item:
    info = exchange.info
    faults = await converted(partial(patch_faults, media_type), body) if options.checked else []

    def change(live: Object) -> Object:
        new = _coerced(store, exchange, PATCHES[media_type](live, body, options.checked), faults, options)
        strategy.check_namespace(store.kind, new, info.namespace)
        strategy.check_name(new, info.name)
        return new

    return await store.update(
        info.namespace, info.name, change, _to_store(exchange, options, len(body)), info.subresource
    )


def _coerced(store: Store, exchange: Exchange, document: Any, faults: list[str], options: WriteQuery) -> Object:
    """A patch's result as an object."""
    refuse = patching.refusal(document)
    if text := codec.patched_fault(document):
        raise refuse(text)
    try:
        decoded = codec.coerce(store.kind, Decoded(document, faults))
    except NotAnObject as error:
        raise refuse(str(error)) from error
    exchange.warn(*codec.check_faults(decoded.faults, options.field_validation, refuse))
    obj: Object = decoded.tree
    exchange.warn(*codec.dedup_owners(obj["metadata"], codec.REPEATED_OWNERS_PATCHED))
    return obj


async def _apply(store: Store, exchange: Exchange, body: bytes, options: WriteQuery) -> tuple[Item, bool]:
    """`Store.apply`."""
    info = exchange.info
    config, repeated = await patching.configuration(body)
    check = partial(patching.check_repeated, exchange, repeated, options)
    written = replace(_to_store(exchange, options, len(body)), check_applied=check)
    return await store.apply(info.namespace, info.name, config, written, info.subresource)


async def delete(store: Store, exchange: Exchange) -> None:
    info = exchange.info
    chosen = exchange.format
    options = await _delete_options(exchange)
    item, gone = await store.delete(info.namespace, info.name, options)
    if not gone:
        await reply_item(store, exchange, 202 if options.orphan_dependents is False else 200, item, chosen)
        return
    kind, meta = store.kind, item.meta
    details = {"name": info.name, "group": kind.group, "kind": kind.plural, "uid": meta["uid"]}
    await exchange.reply(200, success_status({key: value for key, value in details.items() if value}))


async def delete_collection(store: Store, exchange: Exchange) -> None:
    chosen = exchange.format
    listed = await list_options(store, exchange.info.query)
    options = await _delete_options(exchange)
    found = await store.delete_collection(exchange.info.namespace, listed, options)
    await exchange.reply_body(200, representation.many(store.kind, found, chosen, exchange.include_object))


async def _delete_options(exchange: Exchange) -> DeleteOptions:
    data = await exchange.body()
    if not data:
        return delete_options(exchange.info.query, None)
    body = await exchange.untyped(data)
    if fault := codec.delete_options_type_fault(body, data):
        raise BadRequest(fault)
    return delete_options(exchange.info.query, body)


def _write_options(exchange: Exchange, options_kind: str, *, apply: bool = False) -> WriteQuery:
    return write_query(exchange.info.query, options_kind, exchange.header(b"user-agent"), apply=apply)


def _to_store(exchange: Exchange, options: WriteQuery, size: int) -> WriteOptions:
    """`size` of the body, in bytes."""

    def warn(new: Object, old: Object) -> None:
        exchange.warn(*finalizer_warnings(new, old))

    authorize = partial(_authorize_create, exchange)
    return WriteOptions(options.field_manager, options.dry_run, options.force, authorize, valid=warn, size=size)


async def _authorize_create(exchange: Exchange) -> None:
    """An apply that creates needs the right to create, too (wire.md 2.3). Raises Forbidden, InternalError."""
    info = replace(exchange.info, verb="create")
    try:
        decision = await exchange.state["authorize"](exchange.user, info)
    except AuthorizationError as error:
        raise errors.InternalError(str(error)) from error
    if not decision.allowed:
        raise forbidden(exchange.user, info, decision.reason)


async def _object(store: Store, exchange: Exchange, data: bytes, options: WriteQuery) -> Object:
    """The body of a create or update, decoded for this kind."""
    decoded = await exchange.decoded(partial(codec.decode_object, store.kind, checked=options.checked), data)
    obj: Object = decoded.tree
    exchange.warn(*codec.check_faults(decoded.faults, options.field_validation, partial(codec.faulty, obj)))
    codec.check_version(store.kind, obj)
    return obj


def _check_named(exchange: Exchange) -> None:
    """Raises BadRequest on a collection."""
    if not exchange.info.name:
        raise BadRequest("name must be provided")


Handler = Callable[[Store, Exchange], Awaitable[None]]

HANDLERS: dict[str, Handler] = {
    "get": get,
    "list": list_,
    "create": create,
    "update": update,
    "patch": patch_,
    "delete": delete,
    "deletecollection": delete_collection,
}
SUBRESOURCE_HANDLERS: dict[str, dict[str, Handler]] = {
    "status": {"get": get, "update": update, "patch": patch_},
    "scale": {"get": scale.get, "update": scale.update, "patch": scale.patch_},
}
