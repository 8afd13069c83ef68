# SPDX-License-Identifier: Apache-2.0
"""Which images and layers this host's records need."""

import fcntl
import json
import os

import pytest

from podwright.config import Config
from podwright.containers import scratch, state
from podwright.errors import HostError
from podwright.pods.in_use import in_use
from podwright.pods.store import PodStore, Record

HEX = "0123456789abcdef" * 4
ONE, TWO = "docker.io/library/one:latest", "docker.io/library/two:2"


@pytest.fixture
def config(tmp_path):
    (tmp_path / "data/layers").mkdir(parents=True)
    (tmp_path / "root").symlink_to("data")  # a path need not be a real one
    return Config(root=str(tmp_path / "root"), run=str(tmp_path / "run"))


def write_pod(config, uid, name, *, state="running", kind="Pod", **containers):
    """Record a pod of containers, each with its image."""
    specs = [{"name": each, "imagePullPolicy": "IfNotPresent", **ground} for each, ground in containers.items()]
    pod = {"kind": kind, "metadata": {"name": name, "namespace": "default"}, "spec": {"containers": specs}}
    store = PodStore(config.root, config.run)
    os.makedirs(store.pod_dir(uid))
    store.write(Record(uid, state, pod, 1, {}, ""))


def write_plan(config, uid, container, text):
    folder = f"{config.root}/pods/{uid}/containers/{container}"
    os.makedirs(folder)
    with open(f"{folder}/plan.json", "w") as file:
        file.write(text if isinstance(text, str) else json.dumps(text))


def layer(config, hexadecimal):
    path = f"{config.root}/layers/{hexadecimal}"
    os.makedirs(path, exist_ok=True)
    return path


def test_an_empty_host_uses_nothing(tmp_path):
    assert in_use(Config(root=str(tmp_path / "none"), run=str(tmp_path / "run"))) == ({}, {})


def test_pods_use_the_images_that_they_name_and_the_layers_of_their_plans(config):
    write_pod(config, "u1", "web", a={"image": "one"}, b={"image": "two:2"}, c={"image": "one"})
    write_pod(config, "u2", "lone", kind="Container", a={"image": "one"})
    write_plan(config, "u1", "a", {"lower": [layer(config, HEX), layer(config, HEX[::-1])]})
    write_plan(config, "u1", "b", {"lower": [layer(config, HEX)]})
    used = in_use(config)
    assert used.images == {ONE: ["pod default/web", "container default/lone"], TWO: ["pod default/web"]}
    assert used.layers == {f"sha256:{HEX}": ["pod default/web"], f"sha256:{HEX[::-1]}": ["pod default/web"]}


def test_a_stopped_container_and_a_pod_that_was_interrupted_count_too(config):
    write_pod(config, "u1", "lone", kind="Container", state="stopped", a={"image": "one"})
    write_pod(config, "u2", "web", state="creating", a={"image": "two:2"})
    assert set(in_use(config).images) == {ONE, TWO}


def test_a_rootfs_uses_a_layer_only_where_it_lies_on_one(config):
    write_pod(config, "u1", "web", a={"rootfs": "/srv/root"})
    write_plan(config, "u1", "a", {"lower": ["/srv/root", f"{layer(config, HEX)}/usr"]})
    assert in_use(config) == ({}, {f"sha256:{HEX}": ["pod default/web"]})


def test_what_a_crash_left_of_a_pod(config):
    write_plan(config, "u1", "a", {"lower": [layer(config, HEX)]})
    write_plan(config, "u2", "a", "")
    write_plan(config, "u3", "a", "[]")
    assert in_use(config) == ({}, {f"sha256:{HEX}": ["pod u1"]})


def test_a_damaged_record_is_no_reason_to_remove_things(config):
    write_pod(config, "u1", "web", a={"image": "one"})
    with open(f"{config.root}/pods/u1/pod.json", "w") as file:
        file.write("{")
    with pytest.raises(HostError, match=r"pods/u1/pod\.json is damaged: delete the pod, and apply it again"):
        in_use(config)


def test_a_run_uses_what_it_stands_on_while_it_lives(config):
    bundle = f"{config.root}/run/run-1"
    os.makedirs(bundle)
    with open(f"{bundle}/{scratch.GROUND}", "w") as file:
        json.dump({"image": ONE, "lower": [layer(config, HEX)]}, file)
    assert in_use(config) == ({}, {})  # its command was killed, and left no container
    fd = os.open(bundle, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    lives = ({ONE: ["run run-1"]}, {f"sha256:{HEX}": ["run run-1"]})
    assert in_use(config) == lives
    os.close(fd)
    os.makedirs(f"{config.run}/oci/run-1")
    assert in_use(config) == lives


def test_a_container_of_a_bundle_uses_the_layer_that_is_its_root(config):
    for name, rootfs in (("c1", layer(config, HEX)), ("c2", "/srv/root")):
        record = state.Record(id=name, bundle="/b", rootfs=rootfs, annotations={})
        with state.make(f"{config.run}/oci", name) as folder:
            folder.write(record)
    with state.make(f"{config.run}/oci", "half-made"):
        pass
    assert in_use(config) == ({}, {f"sha256:{HEX}": ["OCI container c1"]})


def test_volumes_use_images_too(config):
    image = {"reference": "one", "pullPolicy": "Never"}
    spec = {"containers": [], "volumes": [{"name": "v", "image": image}]}
    store = PodStore(config.root, config.run)
    os.makedirs(store.pod_dir("u"))
    pod = {"kind": "Pod", "metadata": {"name": "web", "namespace": "default"}, "spec": spec}
    store.write(Record("u", "running", pod, 1, {}, ""))
    with open(f"{store.pod_dir('u')}/sandbox.json", "w") as file:
        json.dump({"imageVolumes": [["v", [layer(config, "a" * 64)]]]}, file)
    used = in_use(config)
    assert (set(used.images), set(used.layers)) == ({ONE}, {"sha256:" + "a" * 64})
