# SPDX-License-Identifier: Apache-2.0
"""What is on disk about pods: one folder a pod, a file that maps its name to its uid, and the locks.

::

    <root>/names/<namespace>_<name>   holds the uid; whoever changes the pod holds its flock (a name that is too long
                                      for a file stands there as its digest). A container alone, which may have the
                                      name of a pod, has ``container_`` before that.
    <root>/pods/<uid>/pod.json        the record: what was last applied
    <run>/pods/<uid>/                 the supervisor's socket, lock and live state
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from podwright.errors import HostError
from podwright.files import canonical_json, locked, make_folders, read_json, sync_directory, write_atomic

_NAME_MAX = 255  # bytes of a file's name; a namespace and a name may have 63 and 253
_UID = re.compile(rb"[0-9a-z-]{1,64}")


class Record(NamedTuple):
    """One pod as ``pod.json`` keeps it."""

    uid: str
    state: str
    """``creating`` until its first apply is complete, then ``running``, or ``stopped`` for a container alone that shall
    not run; ``deleting`` from a delete's first step."""
    pod: dict[str, Any]
    """The normalised manifest last applied."""
    normaliser: int
    """The version of the normaliser that made ``pod``."""
    images: dict[str, dict[str, str]]
    """For each container ``{"reference": …, "digest": …}`` of the image it was started from."""
    created_at: str
    """RFC 3339, UTC."""
    source: str = ""
    """Digest of the manifest as it was given: the same digest again means that nothing changed."""
    warnings: tuple[str, ...] = ()
    """What the normaliser said about ``pod``."""
    updating: dict[str, list[str]] = {}  # noqa: RUF012 (a NamedTuple's default is never changed in place)
    """Containers whose update has begun and not ended: ``{"restart": […], "inPlace": […]}``."""

    references: dict[str, str] = {}  # noqa: RUF012 (as above)
    """Digests of what the pod has from ConfigMaps and Secrets (``pods/references.py``)."""

    @property
    def kind(self) -> str:
        """``Pod`` or ``Container``."""
        return str(self.pod["kind"])

    @property
    def namespace(self) -> str:
        """The pod's namespace."""
        return str(self.pod["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """The pod's name."""
        return str(self.pod["metadata"]["name"])

    @property
    def containers(self) -> list[dict[str, Any]]:
        """The normalised containers, in their order."""
        return list(self.pod["spec"]["containers"])

    @property
    def init_containers(self) -> list[dict[str, Any]]:
        """The normalised containers that start before those, in their order."""
        return list(self.pod["spec"].get("initContainers", ()))

    def field_of(self, container: Mapping[str, Any]) -> str:
        """Return the path of one of the containers in the manifest."""
        kind = "initContainers" if any(container is item for item in self.init_containers) else "containers"
        return f"spec.{kind}[{container['name']}]"

    @property
    def all_containers(self) -> list[dict[str, Any]]:
        """All of them, in the order in which they start."""
        return [*self.init_containers, *self.containers]


class PodStore:
    """The records under ``root`` and the places of live pods under ``run``."""

    def __init__(self, root: str, run: str) -> None:
        self._names = f"{root}/names"
        self._pods = f"{root}/pods"
        self._run = f"{run}/pods"

    def pod_dir(self, uid: str) -> str:
        """Return the folder of a pod that survives a reboot."""
        return f"{self._pods}/{uid}"

    def run_dir(self, uid: str) -> str:
        """Return the folder of a pod's live state."""
        return f"{self._run}/{uid}"

    def uid_of(self, namespace: str, name: str, kind: str = "Pod") -> str | None:
        """Return the uid behind a name, or None. Needs no lock."""
        return _uid_in(self._name_path(namespace, name, kind))

    def read(self, uid: str) -> Record | None:
        """Return the record of a pod, or None when it has none (never written, or already deleted).

        Raises HostError for one that is damaged: such a pod can only be deleted.
        """
        path = f"{self._pods}/{uid}/pod.json"
        way_out = "delete the pod, and apply it again"
        try:
            data = read_json(path)
            if data is None:
                return None
            if isinstance(data, dict) and data.pop("version", 1) != 1:
                raise HostError(f"{path} was not written by this release of podwright: {way_out}")
            record = Record(**data)  # type: ignore[arg-type]  # a TypeError is caught
            return record._replace(warnings=tuple(record.warnings))
        except (ValueError, TypeError) as error:
            raise HostError(f"{path} is damaged: {way_out}") from error

    def find(self, namespace: str, name: str, kind: str = "Pod") -> Record | None:
        """Return the record of the pod (or container alone) of that name, or None."""
        uid = self.uid_of(namespace, name, kind)
        return self.read(uid) if uid else None

    def all(self, kind: str = "Pod") -> list[Record]:
        """Return every record of a kind, sorted by namespace and name."""
        try:
            names = os.listdir(self._names)
        except FileNotFoundError:
            return []
        uids = filter(None, (_uid_in(f"{self._names}/{entry}") for entry in names))
        records = (record for record in map(self.read, uids) if record and record.kind == kind)
        return sorted(records, key=lambda record: (record.namespace, record.name))

    def count(self) -> int:
        """Return how many pods there are."""
        try:
            return len(os.listdir(self._names))
        except FileNotFoundError:
            return 0

    def write(self, record: Record) -> None:
        """Store a record, durably."""
        write_atomic(f"{self._pods}/{record.uid}/pod.json", canonical_json({"version": 1, **record._asdict()}))

    @contextmanager
    def locked(self, namespace: str, name: str, kind: str = "Pod") -> Iterator["NameLock"]:
        """Hold the lock of a pod's name. A name that has no uid at the end leaves no file."""
        make_folders(self._names)
        path = self._name_path(namespace, name, kind)
        with locked(path) as fd:
            lock = NameLock(path, fd)
            try:
                yield lock
            finally:
                if lock.uid is None:
                    os.unlink(path)

    def _name_path(self, namespace: str, name: str, kind: str) -> str:
        prefix = "" if kind == "Pod" else f"{kind.lower()}_"  # no Kubernetes name holds an underscore
        file = f"{prefix}{namespace}_{name}"
        if len(file) > _NAME_MAX:  # nor a tilde
            file = f"{prefix}{namespace}_~{hashlib.sha256(name.encode()).hexdigest()}"
        return f"{self._names}/{file}"


class NameLock:
    """A pod's name, held: reads and sets the uid behind it."""

    def __init__(self, path: str, fd: int) -> None:
        self._path = path
        self._fd = fd
        self.uid = _uid_of(os.pread(fd, 65, 0), path)

    def set(self, uid: str) -> None:
        """Point the name to ``uid``. In place and not by rename, as this very file carries the lock."""
        os.pwrite(self._fd, uid.encode("ascii"), 0)
        os.fsync(self._fd)
        sync_directory(os.path.dirname(self._path))  # a pod's folder without a name would stay for ever
        self.uid = uid

    def clear(self) -> None:
        """Forget the uid: the file goes when the lock is let go."""
        os.ftruncate(self._fd, 0)
        self.uid = None


def _uid_in(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            return _uid_of(file.read(65), path)
    except FileNotFoundError:
        return None


def _uid_of(text: bytes, path: str) -> str | None:
    """Return the uid that a name's file holds; it leads to folders that will be removed, so it must be one."""
    if not text:
        return None
    if not _UID.fullmatch(text):
        raise HostError(f"{path} is damaged: write the pod's uid into it, the name of its folder below ../pods")
    return text.decode("ascii")
