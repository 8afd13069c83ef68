# SPDX-License-Identifier: Apache-2.0
import threading

import pytest

from podwright.images.ahead import DEPTH, Ahead


def test_all_comes_in_order_and_then_nothing():
    with Ahead(iter([b"a", b"", b"b"])) as ahead:
        assert list(ahead) == [b"a", b"", b"b"]
        assert list(ahead) == []


def test_an_error_comes_after_what_came_before_it_and_once():
    def chunks():
        yield b"a"
        raise ValueError("the reason")

    with Ahead(chunks()) as ahead:
        assert next(ahead) == b"a"
        with pytest.raises(ValueError, match="the reason"):
            next(ahead)
        assert list(ahead) == []


def test_it_goes_ahead_but_not_far():
    taken, far_enough = [], threading.Event()

    def chunks():
        while True:
            taken.append(1)
            if len(taken) == DEPTH + 1:
                far_enough.set()
            yield b"x"

    with Ahead(chunks()) as ahead:
        assert far_enough.wait(60)
        assert len(taken) == DEPTH + 1
        assert next(ahead) == b"x"
    assert len(taken) <= DEPTH + 2


def test_leaving_it_early_ends_the_thread():
    before = threading.active_count()
    with Ahead(iter([b"x"] * 1000)) as ahead:
        next(ahead)
    assert threading.active_count() == before
