# SPDX-License-Identifier: Apache-2.0
"""How images come into the store: several at once, and after a crash."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import podwright
from imagetools import busybox_layer, entry, make_busybox_image, make_layout, push
from podtools import eventually
from storetools import PODINIT, content, import_layout, read, start_pull

# ---- several at once, and crashes ----


def test_processes_that_pull_the_same_image(store, place, tmp_path):
    push(make_layout(tmp_path / "layout", [busybox_layer(), [entry("a", "x")]]), f"{place}:1")
    processes = [start_pull(tmp_path, f"{place}:1") for _ in range(4)]
    outputs = {process.communicate(timeout=120)[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * 4
    assert len(outputs) == 1
    found = content(tmp_path)
    assert [len(found[key]) for key in ("blobs", "layers", "images")] == [4, 2, 1]
    assert store.get(f"{place}:1") is not None


def test_threads_that_pull_different_images(store, place, tmp_path):
    for number in range(4):
        push(make_layout(tmp_path / f"{number}", [[entry("a", str(number))]]), f"{place}:{number}")
    threads = [threading.Thread(target=store.pull, args=(f"{place}:{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [read(store, image, "a") for image in store.list()] == ["0", "1", "2", "3"]


def test_unpacked_halves_of_dead_processes_go(store, tmp_path):
    folder = tmp_path / "root" / "layers"
    (folder / ".tmp-dead" / "a" / "b").mkdir(parents=True)
    (folder / ".tmp-alive").mkdir()
    with subprocess.Popen([PODINIT, "unpack", folder / ".tmp-alive"], stdin=subprocess.PIPE) as alive:
        status = Path(f"/proc/{alive.pid}/status")
        eventually(lambda: "NoNewPrivs:\t1" in status.read_text(), "podinit to hold its lock")
        import_layout(store, make_layout(tmp_path / "layout", [[entry("a", "x")]]), "demo")
        assert len(content(tmp_path)["layers"]) == 2
        assert (folder / ".tmp-alive").exists()
        assert not (folder / ".tmp-dead").exists()
    import_layout(store, make_layout(tmp_path / "layout2", [[entry("b", "x")]]), "demo")
    assert not (folder / ".tmp-alive").exists()


def test_a_caller_with_sigpipe_at_its_default_survives_a_bad_layer(tmp_path):
    layout = make_layout(tmp_path / "layout", [[entry("../x"), entry("big", bytes(8 << 20))]])
    script = (
        "import signal, sys; signal.signal(signal.SIGPIPE, signal.SIG_DFL)\n"
        "from podwright.images.formats.source import LayoutSource; from podwright.images.store import ImageStore as S\n"
        "S(sys.argv[1], podinit=sys.argv[2]).take(LayoutSource(sys.argv[3]), 'demo')"
    )
    command = [sys.executable, "-c", script, tmp_path / "root", PODINIT, layout]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert '../x: its path has a ".." component' in done.stderr


def test_reading_the_store_needs_no_heavy_module(store, tmp_path):
    import_layout(store, make_layout(tmp_path / "layout", [[entry("a", "x")]]), "demo")
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from podwright.images.store import ImageStore as S\n"
        "store = S(sys.argv[2], podinit=''); store.layer_dirs(store.get('demo'))\n"
        "print(*{'urllib3', 'zstandard', 'zlib', 'subprocess', 'pathlib', 'dataclasses', 'shutil'} & set(sys.modules))"
    )
    folder = str(Path(podwright.__file__).parents[1])
    # -S: an editable installation's own finder would import some of them
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script, folder, tmp_path / "root"], capture_output=True)
    assert (done.stdout, done.stderr) == (b"\n", b"")


def test_a_caller_that_ignores_sigchld_is_told(tmp_path):
    """Its children's exit codes are lost, so nobody could vouch for a layer."""
    make_busybox_image(tmp_path / "layout")
    script = (
        "import signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "from podwright.images.formats.source import LayoutSource\n"
        "from podwright.images.store import ImageStore; from podwright.runtime import PODINIT\n"
        "ImageStore(sys.argv[1], podinit=PODINIT).take(LayoutSource(sys.argv[2]), 'localhost/x:1')\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "root"), str(tmp_path / "layout")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "must not ignore SIGCHLD" in done.stderr.splitlines()[-1]
    assert [name for name in os.listdir(tmp_path / "root/layers") if not name.startswith(".")] == []
