# SPDX-License-Identifier: Apache-2.0
"""Calls of systemd's manager (org.freedesktop.systemd1(5)), through ``busctl``: it is part of systemd.

A value here is its D-Bus signature and its words, as busctl(1) takes them: ``("t", "100")``, ``("au", "1", "4711")``.
"""

from __future__ import annotations

import os
import time

from podwright.containers import process
from podwright.errors import HostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Properties = Mapping[str, tuple[str, ...]]

_SERVICE = "org.freedesktop.systemd1"
# "--": what follows may begin with a dash and is no option
_CALL = ("busctl", "--", "call", _SERVICE, "/org/freedesktop/systemd1", f"{_SERVICE}.Manager")
_EXISTS = "was already loaded"
_FORGET_TIMEOUT = 5.0  # seconds for systemd to forget a unit of the same name, which has just ended
_TAIL = 2000


def start_scope(unit: str, properties: Properties) -> None:
    """Ask for a transient scope. HostError has systemd's words, also for a unit that is there already."""
    deadline, pause = time.monotonic() + _FORGET_TIMEOUT, 0.02
    while True:
        said = _call("StartTransientUnit", "ssa(sv)a(sa(sv))", unit, "fail", *_words(properties), "0")
        if said is None:
            return
        if _EXISTS not in said or time.monotonic() > deadline:
            raise HostError(f"systemd makes no scope {unit}: {said}")
        time.sleep(pause)
        pause = min(pause * 2, 0.5)


def set_properties(unit: str, properties: Properties) -> None:
    """Change a unit until it ends."""
    said = _call("SetUnitProperties", "sba(sv)", unit, "true", *_words(properties))
    if said is not None:
        raise HostError(f"systemd does not change {unit}: {said}")


def stop(unit: str) -> None:
    """Ask for the end of a unit; it may have come already."""
    _call("StopUnit", "ss", unit, "replace")


def _words(properties: Properties) -> list[str]:
    words = [str(len(properties))]
    for name, value in properties.items():
        words += [name, *value]
    return words


def _call(*words: str) -> str | None:
    """Call a method; return what went wrong, None for nothing."""
    output, theirs = os.pipe2(os.O_CLOEXEC)
    try:
        actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, theirs, 2),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        ]
        try:
            pid = os.posix_spawnp(
                "busctl", [*_CALL, *words], os.environ, file_actions=actions, setsigmask=(), setsigdef=(2, 13, 15)
            )
        except OSError as error:
            raise HostError(f"cannot run busctl, which is part of systemd: {error.strerror}") from error
        os.close(theirs)
        theirs = -1
        with process.Handle(os.pidfd_open(pid)) as handle:
            said = b""
            while chunk := os.read(output, 65536):
                said = (said + chunk)[-_TAIL:]
            code = handle.exit_code()
    finally:
        for fd in (output, theirs):
            if fd >= 0:
                os.close(fd)
    text = said.decode(errors="replace").strip().removeprefix("Call failed: ")
    if code is None:  # the caller reaps all children by himself
        return text or None
    return None if code == 0 else text or f"busctl ended with {code}"
