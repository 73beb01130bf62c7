"""The seam between the machinery and a kind: data and plain functions, no base class to inherit from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pydantic import BaseModel

from apiserver.machinery.errors import FieldError, Object, Resource
from apiserver.machinery.schema import schema_of

Validate = Callable[[Object, Object | None], Sequence[FieldError]]


@dataclass(frozen=True, slots=True)
class Column:
    """A printer column; `path` is a JSONPath such as `.spec.gitRepo`. Priority 0 is always shown, more by -o wide."""

    name: str
    path: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


AGE = Column("Age", ".metadata.creationTimestamp", type="date")


@dataclass(frozen=True, slots=True)
class Scale:
    """JSON paths that /scale maps to: `.spec.replicas`, `.status.replicas`, `.status.selector` (a string)."""

    spec_replicas: str
    status_replicas: str
    selector: str = ""


@dataclass(frozen=True)
class Kind:
    """One API kind. Only the first four and `spec` are needed; `spec=None` is a kind without a schema: any fields.

    validate(new, old) returns field errors beyond what the models say (`machinery/errors.py` makes them), () for none;
    old is None on create. It is asked of each write, of status too, when the models found nothing, and changes neither.
    For large objects it runs in a thread. A spec without required fields may be absent.
    selectable_fields are JSON paths without the leading dot, beside metadata.name and metadata.namespace.
    """

    group: str
    version: str
    kind: str
    plural: str
    spec: type[BaseModel] | None = None
    status: type[BaseModel] | None = None
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    scale: Scale | None = None
    columns: tuple[Column, ...] = (AGE,)
    validate: Validate | None = None
    selectable_fields: tuple[str, ...] = ()
    description: str = ""
    has_status: bool = field(default=False)

    @cached_property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        return self.kind.lower()

    @property
    def list_kind(self) -> str:
        return self.kind + "List"

    @cached_property
    def status_subresource(self) -> bool:
        return self.has_status or self.status is not None

    @property
    def subresources(self) -> tuple[str, ...]:
        return (("status",) if self.status_subresource else ()) + (("scale",) if self.scale else ())

    @cached_property
    def resource(self) -> Resource:
        return Resource(self.group, self.plural, self.kind)

    @cached_property
    def schema(self) -> Object:
        """The whole object's structural schema (OpenAPI v3 as a CRD has it; metadata is left open)."""
        return schema_of(self.spec, self.status, self.description)
