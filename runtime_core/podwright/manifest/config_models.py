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
