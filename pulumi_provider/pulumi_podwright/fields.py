# SPDX-License-Identifier: Apache-2.0
"""The shapes of a container's fields, for editors and type checkers: spelt as in Kubernetes.

Any value may be an Output or a secret.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypedDict

from pulumi import Input

Quantity = Input[str] | Input[int] | Input[float]


class ObjectFieldSelector(TypedDict):
    """A field of the container, such as ``metadata.name``, ``metadata.labels['key']`` or ``status.podIP``."""

    fieldPath: Input[str]


class ResourceFieldSelector(TypedDict):
    """A limit or request of the container; in a volume with ``containerName``, its own name."""

    containerName: NotRequired[Input[str]]
    resource: Input[str]
    divisor: NotRequired[Quantity]


class KeySelector(TypedDict):
    """A value of a ConfigMap or Secret."""

    name: Input[str]
    key: Input[str]
    optional: NotRequired[Input[bool]]


class EnvVarSource(TypedDict, total=False):
    """Where a variable's value comes from: one of these."""

    fieldRef: Input[ObjectFieldSelector]
    resourceFieldRef: Input[ResourceFieldSelector]
    configMapKeyRef: Input[KeySelector]
    secretKeyRef: Input[KeySelector]


class EnvVar(TypedDict):
    """An environment variable."""

    name: Input[str]
    value: NotRequired[Input[str]]
    valueFrom: NotRequired[Input[EnvVarSource]]


class EnvSource(TypedDict):
    """A ConfigMap or Secret."""

    name: Input[str]
    optional: NotRequired[Input[bool]]


class EnvFromSource(TypedDict, total=False):
    """Many variables at once: of a ConfigMap or of a Secret."""

    prefix: Input[str]
    configMapRef: Input[EnvSource]
    secretRef: Input[EnvSource]


class ContainerPort(TypedDict):
    """A port that the container listens on; informational."""

    containerPort: Input[int]
    name: NotRequired[Input[str]]
    protocol: NotRequired[Input[Literal["TCP", "UDP", "SCTP"]]]


class Resources(TypedDict, total=False):
    """Limits and requests of ``cpu`` and ``memory``; they change while the container runs."""

    limits: Input[Mapping[str, Quantity]]
    requests: Input[Mapping[str, Quantity]]


class Capabilities(TypedDict, total=False):
    """Capabilities on top of the default ones, or taken from them; ``ALL`` is all of them."""

    add: Input[Sequence[Input[str]]]
    drop: Input[Sequence[Input[str]]]


class SeccompProfile(TypedDict):
    """The filter of system calls."""

    type: Input[Literal["RuntimeDefault", "Unconfined", "Localhost"]]
    localhostProfile: NotRequired[Input[str]]


class SecurityContext(TypedDict, total=False):
    """User, capabilities and system calls."""

    runAsUser: Input[int]
    runAsGroup: Input[int]
    runAsNonRoot: Input[bool]
    capabilities: Input[Capabilities]
    privileged: Input[bool]
    allowPrivilegeEscalation: Input[bool]
    readOnlyRootFilesystem: Input[bool]
    seccompProfile: Input[SeccompProfile]
    procMount: Input[Literal["Default"]]


class HostPath(TypedDict):
    """A file or directory of the host."""

    path: Input[str]
    type: NotRequired[
        Input[Literal["Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket", "CharDevice", "BlockDevice"]]
    ]


class EmptyDir(TypedDict, total=False):
    """A directory that goes with the container; ``Memory`` is a tmpfs, and only that can have a limit."""

    medium: Input[Literal["Memory"]]
    sizeLimit: Quantity


class KeyToPath(TypedDict):
    """A value, and the file that it becomes."""

    key: Input[str]
    path: Input[str]
    mode: NotRequired[Input[int]]


class OwnFile(TypedDict):
    """A field of the container's metadata, or a limit or request, and the file that it becomes."""

    path: Input[str]
    fieldRef: NotRequired[Input[ObjectFieldSelector]]
    resourceFieldRef: NotRequired[Input[ResourceFieldSelector]]
    mode: NotRequired[Input[int]]


class ConfigMapVolume(TypedDict):
    """Files with the values of a ConfigMap."""

    name: Input[str]
    items: NotRequired[Input[Sequence[Input[KeyToPath]]]]
    defaultMode: NotRequired[Input[int]]
    optional: NotRequired[Input[bool]]


class SecretVolume(TypedDict):
    """Files with the values of a Secret."""

    secretName: Input[str]
    items: NotRequired[Input[Sequence[Input[KeyToPath]]]]
    defaultMode: NotRequired[Input[int]]
    optional: NotRequired[Input[bool]]


class DownwardVolume(TypedDict, total=False):
    """Files with what the container knows of itself."""

    items: Input[Sequence[Input[OwnFile]]]
    defaultMode: Input[int]


class ObjectProjection(TypedDict):
    """A ConfigMap or Secret among the sources of a volume."""

    name: Input[str]
    items: NotRequired[Input[Sequence[Input[KeyToPath]]]]
    optional: NotRequired[Input[bool]]


class Projection(TypedDict, total=False):
    """A source of a volume: one of these."""

    configMap: Input[ObjectProjection]
    secret: Input[ObjectProjection]
    downwardAPI: Input[DownwardVolume]


class ImageVolume(TypedDict):
    """The files of an image, read-only."""

    reference: Input[str]
    pullPolicy: NotRequired[Input[Literal["Always", "IfNotPresent", "Never"]]]


class PersistentVolumeClaim(TypedDict):
    """A volume that outlives the container."""

    claimName: Input[str]
    readOnly: NotRequired[Input[bool]]


class ProjectedVolume(TypedDict, total=False):
    """Files of several sources."""

    sources: Input[Sequence[Input[Projection]]]
    defaultMode: Input[int]


class Volume(TypedDict):
    """Something to mount."""

    name: Input[str]
    hostPath: NotRequired[Input[HostPath]]
    emptyDir: NotRequired[Input[EmptyDir]]
    configMap: NotRequired[Input[ConfigMapVolume]]
    secret: NotRequired[Input[SecretVolume]]
    downwardAPI: NotRequired[Input[DownwardVolume]]
    projected: NotRequired[Input[ProjectedVolume]]
    persistentVolumeClaim: NotRequired[Input[PersistentVolumeClaim]]
    image: NotRequired[Input[ImageVolume]]


class VolumeMount(TypedDict):
    """Where the container sees a volume."""

    name: Input[str]
    mountPath: Input[str]
    readOnly: NotRequired[Input[bool]]
    subPath: NotRequired[Input[str]]
    subPathExpr: NotRequired[Input[str]]
    mountPropagation: NotRequired[Input[Literal["None", "HostToContainer", "Bidirectional"]]]
    recursiveReadOnly: NotRequired[Input[Literal["Disabled", "IfPossible", "Enabled"]]]
