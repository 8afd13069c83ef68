#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One OCI container created, started, waited for and deleted: podwright beside runc, crun and youki.

The same bundle (a static program that ends at once, podman's default profile left out) and the same run: each round
takes every side, in an order that alternates. The figures are medians of CPU time, of the runtime with all its
children, and of wall time. As root. Absolute times belong to the machine, ratios travel.
"""

import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
OURS = ROOT / ".venv/bin/podwright-oci"
PROGRAM = "int main(void) { return 0; }\n"
IDENTIFIER = "podwright-bench"


class Side(NamedTuple):
    """One way to run the container; True when what it costs is the time of children, not of this process."""

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
    from podwright.containers import Containers

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
        while json.loads(_quiet([*own, "state", IDENTIFIER]))["status"] != "stopped":
            pass
        _quiet([*own, "delete", IDENTIFIER])

    return [
        Side(f"{command.name} run", lambda: _quiet([*own, "run", "--bundle", bundle, IDENTIFIER])),
        Side(f"{command.name} create…delete", separately),
    ]


def _quiet(command: list[Any]) -> bytes:
    child = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
    if child.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with {child.returncode}: {child.stderr.decode()}")
    return child.stdout


def measure(sides: list[Side], rounds: int) -> dict[str, list[Cost]]:
    """Return the costs of every side, ``rounds`` of each, after two rounds that do not count."""
    costs: dict[str, list[Cost]] = {side.name: [] for side in sides}
    for turn in range(rounds + 2):
        for side in sides if turn % 2 else reversed(sides):
            cpu, wall = _cpu(), time.perf_counter()
            side.run()
            if turn > 1:
                costs[side.name].append(Cost(_cpu() - cpu, time.perf_counter() - wall))
    return costs


def _cpu() -> float:
    """Return the CPU time of this process and of its children, which includes the containers'."""
    usage = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in usage)
