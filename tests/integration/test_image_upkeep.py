# SPDX-License-Identifier: Apache-2.0
"""What the store takes of the disk, and giving it back: beside pulls and pods, and killed at any step."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from imagetools import busybox_layer, entry, make_busybox_image, make_layout, push
from podtools import IMAGE, container, eventually, pod
from podwright import Runtime
from podwright.config import Config
from podwright.errors import HostError, ImageError
from podwright.images import gate
from podwright.images.formats import destination
from podwright.images.store import ImageStore
from podwright.images.upkeep.prune import prune, remove
from podwright.images.upkeep.usage import usage
from podwright.images.upkeep.used import Used
from podwright.images.upkeep.verify import verify
from podwright.pods.in_use import in_use
from registry import Registry
from storetools import PODINIT, import_layout

ONE, TWO = "docker.io/library/one:latest", "docker.io/library/two:latest"
BASE = [entry("base", "b" * 50_000)]


@pytest.fixture
def store(tmp_path):
    return ImageStore(str(tmp_path / "root"), podinit=PODINIT)


@pytest.fixture
def two(store, tmp_path):
    """A store of two images that share a layer."""
    import_layout(store, make_layout(tmp_path / "1", [BASE, [entry("a", "1" * 9000)]]), "one")
    import_layout(store, make_layout(tmp_path / "2", [BASE, [entry("a", "2" * 9000)]]), "two")
    return store


def nothing_used():
    return Used({}, {})


def disk(store):
    """What du says of the blobs and the layers."""
    paths = [path for folder in ("images/blobs/sha256", "layers") for path in Path(store.root, folder).glob("*")]
    paths = [path for path in paths if not path.name.startswith(".")]
    command = ["du", "-s", "--block-size=1", *paths]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines() if paths else []
    return sum(int(line.split()[0]) for line in lines)


def content(store):
    """Numbers of blobs, of layers, and of what is unfinished."""
    root = Path(store.root)
    blobs = os.listdir(root / "images/blobs/sha256")
    layers = os.listdir(root / "layers")
    return [
        len([name for name in blobs if not name.startswith(".")]),
        len([name for name in layers if len(name) == 64]),
        len([name for name in (*blobs, *layers) if name.startswith(".tmp-")]),
    ]


# ---- usage ----


def test_usage_is_what_the_disk_says(two):
    found = usage(two, nothing_used)
    assert found.blob_size + found.layer_size == found.reclaimable_all == disk(two)
    assert [image.reference for image in found.images] == [ONE, TWO]
    assert [len(layer.images) for layer in found.layers].count(2) == 1
    shared = next(layer for layer in found.layers if len(layer.images) == 2)
    assert found.shared_size == shared.size + next(blob.size for blob in found.blobs if len(blob.images) == 2)
    for image in found.images:
        assert (len(image.blobs), len(image.layers), image.shared) == (4, 2, found.shared_size)
    sizes = [image.size - image.shared for image in found.images]
    assert sum(sizes) + found.shared_size == disk(two)
    assert (found.leftovers, found.reclaimable) == (0, 0)


def test_usage_tells_who_uses_what(two):
    image = two.get("one")
    used = Used({ONE: ["pod default/web"]}, {each: ["pod default/web"] for each in image.diff_ids})
    found = usage(two, lambda: used)
    assert [image.users for image in found.images] == [["pod default/web"], []]
    assert [layer.diff_id for layer in found.layers if layer.users] == sorted(image.diff_ids)
    only = [layer.size for layer in found.layers if layer.images == [TWO]]
    blobs = [blob.size for blob in found.blobs if blob.images == [TWO]]
    assert found.reclaimable_all == sum(only) + sum(blobs)


def test_usage_of_a_hundred_thousand_files_needs_little_memory(store):
    layer = Path(store.root, "layers", "0" * 64)
    for number in range(100_000):
        if number % 1000 == 0:
            folder = layer / str(number)
            folder.mkdir(parents=True)
        os.close(os.open(f"{folder}/{number}", os.O_CREAT | os.O_WRONLY))
    script = (
        "import resource, sys\n"
        "from podwright.images.store import ImageStore; from podwright.images.upkeep.usage import usage\n"
        "from podwright.images.upkeep.used import Used\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "found = usage(ImageStore(sys.argv[1], podinit=''), lambda: Used({}, {}))\n"
        "print(found.layer_size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, store.root], capture_output=True, text=True, check=True)
    size, kilobytes = map(int, done.stdout.split())
    assert size == disk(store)
    assert kilobytes < 20_000


# ---- prune ----


def test_prune_removes_what_lost_its_name(two):
    before = disk(two)
    assert two.remove("one")
    planned = prune(two, nothing_used, dry_run=True)
    assert disk(two) == before
    done = prune(two, nothing_used)
    assert done == planned
    assert (len(done.blobs), len(done.layers), done.images, done.leftovers) == (3, 1, [], [])
    assert done.size == before - disk(two)
    assert content(two) == [4, 2, 0]
    assert verify(two, nothing_used).damages == []
    assert prune(two, nothing_used) == ([], [], [], [], 0)


def test_prune_all_forgets_what_nobody_uses(two):
    before = disk(two)
    done = prune(two, lambda: Used({ONE: ["pod default/web"]}, {}), all=True)
    assert done.images == [TWO]
    assert [image.reference for image in two.list()] == [ONE]
    assert done.size == before - disk(two)
    assert prune(two, nothing_used, all=True).images == [ONE]
    assert content(two) == [0, 0, 0]
    assert os.listdir(f"{two.root}/layers") == [".lock"]


def test_an_image_that_is_used_is_removed_only_by_force(two):
    used = Used({ONE: ["pod default/web", "container default/x"]}, {})
    with pytest.raises(ImageError, match=rf"image {ONE}: it is used by pod default/web, container default/x: delete"):
        remove(two, "one", used)
    assert remove(two, "one", used, force=True)
    assert not remove(two, "one", used)
    assert remove(two, "two", used)
    assert two.list() == []


def test_what_dead_processes_left_goes_and_what_live_ones_make_stays(two):
    root = Path(two.root)
    dead = [root / "layers/.tmp-dead", root / "images/ingest" / ("0" * 64), root / "images/blobs/sha256/.tmp-dead"]
    dead += [root / "images/index.json.1.ab.tmp", root / "layers" / ("1" * 64 + ".lock")]
    (dead[0] / "a/b").mkdir(parents=True)
    (dead[0] / "a/b/file").write_bytes(b"x" * 70_000)
    dead[1].parent.mkdir(exist_ok=True)
    for path in dead[1:]:
        path.write_bytes(b"x" * 30_000)
    alive = root / "layers/.tmp-alive"
    alive.mkdir()
    found = usage(two, nothing_used)
    assert found.reclaimable == found.leftovers > 70_000 + 4 * 30_000
    with subprocess.Popen([PODINIT, "unpack", alive], stdin=subprocess.PIPE) as process:
        status = Path(f"/proc/{process.pid}/status")
        eventually(lambda: "NoNewPrivs:\t1" in status.read_text(), "podinit to hold its lock")
        done = prune(two, nothing_used)
        assert alive.exists()
    assert done.leftovers == sorted(map(str, dead))
    assert 0 <= found.leftovers - done.size <= 8192  # the one that lives was empty, and its lock came later
    assert not any(path.exists() for path in dead)
    assert verify(two, nothing_used).damages == []


def test_prune_waits_for_a_pull_only_so_long(two, monkeypatch):
    monkeypatch.setattr(gate.alone, "__defaults__", (0.2,))
    with (
        gate.shared(two.root),
        pytest.raises(HostError, match=r"in use for 0\.2 s: an image is being pulled"),
    ):
        prune(two, nothing_used, all=True)
    assert content(two) == [7, 3, 0]


def test_a_push_keeps_what_it_reads(two, tmp_path, monkeypatch):
    seen = []
    real = destination.copy_out

    def copy_out(*arguments):
        with pytest.raises(HostError, match="has been in use"), gate.alone(two.root, patience=0):
            pytest.fail("its blobs could be removed")
        seen.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(destination, "copy_out", copy_out)
    images = Runtime(Config(root=two.root, run=str(tmp_path / "run"))).images
    assert images.push("one", f"oci:{tmp_path}/copy:one") == two.get("one").manifest.digest
    assert len(seen) == 1


PRUNE = """
import os, signal, sys
from podwright.images.store import ImageStore
from podwright.images.upkeep.prune import prune
from podwright.images.upkeep.used import Used
sys.path.insert(0, sys.argv[3])
from killer import arm
store = ImageStore(sys.argv[1], podinit="")
steps = arm(int(sys.argv[2]))
prune(store, lambda: Used({}, {}), all=True)
print(steps())
"""


def pruned_until(store, step):
    """Prune, and die at that step; returns how many steps there were, None when it died."""
    faults = Path(__file__).parents[1] / "faults"
    command = [sys.executable, "-c", PRUNE, store.root, str(step), str(faults)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode == -signal.SIGKILL:
        return None
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_prune_killed_at_any_step_converges(store, tmp_path):
    layouts = [make_layout(tmp_path / name, [BASE, [entry("a", name)]]) for name in ("one", "two")]

    def fill():
        for name, layout in zip(("one", "two"), layouts, strict=True):
            import_layout(store, layout, name)

    fill()
    total = pruned_until(store, 0)
    assert total > 20
    for step in range(1, total + 1):
        fill()
        (Path(store.root) / "layers/.tmp-dead/a").mkdir(parents=True)
        assert pruned_until(store, step) is None, f"step {step} of {total}"
        for image in store.list():  # what has its name still is all there
            store.layer_dirs(image)
        assert not verify(store, nothing_used).damages, f"step {step} of {total}"
        prune(store, nothing_used, all=True)
        assert content(store) == [0, 0, 0], f"step {step} of {total}"


def test_a_pull_after_a_killed_prune_has_all_it_needs(two, tmp_path):
    total = pruned_until(two, 0)
    for step in range(1, total, 3):
        for number, name in enumerate(("one", "two"), 1):
            import_layout(two, str(tmp_path / str(number)), name)
        pruned_until(two, step)
        for number, name in enumerate(("one", "two"), 1):
            import_layout(two, str(tmp_path / str(number)), name)
            assert two.get(name) is not None
        found = verify(two, nothing_used)
        assert (found.damages, found.images, found.layers) == ([], 2, 3), f"step {step} of {total}"


FULL = """
import contextlib, os, sys
from podwright.images.formats.source import LayoutSource
from podwright.images.store import ImageStore
from podwright.images.upkeep.prune import prune
from podwright.images.upkeep.used import Used
root = sys.argv[1]
store = ImageStore(root, podinit=sys.argv[3])
store.take(LayoutSource(sys.argv[2], ""), "one")
with open(f"{root}/full", "wb", buffering=0) as file, contextlib.suppress(OSError):
    while True:
        file.write(bytes(512))
assert os.statvfs(root).f_bavail == 0
print(len(prune(store, lambda: Used({}, {}), all=True).images), len(store.list()), os.statvfs(root).f_bavail > 20)
print(*os.listdir(f"{root}/images/blobs/sha256"), *os.listdir(f"{root}/layers"))
"""


def test_prune_makes_room_on_a_full_disk(tmp_path):
    layout = make_layout(tmp_path / "layout", [[entry("a", os.urandom(150_000))], [entry("b", "x")]])
    (tmp_path / "disk").mkdir()
    script = 'mount -t tmpfs -o size=2m tmpfs "$1" && shift && exec "$@"'
    arguments = [tmp_path / "disk", sys.executable, "-c", FULL, tmp_path / "disk", layout, PODINIT]
    command = ["unshare", "-m", "sh", "-c", script, "sh", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("1 0 True\n.lock\n", "")


PULL = """
import random, sys, time
from podwright.images.store import ImageStore
store = ImageStore(sys.argv[1], podinit=sys.argv[2])
for _ in range(6):
    image = store.pull(sys.argv[3])
    store.remove(sys.argv[3])
    time.sleep(random.uniform(0, 0.5))
store.layer_dirs(store.pull(sys.argv[3]))
"""


def test_prune_beside_pulls_robs_nobody(store, tmp_path):
    with Registry() as registry:
        names = [f"{registry.address}/image:{number}" for number in range(4)]
        for number, name in enumerate(names):
            layers = [busybox_layer(), BASE, [entry("a", str(number))]]
            push(make_layout(tmp_path / str(number), layers), name)
        commands = [[sys.executable, "-c", PULL, store.root, PODINIT, name] for name in names]
        pulls = [subprocess.Popen(each, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for each in commands]
        prunes = 0
        while any(process.poll() is None for process in pulls):
            prunes += bool(prune(store, nothing_used).blobs)
            assert verify(store, nothing_used).damages == []
        ends = [(process.communicate(timeout=60), process.returncode) for process in pulls]
    assert [(code, stderr) for (_, stderr), code in ends] == [(0, b"")] * 4
    assert prunes > 0
    assert sorted(image.reference for image in store.list()) == sorted(names)
    found = verify(store, nothing_used)
    assert (found.damages, found.images, found.layers) == ([], 4, 6)


# ---- with pods ----


def store_of(host):
    return ImageStore(host.config.root, podinit=PODINIT)


def test_a_pod_whose_image_lost_its_name_keeps_running(host, tmp_path):
    make_busybox_image(tmp_path / "layout")
    host.run("import", tmp_path / "layout", IMAGE)
    host.apply(pod("web", container("a", "while true; do date; sleep 0.1; done")), "--wait")
    store = store_of(host)
    (diff_id,) = store.get(IMAGE).diff_ids
    assert in_use(host.config).images == {IMAGE: ["pod default/web"]}
    assert in_use(host.config).layers == {diff_id: ["pod default/web"]}
    with pytest.raises(ImageError, match="it is used by pod default/web"):
        remove(store, IMAGE, in_use(host.config))
    assert remove(store, IMAGE, in_use(host.config), force=True)
    done = prune(store, lambda: in_use(host.config), all=True)
    assert (len(done.blobs), done.layers) == (3, [])
    supervised = json.loads(next(host.run_dir.glob("run/pods/*/state.json")).read_text())
    os.kill(supervised["containers"][0]["pid"], signal.SIGKILL)
    eventually(
        lambda: restarts(host) == 1 and host.pod("web")["status"]["phase"] == "Running", "a restart without image"
    )
    host.delete("web")
    assert prune(store, lambda: in_use(host.config)).layers == [diff_id]


def restarts(host):
    return host.pod("web")["status"]["containerStatuses"][0]["restartCount"]


def test_prune_all_keeps_what_pods_and_stopped_containers_use(host, tmp_path):
    make_busybox_image(tmp_path / "layout")
    for name in ("localhost/pod:1", "localhost/stopped:1", "localhost/idle:1"):
        host.run("import", tmp_path / "layout", name)
    host.apply(pod("web", container("a", "sleep", "1000", image="localhost/pod:1")))
    alone = {"kind": "Container", "name": "lone", "image": "localhost/stopped:1", "state": "stopped"}
    host.runtime.apply(alone)
    done = prune(store_of(host), lambda: in_use(host.config), all=True)
    assert done.images == ["localhost/idle:1"]
    assert done.blobs == done.layers == []


APPLY = """
import json, sys
from podwright import Runtime
from podwright.config import load
from podwright.errors import ImageError
from podwright.images.formats.source import LayoutSource
from podwright.images.store import ImageStore
layout, podinit, manifest = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
config, done = load(), 0
for _ in range(8):
    ImageStore(config.root, podinit=podinit).take(LayoutSource(layout, ""), manifest["spec"]["containers"][0]["image"])
    try:
        Runtime(config).apply(manifest, wait=True)
        done += 1
    except ImageError as error:
        if "is not on this host" not in error.message:  # else it was pruned before the apply, as it should be
            raise
    Runtime(config).delete(manifest["metadata"]["name"], grace=0)
print(done)
"""


def test_prune_beside_applies_robs_no_pod(host, tmp_path):
    layout = make_busybox_image(tmp_path / "layout")
    applies = []
    for number in range(3):
        ground = {"image": f"localhost/image{number}:1", "imagePullPolicy": "Never"}
        manifest = json.dumps(pod(f"p{number}", container("a", "sleep", "1000", **ground)))
        command = [sys.executable, "-c", APPLY, layout, PODINIT, manifest]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        applies.append(subprocess.Popen(command, env=host.env, **pipes))
    prunes = 0
    while any(process.poll() is None for process in applies):
        prunes += bool(prune(store_of(host), lambda: in_use(host.config), all=True).images)
    ends = [process.communicate() for process in applies]
    assert [error for _, error in ends] == ["", "", ""]
    assert sum(int(done) for done, _ in ends) > 0
    assert prunes > 0


def test_a_run_keeps_its_image_while_it_lasts(host, tmp_path):
    make_busybox_image(tmp_path / "layout")
    host.run("import", tmp_path / "layout", IMAGE)
    command = [
        Path(sys.executable).with_name("podwright"),
        "run",
        IMAGE,
        "sh",
        "-c",
        "echo ready; read line; cat $line",
    ]
    with subprocess.Popen(command, env=host.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout.readline() == "ready\n"
        assert list(in_use(host.config).images) == [IMAGE]
        remove(store_of(host), IMAGE, in_use(host.config), force=True)
        done = prune(store_of(host), lambda: in_use(host.config), all=True)
        assert (len(done.blobs), done.layers) == (3, [])
        assert run.communicate("/etc/group\n", timeout=60)[0].startswith("root:x:0:")
    assert len(prune(store_of(host), lambda: in_use(host.config), all=True).layers) == 1


def test_a_mount_of_the_hosts_keeps_a_layer(two, tmp_path):
    (path, _) = two.layer_dirs(two.get("one"))
    (tmp_path / "mounted").mkdir()
    script = (
        "import sys; from podwright.config import Config; from podwright.pods.in_use import in_use\n"
        "print(in_use(Config(root=sys.argv[1], run=sys.argv[2])).layers)"
    )
    mount = 'mount -t overlay overlay -o "lowerdir=$1:$2" "$3" && shift 3 && exec "$@"'
    arguments = [path, two.layer_dirs(two.get("two"))[0], tmp_path / "mounted", sys.executable, "-c", script]
    command = ["unshare", "-m", "sh", "-c", mount, "sh", *arguments, two.root, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.count(f"mount {tmp_path}/mounted") == 2
