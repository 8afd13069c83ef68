#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A pod of two containers up and down: Podwright beside ``podman kube play`` and ``podman pod rm -f -t 0``.

Same Pod, same image, image present, bridge network on both sides, same run. Each pair takes Podwright's command, its
Python API (a warm process) and podman in an order that alternates; the figures are medians. As root; both sides keep
everything in a folder of their own that is removed at the end. Absolute times belong to the machine, ratios travel.
"""

import argparse
import compileall
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from demo_image import make_layout  # noqa: E402 - tools/ is no package

REFERENCE = "localhost/hello:bench"
POD = "podwright-bench"
MANIFEST: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": POD},
    "spec": {
        "containers": [
            {"name": name, "image": REFERENCE, "imagePullPolicy": "Never", "args": ["serve", port]}
            for name, port in (("one", "8080"), ("two", "8081"))
        ]
    },
}
BRIDGE = "podwright-bench"
CAP_SYS_RESOURCE = 24


class Side(NamedTuple):
    """One way to bring the pod up and down."""

    name: str
    up: Callable[[], object]
    down: Callable[[], object]


class Ratio(NamedTuple):
    """How many times faster than podman a side should be."""

    what: str
    side: str
    direction: str
    budget: float | None


RATIOS = (
    Ratio("up, whole command", "podwright", "up", 3),
    Ratio("up, Python API", "podwright API", "up", 8),
    Ratio("down, whole command", "podwright", "down", 3),
    Ratio("down, Python API", "podwright API", "down", None),
)


def run(*command: str | Path, env: dict[str, str] | None = None) -> str:
    """Run a command quietly and return what it said; that is shown when it fails."""
    child = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if child.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with {child.returncode}:\n{child.stdout.decode()}")
    return child.stdout.decode()


def make_image(work: Path) -> Path:
    """Compile examples/demo/hello.c and return an OCI image layout of it."""
    compiler = shutil.which("musl-gcc") or "gcc"
    run(compiler, "-Os", "-static", "-s", "-o", work / "hello", ROOT / "examples/demo/hello.c")
    make_layout(work / "hello", work / "layout", REFERENCE)
    return work / "layout"


# Podwright


def podwright_sides(work: Path, run_dir: Path, layout: Path, manifest: Path) -> tuple[Side, Side]:
    """Return Podwright's command line and its Python API, both over one private installation."""
    from podwright import Runtime
    from podwright.config import load

    config = work / "podwright.toml"
    config.write_text(
        f'root = "{work}/lib"\nrun = "{run_dir}"\ncgroups.parent = "/podwright-bench"\n'
        f'network.bridge = "{BRIDGE}"\nnetwork.subnet = "10.208.0.0/24"\n'
    )
    environment = os.environ | {"PODWRIGHT_CONFIG": str(config)}
    command = ROOT / ".venv/bin/podwright"
    compileall.compile_dir(ROOT / "runtime_core/podwright", quiet=1)  # as pip does when it installs a wheel
    run(command, "import", layout, REFERENCE, env=environment)
    runtime = Runtime(load(str(config)))
    return (
        Side(
            "podwright",
            lambda: run(command, "apply", "-f", manifest, env=environment),
            lambda: run(command, "delete", "pod", POD, "--grace-period", "0", env=environment),
        ),
        Side("podwright API", lambda: runtime.apply(MANIFEST), lambda: runtime.delete(POD, grace=0)),
    )


def remove_podwright(sides: tuple[Side, Side] | None) -> None:
    """Remove what the private installation made on the host besides files."""
    if sides:
        sides[1].down()
    for words in (["ip", "link", "delete", BRIDGE], ["nft", "delete", "table", "ip", BRIDGE]):
        subprocess.run(words, stderr=subprocess.DEVNULL)
    for top in Path("/sys/fs/cgroup").glob("**/podwright-bench"):
        top.rmdir()


# podman

CONTAINERS_CONF = """\
[network]
network_backend = "netavark"
[containers]
default_ulimits = []
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "bench"
[engine.runtimes]
bench = ["{runtime}"]
"""
# Root without CAP_SYS_RESOURCE may not set the limits that podman writes into each bundle. A shell and sed cost podman
# a few milliseconds a container, which do not decide anything here.
WITHOUT_RLIMITS = """\
#!/bin/sh
previous=
for word; do
  case $previous in
    --bundle|-b) sed -E -i 's/"rlimits":\\[[^]]*\\],//; s/,"rlimits":\\[[^]]*\\]//' "$word/config.json" ;;
  esac
  previous=$word
done
exec {runc} "$@"
"""


def podman_side(work: Path, layout: Path, manifest: Path) -> Side:
    """Return podman with storage, network definitions and configuration of its own, the image loaded."""
    runc = shutil.which("runc")
    if not runc or not shutil.which("podman"):
        sys.exit("the benchmark compares with podman over runc, which are not both here: make benchmark installs them")
    runtime = Path(runc)
    if not _may_raise_limits():
        runtime = work / "runc-without-rlimits"
        runtime.write_text(WITHOUT_RLIMITS.format(runc=runc))
        runtime.chmod(0o755)
    (work / "containers.conf").write_text(CONTAINERS_CONF.format(runtime=runtime))
    environment = os.environ | {"CONTAINERS_CONF": str(work / "containers.conf")}
    folders = {name: str(work / "podman" / name) for name in ("root", "runroot", "tmpdir", "network-config-dir")}
    podman = ["podman", *(part for name, folder in folders.items() for part in (f"--{name}", folder))]
    for folder in folders.values():
        os.makedirs(folder)
    image = run(*podman, "pull", "-q", f"oci:{layout}:{REFERENCE}", env=environment).strip()
    run(*podman, "tag", image, REFERENCE, env=environment)
    return Side(
        "podman",
        lambda: run(*podman, "kube", "play", manifest, env=environment),
        lambda: run(*podman, "pod", "rm", "-f", "-t", "0", POD, env=environment),
    )


def remove_podman(side: Side, work: Path) -> None:
    """Remove the pod if it is there, and the mounts that podman leaves for its next run."""
    side.down()
    unmount_below(work)


def unmount_below(folder: Path) -> None:
    """Undo all mounts below a folder."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        targets = [line.split()[1] for line in mounts]
    for target in reversed(targets):
        if target.startswith(f"{folder}/"):
            run("umount", target)


def _may_raise_limits() -> bool:
    with open("/proc/self/status", encoding="ascii") as status:
        effective = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff"))
    return bool(effective >> CAP_SYS_RESOURCE & 1)


# The measurement


def measure(sides: list[Side], pairs: int) -> dict[tuple[str, str], list[float]]:
    """Return the seconds of every (side, direction), ``pairs`` of each, after one round that does not count."""
    times: dict[tuple[str, str], list[float]] = {}
    for turn in range(pairs + 1):
        for side in sides if turn % 2 else reversed(sides):
            for direction, action in (("up", side.up), ("down", side.down)):
                start = time.perf_counter()
                action()
                if turn:
                    times.setdefault((side.name, direction), []).append(time.perf_counter() - start)
    return times


def report(times: dict[tuple[str, str], list[float]]) -> None:
    """Print medians and their ratio beside its budget, and the ratio of the fastest of each side."""
    pairs = len(next(iter(times.values())))
    print(f"A pod of two containers, image present, bridge network; medians of {pairs} pairs.")
    print(f"{'':22}{'podwright':>11}{'podman':>11}{'ratio':>8}{'budget':>8}{'':>9}{'ratio of fastest':>18}")
    for ratio in RATIOS:
        ours, theirs = times[ratio.side, ratio.direction], times["podman", ratio.direction]
        medians = statistics.median(ours), statistics.median(theirs)
        times_faster = medians[1] / medians[0]
        verdict = "" if ratio.budget is None else "met" if times_faster >= ratio.budget else "MISSED"
        budget = "" if ratio.budget is None else f"{ratio.budget:.0f}"
        line = f"{ratio.what:22}{medians[0]:9.3f} s{medians[1]:9.3f} s{times_faster:8.1f}{budget:>8}  {verdict:7}"
        print(f"{line}{min(theirs) / min(ours):18.1f}")
    print("podman 4.3 on cgroup v1 retries the removal of a busy group for 3 s in some runs: see the fastest.")


def main() -> int:
    """Make both sides ready, measure, report and clean up."""
    parser = argparse.ArgumentParser(description="a pod's time beside podman's")
    parser.add_argument("--pairs", type=int, default=10, help="measurements of each side (default 10)")
    pairs = parser.parse_args().pairs
    if os.geteuid() != 0:
        sys.exit("containers on this host need root")
    with (
        tempfile.TemporaryDirectory(prefix="podwright-bench-", dir="/var/tmp") as folder,
        tempfile.TemporaryDirectory(prefix="podwright-bench-", dir="/run") as run_dir,
    ):
        work, ours = Path(folder), None
        manifest = work / "pod.yaml"
        manifest.write_text(yaml.safe_dump(MANIFEST))
        layout = make_image(work)
        podman = podman_side(work, layout, manifest)
        try:
            ours = podwright_sides(work, Path(run_dir), layout, manifest)
            report(measure([*ours, podman], pairs))
        finally:
            remove_podman(podman, work)
            remove_podwright(ours)
    return 0


if __name__ == "__main__":
    sys.exit(main())
