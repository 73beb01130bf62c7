"""Rack: a kind with every sort of field that ownership tells apart."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from apiserver.machinery.kind import AGE, Column, Kind, Scale
from apiserver.machinery.meta import AtomicMap, Condition, IntOrString, ListMap, ListSet, Nullable, int32


class Device(BaseModel):
    """One device in a slot."""

    id: int32
    model: str | None = None
    tags: Annotated[list[str], ListSet] | None = None


class Slot(BaseModel):
    """A place for devices."""

    name: str
    height: int32 = 1
    devices: Annotated[list[Device], ListMap("id")] | None = None


class Port(BaseModel):
    """A port, told apart by number and protocol."""

    number: int32
    protocol: str = "TCP"
    label: str | None = None
    target: IntOrString | None = None


class Window(BaseModel):
    """When to do something; replaced as a whole."""

    start: str | None = None
    hours: int32 | None = None


class Cooling(BaseModel):
    """How the rack is cooled."""

    mode: str = "air"
    fans: int32 | None = None
    zones: dict[str, int32] | None = None


class Vendor(BaseModel):
    """What only the vendor knows: a few fields that are described, and any others."""

    model_config = ConfigDict(extra="allow")

    name: str | None = None


class RackSpec(BaseModel):
    """The rack that is wanted."""

    replicas: Annotated[int32, Field(ge=0, le=100)] | None = None
    location: str | None = None
    weight: float | None = None
    locked: bool | None = None
    depth: IntOrString | None = None
    note: Annotated[str | None, Nullable] = None
    aisles: Annotated[list[str], ListSet] | None = None
    sizes: Annotated[list[int32], ListSet] | None = None
    cables: list[str] | None = None
    steps: list[Window] | None = None
    ports: Annotated[list[Port], ListMap("number", "protocol")] | None = None
    slots: Annotated[list[Slot], ListMap("name")] | None = None
    window: Annotated[Window, AtomicMap] | None = None
    limits: Annotated[dict[str, int32], AtomicMap] | None = None
    owners: dict[str, str] | None = None
    cooling: Cooling | None = None
    power: Cooling = Cooling()
    extra: dict[str, Any] | None = None
    vendor: Vendor | None = None


class RackStatus(BaseModel):
    """The rack as it is."""

    replicas: int32 | None = None
    selector: str | None = None
    phase: str | None = None
    conditions: Annotated[list[Condition], ListMap("type")] | None = None


KIND = Kind(
    group="test.example.com",
    version="v1",
    kind="Rack",
    plural="racks",
    spec=RackSpec,
    status=RackStatus,
    scale=Scale(".spec.replicas", ".status.replicas", ".status.selector"),
    columns=(Column("Location", ".spec.location"), AGE),
)
