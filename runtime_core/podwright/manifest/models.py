# SPDX-License-Identifier: Apache-2.0
"""The structure of a Pod that this release accepts: types, required fields, patterns, bounds. The only source of it.

``pod.schema.json`` is generated from here (``python -m podwright.manifest.schema``) and is what a good manifest is
checked with; these models are imported only to word what is wrong with a bad one, because importing pydantic costs
more than the rest of a no-change run.

Fields that Kubernetes has and this release does not are listed in ``unbuilt.py``. Rules between fields are in
``rules.py``. The docstrings below become the descriptions in the schema, for editors.
"""

from typing import Annotated, Literal

from pydantic import Field

from podwright import limits
from podwright.manifest import names
from podwright.manifest.config_models import EnvFromSource, EnvVarSource
from podwright.manifest.model import DnsLabel, DnsSubdomain, Image
from podwright.manifest.model import Object as _Object
from podwright.manifest.probe_models import Lifecycle, PodReadinessGate, Probe
from podwright.manifest.resource_models import ContainerResizePolicy, Quantities, ResourceRequirements
from podwright.manifest.scheduling_models import Affinity, Toleration, TopologySpreadConstraint
from podwright.manifest.volume_models import VolumeMount, Volumes

DnsLabelOrNothing = Annotated[str, Field(pattern=names.DNS_LABEL_OR_NOTHING, max_length=names.LABEL_LENGTH)]
Int32 = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
UserId = Annotated[int, Field(ge=0, le=2**31 - 1)]
GracePeriod = Annotated[int, Field(ge=0, le=limits.MAX_GRACE_PERIOD_SECS)]
RestartPolicy = Literal["Always", "OnFailure", "Never"]
RestartPolicyOrNothing = Literal["", "Always", "OnFailure", "Never"]


class EnvVar(_Object):
    """An environment variable of a container."""

    name: Annotated[str, Field(pattern=names.ENV_NAME, max_length=names.SUBDOMAIN_LENGTH)]
    """Printable ASCII without `=`."""
    value: str | None = None
    """`$(NAME)` is replaced by a variable declared before this one; `$$` is a literal `$`."""
    value_from: EnvVarSource | None = None
    """Where the value comes from, instead of `value`."""


class ContainerPort(_Object):
    """A port that the container listens on; informational."""

    container_port: Annotated[int, Field(ge=1, le=65535)]
    """Number of the port on the pod's IP address."""
    name: Annotated[str, Field(pattern=names.PORT_NAME, max_length=names.PORT_NAME_LENGTH)] | None = None
    """Unique within the container."""
    protocol: Literal["", "TCP", "UDP", "SCTP"] | None = None
    """TCP unless given."""


class Capabilities(_Object):
    """Capabilities on top of the default ones, or taken from them."""

    add: list[str] | None = None
    """Names such as `NET_ADMIN`, or `ALL`."""
    drop: list[str] | None = None
    """Names such as `NET_RAW`, or `ALL`, which leaves what `add` names."""


class SeccompProfile(_Object):
    """The filter of system calls."""

    type: Literal["RuntimeDefault", "Unconfined", "Localhost"]
    """Localhost is a profile of this host's."""
    localhost_profile: str | None = None
    """File of the profile, relative to `seccomp/` in Podwright's state directory."""


class SecurityContext(_Object):
    """Security settings of a container; they come before those of the pod."""

    run_as_user: UserId | None = None
    """Number of the user; the image's unless given."""
    run_as_group: UserId | None = None
    """Number of the primary group; the user's unless given."""
    run_as_non_root: bool | None = None
    """Refuse to run as user 0."""
    capabilities: Capabilities | None = None
    """What root may do in the container."""
    privileged: bool | None = None
    """All capabilities, all devices, no system call filter, nothing masked."""
    allow_privilege_escalation: bool | None = None
    """Whether setuid programs work; false unless the container is privileged or has SYS_ADMIN."""
    read_only_root_filesystem: bool | None = None
    """Whether all but the mounts is read-only."""
    proc_mount: Literal["Default", "Unmasked"] | None = None
    """Only Default."""
    seccomp_profile: SeccompProfile | None = None
    """RuntimeDefault unless given."""


class _ContainerFields(_Object):
    """What every container has, in a pod or alone."""

    image_pull_policy: Literal["", "Always", "IfNotPresent", "Never"] | None = None
    """Always for the tag `latest`, else IfNotPresent."""
    command: list[str] | None = None
    """Replaces the image's entrypoint and drops its arguments. `$(NAME)` is expanded."""
    args: list[str] | None = None
    """Replaces the image's arguments. `$(NAME)` is expanded."""
    working_dir: Annotated[str, Field(pattern=names.ABSOLUTE_PATH)] | None = None
    """Absolute; the image's unless given."""
    env_from: list[EnvFromSource] | None = None
    """Variables from ConfigMaps and Secrets, before those of `env`; of two of one name the later is taken."""
    env: Annotated[list[EnvVar], Field(max_length=limits.MAX_ENV_VARS_PER_CONTAINER)] | None = None
    """Environment variables, on top of the image's."""
    ports: list[ContainerPort] | None = None
    """Ports that the container listens on; informational."""
    resources: ResourceRequirements | None = None
    """Processors, memory, huge pages, disk."""
    security_context: SecurityContext | None = None
    """User, capabilities, system calls."""
    volume_mounts: list[VolumeMount] | None = None
    """Where the container sees the volumes."""


class ExitCodes(_Object):
    """Exit codes of a container."""

    operator: Literal["In", "NotIn"]
    """Whether the code must be one of the values, or none of them."""
    values: Annotated[list[Int32], Field(max_length=limits.MAX_EXIT_CODES)] | None = None
    """Exit codes."""


class RestartRule(_Object):
    """What to do when a container ended with certain exit codes."""

    action: Literal["Restart", "RestartAllContainers"]
    """Only Restart."""
    exit_codes: ExitCodes | None = None
    """With which the rule applies."""


class Container(_ContainerFields):
    """One container of the pod."""

    name: DnsLabel
    """Unique within the pod."""
    image: Image
    """Image reference; without a registry, docker.io."""
    resize_policy: list[ContainerResizePolicy] | None = None
    """For which new resources the container starts again."""
    restart_policy: RestartPolicy | None = None
    """When this container is started again after it ended; as the pod says unless given."""
    restart_policy_rules: Annotated[list[RestartRule], Field(max_length=limits.MAX_RESTART_RULES)] | None = None
    """Tried before the policy: the first rule with the exit code decides."""
    termination_message_path: Annotated[str, Field(pattern=names.ABSOLUTE_PATH)] | None = None
    """File in the container whose last 4096 bytes are its message when it ends; /dev/termination-log unless given."""
    termination_message_policy: Literal["", "File", "FallbackToLogsOnError"] | None = None
    """Whether the end of its log is the message of a container that failed and left none; File unless given."""
    startup_probe: Probe | None = None
    """Whether the container has started; the other probes wait for that."""
    liveness_probe: Probe | None = None
    """Whether it still works; it is restarted when it does not."""
    readiness_probe: Probe | None = None
    """Whether it is ready to be used."""
    lifecycle: Lifecycle | None = None
    """What is done when it has started, and before it is told to stop."""


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


class Sysctl(_Object):
    """A kernel parameter."""

    name: str
    """Such as `net.ipv4.ip_unprivileged_port_start`."""
    value: str
    """What is written to it."""


class PodSecurityContext(_Object):
    """Security settings for all containers that do not have their own."""

    run_as_user: UserId | None = None
    """Number of the user; the image's unless given."""
    run_as_group: UserId | None = None
    """Number of the primary group; the user's unless given."""
    run_as_non_root: bool | None = None
    """Refuse to run as user 0."""
    supplemental_groups: list[UserId] | None = None
    """Numbers of groups, on top of those that the image gives the user."""
    supplemental_groups_policy: Literal["Merge", "Strict"] | None = None
    """Strict leaves out the groups that the image gives the user; Merge unless given."""
    fs_group: UserId | None = None
    """Number of a group that all containers have, and that may write in the pod's volumes but those of the host."""
    fs_group_change_policy: Literal["Always", "OnRootMismatch"] | None = None
    """OnRootMismatch leaves a persistent volume alone whose directory has the group already; Always unless given."""
    sysctls: list[Sysctl] | None = None
    """Kernel parameters of the pod's network and IPC."""
    seccomp_profile: SeccompProfile | None = None
    """RuntimeDefault unless given."""


class LocalObjectReference(_Object):
    """The name of another object in the same namespace."""

    name: DnsSubdomain
    """Of a Secret that this host keeps."""


class PodSpec(_Object):
    """What the pod is to be."""

    containers: Annotated[list[Container], Field(min_length=1, max_length=limits.MAX_CONTAINERS_PER_POD)]
    """Started in this order."""
    init_containers: Annotated[list[Container], Field(max_length=limits.MAX_CONTAINERS_PER_POD)] | None = None
    """Run before the others, one after another; one with restartPolicy Always (a sidecar) stays as long as the pod."""
    restart_policy: RestartPolicyOrNothing | None = None
    """When a container that ended is started again; Always unless given."""
    termination_grace_period_seconds: GracePeriod | None = None
    """Seconds between the stop signal and KILL; 30 unless given."""
    active_deadline_seconds: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    """Seconds after which the pod is ended, and has failed, whatever it does."""
    hostname: DnsLabelOrNothing | None = None
    """The pod's name unless given."""
    host_aliases: list[HostAlias] | None = None
    """Lines for the pod's /etc/hosts."""
    dns_policy: Literal["", "ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"] | None = None
    """Default: the host's resolvers. ClusterFirst means the same, as there is no cluster."""
    runtime_class_name: str | None = None
    """What runs the containers: `pod-containers` (the host's default) unless given, `podwright`, or the name of one of
    the host's external runtimes."""
    os: PodOS | None = None
    """Operating system of the containers."""
    security_context: PodSecurityContext | None = None
    """User and system calls of all containers."""
    resources: ResourceRequirements | None = None
    """Of all containers together; each may use what of it the others leave."""
    volumes: Volumes | None = None
    """What the containers can mount."""
    image_pull_secrets: list[LocalObjectReference] | None = None
    """Secrets with the credentials of registries; one that is not there is passed over, as in Kubernetes."""
    readiness_gates: list[PodReadinessGate] | None = None
    """Conditions that others set, without which the pod is not ready."""
    tolerations: list[Toleration] | None = None
    """Without effect here."""
    affinity: Affinity | None = None
    """Only preferences; without effect here."""
    topology_spread_constraints: list[TopologySpreadConstraint] | None = None
    """Without effect here."""
    scheduler_name: str | None = None
    """Without effect here."""
    priority: Int32 | None = None
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


class LoneContainer(_ContainerFields):
    """A container without a pod around it: Kubernetes' container, and what else of a Pod one container needs."""

    kind: Literal["Container"]
    """Always Container."""
    name: DnsLabel
    """Unique within the namespace."""
    namespace: DnsLabelOrNothing | None = None
    """`default` unless given."""
    labels: dict[str, str] | None = None
    """Key and value pairs to select containers by."""
    annotations: dict[str, str] | None = None
    """Key and value pairs of any content."""
    state: Literal["present", "stopped"] | None = None
    """Whether it runs or is only recorded; present unless given."""
    image: Image | None = None
    """Image reference; without a registry, docker.io. Either this or `rootfs`."""
    rootfs: Annotated[str, Field(pattern=names.SOME_PATH)] | None = None
    """Directory of the host to use instead of an image; it is never written."""
    volumes: Volumes | None = None
    """What the container can mount."""
    runtime_class_name: str | None = None
    """Under which runtime it runs; `pod-containers` unless given."""
    restart_policy: RestartPolicyOrNothing | None = None
    """When the container is started again after it ended; Always unless given."""
    termination_grace_period_seconds: GracePeriod | None = None
    """Seconds between the stop signal and KILL; 30 unless given."""
