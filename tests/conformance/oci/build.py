#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Provide opencontainers/runtime-tools' validation programs; the last line printed is the directory with them.

They are built from the Go module proxy at the version that ``go.mod`` pins, once, into the cache that
tools/recipes.py names: 160 MB, half a minute on two free cores.
"""

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOOLS = HERE.parents[2] / "tools"
sys.path.insert(0, str(TOOLS))
from golang import Go  # noqa: E402 - tools/ is no package
from recipes import cached  # noqa: E402

MODULE = "github.com/opencontainers/runtime-tools"
INSIDE = "runtimetest"
"""The program that the others run in their containers."""
ROOT = "rootfs-amd64.tar.gz"
RECIPE = (Path(__file__).resolve(), HERE / "go.mod", HERE / "go.sum", TOOLS / "golang.py")


def programs() -> Path:
    """Return the directory with the validation programs, ``runtimetest`` and the root file system."""
    return cached("oci-validation", RECIPE, build)


def build(work: Path, binaries: Path) -> None:
    """Make the programs in ``binaries``; everything else goes below ``work``."""
    go = Go(work)
    # each is a tool in go.mod; without cgo's resolver and user lookup they run on any C library
    go.build(HERE, "tool", binaries, "-tags", "netgo osusergo")
    shutil.copyfile(go.folder(HERE, MODULE) / ROOT, binaries / ROOT)


if __name__ == "__main__":
    try:
        print(programs(), flush=True)
    except subprocess.CalledProcessError as error:
        sys.exit(f"OCI validation: {error}")
