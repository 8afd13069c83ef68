# SPDX-License-Identifier: Apache-2.0
"""Volumes in which mounts show elsewhere (``mountPropagation``): between the host and containers, or among these."""

import os
from collections.abc import Mapping
from typing import Any

from podwright.errors import HostError
from podwright.files import read_small
from podwright.manifest.volume_mounts import shared_volumes
from podwright.pods import volumes
from podwright.pods.claims import ClaimStore
from podwright.pods.sources import containers_of
from podwright.pods.store import Record


def rows(record: Record, pod_dir: str, claims: ClaimStore) -> list[list[str]]:
    """Return name, path, and with whom it is shared (host or pod) of each volume that the supervisor has to share.

    A file cannot have mounts below it, and is shared with nobody.
    """
    shared, found = shared_volumes(record.pod), []
    for volume in record.pod["spec"].get("volumes", ()):
        name = volume["name"]
        source = path_of(volume, record.namespace, pod_dir, claims)
        if name in shared and not (os.path.exists(source) and not os.path.isdir(source)):
            found.append([name, source, "host" if "hostPath" in volume else "pod"])
    return found


def path_of(volume: Mapping[str, Any], namespace: str, pod_dir: str, claims: ClaimStore) -> str:
    """Return where a volume is on this host."""
    if "persistentVolumeClaim" in volume:
        return claims.data(namespace, volume["persistentVolumeClaim"]["claimName"])
    return volumes.source(volume, pod_dir)


def check(record: Record, *, external: bool) -> None:
    """Raise HostError, naming the field, for a propagation that the mount of a hostPath does not have.

    ``external`` says that another runtime makes the containers: it begins with copies that reach nobody.
    """
    known = {volume["name"]: volume for volume in record.pod["spec"].get("volumes", ())}
    for where, container in containers_of(record.pod):
        for mount in container.get("volumeMounts", ()):
            wanted, volume = mount.get("mountPropagation"), known[mount["name"]]
            field = f"{where}.volumeMounts[{mount['mountPath']}].mountPropagation"
            if wanted == "Bidirectional" and external:
                reason = "is for podwright's own runtime; remove it, or runtimeClassName"
                raise HostError(f"{field}: Bidirectional {reason}", field=field, value=wanted)
            if wanted and "hostPath" in volume:
                _check_mount(volume["hostPath"]["path"], wanted, field)


def _check_mount(path: str, wanted: str, field: str) -> None:
    place, options = mount_of(path)
    accepted = ("shared:",) if wanted == "Bidirectional" else ("shared:", "master:")
    if not any(option.startswith(accepted) for option in options):
        reason = f"{path} is on the mount {place}, which is not shared; mount --make-rshared {place}"
        raise HostError(f"{field}: {reason}", field=field, value=wanted)


def mount_of(path: str) -> tuple[str, list[str]]:
    """Return where the file system of a path is mounted, and the optional fields of that (proc_pid_mountinfo(5))."""
    real = os.path.realpath(path)
    found: tuple[str, list[str]] = ("/", [])
    for line in read_small("/proc/self/mountinfo").decode(errors="surrogateescape").splitlines():
        fields = line.split()
        place = fields[4].encode("utf-8", "surrogateescape").decode("unicode_escape")  # \040 for a space
        inside = place == "/" or f"{real}/".startswith(f"{place}/")
        if inside and len(place) >= len(found[0]):
            found = place, fields[6 : fields.index("-")]
    return found
