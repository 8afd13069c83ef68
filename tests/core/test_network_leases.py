# SPDX-License-Identifier: Apache-2.0
"""Addresses: one for each pod, none for two, and the same after a crash."""

import json
import subprocess
import sys

import pytest

from podwright.errors import HostError
from podwright.network.leases import AddressPool
from podwright.network.subnet import parse

RACER = """
import sys
from podwright.network.leases import AddressPool
from podwright.network.subnet import parse
pool = AddressPool(sys.argv[1], parse("10.9.0.0/24"))
for number in range(20):
    pool.lease(f"{sys.argv[2]}-{number}")
    if number % 2:
        pool.release(f"{sys.argv[2]}-{number}")
"""


@pytest.fixture
def pool(tmp_path):
    return AddressPool(str(tmp_path), parse("10.9.0.0/29"))


def test_the_lowest_free_address_and_the_same_again(pool):
    assert [pool.lease(uid) for uid in ("a", "b", "a", "c")] == ["10.9.0.2", "10.9.0.3", "10.9.0.2", "10.9.0.4"]
    pool.release("b")
    assert (pool.all().get("b"), pool.lease("d")) == (None, "10.9.0.3")
    assert pool.all() == {"a": "10.9.0.2", "c": "10.9.0.4", "d": "10.9.0.3"}


def test_another_process_sees_it(pool, tmp_path):
    pool.lease("a")
    assert AddressPool(str(tmp_path), parse("10.9.0.0/29")).all() == {"a": "10.9.0.2"}


def test_neither_the_bridge_nor_the_broadcast_address_is_ever_leased(pool):
    assert [pool.lease(str(number)) for number in range(5)] == [f"10.9.0.{number}" for number in range(2, 7)]
    with pytest.raises(HostError, match=r"all 5 addresses of the subnet 10\.9\.0\.0/29 are taken") as caught:
        pool.lease("one more")
    assert (caught.value.field, caught.value.value) == ("network.subnet", "10.9.0.0/29")
    assert "one more" not in pool.all()


def test_release_of_nothing_is_nothing(pool, tmp_path):
    pool.release("a")
    assert list(tmp_path.iterdir()) == []


def test_a_lease_of_another_subnet_is_replaced(pool, tmp_path):
    pool.lease("a")
    moved = AddressPool(str(tmp_path), parse("10.8.0.0/29"))
    assert moved.lease("a") == "10.8.0.2"
    assert pool.all() == {"a": "10.8.0.2"}


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        json.dumps({"version": 2, "leases": {}}),
        json.dumps({"version": 1, "leases": {"b": 5}}),
        json.dumps({"version": 1, "leases": {"b": "nowhere"}}),
    ],
)
def test_a_file_that_cannot_be_trusted_is_not_guessed_at(pool, tmp_path, content):
    (tmp_path / "network").mkdir()
    (tmp_path / "network" / "leases.json").write_text(content)
    with pytest.raises(HostError, match=r"leases\.json is damaged.*remove it"):
        pool.lease("a")
    assert (tmp_path / "network" / "leases.json").read_text() == content


def test_processes_that_race_get_different_addresses(tmp_path):
    racers = [subprocess.Popen([sys.executable, "-c", RACER, str(tmp_path), str(number)]) for number in range(4)]
    assert [racer.wait() for racer in racers] == [0] * 4
    leases = AddressPool(str(tmp_path), parse("10.9.0.0/24")).all()
    assert len(leases) == len(set(leases.values())) == 40
