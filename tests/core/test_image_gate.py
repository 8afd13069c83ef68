# SPDX-License-Identifier: Apache-2.0
import threading

import pytest

from podwright.errors import HostError
from podwright.images import gate


def test_those_who_use_the_store_do_it_together(tmp_path):
    with gate.shared(str(tmp_path)), gate.shared(str(tmp_path)):
        pass


def test_who_removes_waits_with_some_patience(tmp_path):
    with (
        gate.shared(str(tmp_path)),
        pytest.raises(HostError, match=r"in use for 0\.1 s: .* try again when that has ended"),
        gate.alone(str(tmp_path), patience=0.1),
    ):
        pytest.fail("it is not alone")
    with gate.alone(str(tmp_path), patience=0.1):
        pass


def test_who_removes_gets_its_turn(tmp_path):
    held, seen = threading.Event(), []

    def use():
        with gate.shared(str(tmp_path)):
            held.set()
            threading.Event().wait(0.2)
            seen.append("used")

    thread = threading.Thread(target=use)
    thread.start()
    held.wait()
    with gate.alone(str(tmp_path)):
        seen.append("alone")
    thread.join()
    assert seen == ["used", "alone"]
