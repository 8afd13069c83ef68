# SPDX-License-Identifier: Apache-2.0
"""What must hold while a plan is carried out."""

from types import SimpleNamespace

import pytest

from podwright.cli import container as command
from podwright.containers import scratch
from podwright.errors import HostError
from podwright.images import gate
from podwright.plan.model import Plan
from podwright.pods.objects import ObjectStore
from podwright.pods.orchestrator import Orchestrator
from podwright.pods.store import PodStore, Record

CONTAINER = {"name": "a", "image": "one", "imagePullPolicy": "Never"}
SPEC = {"containers": [CONTAINER], "terminationGracePeriodSeconds": 0}
POD = {"kind": "Pod", "metadata": {"name": "web", "namespace": "default"}, "spec": SPEC}


def is_open(root):
    """Tell whether somebody could remove layers now."""
    try:
        with gate.alone(root, patience=0):
            return True
    except HostError:
        return False


class Images:
    """A store that has every image, and records whether it was guarded when it was asked."""

    def __init__(self, root):
        self.root = root
        self.asked = []

    def get(self, reference):
        self.asked.append(is_open(self.root))
        return SimpleNamespace(reference=reference, digest="sha256:0")

    def lower_dirs(self, _image):
        return []


class Manager:
    """A pod manager that records whether the store was guarded when plans were written."""

    def __init__(self, root):
        self.root = root
        self.wrote = []

    def create(self, record, images):
        self.wrote.append(is_open(self.root))

    def check_update(self, record, restart):
        pass

    def update(self, record, images, restart):
        self.wrote.append(is_open(self.root))

    def check(self, record, images):
        pass

    def destroy(self, uid, grace):
        pass

    def release(self, uid):
        pass


@pytest.mark.parametrize("action", ["create", "recreate", "repair", "update"])
def test_layers_that_an_apply_has_chosen_stay_until_its_plans_name_them(tmp_path, action):
    root = str(tmp_path / "root")
    store, manager, images = PodStore(root, str(tmp_path / "run")), Manager(root), Images(root)
    orchestrator = Orchestrator(store, manager, images, ObjectStore(root))
    with store.locked("default", "web") as lock:
        record = orchestrator.apply(lock, Plan(action="create"), Record("u1", "creating", POD, 1, {}, ""))
        if action != "create":
            orchestrator.apply(lock, Plan(action=action, restart=["a"]), record)
    assert set(images.asked) == set(manager.wrote) == {False}
    assert len(manager.wrote) == (1 if action == "create" else 2)
    assert is_open(root)


def test_layers_that_a_run_has_chosen_stay_until_its_bundle_names_them(tmp_path, monkeypatch):
    root = str(tmp_path / "root")
    seen = []

    class Bundle:
        def __init__(self, *arguments):
            seen.append(arguments[2:])

        def __enter__(self):
            seen.append(is_open(root))
            raise InterruptedError

        def __exit__(self, *_error):
            pytest.fail("it was not entered")

    config = SimpleNamespace(root=root, run=str(tmp_path / "run"))
    monkeypatch.setattr(command, "_load", lambda: config)
    monkeypatch.setattr(command, "_root", lambda *_: (["/lower"], "docker.io/library/one:latest", {}, []))
    monkeypatch.setattr(scratch, "Scratch", Bundle)
    with pytest.raises(InterruptedError):
        command._run(SimpleNamespace(words=["one"], rootfs=None))
    assert seen == [(["/lower"], "docker.io/library/one:latest"), False]
    assert is_open(root)
