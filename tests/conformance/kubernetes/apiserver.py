#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Provide Kubernetes' API server; the last line printed is the path of the program.

It is built from the Go module proxy at the version that ``go.mod`` pins, once, into the cache that tools/recipes.py
names: 105 MB, eight minutes on two free cores, 2 GB of memory. Only ``record.py`` needs it.
"""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOOLS = HERE.parents[2] / "tools"
sys.path.insert(0, str(TOOLS))
from golang import Go  # noqa: E402 - tools/ is no package
from recipes import cached  # noqa: E402

PACKAGE = "k8s.io/kubernetes/cmd/kube-apiserver"
PROGRAM = "kube-apiserver"
RECIPE = (Path(__file__).resolve(), HERE / "go.mod", HERE / "go.sum", TOOLS / "golang.py")


def version() -> str:
    """Return the version of Kubernetes, from go.mod."""
    found = re.search(r"^\s*k8s\.io/kubernetes (v[0-9.]+)", (HERE / "go.mod").read_text(), re.MULTILINE)
    assert found, "go.mod names k8s.io/kubernetes"
    return found[1]


def program() -> Path:
    """Return the path of the API server, after building it when that was not done."""
    return cached("kube-apiserver", RECIPE, build) / PROGRAM


def build(work: Path, binaries: Path) -> None:
    """Make the program in ``binaries``; everything else goes below ``work``."""
    stamp = "k8s.io/component-base/version"
    major, minor, _ = version()[1:].split(".")
    values = {"gitVersion": version(), "gitMajor": major, "gitMinor": minor}
    flags = "".join(f" -X {stamp}.{name}={value}" for name, value in values.items())
    Go(work).build(HERE, PACKAGE, binaries / PROGRAM, stamp=flags)


if __name__ == "__main__":
    try:
        print(program(), flush=True)
    except subprocess.CalledProcessError as error:
        sys.exit(f"kube-apiserver: {error}")
