# SPDX-License-Identifier: Apache-2.0
"""The configuration that `spec` writes can be run as it is."""

import os

import pytest

from ocispecs import compiled, steps_of
from podwright.oci.default_spec import default_spec


@pytest.mark.parametrize("rootless", [False, True])
def test_it_compiles(rootless):
    plan = compiled(default_spec(rootless=rootless))
    assert plan["args"] == ["sh"]
    assert plan["terminal"] == [0, 0]
    assert steps_of(plan, "root_readonly")


def test_it_keeps_few_capabilities():
    (step,) = steps_of(compiled(default_spec()), "capabilities")
    assert step[1] == {
        "bounding": "0000000020000420",
        "effective": "0000000020000420",
        "permitted": "0000000020000420",
        "inheritable": "0" * 16,
        "ambient": "0" * 16,
    }


def test_without_root():
    spec = default_spec(rootless=True)
    plan = compiled(spec)
    assert plan["uidMappings"] == [[0, os.geteuid(), 1]]
    assert ["user", ""] in plan["namespaces"]
    assert "network" not in [kind for kind, _ in plan["namespaces"]]
    assert "resources" not in spec["linux"]
    assert not [step for step in plan["steps"] if step[0] == "mount" and (step[1] == "sysfs" or "gid=5" in step[5])]
