# SPDX-License-Identifier: Apache-2.0
"""What a good manifest costs: no heavy library, as counted in a fresh interpreter."""

import subprocess
import sys

import pytest

HEAVY = (
    "pydantic",
    "yaml",
    "dataclasses",
    "pathlib",
    "inspect",
    "difflib",
    "subprocess",
    "urllib3",
    "pyroute2",
    "enum34",
)

GOOD = """
import json, sys
before = set(sys.modules)
from podwright.manifest.load import load_documents
from podwright.manifest.normalise import NORMALISER_VERSION, normalise
text = json.dumps({
    "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {"a": "b"}},
    "spec": {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}], "containers": [
        {"name": "a", "image": "b:1", "env": [{"name": "A", "value": "$(B)"}], "ports": [{"containerPort": 80}],
         "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]}})
pod = normalise(load_documents(text)[0]).pod
"""
PLANNED = (
    GOOD
    + """
from podwright.plan.model import Observed
from podwright.plan.planner import plan
recorded = {"pod": pod, "normaliser": NORMALISER_VERSION, "images": {"a": "sha256:0"}}
assert not plan(pod, recorded, Observed("running", [], {"a": "sha256:0"})).changed
recorded["normaliser"] = 0
assert plan(pod, recorded, Observed("running", [], {"a": "sha256:1"})).as_dict()["diff"]["after"]
"""
)


@pytest.mark.parametrize("program", [GOOD, PLANNED], ids=["normalise", "plan"])
def test_a_good_manifest_imports_nothing_heavy(program: str) -> None:
    report = "print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program + report], capture_output=True, text=True, check=True)
    imported = {name.partition(".")[0] for name in done.stdout.split()}
    assert "podwright" in imported
    assert imported & set(HEAVY) == set()
