# SPDX-License-Identifier: Apache-2.0
"""Pushing to Debian's docker-registry, with logins and without, also over connections that break."""

import json
import os
import socket
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from copytools import blobs, copy, make_said_image, run, take, top_of
from imagetools import MANIFEST_TYPE, digest, entry, make_layout, push, put_blob, write_index
from podmantools import Podman
from podwright.config import RegistryHost
from podwright.errors import ImageError
from podwright.images import reference as references
from podwright.images.distribution import upload
from podwright.images.distribution.credentials import Auth, Login
from podwright.images.distribution.http import NetworkTransport
from podwright.images.distribution.registries import Registries
from podwright.images.distribution.repository import Repository
from podwright.images.formats.destination import copy_out
from podwright.images.formats.source import open_source
from podwright.images.layout import Layout
from podwright.images.progress import Silent
from secure_registry import PASSWORD, USER, Authority, SecureRegistry, TokenService


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    """The image that says ``upper`` when it runs."""
    return make_said_image(tmp_path_factory.mktemp("push") / "layout")


@pytest.fixture(scope="module")
def podman():
    engine = Podman()
    yield engine
    engine.close()


class Recording(NetworkTransport):
    """What was asked of a registry: "METHOD PATH" and the size of the body."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def request(self, method, url, headers, body=None):
        self.asked.append((method, "/" + url.split("/", 3)[3], headers))
        return super().request(method, url, headers, body)

    def methods(self):
        return [method for method, _, _ in self.asked if method not in ("HEAD",)]


def push_out(layout, name, source=None, transport=None):
    reference = references.parse(name)
    repository = Repository(reference, push=True, transport=transport)
    with closing(upload.RegistryDestination(reference, repository, source and references.parse(source))) as destination:
        return copy_out(Layout(str(layout)), top_of(layout), destination, Silent())


def test_a_push_that_podman_pulls_and_runs(podman, layout, place):
    assert copy(layout, f"docker://{place}:1") == top_of(layout).digest
    assert (
        json.loads(run("skopeo", "inspect", "--tls-verify=false", f"docker://{place}:1"))["Digest"]
        == top_of(layout).digest
    )
    podman.run("pull", "-q", "--tls-verify=false", f"{place}:1")
    assert podman.run("run", "--rm", "--network", "none", f"{place}:1") == "upper"


def test_pushed_pulled_and_pushed_again(store, layout, place, tmp_path):
    copy(layout, f"docker://{place}:1")
    image = store.pull(f"{place}:1")
    assert image.digest == top_of(layout).digest
    assert copy(tmp_path / "root" / "images", f"docker://{place}/other:2") == image.digest
    assert store.pull(f"{place}/other@{image.digest}").config == image.config


def test_what_is_there_is_not_sent_again(layout, place):
    first, second, third = Recording(), Recording(), Recording()
    push_out(layout, f"{place}:1", transport=first)
    assert sorted(first.methods()) == sorted(["POST", "PUT"] * 5 + ["PUT"])  # 4 layers, configuration, manifest
    push_out(layout, f"{place}:2", transport=second)
    assert second.methods() == ["PUT"]
    push_out(layout, f"{place}/copy:1", source=f"{place}:1", transport=third)
    assert sorted(third.methods()) == ["POST"] * 5 + ["PUT"]
    run("skopeo", "inspect", "--tls-verify=false", f"docker://{place}/copy:1")


def test_a_mount_that_the_registry_does_not_do_is_a_push(layout, place):
    transport = Recording()
    push_out(layout, f"{place}:1", source=f"{place}/nothing:1", transport=transport)
    assert transport.methods().count("PUT") == 6


def test_a_push_by_digest(layout, place):
    right = top_of(layout).digest
    assert push_out(layout, f"{place}@{right}") == right
    with pytest.raises(ImageError, match=f"its manifest is {right}, and cannot be pushed as sha256:abab"):
        push_out(layout, f"{place}@sha256:{'ab' * 32}")


def test_a_large_blob_goes_in_pieces(monkeypatch, place, tmp_path):
    monkeypatch.setattr(upload, "WHOLE", 1 << 20)
    monkeypatch.setattr(upload, "PIECE", 400_000)
    layout = make_layout(tmp_path / "layout", [[entry("noise", os.urandom(1_500_000))]], compress="none")
    transport = Recording()
    push_out(layout, f"{place}:1", transport=transport)
    ranges = [headers["Content-Range"] for method, _, headers in transport.asked if method == "PATCH"]
    assert ranges == ["0-399999", "400000-799999", "800000-1199999"]
    run("skopeo", "copy", "--src-tls-verify=false", f"docker://{place}:1", f"dir:{tmp_path}/copied")
    assert digest((tmp_path / "copied" / "manifest.json").read_bytes()) == top_of(layout).digest


class CuttingProxy:
    """A proxy before a registry that cuts a connection once, when so many bytes went to the registry."""

    def __init__(self, address, after):
        self.target, self.after, self.cut, self.total = address, after, 0, 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.server.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            host, port = self.target.split(":")
            upstream = socket.create_connection((host, int(port)))
            threading.Thread(target=self.pump, args=(client, upstream, True), daemon=True).start()
            threading.Thread(target=self.pump, args=(upstream, client, False), daemon=True).start()

    def pump(self, source, target, counted):
        try:
            while data := source.recv(65536):
                self.total += len(data) if counted else 0
                target.sendall(data)
                if counted and not self.cut and self.total > self.after:
                    self.cut += 1
                    time.sleep(0.1)  # what was sent is to arrive
                    break
        except OSError:
            pass
        for end in (source, target):
            end.close()

    def close(self):
        self.server.close()


@pytest.mark.parametrize("whole", [1 << 20, 8 << 20])
def test_a_push_over_a_connection_that_breaks(registry, monkeypatch, tmp_path, whole):
    monkeypatch.setattr(upload, "WHOLE", whole)
    monkeypatch.setattr(upload, "PIECE", 500_000)
    layout = make_layout(tmp_path / "layout", [[entry("noise", os.urandom(4_000_000))]], compress="none")
    with closing(CuttingProxy(registry.address, 1_700_000)) as proxy:
        transport = Recording()
        push_out(layout, f"{proxy.address}/cut{whole}/image:1", transport=transport)
        assert proxy.cut == 1
    run(
        "skopeo",
        "copy",
        "--src-tls-verify=false",
        f"docker://{registry.address}/cut{whole}/image:1",
        f"dir:{tmp_path}/copied",
    )
    sent = sum(int(headers.get("Content-Length", 0)) for method, _, headers in transport.asked if method == "PATCH")
    assert sent < 8_000_000


def test_dockers_manifest_stays_dockers(store, layout, place, tmp_path):
    push(layout, f"{place}:1", docker_format=True)
    image = store.pull(f"{place}:1")
    images = tmp_path / "root" / "images"
    assert copy(images, f"docker://{place}:2") == image.digest
    assert "docker.distribution.manifest.v2" in run(
        "skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{place}:2"
    )
    for name in (f"oci:{tmp_path}/out:v1", f"oci-archive:{tmp_path}/out.tar:v1"):
        assert copy(images, name) == image.digest
        assert blobs(open_source(name)) == blobs(open_source(f"oci:{images}"))
    copy(images, f"docker-archive:{tmp_path}/d.tar:x")
    assert take(store, f"docker-archive:{tmp_path}/d.tar").diff_ids == image.diff_ids


def test_a_module_goes_everywhere_but_into_a_docker_archive(store, place, tmp_path):
    """A WebAssembly artifact, as wasm-to-oci and CNCF's layout have it."""
    module = b"\0asm\1\0\0\0"
    layout = tmp_path / "layout"
    (layout / "blobs" / "sha256").mkdir(parents=True)
    config = {"os": "wasip1", "architecture": "wasm", "layerDigests": [digest(module)]}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": put_blob(layout, json.dumps(config).encode(), "application/vnd.wasm.config.v0+json"),
        "layers": [put_blob(layout, module, "application/wasm")],
    }
    top = put_blob(layout, json.dumps(manifest).encode(), MANIFEST_TYPE)
    write_index(layout, [top])
    copy(layout, f"docker://{place}:1")
    image = store.pull(f"{place}:1")
    assert (image.digest, image.platform, image.diff_ids) == (top["digest"], "wasip1/wasm", [])
    assert Path(store.module_path(image)).read_bytes() == module
    run("skopeo", "copy", "--src-tls-verify=false", f"docker://{place}:1", f"dir:{tmp_path}/dir")
    copy(layout, f"oci-archive:{tmp_path}/archive.tar")
    assert blobs(open_source(f"oci-archive:{tmp_path}/archive.tar"))[digest(module)] == module
    with pytest.raises(ImageError, match="a docker-archive has no place for application/"):
        copy(layout, f"docker-archive:{tmp_path}/d.tar")


# ---- logins ----

ME = Auth(Login(USER, PASSWORD))


@pytest.fixture(autouse=True)
def no_logins(monkeypatch, tmp_path):
    """Whoever runs the tests may be logged in somewhere."""
    for name in ("HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def inspected(registry, name):
    """The digest that skopeo finds, logged in."""
    command = ["skopeo", "inspect", "--tls-verify=false", "--creds", f"{USER}:{PASSWORD}"]
    return json.loads(run(*command, f"docker://{registry.address}/{name}"))["Digest"]


def test_a_push_with_a_password_over_tls(authority, layout):
    with SecureRegistry(tls=authority, users=True) as registry:
        known = Registries(hosts=(RegistryHost(registry.address, ca=str(authority.ca)),))
        place = f"docker://{registry.address}/a/b:1"
        assert copy(layout, place, registries=known, auth=ME) == top_of(layout).digest
        assert inspected(registry, "a/b:1") == top_of(layout).digest
        with pytest.raises(ImageError, match="does not know the user 'tester' with this password"):
            copy(layout, place, registries=known, auth=Auth(Login(USER, "wrong")))
        with pytest.raises(ImageError, match="wants a user and a password, and no login was found"):
            copy(layout, place, registries=known)


def test_a_push_with_tokens(authority, layout):
    with TokenService(authority) as service, SecureRegistry(tokens=service) as registry:
        copy(layout, f"docker://{registry.address}/private/a:1", auth=ME)
        assert service.requests == ["GET repository:private/a:pull,push"]
        assert inspected(registry, "private/a:1") == top_of(layout).digest
        service.requests.clear()
        source = references.parse(f"{registry.address}/private/a:1")
        copy(layout, f"docker://{registry.address}/private/b:1", auth=ME, source=source)
        both = "repository:private/b:pull,push repository:private/a:pull"  # the registry asks for the latter, to mount
        assert service.requests[-1] == f"GET {both}"
        assert inspected(registry, "private/b:1") == top_of(layout).digest
        with pytest.raises(ImageError, match="wants a user and a password, and no login was found"):
            copy(layout, f"docker://{registry.address}/public/a:1")
