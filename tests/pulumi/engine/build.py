#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Provide the real Pulumi engine for the tests; the last line printed is the directory with its programs.

A ``pulumi`` on PATH is used when it fits. Otherwise the command line and the Python language host are built from
the Go module proxy, at the versions that ``cli/go.mod`` and ``languagehost/go.mod`` pin, once, into the cache that
tools/recipes.py names. Without Go and its caches it takes 5 GB of disk (130 MB stay) and five minutes on two free
cores.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOOLS = HERE.parents[2] / "tools"
sys.path.insert(0, str(TOOLS))
from golang import Go  # noqa: E402 - tools/ is no package
from recipes import cached  # noqa: E402

PULUMI_VERSION = "3.259.0"  # the same in cli/go.mod
OLDEST_PULUMI = (3, 216)  # the first whose dynamic providers may answer Read with inputs
CLI = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
LANGUAGE_HOST = "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python"
SDK = "github.com/pulumi/pulumi/sdk/v3"
SCRIPTS = ("python/cmd/pulumi-language-python-exec", "python/dist/pulumi-resource-pulumi-python")
PROGRAMS = ("pulumi", "pulumi-language-python", "pulumi-language-python-exec", "pulumi-resource-pulumi-python")
RECIPE = (Path(__file__).resolve(), *sorted(HERE.glob("*/go.*")), TOOLS / "golang.py")


def main() -> int:
    """Print the directory with the programs, after making it when it is not there."""
    print(installed() or cached("pulumi", RECIPE, build), flush=True)
    return 0


def installed() -> Path | None:
    """Return where PATH has a complete Pulumi that is new enough and of the same major version, or None."""
    pulumi = shutil.which("pulumi")
    if pulumi is None or any(shutil.which(name) is None for name in PROGRAMS):
        return None
    text = subprocess.run([pulumi, "version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v?(\d+)\.(\d+)\.", text)
    if found is None:
        return None
    version = (int(found[1]), int(found[2]))
    return Path(pulumi).resolve().parent if OLDEST_PULUMI <= version < (OLDEST_PULUMI[0] + 1, 0) else None


def build(work: Path, binaries: Path) -> None:
    """Make the programs in ``binaries``; everything else goes below ``work``."""
    go = Go(work)
    stamp = f" -X {SDK}/go/common/version.Version=v{PULUMI_VERSION}"
    go.build(HERE / "languagehost", LANGUAGE_HOST, binaries / "pulumi-language-python")
    go.build(HERE / "cli", CLI, binaries / "pulumi", stamp=stamp)
    sdk = go.folder(HERE / "cli", SDK)
    for script in SCRIPTS:
        target = binaries / os.path.basename(script)
        shutil.copyfile(sdk / script, target)
        target.chmod(0o755)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"pulumi engine: {error}")
