#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One OCI container created, started, waited for and deleted: podwright beside runc, crun and youki.

The same bundle (a static program that ends at once, podman's default profile left out) and the same run: each round
takes every side, in an order that alternates. The figures are medians of CPU time, of the runtime with all its
children, and of wall time. As root. Absolute times belong to the machine, ratios travel.
"""

import argparse
import compileall
import contextlib
import ctypes
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
OURS = ROOT / ".venv/bin/podwright-oci"
PROGRAM = "int main(void) { return 0; }\n"
IDENTIFIER = "podwright-bench"
PR_SET_CHILD_SUBREAPER = 36


class Side(NamedTuple):
    """One way to run the container."""

    name: str
    run: Callable[[], object]


class Cost(NamedTuple):
    """What one run took, in seconds."""

    cpu: float
    wall: float


class Budget(NamedTuple):
    """How much of a peer's CPU time a side may take (design.md, 8)."""

    side: str
    peer: str
    limit: float


BUDGETS = (Budget("podwright API", "crun run", 1.5), Budget("podwright-oci run", "runc run", 1.0))


def be_alone() -> None:
    """Be the parent of orphans, and go without the unified hierarchy beside old ones, where crun takes no limits."""
    unified = "/sys/fs/cgroup/unified"
    if os.path.ismount(unified):
        again = f'umount {unified} && exec "$@"'
        os.execvp("unshare", ["unshare", "--mount", "sh", "-ec", again, "sh", sys.executable, *sys.argv])
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def make_bundle(work: Path) -> Path:
    """Return a bundle with the default namespaces and mounts, and a program that does nothing."""
    bundle = work / "bundle"
    (bundle / "rootfs").mkdir(parents=True)
    (work / "true.c").write_text(PROGRAM)
    compiler = shutil.which("musl-gcc") or "gcc"
    _quiet([compiler, "-Os", "-static", "-s", "-o", bundle / "rootfs/true", work / "true.c"])
    _quiet(["runc", "spec", "--bundle", bundle])
    config = json.loads((bundle / "config.json").read_text())
    config["process"] |= {"args": ["/true"], "terminal": False, "rlimits": []}
    (bundle / "config.json").write_text(json.dumps(config))
    return bundle


def sides(work: Path, bundle: Path) -> list[Side]:
    """Return every side that can run here."""
    found = [_api(work, bundle)]
    for command in (str(OURS), "runc", "crun", "youki"):
        path = shutil.which(command)
        if path:
            found += _command_line(Path(path), work, bundle)
    return found


def _api(work: Path, bundle: Path) -> Side:
    """Return podwright's Python API, warm, as in a process that runs many containers."""
    from podwright.containers.lifecycle import Containers

    containers = Containers(str(work / "api"), store=str(work / "store"))

    def once() -> None:
        containers.create(IDENTIFIER, str(bundle))
        containers.start(IDENTIFIER)
        containers.wait(IDENTIFIER)
        containers.delete(IDENTIFIER)

    return Side("podwright API", once)


def _command_line(command: Path, work: Path, bundle: Path) -> list[Side]:
    """Return the two ways of a command line: ``run``, and what an engine does."""
    own = [command, "--root", work / command.name]

    def separately() -> None:
        _quiet([*own, "create", "--bundle", bundle, IDENTIFIER])
        _quiet([*own, "start", IDENTIFIER])
        _reap()  # the container is this process's child, as it is conmon's
        _quiet([*own, "delete", IDENTIFIER])

    engine = Side(f"{command.name} create…delete", separately)
    if command.name == "youki":
        return [engine]  # youki 0.7's run waits for ever for a program that ends at once
    return [Side(f"{command.name} run", lambda: _quiet([*own, "run", "--bundle", bundle, IDENTIFIER])), engine]


def _quiet(command: list[Any]) -> None:
    """Run a command; what it says is shown when it fails. No pipes: a container would hold their other end."""
    with tempfile.TemporaryFile() as said:
        # without a timeout, for which Python would sleep between looks, up to 50 ms of wall time
        code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said).returncode
        if code:
            said.seek(0)
            sys.exit(f"{' '.join(map(str, command))} ended with {code}: {said.read().decode()}")


def measure(sides: list[Side], rounds: int) -> dict[str, list[Cost]]:
    """Return the costs of every side, ``rounds`` of each, after two rounds that do not count."""
    costs: dict[str, list[Cost]] = {side.name: [] for side in sides}
    for turn in range(rounds + 2):
        for side in sides if turn % 2 else reversed(sides):
            cpu, wall = _cpu(), time.perf_counter()
            side.run()
            _reap()
            if turn > 1:
                costs[side.name].append(Cost(_cpu() - cpu, time.perf_counter() - wall))
    return costs


def _reap() -> None:
    """Wait for the containers that their runtimes left to this process, so that their time counts."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, 0):
            pass


def _cpu() -> float:
    """Return the CPU time of this process and of its children, which includes the containers'."""
    usage = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in usage)


def report(costs: dict[str, list[Cost]]) -> None:
    """Print the medians of every side, and the budgets with the ratios they are about."""
    rounds = len(next(iter(costs.values())))
    print(f"One container created, started, waited for and deleted; medians of {rounds} runs, in milliseconds.")
    print(f"{'':28}{'CPU':>8}{'wall':>8}")
    for name, each in costs.items():
        print(f"{name:28}{_median(each, 'cpu') * 1000:8.1f}{_median(each, 'wall') * 1000:8.1f}")
    print(f"\n{'CPU':28}{'of':28}{'ratio':>8}{'budget':>8}")
    for budget in BUDGETS:
        if {budget.side, budget.peer} <= set(costs):
            ratio = _median(costs[budget.side], "cpu") / _median(costs[budget.peer], "cpu")
            verdict = "met" if ratio <= budget.limit else "MISSED"
            print(f"{budget.side:28}{budget.peer:28}{ratio:8.2f}{budget.limit:8.1f}  {verdict}")


def _median(costs: list[Cost], what: str) -> float:
    return statistics.median(getattr(cost, what) for cost in costs)


def main() -> int:
    """Make the bundle, measure and report."""
    parser = argparse.ArgumentParser(description="an OCI container's time beside other runtimes'")
    parser.add_argument("--rounds", type=int, default=20, help="measurements of each side (default 20)")
    rounds = parser.parse_args().rounds
    if os.geteuid() != 0:
        sys.exit("containers on this host need root")
    be_alone()
    compileall.compile_dir(ROOT / "runtime_core/podwright", quiet=1)  # as pip does when it installs a wheel
    with tempfile.TemporaryDirectory(prefix="podwright-bench-", dir="/var/tmp") as folder:
        work = Path(folder)
        report(measure(sides(work, make_bundle(work)), rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
