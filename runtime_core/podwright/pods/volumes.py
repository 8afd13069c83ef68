# SPDX-License-Identifier: Apache-2.0
"""The volumes of a pod on this host: paths that are there, directories that are made, tmpfs that its containers share.

::

    <pod>/volumes/<name>      an emptyDir; for medium Memory, and for files of configuration, which may be secret, the
                              supervisor's tmpfs is mounted there; and the layers of an image
"""

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from podwright.errors import HostError
from podwright.files import make_folders
from podwright.manifest import quantity
from podwright.manifest.config_volumes import is_config
from podwright.pods import ownership

Volume = Mapping[str, Any]

_KINDS: dict[str, tuple[str, Callable[[int], bool]]] = {
    "Directory": ("a directory", stat.S_ISDIR),
    "DirectoryOrCreate": ("a directory", stat.S_ISDIR),
    "File": ("a file", stat.S_ISREG),
    "FileOrCreate": ("a file", stat.S_ISREG),
    "Socket": ("a socket", stat.S_ISSOCK),
    "CharDevice": ("a character device", stat.S_ISCHR),
    "BlockDevice": ("a block device", stat.S_ISBLK),
}
_MADE = ("", "DirectoryOrCreate", "FileOrCreate")


def check(volumes: Iterable[Volume]) -> None:
    """Raise HostError, naming the field, for a hostPath that is missing or of another type; touches nothing."""
    for volume in volumes:
        if "hostPath" not in volume:
            continue
        path, kind = volume["hostPath"]["path"], volume["hostPath"].get("type", "")
        field = f"spec.volumes[{volume['name']}].hostPath"
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            if kind in _MADE and isinstance(error, FileNotFoundError):
                continue
            reason = f"{path} cannot be used: {error.strerror}"
            raise HostError(f"{field}.path: {reason}", field=f"{field}.path", value=path) from error
        if kind and not _KINDS[kind][1](mode):
            raise HostError(f"{field}.type: {path} is not {_KINDS[kind][0]}", field=f"{field}.type", value=kind)


def make(volumes: Iterable[Volume], pod_dir: str, group: int | None = None) -> None:
    """Make what is missing: emptyDirs, which are then the group's if there is one, and host paths of such types."""
    for volume in volumes:
        if "hostPath" in volume:
            _make_host_path(volume["hostPath"]["path"], volume["hostPath"].get("type", ""))
            continue
        if "persistentVolumeClaim" in volume:
            continue  # ``claims.prepare`` makes these
        folder = source(volume, pod_dir)
        if not os.path.isdir(folder):
            make_folders(os.path.dirname(folder))
            os.mkdir(folder)
            os.chmod(folder, 0o777)  # noqa: S103  # Kubernetes' mode: any user of the pod may write
        if group is not None and not _covered(volume):
            ownership.give(folder, group)


def source(volume: Volume, pod_dir: str) -> str:
    """Return the path of a volume on the host."""
    return str(volume["hostPath"]["path"]) if "hostPath" in volume else f"{pod_dir}/volumes/{volume['name']}"


def shared_memory(volumes: Iterable[Volume], pod_limit: int | None, group: int | None = None) -> list[dict[str, Any]]:
    """Return the tmpfs that the supervisor mounts, relative to the pod's folder; size 0 leaves it to the kernel.

    As in Kubernetes none is larger than what all containers of the pod together may use. Those with a content are
    filled by whoever starts the supervisor, before a container starts. All belong to ``group``, the pod's fsGroup.
    """
    result: list[dict[str, Any]] = []
    owned = {} if group is None else {"group": group}
    for volume in volumes:
        if is_config(volume):
            result.append({"path": f"volumes/{volume['name']}", "size": 0, "content": True, **owned})
        empty = volume.get("emptyDir") or {}
        if empty.get("medium") == "Memory":
            limit = empty.get("sizeLimit")
            sizes = [pod_limit, None if limit is None else quantity.units(quantity.parse(limit))]
            size = min((size for size in sizes if size), default=0)
            result.append({"path": f"volumes/{volume['name']}", "size": size, **owned})
    return result


def _covered(volume: Volume) -> bool:
    """Tell whether the supervisor mounts something on a volume's directory."""
    return is_config(volume) or "image" in volume or (volume.get("emptyDir") or {}).get("medium") == "Memory"


def _make_host_path(path: str, kind: str) -> None:
    if kind not in _MADE or os.path.exists(path):
        return
    try:
        if kind == "FileOrCreate":  # parents are not made, as in Kubernetes
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
            os.chmod(path, 0o644)
        else:
            _make_directories(path)
    except OSError as error:
        raise HostError(f"cannot make the host path {path}: {error.strerror}", value=path) from error


def _make_directories(path: str) -> None:
    """Make a directory and its parents, readable for all whatever the caller's umask."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        os.mkdir(folder)
        os.chmod(folder, 0o755)  # noqa: S103
