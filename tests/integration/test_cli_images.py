# SPDX-License-Identifier: Apache-2.0
"""The verbs about images: what a person sees, and what a program does."""

import json
import os
import pty
import re
import subprocess

import pytest

from hosttools import BIN
from imagetools import entry, make_busybox_image, make_layout, push
from podtools import IMAGE, container, pod
from registry import Registry


@pytest.fixture(scope="module")
def registry():
    with Registry() as one:
        yield one


@pytest.fixture
def name(registry, tmp_path):
    """An image of two layers in the registry."""
    make_layout(tmp_path / "layout", [[entry("a", os.urandom(300_000))], [entry("b", os.urandom(200_000))]])
    push(tmp_path / "layout", f"{registry.address}/app:1")
    return f"{registry.address}/app:1"


def watched(host, *arguments):
    """Run a command with its standard error on a terminal; return what came there, and on standard output."""
    ours, its = pty.openpty()
    environment = host.env | {"TERM": "xterm", "COLUMNS": "100"}
    child = subprocess.Popen(
        [BIN / "podwright", *arguments], stdout=subprocess.PIPE, stderr=its, stdin=subprocess.DEVNULL, env=environment
    )
    os.close(its)
    seen = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # the last one has closed the terminal
            break
        seen += chunk
    os.close(ours)
    stdout = child.communicate()[0].decode()
    assert child.returncode == 0, seen
    return seen.decode(), stdout


def test_a_person_sees_a_bar_for_each_layer(host, name, registry, tmp_path):
    layers = json.loads(host.run("pull", name) and host.run("images", "-o", "json").stdout)[0]
    host.run("delete", "image", name)
    host.run("prune")
    index = json.loads((tmp_path / "layout/index.json").read_text())["manifests"][0]["digest"]
    manifest = json.loads((tmp_path / "layout/blobs/sha256" / index.removeprefix("sha256:")).read_text())
    short = [layer["digest"].removeprefix("sha256:")[:12] for layer in manifest["layers"]]

    for command in (("pull", name), ("push", name, f"docker://{registry.address}/other:1")):
        seen, stdout = watched(host, *command)
        assert stdout == f"{layers['digest']}\n"
        for digest in short:
            lines = [line for line in re.split(r"[\r\n]+", seen) if digest in line]
            assert lines, f"{command[0]} shows no bar of {digest}: {seen}"
            assert re.search(r"(\d+\.?\d*)/\1 [kM]B", lines[-1]), lines[-1]  # all of it


def test_a_program_gets_the_digest_and_nothing_else(host, name):
    done = host.run("pull", name)
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", done.stdout)
    assert done.stderr == ""


def test_the_way_of_an_image(host, registry, tmp_path):
    make_busybox_image(tmp_path / "layout")
    digest = host.run("import", tmp_path / "layout", IMAGE).stdout
    assert host.run("import", f"oci:{tmp_path}/layout:latest", "localhost/same:1").stdout == digest
    assert host.run("push", IMAGE, f"docker://{registry.address}/busybox:1").stdout == digest
    assert host.run("push", IMAGE, f"oci-archive:{tmp_path}/busybox.tar").stdout == digest
    assert host.run("import", f"oci-archive:{tmp_path}/busybox.tar", "localhost/third:1").stdout == digest
    assert host.run("pull", f"{registry.address}/busybox:1").stdout == digest

    lines = host.run("images").stdout.splitlines()
    assert lines[0].split() == ["IMAGE", "PLATFORM", "DIGEST", "SIZE"]
    names = [line.split()[0] for line in lines[1:]]
    assert names == sorted([IMAGE, "localhost/same:1", "localhost/third:1", f"{registry.address}/busybox:1"])
    shown = json.loads(host.run("images", "-o", "json").stdout)
    assert [image["name"] for image in shown] == names
    assert {image["digest"] for image in shown} == {digest.strip()}


def test_what_room_images_take_and_how_it_is_freed(host, tmp_path):
    make_busybox_image(tmp_path / "layout")
    make_layout(tmp_path / "second", [[entry("content", "x" * 5000)]])
    host.run("import", tmp_path / "layout", IMAGE)
    host.run("import", tmp_path / "second", "localhost/unused:1")
    host.apply(pod("web", container("a", "sleep 100000")), "--wait")

    usage = host.run("images", "usage").stdout
    assert re.search(rf"^{IMAGE} +[\d.]+ MB +0\.0 MB +pod default/web$", usage, re.MULTILINE)
    assert re.search(r"^localhost/unused:1 .* <none>$", usage, re.MULTILINE)
    assert json.loads(host.run("images", "usage", "-o", "json").stdout)["reclaimable"] == 0
    assert host.run("images", "verify").stdout == "sound: 2 images, 6 blobs, 2 layers\n"

    refused = host.run("delete", "image", IMAGE, check=False)
    assert refused.returncode == 1
    assert "it is used by pod default/web" in refused.stderr
    dry = host.run("prune", "--all", "--dry-run").stdout
    assert "image localhost/unused:1\n" in dry
    assert IMAGE not in dry
    assert re.search(r"^would free [\d.]+ MB$", dry, re.MULTILINE)
    assert host.run("prune", "--all").stdout == dry.replace("would free", "freed")
    assert host.run("prune", "--all").stdout == "freed 0.0 MB\n"
    host.run("delete", "image", IMAGE, "--force")
    assert host.pod("web")["status"]["phase"] == "Running"


def test_damage_is_told_and_mended_by_the_next_pull(host, name):
    host.run("pull", name)
    blob = max((host.root / "lib/images/blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
    blob.write_bytes(b"x" * blob.stat().st_size)
    done = host.run("images", "verify", check=False)
    assert done.returncode == 1
    assert f"blob sha256:{blob.name}: " in done.stdout
    assert name in done.stdout
    host.run("pull", name)
    assert host.run("images", "verify").returncode == 0


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("delete", "image", "localhost/none:1"), "there is no image localhost/none:1 on this host"),
        (("delete", "image", "localhost/none:1", "--grace-period", "1"), "--grace-period is for pods and containers"),
        (("delete", "pod", "web", "--force"), "--force for images"),
        (("push", "localhost/none:1"), "there is no image localhost/none:1 on this host"),
        (("import", "/none", "a"), "there is no file or folder '/none'"),
        (("pull", "A/B"), "not a valid image reference"),
        (("pull", "a", "--platform", "amd64"), "the platform 'amd64' is not of the form OS/ARCHITECTURE[/VARIANT]"),
        (("pull", "a", "--authfile", "/none"), "the file of logins /none cannot be read"),
        (("push", "localhost/none:1", "nowhere:x"), "there is no image localhost/none:1"),
    ],
)
def test_what_is_wrong_is_one_sentence(host, command, reason):
    done = host.run(*command, check=False)
    assert done.returncode == 1
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1
