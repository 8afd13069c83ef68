# SPDX-License-Identifier: Apache-2.0
import os

from podwright.images import layers
from podwright.images.layers import Layers


def test_a_layer_that_gets_its_name_while_others_look_for_dead_ones_is_none(tmp_path, monkeypatch):
    real = os.listdir
    monkeypatch.setattr(layers.os, "listdir", lambda path: [*real(path), ".tmp-renamed"])
    (tmp_path / ".tmp-dead/a").mkdir(parents=True)
    path, fd = Layers(str(tmp_path), "podinit")._temporary()
    os.close(fd)
    monkeypatch.undo()
    assert sorted(os.listdir(tmp_path)) == [".lock", os.path.basename(path)]
