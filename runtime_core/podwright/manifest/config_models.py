# SPDX-License-Identifier: Apache-2.0
"""The structure of what a container is configured by: variables from ConfigMaps, Secrets and the pod itself.

Part of ``models.py``, whose docstring says how it is used.
"""

from typing import Annotated, Literal

from pydantic import Field

from podwright.manifest import names
from podwright.manifest.model import DnsSubdomain, Object, Quantity

ConfigKey = Annotated[str, Field(pattern=names.CONFIG_KEY, max_length=names.SUBDOMAIN_LENGTH)]


class ObjectFieldSelector(Object):
    """A field of the pod."""

    api_version: Literal["", "v1"] | None = None
    """Always v1."""
    field_path: str
    """`metadata.name`, `metadata.labels['key']`, `status.podIP`, …"""


class ResourceFieldSelector(Object):
    """A limit or request of a container."""

    container_name: str | None = None
    """Of the pod; a variable's own container unless given."""
    resource: Literal[
        "limits.cpu",
        "limits.memory",
        "limits.ephemeral-storage",
        "requests.cpu",
        "requests.memory",
        "requests.ephemeral-storage",
    ]
    """Which one; a limit that is not set is what the host has."""
    divisor: Quantity | None = None
    """The unit, such as `1m` or `1Mi`; 1 unless given. The result is rounded up."""


class ConfigMapKeySelector(Object):
    """A value of a ConfigMap."""

    name: DnsSubdomain
    """Of a ConfigMap that this host keeps, in the pod's namespace."""
    key: ConfigKey
    """Of its `data`."""
    optional: bool | None = None
    """Whether the variable is left out when there is no such value; else that is an error."""


class SecretKeySelector(Object):
    """A value of a Secret."""

    name: DnsSubdomain
    """Of a Secret that this host keeps, in the pod's namespace."""
    key: ConfigKey
    """Of its `data`."""
    optional: bool | None = None
    """Whether the variable is left out when there is no such value; else that is an error."""


class EnvVarSource(Object):
    """Where the value of a variable comes from: one of these."""

    field_ref: ObjectFieldSelector | None = None
    """A field of the pod."""
    resource_field_ref: ResourceFieldSelector | None = None
    """A limit or request of a container."""
    config_map_key_ref: ConfigMapKeySelector | None = None
    """A value of a ConfigMap."""
    secret_key_ref: SecretKeySelector | None = None
    """A value of a Secret."""


class ConfigMapEnvSource(Object):
    """A ConfigMap, all of whose `data` become variables."""

    name: DnsSubdomain
    """Of a ConfigMap that this host keeps, in the pod's namespace."""
    optional: bool | None = None
    """Whether it may be missing; else that is an error."""


class SecretEnvSource(Object):
    """A Secret, all of whose `data` become variables."""

    name: DnsSubdomain
    """Of a Secret that this host keeps, in the pod's namespace."""
    optional: bool | None = None
    """Whether it may be missing; else that is an error."""


class EnvFromSource(Object):
    """Many variables at once: of a ConfigMap or of a Secret."""

    prefix: Annotated[str, Field(pattern=names.ENV_PREFIX)] | None = None
    """What each variable's name begins with."""
    config_map_ref: ConfigMapEnvSource | None = None
    """The ConfigMap."""
    secret_ref: SecretEnvSource | None = None
    """The Secret."""


FileMode = Annotated[int, Field(ge=0, le=0o777)]


class KeyToPath(Object):
    """A value, and the file that it becomes."""

    key: str
    """Of the ConfigMap or Secret."""
    path: str
    """Of the file, relative to the volume."""
    mode: FileMode | None = None
    """Of the file; the volume's `defaultMode` unless given."""


class DownwardAPIVolumeFile(Object):
    """A field of the pod, and the file that it becomes."""

    path: str
    """Of the file, relative to the volume."""
    field_ref: ObjectFieldSelector | None = None
    """A field of the pod's metadata."""
    resource_field_ref: ResourceFieldSelector | None = None
    """A limit or request of a container."""
    mode: FileMode | None = None
    """Of the file; the volume's `defaultMode` unless given."""


class ConfigMapVolumeSource(Object):
    """Files with the values of a ConfigMap."""

    name: DnsSubdomain
    """Of a ConfigMap that this host keeps, in the pod's namespace."""
    items: list[KeyToPath] | None = None
    """Which values, and under which paths; all of them, by their keys, unless given."""
    default_mode: FileMode | None = None
    """Of the files; 0644 unless given."""
    optional: bool | None = None
    """Whether it, or a key, may be missing; else that is an error."""


class SecretVolumeSource(Object):
    """Files with the values of a Secret, in memory."""

    secret_name: DnsSubdomain
    """Of a Secret that this host keeps, in the pod's namespace."""
    items: list[KeyToPath] | None = None
    """Which values, and under which paths; all of them, by their keys, unless given."""
    default_mode: FileMode | None = None
    """Of the files; 0644 unless given."""
    optional: bool | None = None
    """Whether it, or a key, may be missing; else that is an error."""


class DownwardAPIVolumeSource(Object):
    """Files with what the pod knows of itself."""

    items: list[DownwardAPIVolumeFile] | None = None
    """The files."""
    default_mode: FileMode | None = None
    """Of the files; 0644 unless given."""


class ConfigMapProjection(Object):
    """A ConfigMap among the sources of a volume."""

    name: DnsSubdomain
    """Of a ConfigMap that this host keeps, in the pod's namespace."""
    items: list[KeyToPath] | None = None
    """Which values, and under which paths; all of them, by their keys, unless given."""
    optional: bool | None = None
    """Whether it, or a key, may be missing; else that is an error."""


class SecretProjection(Object):
    """A Secret among the sources of a volume."""

    name: DnsSubdomain
    """Of a Secret that this host keeps, in the pod's namespace."""
    items: list[KeyToPath] | None = None
    """Which values, and under which paths; all of them, by their keys, unless given."""
    optional: bool | None = None
    """Whether it, or a key, may be missing; else that is an error."""


class DownwardAPIProjection(Object):
    """What the pod knows of itself, among the sources of a volume."""

    items: list[DownwardAPIVolumeFile] | None = None
    """The files."""


class VolumeProjection(Object):
    """A source of a volume: one of these."""

    config_map: ConfigMapProjection | None = None
    """A ConfigMap."""
    secret: SecretProjection | None = None
    """A Secret."""
    downward_api: Annotated[DownwardAPIProjection | None, Field(alias="downwardAPI")] = None
    """What the pod knows of itself."""


class PersistentVolumeClaimSource(Object):
    """A volume that outlives the pod."""

    claim_name: DnsSubdomain
    """Its name in the pod's namespace; it is made when there is none."""
    read_only: bool | None = None
    """Whether no container may write in it."""


class ProjectedVolumeSource(Object):
    """Files of several sources."""

    sources: list[VolumeProjection] | None = None
    """Of two files with one path the later is taken."""
    default_mode: FileMode | None = None
    """Of the files; 0644 unless given."""
