# SPDX-License-Identifier: Apache-2.0
"""One more process in a running container."""

from __future__ import annotations

import os

from podwright.containers import process
from podwright.containers.creation import deliver, seccomp_filter
from podwright.containers.launch import Launched, launch
from podwright.containers.sockets import Console
from podwright.files import write_atomic
from podwright.jsontext import dumps
from podwright.oci.exec_plan import compile_exec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from podwright.containers.lifecycle import Containers
    from podwright.containers.state import Record


class Execution:
    """One ``exec``. The process is checked and compiled here, before anything is made."""

    def __init__(
        self,
        containers: Containers,
        path: str,
        record: Record,
        asked: Mapping[str, Any],
        preserve_fds: int,
        cgroup: str | None,
    ) -> None:
        self._containers = containers
        self._path = path
        self._asked = asked
        self._preserve_fds = preserve_fds
        spec = containers.configuration(record.id)
        linux = spec.get("linux") or {}
        self._plan = compile_exec(
            asked,
            spec=spec,
            pid=record.pid,
            start_time=record.start,
            cgroups=_directories(record) if cgroup is None else containers.group_of(record).below(cgroup),
            seccomp=seccomp_filter(containers.store, linux),
            keyring=record.keyring,
        )

    def terminal(self, path: str | None, fd: int | None) -> Console:
        """Return where the terminal goes, if the process asks for one."""
        return Console(path, fd, wanted=bool(self._asked.get("terminal")))

    def run(
        self, stdio: Sequence[int], console: int | None, pid_file: str | None, pidfd_socket: str | None
    ) -> Launched:
        """Run the process; return it when its program runs."""
        # in the container's directory: should this be killed, it goes with the container
        file = f"{self._path}/exec.{os.urandom(8).hex()}.json"
        write_atomic(file, dumps(self._plan).encode(), sync=False)
        try:
            launched = launch(
                "exec",
                file,
                self._plan["steps"],
                stdio=stdio,
                console=console,
                preserve_fds=self._preserve_fds,
                podinit=self._containers.podinit,
            )
        finally:
            os.unlink(file)
        try:
            deliver(launched.pid, pid_file, pidfd_socket)
        except BaseException:
            process.end(launched.pid, launched.start)
            raise
        return launched


def _directories(record: Record) -> list[str]:
    """Return the cgroups that the process enters: the container's, where its first process may have made others.

    A group of v2 that hands controllers to the groups in it takes no process. The first process has then moved on
    (an init does), and where it is, its like may be.
    """
    found = []
    for version, mount, _controllers, group in record.cgroup:
        directory = f"{mount}/{group}"
        if version == 2 and _hands_on(directory):
            directory = mount + _own_group(record.pid)
        found.append(directory)
    return found


def _hands_on(directory: str) -> bool:
    try:
        with open(f"{directory}/cgroup.subtree_control", "rb") as file:
            return bool(file.read().strip())
    except OSError:
        return False


def _own_group(pid: int) -> str:
    with open(f"/proc/{pid}/cgroup", "rb") as file:
        lines = file.read().decode(errors="surrogateescape").splitlines()
    return next((line.removeprefix("0::") for line in lines if line.startswith("0::")), "/")
