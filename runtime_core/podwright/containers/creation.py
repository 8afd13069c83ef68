# SPDX-License-Identifier: Apache-2.0
"""The making of one container, and its undoing when any of it fails."""

from __future__ import annotations

import os

from podwright.containers import state
from podwright.containers.launch import launch
from podwright.containers.sockets import Console, send_pidfd
from podwright.errors import HostError, PodwrightError
from podwright.files import write_atomic, write_new
from podwright.jsontext import dumps
from podwright.oci.bundle import load_bundle
from podwright.oci.lsm import has_selinux
from podwright.oci.plan import compile_bundle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from podwright.cgroups.container import ContainerCgroup
    from podwright.containers.lifecycle import Containers
    from podwright.containers.scope import Scope
    from podwright.containers.state import Folder, Record
    from podwright.security.seccomp_cache import SeccompFilter


class Creation:
    """One ``create``. The bundle is read and checked here, before anything is made."""

    def __init__(
        self,
        containers: Containers,
        container_id: str,
        bundle: str,
        preserve_fds: int,
        *,
        no_pivot: bool,
        keyring: bool,
    ) -> None:
        self._containers = containers
        self._id = state.check_id(container_id)
        self._bundle = load_bundle(bundle)
        self._linux: dict[str, Any] = self._bundle.spec.get("linux") or {}
        self._preserve_fds = preserve_fds
        self._no_pivot = no_pivot
        self._keyring = keyring
        self._group: ContainerCgroup | None = None
        self._scope: Scope | None = None

    def terminal(self, path: str | None, fd: int | None) -> Console:
        """Return where the terminal goes, if the configuration asks for one."""
        return Console(path, fd, wanted=bool((self._bundle.spec.get("process") or {}).get("terminal")))

    def run(self, stdio: Sequence[int], console: int | None, pid_file: str | None, pidfd_socket: str | None) -> int:
        """Make the container; return the process that waits for its start."""
        with state.make(self._containers.root, self._id) as folder:
            record = state.Record(
                id=self._id,
                bundle=self._bundle.path,
                rootfs=self._bundle.rootfs,
                annotations=self._bundle.spec.get("annotations") or {},
                oci_version=self._bundle.spec["ociVersion"],
                owner=os.geteuid(),
                keyring=self._keyring,
            )
            try:
                steps = self._prepare(folder, record)
                launched = launch(
                    "create",
                    folder.path,
                    steps,
                    stdio=stdio,
                    console=console,
                    preserve_fds=self._preserve_fds,
                    podinit=self._containers.podinit,
                )
                record.pid, record.start, record.phase = launched.pid, launched.start, "created"
                folder.write(record)
                deliver(launched.pid, pid_file, pidfd_socket)
                self._release_scope()
            except BaseException as error:
                self._undo(folder, record, error)
                raise
        return record.pid

    def _prepare(self, folder: Folder, record: Record) -> list[Any]:
        """Write all that podinit reads, and make the cgroups; return the plan's steps.

        What is recorded first can be undone in any case.
        """
        group = self._find_cgroups(record) if self._containers.cgroup_manager != "disabled" else None
        write_new(f"{folder.path}/config.json", self._bundle.text)
        record.cgroup = [] if group is None else group.record()
        folder.write(record)
        plan = self._plan(group, record)
        write_new(f"{folder.path}/plan.json", dumps(plan).encode())
        # from here on hooks may have run, and those of the end belong to them
        hooks = self._bundle.spec.get("hooks") or {}
        record.hooks = {kind: hooks[kind] for kind in ("poststart", "poststop") if hooks.get(kind)}
        steps: list[Any] = plan["steps"]
        return steps

    def _plan(self, group: ContainerCgroup | None, record: Record) -> dict[str, Any]:
        directories: list[str] = []
        hierarchies: list[tuple[str, list[str], str]] = []
        if group is not None:
            directories, hierarchies = self._make_cgroups(group, record)
        elif self._linux.get("resources"):
            self._containers.warn("linux.resources are not enforced: cgroups are disabled")
        if self._linux.get("mountLabel") and not has_selinux():
            self._containers.warn("linux.mountLabel is not used: this host has no SELinux")
        return compile_bundle(
            self._bundle,
            container_id=self._id,
            cgroups=directories,
            hierarchies=hierarchies,
            seccomp=seccomp_filter(self._containers.store, self._linux),
            no_pivot=self._no_pivot,
            keyring=self._keyring,
        )

    def _make_cgroups(
        self, group: ContainerCgroup, record: Record
    ) -> tuple[list[str], list[tuple[str, list[str], str]]]:
        try:
            directories = group.create(self._linux.get("resources"), optional=os.geteuid() != 0)
        except BaseException:
            if not record.scope:
                record.cgroup = []  # it has undone itself; what was there before is not ours
            raise
        self._group = group
        for warning in group.warnings:
            self._containers.warn(warning)
        # a hierarchy of v2 is known by having no controllers of its own
        shown = [(mount, [] if version == 2 else names, path) for mount, names, path, version in group.mounts()]
        return directories, shown

    def _find_cgroups(self, record: Record) -> ContainerCgroup:
        """Return the container's groups, not made yet. Where systemd runs and is asked for, it makes the scope."""
        path, missing = self._linux.get("cgroupsPath"), self._containers.cgroups_missing
        systemd = self._containers.cgroup_manager == "systemd"
        if systemd and os.path.isdir("/run/systemd/system"):  # sd_booted(3)
            from podwright.containers.scope import Scope

            resources = self._linux.get("resources") or {}
            self._scope = Scope(path, self._id, resources, podinit=self._containers.podinit)
            record.scope = self._scope.unit
            return self._scope.group(missing)
        from podwright.cgroups.container import ContainerCgroup

        return ContainerCgroup.open(path, self._id, systemd=systemd, missing=missing)

    def _release_scope(self) -> None:
        """Let the scope end with the container, which is in it now."""
        scope, self._scope = self._scope, None
        if scope is not None:
            scope.release()

    def _undo(self, folder: Folder, record: Record, error: BaseException) -> None:
        """Remove what was made. The caller raises ``error`` again, unless this has more to tell."""
        from podwright.containers import oom

        killed = self._group is not None and oom.kills(self._group.oom_events()) > 0
        try:
            self._release_scope()
            self._containers.destroy(folder, record)
        except (PodwrightError, OSError) as undo:
            raise HostError(f"{error}; undoing it failed too: {undo}; delete {self._id} with --force") from error
        if killed:
            raise HostError(
                f"{error}: the kernel killed it because linux.resources.memory.limit is too low for its start",
                field="linux.resources.memory.limit",
            ) from error


def seccomp_filter(store: str, linux: Mapping[str, Any]) -> SeccompFilter | None:
    """Return the compiled filter of a configuration, None when it asks for none."""
    if not linux.get("seccomp"):
        return None
    from podwright.security.seccomp_cache import oci_filter

    return oci_filter(store, linux["seccomp"])


def deliver(pid: int, pid_file: str | None, pidfd_socket: str | None) -> None:
    """Tell a caller the new process: its number in a file, itself as a descriptor."""
    if pid_file is not None:
        try:
            write_atomic(os.path.abspath(pid_file), str(pid).encode(), mode=0o644, sync=False)
        except OSError as error:
            raise HostError(
                f"--pid-file is {pid_file!r}, which cannot be written: {error.strerror}", field="pid-file"
            ) from error
    if pidfd_socket is not None:
        send_pidfd(pidfd_socket, pid)
