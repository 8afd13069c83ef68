# SPDX-License-Identifier: Apache-2.0
"""Images in the forms of other tools: what they write is read, and what is written here they read, run and compare."""

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from copytools import CONFIG, blobs, copy, image_id, make_said_image, run, said, take, top_of
from imagetools import INDEX_TYPE, digest, put_blob, write_index
from podmantools import IMAGE, Podman
from podwright.errors import ImageError
from podwright.images.formats.destination import open_destination
from podwright.images.formats.source import open_source
from storetools import import_layout


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    """The image that says ``upper`` when it runs."""
    return make_said_image(tmp_path_factory.mktemp("formats") / "layout")


@pytest.fixture(scope="module")
def podman():
    engine = Podman()
    yield engine
    engine.close()


def compress(path):
    Path(f"{path}.gz").write_bytes(gzip.compress(Path(path).read_bytes(), 1))
    return f"{path}.gz"


# ---- what other tools write ----


@pytest.mark.parametrize("gzipped", [False, True])
def test_an_oci_archive_of_skopeo(store, layout, tmp_path, gzipped):
    path = tmp_path / "archive.tar"
    run("skopeo", "copy", f"oci:{layout}:latest", f"oci-archive:{path}:v1")
    path = compress(path) if gzipped else path
    image = take(store, f"oci-archive:{path}")
    assert image == take(store, f"oci-archive:{path}:v1")
    assert (image.digest, said(store, image)) == (top_of(layout).digest, "upper\n")
    with pytest.raises(ImageError, match=rf"{path} has no images 'v2' \(there are: v1\)"):
        take(store, f"oci-archive:{path}:v2")


@pytest.mark.parametrize("gzipped", [False, True])
def test_a_docker_archive_of_skopeo(store, layout, tmp_path, gzipped):
    path = tmp_path / "archive.tar"
    run("skopeo", "copy", f"oci:{layout}:latest", f"docker-archive:{path}:localhost/said:1")
    path = compress(path) if gzipped else path
    image = take(store, f"docker-archive:{path}")
    assert image == take(store, f"docker-archive:{path}:localhost/said:1")
    assert image.digest == digest(open_source(f"docker-archive:{path}").top())
    assert image.diff_ids == import_layout(store, layout, "other").diff_ids
    assert said(store, image) == "upper\n"
    with pytest.raises(ImageError, match=rf"{path} has no images localhost/said:2 \(there are: localhost/said:1\)"):
        take(store, f"docker-archive:{path}:localhost/said:2")


@pytest.mark.parametrize("form", ["oci-archive", "docker-archive"])
def test_what_podman_saves(store, podman, tmp_path, form):
    path = tmp_path / "saved.tar"
    podman.run("save", "-q", "--format", form, "-o", path, IMAGE)
    image = take(store, f"{form}:{path}")
    assert image.config["config"]["Env"] == ["PATH=/bin"]
    assert os.path.exists(f"{store.layer_dirs(image)[0]}/bin/busybox")
    assert (
        podman.run("images", "--no-trunc", "-q", IMAGE)
        == json.loads(open_source(f"{form}:{path}").top())["config"]["digest"]
    )


def test_one_of_several_images_that_podman_saves(store, podman, layout, tmp_path):
    run("skopeo", "copy", f"oci:{layout}:latest", f"docker-archive:{tmp_path}/said.tar:localhost/said:1")
    podman.run("load", "-q", "-i", tmp_path / "said.tar")
    path = tmp_path / "both.tar"
    podman.run("save", "-q", "-m", "-o", path, IMAGE, "localhost/said:1")
    assert said(store, take(store, f"docker-archive:{path}:localhost/said:1")) == "upper\n"
    assert len(take(store, f"docker-archive:{path}:{IMAGE}").diff_ids) == 1
    with pytest.raises(
        ImageError, match=rf"2 images, so name one as PATH:NAME \(there are: {IMAGE}, localhost/said:1\)"
    ):
        take(store, f"docker-archive:{path}")


def test_what_umoci_makes(store, tmp_path):
    images = tmp_path / "images"
    run("umoci", "init", "--layout", images)
    for name in ("one", "two"):
        run("umoci", "new", "--image", f"{images}:{name}")
        run("umoci", "unpack", "--image", f"{images}:{name}", tmp_path / name)
        (tmp_path / name / "rootfs" / "said").write_text(name)
        run("umoci", "repack", "--image", f"{images}:{name}", tmp_path / name)
        run("umoci", "config", "--image", f"{images}:{name}", "--config.cmd", name)
    image = take(store, f"oci:{images}:two")
    assert (image.config["config"]["Cmd"], said(store, image)) == (["two"], "two")
    with pytest.raises(ImageError, match=r"2 images, so name one as PATH:NAME \(there are: one, two\)"):
        take(store, f"oci:{images}")


def test_an_index_in_an_index(store, layout, tmp_path):
    """As tools that put an image of several platforms into a layout make it."""
    shutil.copytree(layout, tmp_path / "nested")
    top = json.loads((tmp_path / "nested" / "index.json").read_text())["manifests"][0]
    for _ in range(2):
        index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [top]}
        top = put_blob(tmp_path / "nested", json.dumps(index).encode(), INDEX_TYPE)
    write_index(tmp_path / "nested", [top])
    image = take(store, f"oci:{tmp_path}/nested")
    assert (image.digest, said(store, image)) == (top["digest"], "upper\n")
    for _ in range(2):
        index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [top]}
        top = put_blob(tmp_path / "nested", json.dumps(index).encode(), INDEX_TYPE)
    write_index(tmp_path / "nested", [top])
    with pytest.raises(ImageError, match="leads to another index, and so on, more than 4 times"):
        take(store, f"oci:{tmp_path}/nested")


# ---- what other tools read ----


def test_an_oci_archive_for_skopeo(layout, tmp_path):
    name = f"oci-archive:{tmp_path}/archive.tar:v1"
    assert copy(layout, name) == top_of(layout).digest
    assert json.loads(run("skopeo", "inspect", name))["Digest"] == top_of(layout).digest
    run("skopeo", "copy", name, f"oci:{tmp_path}/copied:v1")
    assert top_of(tmp_path / "copied") == top_of(layout)
    assert blobs(open_source(name)) == blobs(open_source(f"oci:{layout}"))


def test_a_docker_archive_for_podman(podman, layout, tmp_path):
    path = tmp_path / "archive.tar"
    copy(layout, f"docker-archive:{path}:localhost/ours:1")
    assert "localhost/ours:1" in podman.run("load", "-i", path)
    assert podman.run("images", "--no-trunc", "-q", "localhost/ours:1") == image_id(layout)
    assert podman.run("run", "--rm", "--network", "none", "localhost/ours:1") == "upper"


def test_a_docker_archive_for_skopeo(store, layout, tmp_path):
    path = tmp_path / "archive.tar"
    copy(layout, f"docker-archive:{path}:ours")
    inspected = json.loads(run("skopeo", "inspect", f"docker-archive:{path}"))
    assert inspected["Env"] == CONFIG["Env"]
    (listed,) = json.loads(run("tar", "-xOf", path, "manifest.json"))
    assert listed["RepoTags"] == ["docker.io/library/ours:latest"]
    assert listed["Config"] == image_id(layout).removeprefix("sha256:") + ".json"
    assert take(store, f"docker-archive:{path}:ours").diff_ids == import_layout(store, layout, "other").diff_ids
    run("skopeo", "copy", f"docker-archive:{path}", f"dir:{tmp_path}/dir")


def test_a_layout_for_umoci_beside_its_own_images(layout, tmp_path):
    images = tmp_path / "images"
    run("umoci", "init", "--layout", images)
    run("umoci", "new", "--image", f"{images}:theirs")
    index = json.loads((images / "index.json").read_text())
    index["manifests"][0]["annotations"]["what.only.they"] = "know"
    index["annotations"] = {"of": "them"}
    (images / "index.json").write_text(json.dumps(index))
    for _ in range(2):
        copy(layout, f"oci:{images}:ours")
    assert run("umoci", "list", "--layout", images).split() == ["theirs", "ours"]
    now = json.loads((images / "index.json").read_text())
    assert now["manifests"].pop()["digest"] == top_of(layout).digest
    assert now == index
    run("umoci", "unpack", "--image", f"{images}:ours", tmp_path / "bundle")
    assert (tmp_path / "bundle" / "rootfs" / "said").read_text() == "upper\n"
    assert run("umoci", "stat", "--image", f"{images}:theirs")


def test_a_new_layout_and_a_folder_that_is_none(layout, tmp_path):
    copy(layout, f"oci:{tmp_path}/new/images")
    assert blobs(open_source(f"oci:{tmp_path}/new/images:latest")) == blobs(open_source(f"oci:{layout}"))
    assert os.stat(tmp_path / "new/images/blobs/sha256").st_mode & 0o777 == 0o755
    with pytest.raises(ImageError, match="is not an OCI image layout"):
        copy(layout, f"oci:{tmp_path}")


# ---- archives that are not finished ----


def test_an_archive_takes_the_place_of_the_old_one_at_its_end(layout, tmp_path):
    path = tmp_path / "archive.tar"
    path.write_text("old")
    destination = open_destination(f"oci-archive:{path}")
    assert path.read_text() == "old"
    destination.close()
    assert os.listdir(tmp_path) == ["archive.tar"]
    copy(layout, f"oci-archive:{path}")
    assert path.read_bytes()[:5] == b"blobs"
    assert os.listdir(tmp_path) == ["archive.tar"]


def test_a_copy_that_fails_leaves_the_old_archive(layout, tmp_path):
    shutil.copytree(layout, tmp_path / "layout")
    for path in (tmp_path / "layout" / "blobs" / "sha256").iterdir():
        if path.read_bytes()[:2] == b"\x1f\x8b":
            data = path.read_bytes()
            path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    (tmp_path / "archive.tar").write_text("old")
    for form, reason in (("oci-archive", "has other content"), ("docker-archive", "gzip stream is damaged")):
        with pytest.raises(ImageError, match=reason):
            copy(tmp_path / "layout", f"{form}:{tmp_path}/archive.tar")
    assert sorted(os.listdir(tmp_path)) == ["archive.tar", "layout"]
    assert (tmp_path / "archive.tar").read_text() == "old"


def test_the_next_copy_removes_what_a_killed_one_left(layout, tmp_path):
    script = (
        "import sys, time; from podwright.images.formats.destination import open_destination\n"
        "open_destination('oci-archive:' + sys.argv[1]); print('open', flush=True); time.sleep(60)"
    )
    path = tmp_path / "archive.tar"
    with subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        copy(layout, f"oci-archive:{path}")
        assert len(os.listdir(tmp_path)) == 2  # the other's file stays while it lives
        process.send_signal(signal.SIGKILL)
    copy(layout, f"oci-archive:{path}")
    assert os.listdir(tmp_path) == ["archive.tar"]
