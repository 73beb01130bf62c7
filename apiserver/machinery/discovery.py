"""What groups, versions and resources there are, in every form that clients ask for (wire.md 1.6).

Groups are in order of their names, versions in order of preference, resources in order of their names. The core group's
name is "": it is served below /api, all others below /apis.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256

from apiserver.machinery.errors import Object
from apiserver.machinery.kind import Kind

# In the order that kube-apiserver lists them for a custom resource.
VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
SUBRESOURCE_VERBS = ("get", "patch", "update")
_SCALE = {"group": "autoscaling", "version": "v1", "kind": "Scale"}

_VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")
_STABILITY = {"alpha": 1, "beta": 2, None: 3}


def _preference(version: str) -> tuple[int, int, int, str]:
    """Sort key: stable before beta before alpha, newer before older, other names last in alphabetical order."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return (0, 0, 0, version)
    return (-_STABILITY[match[2]], -int(match[1]), -int(match[3] or 0), version)


def group_versions(kinds: Iterable[Kind]) -> dict[str, list[str]]:
    """Each group's versions, the preferred one first."""
    found: dict[str, set[str]] = {}
    for kind in kinds:
        found.setdefault(kind.group, set()).add(kind.version)
    return {group: sorted(found[group], key=_preference) for group in sorted(found)}


def _served(kinds: Iterable[Kind], group: str, version: str) -> list[Kind]:
    return sorted((kind for kind in kinds if (kind.group, kind.version) == (group, version)), key=lambda k: k.plural)


def api_versions(kinds: Sequence[Kind], server_address: str) -> Object:
    """The answer at /api: the core group's versions. `server_address` is host:port."""
    return {
        "kind": "APIVersions",
        "versions": group_versions(kinds).get("", []),
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}],
    }


def api_group_list(kinds: Sequence[Kind]) -> Object:
    """The answer at /apis."""
    groups = [_group(group, versions) for group, versions in group_versions(kinds).items() if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def api_group(kinds: Sequence[Kind], group: str) -> Object:
    """The answer at /apis/GROUP; KeyError for a group that no kind has."""
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, group_versions(kinds)[group])}


def _group(group: str, versions: Sequence[str]) -> Object:
    named = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": named, "preferredVersion": named[0]}


def api_resource_list(kinds: Sequence[Kind], group: str, version: str) -> Object:
    """The answer at /apis/GROUP/VERSION and /api/VERSION."""
    resources = [entry for kind in _served(kinds, group, version) for entry in _resources(kind)]
    group_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}


def _resources(kind: Kind) -> list[Object]:
    main: Object = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(VERBS),
        **_names(kind),
        "storageVersionHash": storage_version_hash(kind),
    }
    return [main, *(_subresource(kind, name) for name in kind.subresources)]


def _names(kind: Kind) -> Object:
    """Short names and categories, left out when empty."""
    members = {"shortNames": list(kind.short_names), "categories": list(kind.categories)}
    return {key: value for key, value in members.items() if value}


def _subresource(kind: Kind, name: str) -> Object:
    return {
        "name": f"{kind.plural}/{name}",
        "singularName": "",
        "namespaced": kind.namespaced,
        **(_SCALE if name == "scale" else {"kind": kind.kind}),
        "verbs": list(SUBRESOURCE_VERBS),
    }


def storage_version_hash(kind: Kind) -> str:
    """Tells storage migrators that the stored form changed: the start of a SHA-256 over group, version and kind."""
    return b64encode(sha256(f"{kind.group}/{kind.version}/{kind.kind}".encode()).digest()[:8]).decode()


def aggregated(kinds: Sequence[Kind], core: bool = False) -> Object:
    """APIGroupDiscoveryList v2: the answer at /apis, or with `core` at /api."""
    groups = group_versions(kinds).items()
    items = [_aggregated_group(kinds, group, versions) for group, versions in groups if (group == "") == core]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _aggregated_group(kinds: Sequence[Kind], group: str, versions: Sequence[str]) -> Object:
    entries = [
        {
            "version": version,
            "resources": [_aggregated_resource(kind) for kind in _served(kinds, group, version)],
            "freshness": "Current",
        }
        for version in versions
    ]
    return {"metadata": {"name": group} if group else {}, "versions": entries}


def _aggregated_resource(kind: Kind) -> Object:
    own_kind = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    entry: Object = {
        "resource": kind.plural,
        "responseKind": own_kind,
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(VERBS),
        **_names(kind),
    }
    subresources = [
        {
            "subresource": name,
            "responseKind": _SCALE if name == "scale" else own_kind,
            "verbs": list(SUBRESOURCE_VERBS),
        }
        for name in kind.subresources
    ]
    return {**entry, "subresources": subresources} if subresources else entry
