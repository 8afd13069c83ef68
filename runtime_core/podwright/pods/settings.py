# SPDX-License-Identifier: Apache-2.0
"""What a container stands on and may do, found out on this host: its image or rootfs, user and rights."""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from podwright.errors import HostError, ManifestError
from podwright.images.store import Image, ImageStore
from podwright.manifest import security
from podwright.oci.security import Security, security_of
from podwright.oci.signals import stop_signal
from podwright.oci.users import User, resolve_user
from podwright.pods import volumes
from podwright.pods.store import Record
from podwright.security.seccomp_cache import SeccompFilter, pod_filter

Container = Mapping[str, Any]


class Ground(NamedTuple):
    """The files below a container's writable layer, and what their maker says of them."""

    reference: str
    """How to call it in a sentence."""
    identity: str
    """The same again only for the same files."""
    layers: list[str]
    """Directories, topmost first."""
    config: Mapping[str, Any]
    """The ``config`` object of an image's configuration; empty for a rootfs."""


def check(record: Record, images: Mapping[str, Image], store: ImageStore, root: str) -> None:
    """Refuse what this host or an image cannot give the containers; touches nothing but the cache of filters.

    ``images`` holds those of the containers that are about to start.
    """
    volumes.check(volumes_of(record))
    for container in record.all_containers:
        if container["name"] in images or "rootfs" in container:
            seccomp_filter(record, container, security_settings(record, container), root)
            if context_of(record, container).get("runAsNonRoot"):
                user_of(record, container, ground_of(container, images.get(container["name"]), store))


def ground_of(container: Container, image: Image | None, store: ImageStore) -> Ground:
    """Return what a container stands on: the layers of its image, or a directory of the host."""
    if image is not None:
        return Ground(image.reference, image.digest, store.lower_dirs(image), image.config["config"])
    path = str(container["rootfs"])
    field = f"spec.containers[{container['name']}].rootfs"
    if not os.path.isdir(path):
        raise HostError(f"{field}: {path} is not a directory of this host", field=field, value=path)
    real = os.path.realpath(path)  # where files are looked up no symlink is followed, not even this one
    return Ground(path, real, [real], {})


def stop_signal_of(container: Container, ground: Ground) -> int:
    """Return the number of the signal that asks a container to stop: its own, or the image's."""
    own = container.get("lifecycle", {}).get("stopSignal")
    return stop_signal(own or ground.config.get("StopSignal"), ground.reference)


def context_of(record: Record, container: Container) -> dict[str, Any]:
    """Return a container's security context, with that of the pod where it says nothing."""
    return security.effective(container.get("securityContext") or {}, record.pod["spec"].get("securityContext") or {})


def volumes_of(record: Record) -> list[dict[str, Any]]:
    """Return the pod's volumes."""
    return list(record.pod["spec"].get("volumes", ()))


def security_settings(record: Record, container: Container) -> Security:
    """Return what a container may do."""
    context = context_of(record, container)
    field = f"{record.field_of(container)}.securityContext"
    return security_of(context, escalation=security.may_escalate(context), field=field)


def seccomp_filter(record: Record, container: Container, rights: Security, root: str) -> SeccompFilter | None:
    """Return a container's compiled system call filter, None for no filter.

    Profiles of the host's are beside the compiled ones, as the kubelet has its own in ``seccomp/``.
    """
    if rights.seccomp == "Unconfined":
        return None
    profile = context_of(record, container).get("seccompProfile")
    return pod_filter(root, profile, folder=f"{root}/seccomp", caps=rights.capabilities)


def localhost_profile(record: Record, container: Container, root: str) -> str | None:
    """Return the file of a container's own seccomp profile, if it names one."""
    profile = context_of(record, container).get("seccompProfile") or {}
    return f"{root}/seccomp/{profile['localhostProfile']}" if profile.get("type") == "Localhost" else None


def user_of(record: Record, container: Container, ground: Ground) -> User:
    """Return whom a container runs as: what the image says, unless the security context says otherwise.

    Raises ManifestError when it must not be root and is, or may be.
    """
    context = context_of(record, container)
    number, group = context.get("runAsUser"), context.get("runAsGroup")
    name, _, own_group = str(ground.config.get("User") or "").partition(":")
    wanted = name if number is None else str(number)
    chosen = str(group) if group is not None else own_group if number is None else ""
    user = resolve_user(f"{wanted or '0'}:{chosen}" if chosen else wanted, ground.layers, ground.reference)
    if context.get("runAsNonRoot"):
        field = f"{record.field_of(container)}.securityContext.runAsNonRoot"
        if not (wanted.isdigit() or not wanted):
            reason = f"{ground.reference} runs as {wanted!r}, a name that could be root's; set runAsUser to a number"
            raise ManifestError(f"{field}: {reason}", field=field, value=True)
        if user.uid == 0:
            raise ManifestError(f"{field}: {ground.reference} runs as root; set runAsUser", field=field, value=True)
    return user._replace(groups=_groups(user, record.pod["spec"].get("securityContext") or {}))


def _groups(user: User, pod_context: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the groups of a container's user: the image's, unless the pod wants none of them, and the pod's own."""
    strict = pod_context.get("supplementalGroupsPolicy") == "Strict"
    own = [pod_context["fsGroup"]] if "fsGroup" in pod_context else []
    groups = ((user.gid,) if strict else user.groups, pod_context.get("supplementalGroups", ()), own)
    return tuple(dict.fromkeys(group for some in groups for group in some))
