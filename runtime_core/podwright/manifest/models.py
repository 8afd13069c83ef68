# SPDX-License-Identifier: Apache-2.0
"""The structure of a Pod that this release accepts: types, required fields, patterns, bounds. The only source of it.

``pod.schema.json`` is generated from here (``python -m podwright.manifest.schema``) and is what a good manifest is
checked with; these models are imported only to word what is wrong with a bad one, because importing pydantic costs
more than the rest of a no-change run.

Fields that Kubernetes has and this release does not are listed in ``unbuilt.py``. Rules between fields are in
``rules.py``. The docstrings below become the descriptions in the schema, for editors.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from podwright import limits
from podwright.manifest import names

DnsLabel = Annotated[str, Field(pattern=names.DNS_LABEL, max_length=names.LABEL_LENGTH)]
DnsLabelOrNothing = Annotated[str, Field(pattern=names.DNS_LABEL_OR_NOTHING, max_length=names.LABEL_LENGTH)]
DnsSubdomain = Annotated[str, Field(pattern=names.DNS_SUBDOMAIN, max_length=names.SUBDOMAIN_LENGTH)]
Quantity = str | int | float
Quantities = dict[str, Quantity]


class _Object(BaseModel):
    """An object that knows all its fields; ``null`` means absent, as in Kubernetes."""

    model_config = ConfigDict(
        extra="forbid", strict=True, alias_generator=to_camel, use_attribute_docstrings=True, serialize_by_alias=True
    )


class EnvVar(_Object):
    """An environment variable of a container."""

    name: Annotated[str, Field(pattern=names.ENV_NAME, max_length=names.SUBDOMAIN_LENGTH)]
    """Printable ASCII without `=`."""
    value: str | None = None
    """`$(NAME)` is replaced by a variable declared before this one; `$$` is a literal `$`."""


class ContainerPort(_Object):
    """A port that the container listens on; informational."""

    container_port: Annotated[int, Field(ge=1, le=65535)]
    """Number of the port on the pod's IP address."""
    name: Annotated[str, Field(pattern=names.PORT_NAME, max_length=names.PORT_NAME_LENGTH)] | None = None
    """Unique within the container."""
    protocol: Literal["TCP", "UDP", "SCTP"] | None = None
    """TCP unless given."""


class ResourceRequirements(_Object):
    """CPU and memory of a container."""

    limits: Quantities | None = None
    """The most that the container may use: `cpu`, `memory`."""
    requests: Quantities | None = None
    """What the container is weighed by: `cpu`, `memory`; the limits unless given."""


class SecurityContext(_Object):
    """Security settings of a container; only the empty one in this release."""


class Container(_Object):
    """One container of the pod."""

    name: DnsLabel
    """Unique within the pod."""
    image: Annotated[str, Field(pattern=names.IMAGE, max_length=names.IMAGE_LENGTH)]
    """Image reference; without a registry, docker.io."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """Always for the tag `latest`, else IfNotPresent."""
    command: list[str] | None = None
    """Replaces the image's entrypoint and drops its arguments. `$(NAME)` is expanded."""
    args: list[str] | None = None
    """Replaces the image's arguments. `$(NAME)` is expanded."""
    working_dir: Annotated[str, Field(pattern=names.ABSOLUTE_PATH)] | None = None
    """Absolute; the image's unless given."""
    env: Annotated[list[EnvVar], Field(max_length=limits.MAX_ENV_VARS_PER_CONTAINER)] | None = None
    """Environment variables, on top of the image's."""
    ports: list[ContainerPort] | None = None
    """Ports that the container listens on; informational."""
    resources: ResourceRequirements | None = None
    """CPU and memory."""
    security_context: SecurityContext | None = None
    """Only `{}` in this release."""


class HostAlias(_Object):
    """A line of the pod's /etc/hosts."""

    ip: str
    """IPv4 or IPv6 address."""
    hostnames: Annotated[list[DnsSubdomain], Field(min_length=1)]
    """Names of that address."""


class PodOS(_Object):
    """The operating system that the containers are made for."""

    name: Literal["linux"]
    """Always linux."""


class PodSecurityContext(_Object):
    """Security settings of the pod; only the empty one in this release."""


class Toleration(_Object):
    """A taint that a scheduler may overlook; without effect here."""

    key: str | None = None
    operator: str | None = None
    value: str | None = None
    effect: str | None = None
    toleration_seconds: int | None = None


class NodeAffinity(_Object):
    """Preferences about nodes; without effect here."""

    preferred_during_scheduling_ignored_during_execution: list[dict[str, Any]] | None = None


class PodAffinity(_Object):
    """Preferences about neighbours; without effect here."""

    preferred_during_scheduling_ignored_during_execution: list[dict[str, Any]] | None = None


class Affinity(_Object):
    """Preferences of a scheduler; without effect here."""

    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None


class PodSpec(_Object):
    """What the pod is to be."""

    containers: Annotated[list[Container], Field(min_length=1, max_length=limits.MAX_CONTAINERS_PER_POD)]
    """Started in this order."""
    restart_policy: Literal["Always", "OnFailure", "Never"] | None = None
    """When a container that ended is started again; Always unless given."""
    termination_grace_period_seconds: Annotated[int, Field(ge=0, le=limits.MAX_GRACE_PERIOD_SECS)] | None = None
    """Seconds between the stop signal and KILL; 30 unless given."""
    hostname: DnsLabelOrNothing | None = None
    """The pod's name unless given."""
    host_aliases: list[HostAlias] | None = None
    """Lines for the pod's /etc/hosts."""
    dns_policy: Literal["ClusterFirst", "ClusterFirstWithHostNet", "Default"] | None = None
    """Default: the host's resolvers. ClusterFirst means the same, as there is no cluster."""
    runtime_class_name: str | None = None
    """What runs the containers: `pod-containers` (the host's default) unless given, `podwright`, or the name of one of
    the host's external runtimes."""
    os: PodOS | None = None
    """Operating system of the containers."""
    security_context: PodSecurityContext | None = None
    """Only `{}` in this release."""
    tolerations: list[Toleration] | None = None
    """Without effect here."""
    affinity: Affinity | None = None
    """Only preferences; without effect here."""
    topology_spread_constraints: list[dict[str, Any]] | None = None
    """Without effect here."""
    scheduler_name: str | None = None
    """Without effect here."""
    priority: int | None = None
    """Without effect here."""
    priority_class_name: str | None = None
    """Without effect here."""
    preemption_policy: Literal["PreemptLowerPriority", "Never"] | None = None
    """Without effect here."""
    overhead: Quantities | None = None
    """Without effect here."""
    enable_service_links: bool | None = None
    """Without effect here."""
    service_account_name: str | None = None
    """Without effect here."""
    service_account: str | None = None
    """Old name of serviceAccountName; without effect here."""
    automount_service_account_token: bool | None = None
    """Without effect here."""


class ObjectMeta(_Object):
    """Who the pod is."""

    name: DnsSubdomain
    """Unique within the namespace."""
    namespace: DnsLabelOrNothing | None = None
    """`default` unless given."""
    labels: dict[str, str] | None = None
    """Key and value pairs to select pods by."""
    annotations: dict[str, str] | None = None
    """Key and value pairs of any content."""


class Pod(_Object):
    """A Kubernetes v1.Pod, as far as this release of podwright runs it."""

    api_version: Literal["v1"]
    """Always v1."""
    kind: Literal["Pod"]
    """Always Pod."""
    metadata: ObjectMeta
    """Its name, namespace, labels and annotations."""
    spec: PodSpec
    """Its containers, and how to run them."""
