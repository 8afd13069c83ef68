# SPDX-License-Identifier: Apache-2.0
"""Runs a row: applies its Pod, waits for what must be seen, edits it, deletes it."""

import os
import shutil
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from pod_observe import Pod, fits
from pod_rows import Row, edited

from hosttools import Host

PATIENCE = 30.0  # seconds: generous, for a loaded machine


class Place:
    """A podwright with the images of the rows, the folders that they use, and a registry's address."""

    def __init__(self, host: Host, folder: Path, words: dict[str, str]) -> None:
        self.host = host
        self._folder = folder
        self._words = words

    def run(self, row: Row) -> None:
        """Run a row, or fail with what was seen instead of what must be."""
        folder = _furnished(self._folder / row.name)
        words = {**self._words, "DIR": str(folder)}
        manifest = row.manifest(words)
        objects = row.part("objects", words) or []
        try:
            self._run(row, manifest, objects, folder, words)
        finally:
            self._clear(manifest, objects)
            shutil.rmtree(folder)

    def _run(
        self, row: Row, manifest: dict[str, Any], objects: list[dict[str, Any]], folder: Path, words: dict[str, str]
    ) -> None:
        expect = row.part("expect", words) or {}
        if "refused" in expect:
            self._is_refused(manifest, objects, expect["refused"])
            return
        pod = self._applied(manifest, objects, folder)
        _await(pod, expect)
        if "edit" in row.data or "edit_objects" in row.data:
            changed = edited(manifest, row.part("edit", words) or {})
            beside = row.part("edit_objects", words) or objects
            plan = self.host.runtime.plan(changed, beside=beside)
            assert {change.path: change.effect for change in plan.changes} == row.part("plan", words)
            _await(self._applied(changed, beside, folder), row.part("after", words))
        if "delete" in row.data:
            self._delete(row.part("delete", words), pod, manifest)

    def _applied(self, manifest: dict[str, Any], objects: list[dict[str, Any]], folder: Path) -> Pod:
        done = self.host.run("apply", "-f", "-", stdin=yaml.safe_dump_all([*objects, manifest]))
        metadata = manifest["metadata"]
        said = done.stdout + done.stderr
        return Pod(self.host, metadata["name"], metadata.get("namespace", "default"), folder, said)

    def _is_refused(self, manifest: dict[str, Any], objects: list[dict[str, Any]], reason: str) -> None:
        done = self.host.run("apply", "-f", "-", stdin=yaml.safe_dump_all([*objects, manifest]), check=False)
        assert done.returncode != 0, "it is not refused"
        assert reason in done.stderr
        assert self.host.pods() == [], "something of it is there"

    def _delete(self, how: dict[str, Any], pod: Pod, manifest: dict[str, Any]) -> None:
        began = time.monotonic()
        options = [] if how.get("grace") is None else ["--grace-period", str(how["grace"])]
        self.host.run("delete", "pod", manifest["metadata"]["name"], *options)
        took = time.monotonic() - began
        least, most = how.get("took", (0, PATIENCE))
        assert least <= took <= most, f"its end took {took:.1f} s"
        left = how.get("left", {})
        found = pod.seen("host", left)
        assert fits(left, found), f"it left {found}, not {left}"

    def _clear(self, manifest: dict[str, Any], objects: list[dict[str, Any]]) -> None:
        metadata = manifest["metadata"]
        where = ("-n", metadata.get("namespace", "default"))
        self.host.run("delete", "pod", metadata["name"], *where, "--grace-period", "0", check=False)
        for one in objects:
            self.host.run("delete", one["kind"].lower(), one["metadata"]["name"], *where, check=False)


def _await(pod: Pod, expect: dict[str, Any]) -> None:
    """Wait until everything is as expected, one after the other."""
    deadline = time.monotonic() + PATIENCE
    for kind, wanted in expect.items():
        while not fits(wanted, found := _attempt(pod, kind, wanted)):
            assert time.monotonic() < deadline, f"{kind} is {found}, not {wanted}"
            time.sleep(0.1)


def _attempt(pod: Pod, kind: str, wanted: Any) -> Any:
    """Return what is seen; what cannot be looked at yet is None."""
    try:
        return pod.seen(kind, wanted)
    except (OSError, ValueError, StopIteration):
        return None


def _furnished(folder: Path) -> Path:
    """Make a folder with one of everything that a hostPath may be."""
    folder.mkdir()
    (folder / "directory").mkdir()
    (folder / "file").write_text("of the host\n")
    os.mknod(folder / "block", stat.S_IFBLK | 0o600, os.makedev(7, 0))
    os.mknod(folder / "char", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    _in_folder(folder, _make_socket)
    return folder


def _make_socket() -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")


def _in_folder(folder: Path, call: Callable[[], None]) -> None:
    """Call something in a folder, because the path of a socket has at most 107 bytes."""
    before = os.open(".", os.O_RDONLY)
    os.chdir(folder)
    try:
        call()
    finally:
        os.fchdir(before)
        os.close(before)
