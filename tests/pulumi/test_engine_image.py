# SPDX-License-Identifier: Apache-2.0
"""Images with the real engine and a real registry."""

import json
import os
import shutil

import pytest

from hosttools import Host
from imagetools import entry, make_busybox_image, make_layout, push
from podtools import container, pod
from registry import Registry
from stack import Stack

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1500),  # the first test builds the engine where there is none
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]

PROGRAM = """
import json
import pulumi
from pulumi_podwright import Image, Pod

image = Image("app", **json.load(open("image.json")))
pulumi.export("digest", image.digest)
pulumi.export("reference", image.reference)
pulumi.export("platform", image.platform)
pulumi.export("size", image.size)
pod = json.load(open("pod.json"))
if pod:
    pod["spec"]["containers"][0]["image"] = image.reference
    Pod("web", pod)
"""


@pytest.fixture(scope="module")
def registry():
    with Registry() as one:
        yield one


class Project:
    """A stack whose program has an image, and perhaps a pod of it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        stack.write_program(PROGRAM)
        self.write(None)

    def write(self, pod, **image):
        (self.stack.folder / "image.json").write_text(json.dumps(image))
        (self.stack.folder / "pod.json").write_text(json.dumps(pod))

    def up(self, *options):
        return self.stack.up(*options).operations.get("app")

    def state(self):
        resources = json.loads(self.stack.state())["deployment"]["resources"]
        (image,) = [item for item in resources if item["type"].endswith("podwright:Image")]
        return image["outputs"]


@pytest.fixture
def project(stack: Stack) -> Project:
    return Project(stack)


def publish(folder, reference, content):
    shutil.rmtree(folder / "published", ignore_errors=True)
    push(make_layout(folder / "published", [[entry("content", content)]]), reference)


def names(host: Host):
    return [image.reference for image in host.runtime.images.list()]


def test_the_life_of_an_image(project, host, registry, tmp_path):
    name = f"{registry.address}/life:1"
    publish(tmp_path, name, "first")
    auth = {"username": "robot", "password": "hunter2"}  # which this registry does not ask for
    project.write(None, name=name, pull_policy="Always", auth=auth)
    assert "to create" in project.stack.preview()
    assert name not in names(host), "a preview touched the host"
    assert project.up() == ["create"]
    first = host.runtime.images.get(name)
    assert project.stack.outputs() == {
        "digest": first.digest,
        "reference": name,
        "platform": str(first.platform),
        "size": first.size,
    }
    assert project.up() == ["same"]
    assert "hunter2" not in project.stack.state()

    publish(tmp_path, name, "second")
    assert project.stack.refresh().operations["app"] == ["update"]
    (drift,) = project.state()["drift"]
    assert drift.startswith(f"digest: {first.digest} is sha256:")
    assert host.runtime.images.get(name) == first
    assert project.up() == ["update"]
    assert host.runtime.images.get(name).digest == project.stack.outputs()["digest"] != first.digest
    project.stack.refresh("--expect-no-changes")
    assert project.up() == ["same"]

    assert project.stack.destroy().operations["app"] == ["delete"]
    assert name not in names(host)


def test_an_image_that_others_removed_is_made_again(project, host, layout):
    project.write(None, name="localhost/app:1", source=f"oci:{layout}")
    assert project.up() == ["create"]
    host.runtime.images.remove("localhost/app:1")
    assert project.stack.refresh().operations["app"] == ["delete"]
    assert project.up() == ["create"]
    assert "localhost/app:1" in names(host)

    project.write(None, name="localhost/app:2", source=f"oci:{layout}")
    assert set(project.up()) >= {"create-replacement", "delete-replaced"}
    assert "localhost/app:2" in names(host)
    assert "localhost/app:1" not in names(host)

    project.write(None, name="localhost/app:2", source=f"oci:{layout}", keep_locally=True)
    assert project.up() == ["update"]
    project.stack.destroy()
    assert "localhost/app:2" in names(host)


def test_a_pod_goes_before_its_image(project, host, layout):
    web = pod("web", container("a", "sleep 100000"))
    project.write(web, name="localhost/app:1", source=f"oci:{layout}")
    assert project.up() == ["create"]
    assert host.pod("web")["status"]["phase"] == "Running"
    project.stack.destroy()
    assert host.pods() == []
    assert "localhost/app:1" not in names(host)


def test_an_image_that_another_pod_uses_stays_with_a_warning(project, host, tmp_path):
    make_busybox_image(tmp_path / "other", {"Labels": {"a": "b"}})
    project.write(None, name="localhost/app:1", source=f"oci:{tmp_path}/other")
    project.up()
    host.apply(pod("other", container("a", "sleep 100000", image="localhost/app:1")), "--wait")
    done = project.stack.destroy()
    assert done.operations["app"] == ["delete"]
    assert any("localhost/app:1 stays, as it is in use by pod default/other" in line for line in done.messages)
    assert "localhost/app:1" in names(host)
