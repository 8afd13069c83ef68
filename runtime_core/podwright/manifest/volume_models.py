# SPDX-License-Identifier: Apache-2.0
"""The structure of volumes and of their mounts, as ``models.py`` has the rest of a Pod."""

from typing import Annotated, Literal

from pydantic import Field

from podwright import limits
from podwright.manifest import names
from podwright.manifest.config_models import (
    ConfigMapVolumeSource,
    DownwardAPIVolumeSource,
    PersistentVolumeClaimSource,
    ProjectedVolumeSource,
    SecretVolumeSource,
)
from podwright.manifest.model import DnsLabel, Image, Quantity
from podwright.manifest.model import Object as _Object


class HostPathVolume(_Object):
    """A file or directory of the host."""

    path: Annotated[str, Field(pattern=names.SOME_PATH)]
    """Where it is on the host."""
    type: (
        Literal["", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket", "CharDevice", "BlockDevice"]
        | None
    ) = None
    """What must be there, or be made; nothing is checked unless given, and a missing path becomes a directory."""


class EmptyDirVolume(_Object):
    """A directory that is empty when the pod is made, and gone with it."""

    medium: Literal["", "Memory"] | None = None
    """Memory is a tmpfs that the pod's containers share."""
    size_limit: Quantity | None = None
    """A tmpfs gets no larger; a pod whose directory on the disk does is evicted."""


class ImageVolume(_Object):
    """The files of an image, read-only."""

    reference: Image
    """Image reference; without a registry, docker.io."""
    pull_policy: Literal["", "Always", "IfNotPresent", "Never"] | None = None
    """Always for the tag `latest`, else IfNotPresent; asked when the pod is made."""


class Volume(_Object):
    """Something that containers can mount: an emptyDir unless it says otherwise."""

    name: DnsLabel
    """Unique within the pod."""
    host_path: HostPathVolume | None = None
    """A file or directory of the host."""
    empty_dir: EmptyDirVolume | None = None
    """A directory of the pod's own."""
    config_map: ConfigMapVolumeSource | None = None
    """Files with the values of a ConfigMap."""
    secret: SecretVolumeSource | None = None
    """Files with the values of a Secret, in memory."""
    downward_api: Annotated[DownwardAPIVolumeSource | None, Field(alias="downwardAPI")] = None
    """Files with what the pod knows of itself."""
    projected: ProjectedVolumeSource | None = None
    """Files of several sources."""
    persistent_volume_claim: PersistentVolumeClaimSource | None = None
    """A volume that outlives the pod."""
    image: ImageVolume | None = None
    """The files of an image."""


Volumes = Annotated[list[Volume], Field(max_length=limits.MAX_VOLUMES_PER_POD)]


class VolumeMount(_Object):
    """Where a container sees a volume."""

    name: DnsLabel
    """Of the volume."""
    mount_path: Annotated[str, Field(pattern=names.SOME_PATH)]
    """Where it is in the container."""
    read_only: bool | None = None
    """Whether the container may only read; not so for what is mounted further down."""
    sub_path: str | None = None
    """Path in the volume that is mounted instead of all of it; a directory is made when nothing is there."""
    sub_path_expr: str | None = None
    """The same, with `$(NAME)` in it for variables of the container."""
    mount_propagation: Literal["None", "HostToContainer", "Bidirectional"] | None = None
    """HostToContainer shows what is mounted in the volume later; with Bidirectional, only of a privileged container,
    its own mounts show elsewhere too."""
    recursive_read_only: Literal["Disabled", "IfPossible", "Enabled"] | None = None
    """Whether readOnly is so for what is mounted further down too."""
