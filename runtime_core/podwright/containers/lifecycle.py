# SPDX-License-Identifier: Apache-2.0
"""``Containers``: the orders that the OCI's runtime.md names, and those that engines need besides.

::

    create   creating ──► created      process made, stopped before its program
    start    created  ──► running      the program runs; then poststart hooks
    pause    running  ──► paused       resume goes back
    kill     a signal                  the state follows the process: gone is stopped
    delete   stopped  ──► (nothing)    force: from any state

All methods are synchronous and may be called from several threads and processes at once. What a killed caller leaves
half done, ``delete(force=True)`` removes.
"""

from __future__ import annotations

import os

from podwright.containers import process, sockets, state
from podwright.containers.freezer import is_frozen
from podwright.containers.launch import PODINIT
from podwright.errors import ContainerError, HostError, NotFound, PodwrightError
from podwright.jsontext import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from podwright.cgroups.container import ContainerCgroup
    from podwright.containers.launch import Launched
    from podwright.containers.state import Folder, Record


class Containers:
    """The containers below one root directory.

    ``store`` is where compiled seccomp filters are kept (``Config.root``), ``cgroup_manager`` one of cgroupfs, systemd
    and disabled, ``cgroups_missing`` as in the host's configuration; ``warn`` gets a sentence for each thing that went
    wrong and stopped nothing.
    """

    def __init__(
        self,
        root: str,
        *,
        store: str,
        cgroup_manager: str = "cgroupfs",
        cgroups_missing: str = "error",
        podinit: str | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        if not root.startswith("/"):
            root = os.path.abspath(root)
        self.root = root
        self.store = store
        self.cgroup_manager = cgroup_manager
        self.cgroups_missing = cgroups_missing
        self.podinit = podinit or PODINIT
        self.warn = warn or _ignore

    def create(
        self,
        container_id: str,
        bundle: str,
        *,
        stdio: Sequence[int] = (0, 1, 2),
        console_socket: str | None = None,
        console: int | None = None,
        pid_file: str | None = None,
        pidfd_socket: str | None = None,
        preserve_fds: int = 0,
        no_pivot: bool = False,
        no_new_keyring: bool = False,
    ) -> int:
        """Make a container from a bundle and return the process that waits for ``start``: a child of this process.

        The terminal, if ``process.terminal`` asks for one, goes to ``console_socket`` (a path) or ``console`` (a
        connected socket). When anything fails, all of the container is undone.
        """
        from podwright.containers.creation import Creation

        creation = Creation(self, container_id, bundle, preserve_fds, no_pivot=no_pivot, keyring=not no_new_keyring)
        with creation.terminal(console_socket, console) as terminal:
            return creation.run(stdio, terminal, pid_file, pidfd_socket)

    def start(self, container_id: str) -> None:
        """Let a created container run its program; returns when execve(2) has succeeded and the hooks have run.

        A poststart hook that fails is an error, and the container is deleted, by version 1.3 of the runtime-spec. A
        bundle of an older version gets what that version says: a warning.
        """
        with self._lock(container_id) as folder:
            record = folder.read()
            status = self._status(folder.path, record)
            if status != "created":
                raise ContainerError(f"container {container_id} is {status}: only a created one can be started")
            self._open_gate(folder, record)
        if record.hooks.get("poststart"):
            from podwright.containers import hooks

            try:
                hooks.after_start(record, self.warn)
            except HostError as error:
                self._undo_start(record.id, error)
                raise

    def _undo_start(self, container_id: str, error: HostError) -> None:
        """Go on with the lifecycle where the container is destroyed (runtime.md, step 9)."""
        try:
            self.delete(container_id, force=True)
        except (PodwrightError, OSError) as undo:
            raise HostError(f"{error}; deleting container {container_id} failed too: {undo}") from error

    def _open_gate(self, folder: Folder, record: Record) -> None:
        try:
            sockets.start(folder.fd, record.id)
        except HostError:
            _end(record)  # it goes by itself, but the state shall be true when this returns
            raise
        finally:
            _unlink("start.sock", folder.fd)  # its absence says that the container was started

    def state(self, container_id: str) -> dict[str, Any]:
        """Return the container's state as runtime.md has it, with ``rootfs``, ``created`` and ``owner`` besides."""
        path = self._path(container_id)
        return self._document(path, state.read(path, container_id))

    def list(self) -> list[dict[str, Any]]:
        """Return the states of all containers, by ID. One that is damaged has the status ``unknown``."""
        found = []
        for container_id in state.ids(self.root):
            try:
                found.append(self.state(container_id))
            except NotFound:
                continue  # deleted meanwhile
            except ContainerError:
                status = "creating" if state.is_busy(self._path(container_id)) else "unknown"
                nothing = {"pid": 0, "bundle": "", "rootfs": "", "created": "", "owner": "", "annotations": {}}
                found.append({"ociVersion": state.OCI_VERSION, "id": container_id, "status": status} | nothing)
        return found

    def kill(self, container_id: str, signal: int, *, all: bool = False) -> None:  # noqa: A002 - runc's word
        """Send a signal to the container's first process, or to all of its cgroup."""
        path = self._path(container_id)
        record = state.read(path, container_id)
        if all:
            group = self.group_of(record)
            if signal == process.SIGKILL:
                group.kill()  # at once, so that none forks away
                return
            for pid in group.pids():
                _signal_member(group, pid, signal)
            return
        handle = process.find(record.pid, record.start)
        if handle is None:
            raise ContainerError(f"container not running: {container_id} is {self._status(path, record)}")
        with handle:
            if not handle.signal(signal):
                raise ContainerError(f"container not running: {container_id} is stopped")
        if signal == process.SIGKILL and is_frozen(record.cgroup, partly=True):
            self.group_of(record).thaw()  # a frozen process of v1 would not die

    def stop(self, container_id: str, *, signal: int = 15, timeout: float = 10) -> None:
        """Send a signal, wait for the first process' end, and kill it after so many seconds. Stopped is no error."""
        record = state.read(self._path(container_id), container_id)
        handle = process.find(record.pid, record.start)
        if handle is None:
            return
        with handle:
            handle.signal(signal)
            if handle.ended(timeout):
                return
        self.kill(container_id, process.SIGKILL)
        process.end(record.pid, record.start)

    def delete(self, container_id: str, *, force: bool = False) -> None:
        """Remove a stopped container; with ``force`` one in any state, and none is no error.

        Whatever is left in its cgroup is killed: without a pid namespace of its own, processes outlive the first.
        """
        try:
            folder = self._lock(container_id)
        except NotFound:
            if force:
                return
            raise
        with folder:
            try:
                record: Record | None = folder.read()
            except ContainerError:
                if not force:
                    raise
                record = None
            status = "stopped" if record is None else self._status(folder.path, record, locked=True)
            if status != "stopped" and not force:
                raise ContainerError(
                    f"container {container_id} is {status}: stop it before it is deleted, or delete it with --force"
                )
            self.destroy(folder, record)

    def destroy(self, folder: Folder, record: Record | None) -> None:
        """Remove a container in whatever state, then run its poststop hooks; one that fails is only warned of."""
        if record is None or not record.pid:
            pid = sockets.waiting_pid(folder.fd)
            if pid and (start := process.start_time(pid)):
                process.end(pid, start)
        if record is None:
            from podwright.containers.salvage import lost_group

            group = lost_group(folder, systemd=self.cgroup_manager == "systemd", missing=self.cgroups_missing)
        else:
            group = self.group_of(record) if record.cgroup else None
        if group is not None and record is not None and record.phase == "creating" and not folder.has("plan.json"):
            group.remove_unused()  # its creator may have been killed before it saw that somebody else is in there
        elif group is not None:
            group.destroy()  # first, for it thaws: a frozen process does not follow a signal
        if record is not None:
            _end(record)
        folder.remove()
        if record is not None and record.hooks.get("poststop"):
            from podwright.containers import hooks

            hooks.after_stop(record, self.warn)

    def pause(self, container_id: str) -> None:
        """Hold all processes of a container still."""
        with self._lock(container_id) as folder:
            record = folder.read()
            status = self._status(folder.path, record)
            if status not in ("running", "created"):
                raise ContainerError(f"container not running: {container_id} is {status}, and cannot be paused")
            self.group_of(record).freeze()

    def resume(self, container_id: str) -> None:
        """Let the processes of a paused container go on."""
        with self._lock(container_id) as folder:
            record = folder.read()
            status = self._status(folder.path, record)
            if status != "paused":
                raise ContainerError(f"container not paused: {container_id} is {status}")
            self.group_of(record).thaw()

    def update(self, container_id: str, resources: Mapping[str, Any]) -> None:
        """Change limits of a container that is not stopped: ``linux.resources``, with what shall change."""
        with self._lock(container_id) as folder:
            record = self._live(folder.path, folder.read())
            group = self.group_of(record)
            group.update(resources)
        for warning in group.warnings:
            self.warn(warning)

    def pids(self, container_id: str) -> Sequence[int]:
        """Return the processes of a container as this host numbers them."""
        path = self._path(container_id)
        record = self._live(path, state.read(path, container_id))
        return self.group_of(record).pids() if record.cgroup else [record.pid]

    def stats(self, container_id: str) -> dict[str, Any]:
        """Return what the container's cgroups count."""
        path = self._path(container_id)
        group = self.group_of(self._live(path, state.read(path, container_id)))
        return group.stats()

    def oom_events(self, container_id: str) -> dict[str, str] | None:
        """Return the ``file`` and ``key`` that count the container's OOM kills; None when nothing counts them."""
        path = self._path(container_id)
        record = self._live(path, state.read(path, container_id))
        return self.group_of(record).oom_events() if record.cgroup else None

    def configuration(self, container_id: str) -> dict[str, Any]:
        """Return the configuration that the container was created from."""
        path = self._path(container_id)
        state.read(path, container_id)
        with open(f"{path}/config.json", "rb") as file:
            value: dict[str, Any] = loads(file.read())
        return value

    def exec(
        self,
        container_id: str,
        process: Mapping[str, Any],
        *,
        stdio: Sequence[int] = (0, 1, 2),
        console_socket: str | None = None,
        console: int | None = None,
        pid_file: str | None = None,
        pidfd_socket: str | None = None,
        preserve_fds: int = 0,
        ignore_paused: bool = False,
        cgroup: str | None = None,
    ) -> Launched:
        """Run one more process (config.md's ``process``) in a running container; it is a child of this process.

        ``cgroup`` is the path of a cgroup below the container's that it enters, or ``CONTROLLER,…:PATH``.
        """
        from podwright.containers.execution import Execution

        path = self._path(container_id)
        record = self._live(path, state.read(path, container_id))
        if self._status(path, record) == "paused" and not ignore_paused:
            raise ContainerError(f"container {container_id} is paused: resume it, or give --ignore-paused")
        execution = Execution(self, path, record, process, preserve_fds, cgroup)
        with execution.terminal(console_socket, console) as terminal:
            return execution.run(stdio, terminal, pid_file, pidfd_socket)

    def run(self, container_id: str, bundle: str, *, keep: bool = False, **options: Any) -> int | None:
        """Create a container, start it, wait for its end and delete it; return its exit code. Options as ``create``."""
        self.create(container_id, bundle, **options)
        try:
            self.start(container_id)
            return self.wait(container_id)
        finally:
            if not keep:
                self.delete(container_id, force=True)

    def wait(self, container_id: str) -> int | None:
        """Wait for the end of the container's first process; return its exit code, None when it is not our child."""
        record = state.read(self._path(container_id), container_id)
        handle = process.find(record.pid, record.start, zombies=True)
        if handle is None:
            return None
        with handle:
            return handle.exit_code()

    # ---- what the orders share ----

    def _path(self, container_id: str) -> str:
        return f"{self.root}/{state.check_id(container_id)}"

    def _lock(self, container_id: str) -> Folder:
        return state.lock(self.root, container_id)

    def group_of(self, record: Record) -> ContainerCgroup:
        """Return a container's cgroups; ContainerError when it has none."""
        if not record.cgroup:
            raise ContainerError(f"container {record.id} has no cgroup: it was created with cgroups disabled")
        if record.scope:
            from podwright.containers.scope import ScopeCgroup

            return ScopeCgroup.restored(record.cgroup, missing=self.cgroups_missing)
        from podwright.cgroups.container import ContainerCgroup

        return ContainerCgroup.restored(record.cgroup, missing=self.cgroups_missing)

    def _live(self, path: str, record: Record) -> Record:
        if not record.alive():
            raise ContainerError(f"container not running: {record.id} is {self._status(path, record)}")
        return record

    def _status(self, path: str, record: Record, *, locked: bool = False) -> str:
        if record.phase == "creating":
            return "creating" if not locked and state.is_busy(path) else "stopped"
        if not record.alive():
            return "stopped"
        if is_frozen(record.cgroup):
            return "paused"
        return "created" if os.path.exists(f"{path}/start.sock") else "running"

    def _document(self, path: str, record: Record) -> dict[str, Any]:
        document = state.document(record, self._status(path, record))
        return document | {"rootfs": record.rootfs, "created": record.created, "owner": _user_name(record.owner)}


def _ignore(_message: str) -> None:
    pass


def _user_name(uid: int) -> str:
    if uid == 0:
        return "root"
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _unlink(name: str, directory: int) -> None:
    try:  # noqa: SIM105 - contextlib costs a command 2 ms
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        pass


def _end(record: Record) -> None:
    """Kill a container's first process, if it lives, and reap it, if it is our child."""
    if record.pid:
        process.end(record.pid, record.start)


def _signal_member(group: ContainerCgroup, pid: int, signal: int) -> None:
    start = process.start_time(pid)
    handle = None if start is None else process.find(pid, start)
    if handle is None:
        return
    with handle:
        if pid in group.pids():  # the number may have gone to another process before it was opened
            handle.signal(signal)
