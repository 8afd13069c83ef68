# SPDX-License-Identifier: Apache-2.0
"""Run opencontainers/runtime-tools' validation programs against an OCI runtime, each alone, and judge what they say.

A program runs in a folder, a mount namespace and a PID namespace of its own: one of them leaves mounts behind, and
one that hangs is ended with all that it started. What is then left, cgroups, is removed by name.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from build import HERE, INSIDE, ROOT, programs

CGROUPS = Path("/sys/fs/cgroup")
OURS = HERE.parents[2] / ".venv/bin/podwright-oci"
SECONDS = 60
"""What a program may take; the slowest takes ten."""
FIXED_CGROUPS = ("cgrouptest", "testdir/cgrouptest/container", "testdir/cgrouptest", "testdir")
"""The cgroups that programs ask for by path, below the root or the caller's own cgroup."""
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MUST_REFUSE = ("process_capabilities_fail", "process_rlimits_fail")
"""Programs that say nothing when the runtime refuses their bundle, which is what they want to see."""


class Runtime(NamedTuple):
    """A runtime, and what it needs on a machine whose cgroups are hybrid."""

    name: str
    command: str
    before: str = ""
    """Shell commands before the program runs, in its mount namespace."""
    on_create: str = ""
    """Shell commands before a container is created from ``$bundle``."""


class Verdict(NamedTuple):
    """Whether a program is content, and if not, the first thing that it said."""

    passed: bool
    detail: str = ""


def runtimes() -> list[Runtime]:
    """Return the runtimes that are there, ours first."""
    # crun 1.8 takes no limits where the unified hierarchy is mounted beside the old ones
    alone = f"mountpoint -q {CGROUPS}/unified && umount {CGROUPS}/unified"
    # and no version after 1.0; the bundles are the same for all
    older = """sed -i 's/"ociVersion": *"[^"]*"/"ociVersion": "1.0.2"/' "$bundle/config.json" """
    known = (
        Runtime("podwright-oci", str(OURS), on_create=older),
        Runtime("runc", shutil.which("runc") or "", on_create=older),
        Runtime("crun", shutil.which("crun") or "", alone, older),
    )
    return [runtime for runtime in known if os.access(runtime.command, os.X_OK)]


def names() -> list[str]:
    """Return the names of all programs, from go.mod."""
    return sorted(re.findall(r"/validation/(\w+)$", (HERE / "go.mod").read_text(), re.MULTILINE))


def run(program: str, runtime: Runtime) -> Verdict:
    """Run one program and return what it found; nothing of it is left."""
    # user namespaces must pass through the folder: not the 0700 of mkdtemp
    with tempfile.TemporaryDirectory(prefix="podwright-conformance-", dir="/var/tmp") as folder:
        work = Path(folder)
        work.chmod(0o755)
        for name in (INSIDE, ROOT):
            shutil.copy(programs() / name, work)
        wrapper = _write_wrapper(runtime, work)
        # the shell waits for orphans as init does; it must not exec the program
        script = f"{runtime.before or ':'}; {programs()}/{program}; exit $?"
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script]
        environment = os.environ | {"RUNTIME": str(wrapper), "TMPDIR": folder}
        with (work / "said").open("w+b") as said:
            child = subprocess.Popen(
                command, cwd=work, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
            )
            try:
                code = child.wait(SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                code = -1
        text = (work / "said").read_text(errors="replace")
        _remove_cgroups((work / "ids").read_text().split())
    return Verdict(False, f"not done after {SECONDS} s") if code == -1 else judge(program, code, text)


def attempt(program: str, runtime: Runtime) -> Verdict:
    """Return the best of three runs: programs count on fixed times, which a busy machine may not keep.

    ``killsig`` sends its signal as soon as the container runs, and the shell there may not have set its trap.
    """
    verdict = run(program, runtime)
    for _ in range(2):
        if verdict.passed:
            break
        verdict = run(program, runtime)
    return verdict


def judge(program: str, code: int, said: str) -> Verdict:
    """Return the verdict over what a program printed in TAP, beside what its runtime printed."""
    lines = said.splitlines()
    failed = [number for number, line in enumerate(lines) if line.startswith("not ok")]
    tests = [number for number, line in enumerate(lines) if re.match(r"(not )?ok\b", line)]
    # the life cycle's programs count no tests, and report what is wrong in a block of its own
    alone = [number for number, line in enumerate(lines) if '"error":' in line and not any(t < number for t in tests)]
    if failed or alone:
        return Verdict(False, _explain(lines, (failed or alone)[0]))
    if code != 0:
        return Verdict(False, " | ".join(lines[-2:]) or f"ended with {code}")
    said_nothing = not tests and "1..0" not in lines and program not in MUST_REFUSE
    return Verdict(not said_nothing, "said nothing" if said_nothing else "")


def _explain(lines: list[str], number: int) -> str:
    """Return the line of a failure with what its program or the runtime says about it."""
    following = lines[number + 1 : number + 8]
    details = [line.strip() for line in following if line.startswith("# ") or '"error":' in line or '"stderr":' in line]
    runtime = [line for line in lines[:number] if not re.match(r"(not )?ok\b|TAP|\s|#|\d+\.\.", line)]
    return " | ".join([lines[number].strip(), *details[:2], *runtime[-1:]])


def _write_wrapper(runtime: Runtime, work: Path) -> Path:
    """Write the program that stands for the runtime: state of its own, and IDs noted as they are made."""
    (work / "ids").touch()
    wrapper = work / "runtime"
    wrapper.write_text(f"""\
#!/bin/sh
if [ "$1" = create ]; then
  previous= bundle=.
  for word; do
    [ "$previous" = --bundle ] && bundle=$word
    previous=$word
  done
  echo "$previous" >>{work}/ids
  {runtime.on_create or ":"}
fi
exec {runtime.command} --root {work}/state "$@"
""")
    wrapper.chmod(0o755)
    return wrapper


def _remove_cgroups(words: list[str]) -> None:
    """Remove the cgroups of containers; their processes ended with their PID namespace."""
    ids = {word for word in words if UUID.fullmatch(word)}
    for path in sorted(_cgroups(ids), key=lambda path: -len(path.parts)):
        path.rmdir()


def _cgroups(ids: set[str]) -> Iterator[Path]:
    for parent, folders, _ in os.walk(CGROUPS):
        for name in folders:
            path = Path(parent, name)
            fixed = any(str(path).endswith(f"/{name}") for name in FIXED_CGROUPS)
            if (fixed or any(identifier in name for identifier in ids)) and not path.is_symlink():
                yield path
