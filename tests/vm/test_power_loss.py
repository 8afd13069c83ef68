# SPDX-License-Identifier: Apache-2.0
"""The power goes right after an image came: what it took of the unpacked layers is noticed, and made again."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

from guest import PROGRAM, Guest
from imagetools import busybox_layer, entry, make_layout

IMAGE = "localhost/power:1"
BIG = bytes(range(256)) * 4096
FOLDER = "/var/lib/podwright/layers"
# As a pull whose last act, settling the layers, is cut off.
UNSETTLED_IMPORT = f"""
from podwright.images.layers import Layers
from podwright.cli.main import main
Layers.settle = lambda self, diff_ids: None
raise SystemExit(main(["import", "oci:/root/layout", "{IMAGE}"]))
"""


def test_layers_that_the_power_took_are_unpacked_again(guest: Guest, tmp_path: Path) -> None:
    layers = [busybox_layer(), [entry(f"data/{number}", BIG) for number in range(20)]]
    layout = make_layout(tmp_path / "layout", layers, {"Cmd": ["sh"]}, compress="none")
    guest.sh("tar -x -C /root", stdin=packed(Path(layout)))
    guest.write("/root/import.py", UNSETTLED_IMPORT.encode())
    guest.sh("sync; sysctl -q vm.dirty_writeback_centisecs=0; /opt/podwright/bin/python3 /root/import.py")
    assert guest.sh(f"cat {FOLDER}/*/data/7 | sha256sum").split()[0] == hashlib.sha256(BIG).hexdigest()
    guest.lose_power()
    lost = guest.sh(f"find {FOLDER}/*/data -type f -size -{len(BIG)}c | wc -l")
    assert int(lost) > 0, "nothing was lost, so that this test shows nothing"
    found = guest.sh(f"{PROGRAM} run {IMAGE} sh -c 'cat /data/* | sha256sum'", timeout=300)
    assert found.split()[0] == hashlib.sha256(BIG * 20).hexdigest()
    verified = json.loads(guest.sh(f"{PROGRAM} images verify -o json", timeout=300))
    assert (verified["damages"], verified["layers"]) == ([], 2)


def packed(folder: Path) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.add(folder, "layout")
    return stream.getvalue()
