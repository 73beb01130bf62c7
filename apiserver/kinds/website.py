"""Website: serve the content of a git repository over HTTP."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, Field

from apiserver.machinery.errors import FieldError, Object, invalid
from apiserver.machinery.kind import AGE, Column, Kind, Scale
from apiserver.machinery.meta import Condition, ListMap, int32, int64


class WebsiteSpec(BaseModel):
    """What to serve."""

    gitRepo: str = Field(min_length=1, max_length=2048, pattern=r"^(https?|ssh|git)://", description="URL to clone.")
    branch: str | None = Field(default=None, description="Branch, tag or commit; the repository's default if absent.")
    replicas: int32 = Field(default=1, ge=0, le=100, description="Number of web servers to run.")


class WebsiteStatus(BaseModel):
    """What was last seen of it in the cluster."""

    replicas: int32 | None = Field(default=None, description="Number of web servers there are.")
    readyReplicas: int32 | None = Field(default=None, description="Number of web servers that serve the content.")
    selector: str | None = Field(default=None, description="Label selector of the web servers' Pods.")
    url: str | None = Field(default=None, description="Where the content is served inside the cluster.")
    observedGeneration: int64 | None = Field(default=None, description="The metadata.generation this status is about.")
    conditions: Annotated[list[Condition], ListMap("type"), Field(description="Ready: is it served?")] | None = None


def child_name(name: str) -> str:
    """The name of a Website's Deployment and Service."""
    return f"{name}-website"


def validate(new: Object, old: Object | None) -> Sequence[FieldError]:
    """The name must leave room for a Service's, a DNS-1035 label (RFC 1035 2.3.1). Names never change after that."""
    name, limit = new["metadata"]["name"], 63 - len(child_name(""))
    if old is not None or (len(name) <= limit and "." not in name and not name[:1].isdigit()):
        return ()
    rule = f"must start with a letter, contain no dots and be no more than {limit} characters"
    return (invalid("metadata.name", name, f'{rule}, because a Service named "{child_name("NAME")}" is made from it'),)


KIND = Kind(
    group="extensions.example.com",
    version="v1alpha1",
    kind="Website",
    plural="websites",
    short_names=("ws",),
    categories=("all",),
    spec=WebsiteSpec,
    status=WebsiteStatus,
    scale=Scale(".spec.replicas", ".status.replicas", ".status.selector"),
    columns=(Column("Repo", ".spec.gitRepo"), Column("Ready", '.status.conditions[?(@.type=="Ready")].status'), AGE),
    validate=validate,
    description="Website serves the content of a git repository over HTTP.",
)
