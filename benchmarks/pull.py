#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real Debian image of four layers pulled and unpacked: Podwright beside podman, and beside skopeo with umoci.

Same image, same registry (Debian's, on loopback), same run, always into an empty store. Each round takes the three in
an order that alternates; the figures are medians. As root. Before each pull the disk is at rest, so that nobody has to
write what another left: Podwright brings the compressed layers to the disk before it says that the image is there, and
the unpacked ones after that, in a process that is not part of its figures; the others leave both to the kernel.

Stores lie on a file system of the benchmark's own, and stay until the end: ext4 does not use an inode again for half a
minute after its file went, and looks at each of those whenever it makes a file, which costs whoever comes next seconds.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/integration"))
from pod_up import run, unmount_below  # noqa: E402 - the other benchmark beside this one
from pull_image import NAME, pull_image  # noqa: E402 - beside this one

from registry import Registry  # noqa: E402 - tests/ is no package

SPACE = 2 << 30  # bytes for a round
CHUNK = 256 * 1024  # bytes
BUDGETS = {"podman pull": 3.0, "skopeo + umoci": 5.0}
"""How many times faster than each Podwright should be."""

Commands = Callable[[Path], list[list[str | Path]]]
"""Returns the commands that pull into an empty folder."""


class Cost(NamedTuple):
    """What one pull took."""

    wall: float
    """Seconds."""
    processor: float
    """Seconds of all its processes."""
    memory: float
    """MiB, of its largest process."""


def podwright(reference: str) -> Commands:
    """Return the whole command ``podwright pull``."""

    def commands(folder: Path) -> list[list[str | Path]]:
        config = folder / "podwright.toml"
        config.write_text(f'root = "{folder}/lib"\nrun = "{folder}/run"\n')
        return [["env", f"PODWRIGHT_CONFIG={config}", ROOT / ".venv/bin/podwright", "pull", reference]]

    return commands


def podman(reference: str) -> Commands:
    """Return ``podman pull`` with a storage of its own."""

    def commands(folder: Path) -> list[list[str | Path]]:
        own = [f"--{name}={folder}/{name}" for name in ("root", "runroot", "tmpdir")]
        return [["podman", *own, "--storage-driver=overlay", "pull", "-q", "--tls-verify=false", reference]]

    return commands


def skopeo_and_umoci(reference: str) -> Commands:
    """Return ``skopeo copy`` into an OCI layout and ``umoci unpack`` from there."""

    def commands(folder: Path) -> list[list[str | Path]]:
        copy = ["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{reference}", f"oci:{folder}/layout:image"]
        return [[*copy], ["umoci", "unpack", "--image", f"{folder}/layout:image", folder / "bundle"]]

    return commands


def measure(commands: list[list[str | Path]], folder: Path) -> Cost:
    """Run commands one after the other, their temporary files in a folder."""
    os.sync()
    processor, memory = 0.0, 0
    start = time.perf_counter()
    for command in commands:
        with tempfile.TemporaryFile() as output:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=os.environ | {"TMPDIR": str(folder)},
            )
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode:
                output.seek(0)
                sys.exit(f"{' '.join(map(str, command))} ended with {child.returncode}:\n{output.read().decode()}")
        processor += usage.ru_utime + usage.ru_stime
        memory = max(memory, usage.ru_maxrss)
    return Cost(time.perf_counter() - start, processor, memory / 1024)


def gunzip(layout: Path) -> float:
    """Return the seconds that one thread takes to decompress the layers, with the library that a pull uses."""
    from podwright.images.compression import decompress

    blobs = [path for path in (layout / "blobs/sha256").iterdir() if path.read_bytes()[:2] == b"\x1f\x8b"]
    start = time.perf_counter()
    for blob in blobs:
        for _ in decompress(_chunks(blob)):
            pass
    return time.perf_counter() - start


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            yield chunk


@contextmanager
def disk(folder: Path, size: int) -> Iterator[Path]:
    """Mount a new ext4 of so many bytes, which lies in a sparse file."""
    image, place = folder / "disk", folder / "d"
    with image.open("wb") as file:
        file.truncate(size)
    place.mkdir()
    run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", image)
    run("mount", "-o", "loop", image, place)
    try:
        yield place
    finally:
        unmount_below(place)
        unmount(place)


def unmount(place: Path) -> None:
    """Unmount a file system, which is in use until the last layers are on it."""
    deadline = time.monotonic() + 60
    while subprocess.run(["umount", place], stderr=subprocess.DEVNULL).returncode and time.monotonic() < deadline:
        time.sleep(0.1)
    if os.path.ismount(place):
        run("umount", place)


def compare(sides: dict[str, Commands], work: Path, rounds: int) -> dict[str, list[Cost]]:
    """Return the costs of every side, after one round that does not count."""
    costs: dict[str, list[Cost]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        names = list(sides) if turn % 2 else list(reversed(sides))
        for name in names:
            folder = work / f"{turn}-{names.index(name)}"
            folder.mkdir()
            cost = measure(sides[name](folder), folder)
            if turn:
                costs[name].append(cost)
    return costs


def report(costs: dict[str, list[Cost]], size: int, decompression: float) -> None:
    """Print medians, and each ratio beside its budget."""
    median = {
        name: Cost(*(statistics.median(values) for values in zip(*rounds, strict=True)))
        for name, rounds in costs.items()
    }
    ours = median["podwright"]
    rounds = len(costs["podwright"])
    print(f"A Debian image of four layers, {size / 1e6:.0f} MB as gzip, from a registry on loopback; {rounds} rounds.")
    print(f"{'':16}{'wall':>10}{'processor':>12}{'memory':>12}{'ratio':>8}{'budget':>8}{'':>9}{'memory ratio':>14}")
    for name, cost in median.items():
        budget = BUDGETS.get(name)
        ratio, verdict, wanted, memory = "", "", "", ""
        if budget:
            times = cost.wall / ours.wall
            ratio, wanted, verdict = f"{times:.1f}", f"{budget:.0f}", "met" if times >= budget else "MISSED"
            memory = f"{cost.memory / ours.memory:.1f}"
        print(
            f"{name:16}{cost.wall:8.2f} s{cost.processor:10.2f} s{cost.memory:8.0f} MiB"
            f"{ratio:>8}{wanted:>8}  {verdict:7}{memory:>14}"
        )
    print(
        f"Decompression alone, in one thread, takes {decompression:.2f} s: {decompression / ours.wall:.0%} of our pull."
    )
    print("Memory is that of the largest process.")


def main() -> int:
    """Serve the image, measure, report and clean up."""
    parser = argparse.ArgumentParser(description="a pull beside podman's, and skopeo's with umoci's unpacking")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each side (default 5)")
    rounds = parser.parse_args().rounds
    if os.geteuid() != 0:
        sys.exit("layers are unpacked with their owners and devices, which needs root")
    layout = pull_image()
    with tempfile.TemporaryDirectory(prefix="pw-bench-", dir="/var/tmp") as folder, Registry() as registry:
        reference = f"{registry.address}/debian:1"
        copy = ["skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{layout}:{NAME}", f"docker://{reference}"]
        subprocess.run(copy, check=True)
        sides = {
            "podwright": podwright(reference),
            "podman pull": podman(reference),
            "skopeo + umoci": skopeo_and_umoci(reference),
        }
        with disk(Path(folder), (rounds + 1) * SPACE) as place:
            costs = compare(sides, place, rounds)
        size = sum(path.stat().st_size for path in (layout / "blobs/sha256").iterdir())
        report(costs, size, statistics.median(gunzip(layout) for _ in range(3)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
