# SPDX-License-Identifier: Apache-2.0
"""What is on disk about pods: one folder a pod, a file that maps its name to its uid, and the locks.

::

    <root>/names/<namespace>_<name>   holds the uid; whoever changes the pod holds its flock
    <root>/pods/<uid>/pod.json        the record: what was last applied
    <run>/pods/<uid>/                 the supervisor's socket, lock and live state
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from podwright.errors import HostError
from podwright.files import canonical_json, locked, read_json, write_atomic

_NAME_FILE = re.compile(r"^([a-z0-9-]+)_([a-z0-9.-]+)$")  # a Kubernetes name holds no underscore


class Record(NamedTuple):
    """One pod as ``pod.json`` keeps it."""

    uid: str
    state: str
    """``creating`` until its first apply is complete, then ``running``; ``deleting`` from a delete's first step."""
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

    def uid_of(self, namespace: str, name: str) -> str | None:
        """Return the uid behind a name, or None. Needs no lock."""
        try:
            with open(f"{self._names}/{namespace}_{name}", encoding="ascii") as file:
                return file.read() or None
        except FileNotFoundError:
            return None

    def read(self, uid: str) -> Record | None:
        """Return the record of a pod, or None when it has none (never written, or already deleted)."""
        data = read_json(f"{self._pods}/{uid}/pod.json")
        if data is None:
            return None
        if not isinstance(data, dict) or data.pop("version", None) != 1:
            raise HostError(f"{self._pods}/{uid}/pod.json was not written by this release of podwright")
        data["warnings"] = tuple(data["warnings"])
        return Record(**data)

    def find(self, namespace: str, name: str) -> Record | None:
        """Return the record of the pod of that name, or None."""
        uid = self.uid_of(namespace, name)
        return self.read(uid) if uid else None

    def all(self) -> list[Record]:
        """Return every record, sorted by namespace and name."""
        records = []
        try:
            names = sorted(os.listdir(self._names))
        except FileNotFoundError:
            return []
        for entry in names:
            match = _NAME_FILE.match(entry)
            record = self.find(*match.groups()) if match else None
            if record:
                records.append(record)
        return records

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
    def locked(self, namespace: str, name: str) -> Iterator["NameLock"]:
        """Hold the lock of a pod's name. A name that has no uid at the end leaves no file."""
        os.makedirs(self._names, mode=0o700, exist_ok=True)
        path = f"{self._names}/{namespace}_{name}"
        with locked(path) as fd:
            lock = NameLock(path, fd)
            try:
                yield lock
            finally:
                if lock.uid is None:
                    os.unlink(path)


class NameLock:
    """A pod's name, held: reads and sets the uid behind it."""

    def __init__(self, path: str, fd: int) -> None:
        self._path = path
        self._fd = fd
        self.uid: str | None = os.pread(fd, 64, 0).decode("ascii") or None

    def set(self, uid: str) -> None:
        """Point the name to ``uid``. In place and not by rename, as this very file carries the lock."""
        os.pwrite(self._fd, uid.encode("ascii"), 0)
        os.fsync(self._fd)
        self.uid = uid

    def clear(self) -> None:
        """Forget the uid: the file goes when the lock is let go."""
        os.ftruncate(self._fd, 0)
        self.uid = None
