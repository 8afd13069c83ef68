# SPDX-License-Identifier: Apache-2.0
"""``podinit unpack`` in tests: what it makes of a tar, and that nothing outside of its directory changes."""

import subprocess
import tarfile
from pathlib import Path
from typing import Any

import podwright
from imagetools import Entry, make_tar
from treewalk import snapshot

PODINIT = Path(podwright.__file__).parent / "_bin" / "podinit"
SOURCE = Path(podwright.__file__).parents[1] / "podinit"
IMPLIED, IMPLIES = "trusted.overlay.implied", "trusted.overlay.implies"
"""Marks of directories that the layer does not describe, and of a root that has such ones below."""

Found = dict[str, dict[str, Any]]


def outside(folder: Path) -> Found:
    """Return what is in the jail's folder beside the jail."""
    return {name: about for name, about in snapshot(folder).items() if not name.startswith("jail")}


def run(jail: Path, data: bytes, podinit: Path = PODINIT) -> "subprocess.CompletedProcess[bytes]":
    """Unpack a tar into ``jail``."""
    environment = {"ASAN_OPTIONS": "detect_leaks=0"}  # LeakSanitizer wants /proc, which the jail has not
    return subprocess.run([podinit, "unpack", jail], input=data, capture_output=True, env=environment, timeout=120)


def unpack(jail: Path, *entries: Entry, form: int = tarfile.PAX_FORMAT) -> Found:
    """Unpack a tar of ``entries``, which succeeds; returns what is in the jail now, without the marks."""
    done = run(jail, make_tar(entries, form))
    assert (done.returncode, done.stderr) == (0, b"")
    found = {name: about for name, about in snapshot(jail).items() if name != "."}
    for about in found.values():
        about["xattrs"].pop(IMPLIED, None)
    return found


def refused(jail: Path, *entries: Entry) -> str:
    """Unpack a tar of ``entries``, which fails; returns the line that says why."""
    return why(run(jail, make_tar(entries)))


def why(done: "subprocess.CompletedProcess[bytes]") -> str:
    """Return the one line of a run that failed."""
    assert done.returncode == 1
    line = done.stderr.decode()
    assert line.count("\n") == 1
    return line.removesuffix("\n")
