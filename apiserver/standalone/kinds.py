"""The kinds of the host cluster that reconcilers and kubectl need, without schemas: any fields are kept.

Columns are what JSON paths can say of the columns that kube-apiserver prints for these kinds.
"""

from apiserver.machinery.kind import AGE, Column, Kind, Scale

# No status subresource: whoever creates a Namespace sets its phase at once (standalone/namespaces.py).
NAMESPACES = Kind(
    group="",
    version="v1",
    kind="Namespace",
    plural="namespaces",
    namespaced=False,
    short_names=("ns",),
    columns=(Column("Status", ".status.phase"), AGE),
    selectable_fields=("status.phase",),
    description="Namespace provides a scope for names.",
)

SERVICES = Kind(
    group="",
    version="v1",
    kind="Service",
    plural="services",
    short_names=("svc",),
    categories=("all",),
    columns=(
        Column("Type", ".spec.type"),
        Column("Cluster-IP", ".spec.clusterIP"),
        Column("Port(s)", ".spec.ports[*].port"),
        AGE,
        Column("Selector", ".spec.selector", priority=1),
    ),
    has_status=True,
    selectable_fields=("spec.clusterIP", "spec.type"),
    description="Service is a named way to reach a set of Pods.",
)

EVENTS = Kind(
    group="",
    version="v1",
    kind="Event",
    plural="events",
    short_names=("ev",),
    columns=(
        Column("Last Seen", ".lastTimestamp", type="date"),
        Column("Type", ".type"),
        Column("Reason", ".reason"),
        Column("Object", ".involvedObject.name"),
        Column("Message", ".message"),
        Column("Count", ".count", type="integer", priority=1),
    ),
    selectable_fields=(
        "involvedObject.apiVersion",
        "involvedObject.fieldPath",
        "involvedObject.kind",
        "involvedObject.name",
        "involvedObject.namespace",
        "involvedObject.resourceVersion",
        "involvedObject.uid",
        "reason",
        "source",
        "type",
    ),
    description="Event is a report of something that happened to an object.",
)

EVENTS_V1 = Kind(
    group="events.k8s.io",
    version="v1",
    kind="Event",
    plural="events",
    short_names=("ev",),
    columns=(
        Column("Last Seen", ".eventTime", type="date"),
        Column("Type", ".type"),
        Column("Reason", ".reason"),
        Column("Object", ".regarding.name"),
        Column("Message", ".note"),
    ),
    description="Event is a report of something that happened to an object.",
)

LEASES = Kind(
    group="coordination.k8s.io",
    version="v1",
    kind="Lease",
    plural="leases",
    columns=(Column("Holder", ".spec.holderIdentity"), AGE),
    description="Lease says who leads, and until when.",
)

DEPLOYMENTS = Kind(
    group="apps",
    version="v1",
    kind="Deployment",
    plural="deployments",
    short_names=("deploy",),
    categories=("all",),
    scale=Scale(".spec.replicas", ".status.replicas"),
    columns=(
        Column("Desired", ".spec.replicas", type="integer"),
        Column("Ready", ".status.readyReplicas", type="integer"),
        Column("Up-to-date", ".status.updatedReplicas", type="integer"),
        Column("Available", ".status.availableReplicas", type="integer"),
        AGE,
        Column("Containers", ".spec.template.spec.containers[*].name", priority=1),
        Column("Images", ".spec.template.spec.containers[*].image", priority=1),
    ),
    has_status=True,
    description="Deployment keeps a number of equal Pods running.",
)

HOST_KINDS = (NAMESPACES, SERVICES, EVENTS, EVENTS_V1, LEASES, DEPLOYMENTS)
