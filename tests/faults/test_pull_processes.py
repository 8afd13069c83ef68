# SPDX-License-Identifier: Apache-2.0
"""Pulls that meet in one store, and pulls that are killed: nothing is fetched twice, and the next pull goes on.

What the store looks like afterwards is checked by the fixture ``store``.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from imagetools import busybox_layer, entry, make_layout
from lies import Gate, drip
from lying_registry import LyingRegistry
from podtools import eventually
from pulls import Pull, Store

NOISE = random.Random(1)
SLOWLY = drip(16 << 10, 0.005)  # 3 MB/s and connection


def noise(size: int) -> list:
    """A layer that does not shrink."""
    return [entry(f"noise-{size}", NOISE.randbytes(size))]


@pytest.fixture
def registry():
    with LyingRegistry() as registry:
        yield registry


def blobs_of(manifest: dict) -> dict[str, int]:
    """The sizes of an image's blobs by their digests."""
    return {item["digest"]: item["size"] for item in (manifest["config"], *manifest["layers"])}


def fetched(registry: LyingRegistry) -> dict[str, int]:
    """How often each blob was asked for."""
    paths = [exchange.path for exchange in registry.asked("/blobs/")]
    return {path.rpartition("/")[2]: paths.count(path) for path in paths}


# ---- at once ----


def test_eight_processes_pull_one_image(store: Store, registry, tmp_path):
    layout = make_layout(tmp_path / "layout", [busybox_layer(), noise(1_500_000), [entry("small", "x")]])
    manifest = registry.add_layout(layout, "image", "1")
    registry.lie("/blobs/", SLOWLY)
    ended = store.together(*[registry.reference] * 8)
    assert len({one.well()._replace(peak=0) for one in ended}) == 1
    assert fetched(registry) == dict.fromkeys(blobs_of(manifest), 1)
    assert store.images() == [registry.reference]
    assert len(os.listdir(store.root / "layers")) - 1 == len(manifest["layers"])


def test_eight_processes_pull_four_images_that_share_layers(store: Store, registry, tmp_path):
    bases = [busybox_layer(), noise(700_000)]
    manifests = []
    for number in range(4):
        layers = [bases[number % 2], bases[1 - number % 2], noise(100_000 + number)]
        layout = make_layout(tmp_path / f"{number}", layers, {"Cmd": [f"{number}"]})
        manifests.append(registry.add_layout(layout, "image", f"{number}"))
    registry.lie("/blobs/", SLOWLY)
    references = [f"{registry.address}/image:{number}" for number in range(4)]
    ended = store.together(*references, *reversed(references))
    assert [one.well()._replace(peak=0) for one in ended[:4]] == [one._replace(peak=0) for one in ended[:3:-1]]
    blobs = {digest: size for manifest in manifests for digest, size in blobs_of(manifest).items()}
    assert fetched(registry) == dict.fromkeys(blobs, 1)
    assert store.images() == references


# ---- killed ----


def test_a_pull_that_is_killed_at_twenty_moments_is_taken_up_by_the_next(tmp_path):
    """Each moment is a number of bytes that the registry has sent: some before, some in, some after each blob."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    layers = [noise(600_000), noise(900_000), busybox_layer(), noise(10_000)]
    layout = make_layout(tmp_path / "layout", layers)
    resumed = spared = 0
    for number in range(20):
        store = Store(tmp_path / f"root-{number}")
        with LyingRegistry() as registry:
            blobs = blobs_of(registry.add_layout(layout, "image", "1"))
            registry.lie("/blobs/", SLOWLY)
            size = int(sum(blobs.values()) * (number + moments.random()) / 20)
            kill_when_served(registry, store, size)
            found = store.blobs(), store.unfinished()
            spared += len(found[0] & blobs.keys())
            resumed += sum(size > 0 for size in found[1].values())
            take_up(registry, store, blobs)
    assert resumed > 10, "hardly a kill was in the middle of a blob"
    assert spared > 10, "hardly a kill was after a blob"


def kill_when_served(registry: LyingRegistry, store: Store, size: int) -> None:
    pull = store.start(registry.reference).go()
    assert registry.wait_until_served(size)
    pull.kill()
    assert pull.process.returncode == -signal.SIGKILL
    assert store.images() == []


def take_up(registry: LyingRegistry, store: Store, blobs: dict[str, int]) -> None:
    """Pull again: only what is missing is asked for."""
    registry.honest()
    assert registry.settle()
    there, begun = store.blobs(), store.unfinished()
    asked_before = len(registry.log)
    store.pull(registry.reference).well()
    asked = {digest: [] for digest in blobs}
    for exchange in registry.log[asked_before:]:
        if "/blobs/" in exchange.path:
            asked[exchange.path.rpartition("/")[2]].append(exchange.headers.get("range"))
    assert asked == {digest: _expected(size, digest in there, begun.get(digest, 0)) for digest, size in blobs.items()}
    assert store.unfinished() == {}
    store.prune()
    store.check()


def _expected(size: int, there: bool, begun: int) -> list[str | None]:
    if there or begun == size:
        return []
    return [f"bytes={begun}-" if begun else None]


def test_a_killed_holder_does_not_stop_those_who_wait_for_its_blob(store: Store, registry, tmp_path):
    manifest = registry.add_layout(make_layout(tmp_path / "layout", [noise(2_000_000)]), "image", "1")
    blob = manifest["layers"][0]
    gate = Gate(blob["size"] // 2)
    registry.lie(blob["digest"], gate)
    holder = store.start(registry.reference).go()
    assert gate.reached.wait(60)
    waiting = [store.start(registry.reference).go() for _ in range(3)]
    coming = store.ingest / blob["digest"].removeprefix("sha256:")
    eventually(lambda: all(has_open(pull, coming) for pull in waiting), "three processes to wait")
    assert fetched(registry)[blob["digest"]] == 1
    (begun,) = store.unfinished().values()
    holder.kill()
    gate.open()
    assert len({pull.ended().well()._replace(peak=0) for pull in waiting}) == 1
    assert [exchange.headers.get("range") for exchange in registry.asked(blob["digest"])] == [None, f"bytes={begun}-"]


def has_open(pull: Pull, path: Path) -> bool:
    """Whether a process has a file open: whoever wants a blob opens the file in which it comes, and waits there."""
    found = set()
    for link in Path(f"/proc/{pull.process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found.add(link.readlink())
    return path in found


def test_a_pull_killed_at_any_step_is_taken_up(registry, tmp_path):
    """Each step is a touch of the host, most of them after the last byte came: the killer is test_kill.py's."""
    layout = make_layout(tmp_path / "layout", [noise(100_000), [entry("a/b", "x")], [entry("a", kind="dir")]])
    blobs = blobs_of(registry.add_layout(layout, "image", "1"))
    total = killed_at(0, tmp_path / "whole", registry.reference)
    assert total > 50
    for step in range(total // 20, total * 9 // 10, total // 10):
        store = Store(tmp_path / f"root-{step}")
        killed_at(step, store.root, registry.reference)
        take_up(registry, store, blobs)


def killed_at(step: int, root: Path, reference: str) -> int:
    """Run ``podwright pull`` and kill it at its touch of that number; with 0, return how many there are."""
    command = [sys.executable, Path(__file__).with_name("killer.py"), str(step), "pull", reference]
    done = subprocess.run(command, env=environment(root), capture_output=True, text=True, timeout=120)
    assert done.returncode == (-signal.SIGKILL if step else 0), done.stderr
    return 0 if step else int(done.stderr.splitlines()[-1])


def environment(root: Path) -> dict[str, str]:
    """What makes the command line use this store."""
    config = root.with_name(f"{root.name}.toml")
    config.write_text(f'root = "{root}"\nrun = "{root}.run"\n')
    return os.environ | {"PODWRIGHT_CONFIG": str(config)}


# ---- asked to end ----


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_pull_that_is_told_to_end_ends_at_once_and_is_taken_up(store: Store, registry, tmp_path, number):
    blobs = blobs_of(registry.add_layout(make_layout(tmp_path / "layout", [noise(2_000_000), []]), "image", "1"))
    gate = Gate(1_000_000)
    registry.lie("/blobs/", gate)
    # whoever runs the tests in the background may ignore SIGINT, and their children with them
    command = ["env", "--default-signal=INT", Path(sys.executable).with_name("podwright"), "pull", registry.reference]
    with subprocess.Popen(command, env=environment(store.root), stderr=subprocess.PIPE) as pull:
        assert gate.reached.wait(60)
        pull.send_signal(number)
        _, said = pull.communicate(timeout=60)  # and it does not wait for the registry, which sends nothing more
    assert pull.returncode in (-number, 128 + number)
    assert b"Traceback" not in said
    assert store.images() == []
    gate.open()
    take_up(registry, store, blobs)
