# SPDX-License-Identifier: Apache-2.0
"""Hooks that run beside the container, in the caller's namespaces: poststart and poststop.

The hooks before a container's start are podinit's (plan.json, "hooks"); these here need no process of the container.
"""

from __future__ import annotations

import os
import select
import time

from podwright.containers import process, state
from podwright.errors import HostError
from podwright.jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from podwright.containers.state import Record

_TAIL = 2000  # bytes of what a failed hook wrote that its error repeats


def after_start(record: Record, warn: Callable[[str], None]) -> None:
    """Run the hooks poststart. HostError for one that fails; before version 1.3 of the specification, a warning."""
    hooks, text = record.hooks["poststart"], dumps(state.document(record, "running"))
    if _is_older(record.oci_version, 1, 3):
        for failure in run_all("poststart", hooks, text):
            warn(f"container {record.id}: {failure}")
    else:
        run("poststart", hooks, text)


def after_stop(record: Record, warn: Callable[[str], None]) -> None:
    """Run the hooks poststop; one that fails is only warned of."""
    for failure in run_all("poststop", record.hooks["poststop"], dumps(state.document(record, "stopped"))):
        warn(f"container {record.id}: {failure}")


def _is_older(version: str, *wanted: int) -> bool:
    """Compare the first numbers of a version of the runtime-spec."""
    return tuple(int(part) for part in version.split(".")[: len(wanted)]) < wanted


def run(kind: str, hooks: Sequence[Mapping[str, Any]], state: str) -> None:
    """Run hooks in their order, each with the container's state as its standard input.

    HostError for the first that fails: those behind it are not run.
    """
    for position, hook in enumerate(hooks):
        _run(f"hooks.{kind}[{position}]", hook, state)


def run_all(kind: str, hooks: Sequence[Mapping[str, Any]], state: str) -> list[str]:
    """Run hooks in their order, also after one that fails; return a sentence for each failure."""
    failures = []
    for position, hook in enumerate(hooks):
        try:
            _run(f"hooks.{kind}[{position}]", hook, state)
        except HostError as error:
            failures.append(error.message)
    return failures


def _run(name: str, hook: Mapping[str, Any], state: str) -> None:
    path = hook["path"]
    if not path.startswith("/"):
        raise HostError(f"{name}.path is {path!r}, but must be absolute", field=f"{name}.path", value=path)
    environment = dict(entry.split("=", 1) for entry in hook.get("env") or () if "=" in entry)
    output, theirs = os.pipe2(os.O_CLOEXEC)
    # in memory, not a pipe: a hook that never reads its state must not stop us
    given = os.memfd_create("state", os.MFD_CLOEXEC)
    try:
        os.pwrite(given, state.encode(), 0)
        pid = os.posix_spawn(
            path,
            list(hook.get("args") or ()) or [path],
            environment,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, given, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_DUP2, theirs, 2),
            ],
            setpgroup=0,  # its children are killed with it
            setsigmask=(),
            setsigdef=(2, 13, 15),
        )
        os.close(theirs)
        theirs = -1
        _wait(f"{name} ({path})", pid, hook.get("timeout") or 0, output)
    except OSError as error:
        raise HostError(f"{name} ({path}) cannot be run: {error.strerror}", field=name, value=path) from error
    finally:
        for fd in (output, given, theirs):
            if fd >= 0:
                os.close(fd)


def _wait(name: str, pid: int, timeout: float, output: int) -> None:
    """Wait for a hook's end, not for that of what it leaves in the background, and check how it ended."""
    field = name.partition(" ")[0]
    deadline = time.monotonic() + timeout if timeout else None
    os.set_blocking(output, False)
    poll = select.poll()
    poll.register(output, select.POLLIN)
    with process.Handle(os.pidfd_open(pid)) as handle:
        poll.register(handle.fd, select.POLLIN)
        said = b""
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            ready = [fd for fd, _ in poll.poll(None if left is None else left * 1000)]
            if output in ready:
                chunk = _read(output)
                said = (said + chunk)[-_TAIL:]
                if not chunk:
                    poll.unregister(output)
            if handle.fd in ready:
                break
            if not ready and left == 0:
                os.killpg(pid, process.SIGKILL)  # not reaped yet, so the group is still its own
                handle.exit_code()
                raise HostError(f"{name} did not end within its timeout of {timeout:g} s, and was killed", field=field)
        code = handle.exit_code()
    if code != 0:
        said += _read(output)
        reason = " ".join(said[-_TAIL:].decode(errors="replace").split())
        ended = (
            "ended in a way that only the caller knows, who reaps all children"
            if code is None
            else f"ended with {code}"
        )
        raise HostError(f"{name} {ended}{': ' if reason else ''}{reason}", field=field)


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 65536)
    except BlockingIOError:
        return b""
