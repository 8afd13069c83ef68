# SPDX-License-Identifier: Apache-2.0
"""Bad input, through the command line: one clear sentence, exit code 1, and nothing created."""

import json

import pytest

from hosttools import Host
from imagetools import make_busybox_image, make_layout, push
from lying_registry import LyingRegistry
from podtools import IMAGE, container, pod
from registry import Registry


def refused(host: Host, manifest, *parts: str) -> str:
    """Apply, expect refusal naming ``parts``, and nothing left but the image store."""
    before = host.snapshot()
    text = manifest if isinstance(manifest, str) else json.dumps(manifest)
    done = host.run("apply", "-f", "-", stdin=text, check=False)
    assert done.returncode == 1, done.stdout
    assert done.stderr.startswith("podwright: ")
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in done.stderr
    new = host.snapshot().new_since(before)
    new["files"] = [path for path in new.get("files", []) if "/lib/images" not in path and not path.endswith(IGNORED)]
    assert not any(new.values()), new
    return done.stderr


IGNORED = ("/lib", "/lib/names", "/lib/layers", "/lib/layers/.lock", "/run")
"""Folders of the installation itself, which its first use makes."""


def one(**fields) -> dict:
    return pod("web", container("a", "/bin/true") | fields)


def test_an_unknown_field(host):
    message = refused(host, one(imagee="x"), "spec.containers[0].imagee")
    assert "image" in message
    assert message.count("\n") == 1


def test_a_bad_name(host):
    refused(host, pod("Web_1", container("a", "/bin/true")), "metadata.name", "Web_1")


def test_17_containers(host):
    message = refused(host, pod("web", *(container(f"c{n}", "/bin/true") for n in range(17))), "spec.containers", "17")
    assert "16" in message


def test_a_manifest_of_2_mib(host):
    manifest = one(env=[{"name": "BIG", "value": "x" * (2 << 20)}])
    assert "1048576" in refused(host, manifest)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"volumeDevices": [{"name": "v", "devicePath": "/dev/v"}]}, "spec.containers[0].volumeDevices"),
        ({"stdin": True}, "spec.containers[0].stdin"),
        ({"securityContext": {"seLinuxOptions": {"level": "s0"}}}, "spec.containers[0].securityContext.seLinuxOptions"),
        ({"ports": [{"containerPort": 80, "hostPort": 80}]}, "spec.containers[0].ports[0].hostPort"),
        ({"resources": {"limits": {"nvidia.com/gpu": 1}}}, "spec.containers[0].resources.limits"),
    ],
)
def test_fields_that_are_not_built_are_refused_by_name(host, fields, path):
    refused(host, one(**fields), path)


def test_text_that_is_no_yaml(host):
    refused(host, "a: [1\n")


def test_an_image_that_does_not_exist(host):
    with Registry() as registry:
        reference = f"{registry.address}/nothing:1"
        refused(host, one(image=reference), reference)


def test_no_registry_there(host):
    refused(host, one(image="127.0.0.1:1/nothing:1"), "127.0.0.1:1/nothing:1")


def test_a_policy_of_never_and_no_image(host):
    refused(host, one(imagePullPolicy="Never"), IMAGE, "Never")


def test_a_blob_that_does_not_match_its_digest(host, tmp_path):
    make_busybox_image(tmp_path / "layout")
    with LyingRegistry(tmp_path / "layout", lie="wrong-bytes") as registry:
        message = refused(host, one(image=registry.reference), registry.reference)
    assert "digest" in message


@pytest.mark.parametrize(
    ("entries", "name"),
    [
        ([{"name": "../../etc/x", "data": b"x"}], "../../etc/x"),
        ([{"name": "link", "symlink": "/etc"}, {"name": "link/x", "data": b"x"}], "link/x"),
        ([{"name": "hard", "hardlink": "../../etc/passwd"}], "hard"),
    ],
)
def test_a_layer_that_leaves_its_root(host, tmp_path, entries, name):
    make_layout(tmp_path / "layout", layers=[entries])
    with Registry() as registry:
        reference = f"{registry.address}/evil:1"
        push(tmp_path / "layout", reference)
        refused(host, one(image=reference), name)


def test_a_bad_pod_among_good_ones_stops_all(host):
    documents = "---\n".join(json.dumps(item) + "\n" for item in (one(), pod("b", {"name": "a"})))
    refused(host, documents, "spec.containers[0].image")


def test_wrong_usage_is_told(host):
    done = host.run("apply", check=False)
    assert done.returncode == 2
    assert "-f" in done.stderr


def test_what_is_not_there_is_told(host):
    for args in (("get", "pod", "none"), ("logs", "none"), ("delete", "pod", "none")):
        done = host.run(*args, check=False)
        assert (done.returncode, done.stderr) == (1, "podwright: there is no pod none in namespace default\n")


def test_a_command_that_is_not_there_is_a_state_of_the_container(host, tmp_path):
    """As in Kubernetes the pod exists and says what is wrong; an apply that waits fails with the reason."""
    make_busybox_image(tmp_path / "layout")
    host.run("import", tmp_path / "layout", IMAGE)
    done = host.apply(pod("web", container("a", "/bin/nothing"), restartPolicy="Never"), "--wait", check=False)
    assert done.returncode == 1
    assert "container a is terminated: StartError (exit code 128" in done.stderr
    assert "/bin/nothing" in done.stderr
    host.delete("web")
