#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write requirements/ci.txt: the exact version of everything that development and CI install (``make lock``)."""

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OURS = {"podwright", "pulumi-podwright"}
HEADER = """\
# Made by `make lock` from requirements/ci.in, runtime_core/pyproject.toml and pulumi_provider/pyproject.toml.
# Change those, not this file.
"""


def dependencies(project: str) -> list[str]:
    """Return what the distribution in a directory depends on, with its extras and without our own other one."""
    declared = tomllib.loads((ROOT / project / "pyproject.toml").read_text())["project"]
    extras = declared.get("optional-dependencies", {}).values()
    return [item for items in (declared["dependencies"], *extras) for item in items if item.split("==")[0] not in OURS]


def main() -> int:
    """Resolve in an empty virtual environment and freeze the result."""
    wanted = dependencies("runtime_core") + dependencies("pulumi_provider")
    with tempfile.TemporaryDirectory(prefix="podwright-lock-") as folder:
        pip = [f"{folder}/bin/python", "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([*pip, "install", "-q", "-r", str(ROOT / "requirements/ci.in"), *wanted], check=True)
        frozen = subprocess.run([*pip, "freeze", "--all", "--exclude", "pip"], check=True, stdout=subprocess.PIPE)
    (ROOT / "requirements/ci.txt").write_text(HEADER + frozen.stdout.decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
