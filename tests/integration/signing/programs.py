#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Provide who else signs images and checks signatures; the last line printed is the directory with the programs.

They are ``cosign``, and ``signing`` (main.go), which asks the library of podman and skopeo: Debian's builds of these
two have cosign's signatures switched off. Both are built from the Go module proxy at the versions that ``go.mod``
pins, once, into the cache that tools/recipes.py names: 130 MB, five minutes of one core.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOOLS = HERE.parents[2] / "tools"
sys.path.insert(0, str(TOOLS))
from golang import Go  # noqa: E402 - tools/ is no package
from recipes import cached  # noqa: E402

RECIPE = (Path(__file__).resolve(), *sorted(HERE.glob("*.go")), HERE / "go.mod", HERE / "go.sum", TOOLS / "golang.py")


def programs() -> Path:
    """Return the directory with the programs."""
    return cached("signing", RECIPE, build)


def build(work: Path, binaries: Path) -> None:
    """Make the programs in ``binaries``; everything else goes below ``work``."""
    # each is a tool in go.mod; GPG is not asked of the library, and its C library is not needed then
    Go(work).build(HERE, "tool", binaries, "-tags", "containers_image_openpgp")


if __name__ == "__main__":
    try:
        print(programs(), flush=True)
    except subprocess.CalledProcessError as error:
        sys.exit(f"signing programs: {error}")
