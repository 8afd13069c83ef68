# SPDX-License-Identifier: Apache-2.0
"""The record of a container: ``<root>/<id>/state.json``, and who may change it.

The directory is the container: who makes it has created it (mkdir(2) lets exactly one win), and who holds its lock may
change what is in it. The lock is an flock(2) on the directory itself, so it needs no file and dies with its holder.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time

from podwright.containers import process
from podwright.errors import ContainerError, HostError, NotFound
from podwright.files import make_folders, read_small, write_atomic
from podwright.jsontext import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

OCI_VERSION = "1.3.0"
MAX_ID = 255
LOCK_TIMEOUT = 30.0  # seconds until a command gives up on another one that changes the same container
_ID_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+.-")


def check_id(container_id: str) -> str:
    """Return an ID that can be a name in a directory; ContainerError for any other."""
    if not (
        0 < len(container_id) <= MAX_ID and _ID_CHARACTERS.issuperset(container_id) and not container_id.startswith(".")
    ):
        shown = (
            container_id if len(container_id) <= MAX_ID else f"{container_id[:40]}… ({len(container_id)} characters)"
        )
        raise ContainerError(
            f"the container's ID is {shown!r}, but must be of A-Z, a-z, 0-9, _, +, . and -, not start with a dot, "
            f"and have at most {MAX_ID} characters",
            field="id",
            value=shown,
        )
    return container_id


class Record:
    """What is known about one container. ``phase`` is how far its creator came: creating or created."""

    __slots__ = (
        "annotations",
        "bundle",
        "cgroup",
        "created",
        "hooks",
        "id",
        "keyring",
        "oci_version",
        "owner",
        "phase",
        "pid",
        "rootfs",
        "scope",
        "start",
    )

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 - the name that the OCI gives it
        bundle: str,
        rootfs: str,
        annotations: Mapping[str, str],
        oci_version: str = OCI_VERSION,
        owner: int = 0,
        created: str = "",
        phase: str = "creating",
        pid: int = 0,
        start: int = 0,
        cgroup: Sequence[Any] = (),
        scope: str = "",
        hooks: Mapping[str, Any] | None = None,
        keyring: bool = True,
    ) -> None:
        self.id = id
        self.bundle = bundle
        self.rootfs = rootfs
        self.annotations = dict(annotations)
        self.oci_version = oci_version
        self.owner = owner
        self.created = created or _now()
        self.phase = phase
        self.pid = pid
        self.start = start
        """The start time of ``pid``, see process.py; both are 0 until the container is created."""
        self.cgroup = list(cgroup)
        """What podwright.cgroups needs to find the container's groups again."""
        self.scope = scope
        """The unit of systemd that the groups are in; "" for none."""
        self.hooks: dict[str, Any] = dict(hooks or {})
        """Those that are run beside the container: poststart and poststop."""
        self.keyring = keyring
        """Whether its processes have session keyrings of their own."""

    def alive(self) -> bool:
        """Tell whether the container's first process lives."""
        return self.pid > 0 and process.start_time(self.pid) == self.start

    def as_dict(self) -> dict[str, Any]:
        """Return it as ``state.json`` has it."""
        return {name: getattr(self, name) for name in Record.__slots__}


def _now() -> str:
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanoseconds:09d}Z"


def document(record: Record, status: str) -> dict[str, Any]:
    """Return the state of a container as the OCI's runtime.md has it. There is no pid to tell of a stopped one."""
    state: dict[str, Any] = {"ociVersion": record.oci_version, "id": record.id, "status": status}
    state["pid"] = 0 if status == "stopped" else record.pid
    state["bundle"] = record.bundle
    state["annotations"] = record.annotations
    return state


class Folder:
    """The directory of one container, locked: nobody else changes the container while this is open."""

    __slots__ = ("fd", "id", "path")

    def __init__(self, path: str, container_id: str, fd: int) -> None:
        self.path = path
        self.id = container_id
        self.fd = fd

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the lock; a second time is no error."""
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def read(self) -> Record:
        """Return the record. ContainerError when it is missing or damaged: only its removal helps then."""
        return read(self.path, self.id)

    def has(self, name: str) -> bool:
        """Tell whether a file is there."""
        return os.path.exists(f"{self.path}/{name}")

    def write(self, record: Record) -> None:
        """Write the record. It is not forced to the disk: no process that it tells of outlives the host."""
        write_atomic(f"{self.path}/state.json", dumps(record.as_dict()).encode(), sync=False)

    def remove(self) -> None:
        """Remove the directory with all that is in it."""
        for name in os.listdir(self.fd):
            os.unlink(name, dir_fd=self.fd)  # ours are files and a socket, never a directory
        os.rmdir(self.path)


def make(root: str, container_id: str) -> Folder:
    """Make the directory of a new container and lock it. Of all that try, one succeeds."""
    path = f"{root}/{check_id(container_id)}"
    make_folders(root)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        raise ContainerError(
            f"container {container_id} exists already: choose another ID, or delete it first", field="id"
        ) from None
    return lock(root, container_id)


def lock(root: str, container_id: str, timeout: float = LOCK_TIMEOUT) -> Folder:
    """Lock a container's directory. NotFound when there is none, ContainerError when another command keeps it."""
    path = f"{root}/{check_id(container_id)}"
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise _not_found(container_id) from None
    try:
        if not _acquire(fd, timeout):
            raise ContainerError(f"container {container_id} is busy: another command changes it for {timeout:g} s now")
        try:
            same = os.path.samestat(os.fstat(fd), os.stat(path))
        except FileNotFoundError:
            same = False
        if not same:  # deleted while this waited, and perhaps created anew
            raise _not_found(container_id)
    except BaseException:
        os.close(fd)
        raise
    return Folder(path, container_id, fd)


def _acquire(fd: int, timeout: float) -> bool:
    deadline, pause = time.monotonic() + timeout, 0.001
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(pause)
            pause = min(pause * 2, 0.05)
        else:
            return True


def is_busy(path: str) -> bool:
    """Tell whether a command that changes the container lives."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def read(path: str, container_id: str) -> Record:
    """Return the record in a container's directory, without a lock: it changes in one step."""
    try:
        record = Record(**loads(read_small(f"{path}/state.json")))
        if record.id != container_id or type(record.pid) is not int or type(record.start) is not int:
            raise ValueError("it is another container's")
    except FileNotFoundError:
        if not os.path.isdir(path):
            raise _not_found(container_id) from None
        raise _damaged(container_id, "it was never created to the end") from None
    except (ValueError, TypeError) as error:
        raise _damaged(container_id, f"its state.json is damaged: {error}") from error
    except OSError as error:
        raise HostError(f"the state of container {container_id} cannot be read: {error.strerror}") from error
    return record


def _damaged(container_id: str, why: str) -> ContainerError:
    return ContainerError(f"container {container_id} cannot be used, {why}; delete it with --force")


def _not_found(container_id: str) -> NotFound:
    return NotFound(f"container {container_id} does not exist", field="id", value=container_id)


def ids(root: str) -> list[str]:
    """Return the IDs of all containers, also of those half made, sorted."""
    try:
        names = os.listdir(root)
    except FileNotFoundError:
        return []
    except OSError as error:
        if error.errno == errno.ENOTDIR:
            raise HostError(f"--root is {root!r}, which is no directory", field="root", value=root) from error
        raise
    return sorted(name for name in names if not name.startswith(".") and os.path.isdir(f"{root}/{name}"))
