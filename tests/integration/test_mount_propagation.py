# SPDX-License-Identifier: Apache-2.0
"""Mounts in volumes: where those of the host and of containers show, and whether they are read-only too."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hosttools import Host
from imagetools import make_busybox_image
from podtools import IMAGE, container, eventually, pod
from podwright.errors import HostError

SEEN = "while ! cat /data/sub/file 2>/dev/null; do sleep 0.02; done; echo end; exec sleep 1000"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    crun = shutil.which("crun")
    host = Host(**({"runtimes.crun.path": crun} if crun else {}))
    layout = tmp_path_factory.mktemp("image") / "layout"
    make_busybox_image(layout)
    host.run("import", layout, IMAGE)
    yield host
    host.close()


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Path]:
    """A mount of the host's that is shared."""
    volume = tmp_path / "volume"
    volume.mkdir()
    mount("-t", "tmpfs", "volume", volume)
    mount("--make-shared", volume)
    (volume / "sub").mkdir()
    yield volume
    subprocess.run(["umount", "-R", volume], check=True)


def mount(*words: str | Path) -> None:
    subprocess.run(["mount", *words], check=True)


def appear(path: Path, text: str) -> None:
    """Write a file that somebody waits for: it is never there without its content."""
    coming = path.with_name("coming")
    coming.write_text(text)
    coming.rename(path)


def seeing(script: str, mode: str | None = None, **fields: Any) -> dict[str, Any]:
    propagation = {"mountPropagation": mode} if mode else {}
    return container("app", script, volumeMounts=[{"name": "data", "mountPath": "/data", **propagation}], **fields)


def on_host(path: Path) -> list[dict[str, Any]]:
    return [{"name": "data", "hostPath": {"path": str(path)}}]


def said(machine: Host, name: str = "web", of: str | None = None) -> list[str]:
    def whole() -> list[str]:
        lines = machine.runtime.logs(name, container=of)
        return lines[: lines.index("end") + 1] if "end" in lines else []

    return eventually(whole, "its output")[:-1]


RUNTIMES = [None, *(["crun"] if shutil.which("crun") else [])]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_the_host_mounts_later_shows_only_where_it_is_asked_for(
    machine: Host, shared: Path, runtime: str | None
) -> None:
    named = {"runtimeClassName": runtime} if runtime else {}
    machine.apply(pod("web", seeing(SEEN, "HostToContainer"), volumes=on_host(shared), **named))
    look = "echo ready; while [ ! -e /data/over ]; do sleep 0.02; done; ls /data/sub; echo end; exec sleep 1000"
    machine.apply(pod("blind", seeing(look), volumes=on_host(shared), **named))
    eventually(lambda: "ready" in machine.runtime.logs("blind"), "its start")
    mount("-t", "tmpfs", "later", shared / "sub")
    appear(shared / "sub/file", "of the host\n")
    assert said(machine) == ["of the host"]
    (shared / "over").touch()
    assert said(machine, "blind") == ["ready"]
    for name in ("web", "blind"):
        machine.delete(name)


def test_what_a_privileged_container_mounts_shows_on_the_host(machine: Host, shared: Path) -> None:
    script = "mount -t tmpfs own /data/sub && echo x > /data/sub/file; echo end; exec sleep 1000"
    app = seeing(script, "Bidirectional", securityContext={"privileged": True})
    machine.apply(pod("web", app, volumes=on_host(shared)))
    said(machine)
    assert (shared / "sub/file").read_text() == "x\n"
    machine.delete("web")
    assert (shared / "sub/file").read_text() == "x\n", "as in Kubernetes, its mounts outlive a container"


@pytest.mark.parametrize("empty", [{}, {"medium": "Memory"}])
def test_what_a_privileged_container_mounts_shows_in_its_pod_and_not_on_the_host(
    machine: Host, empty: dict[str, Any]
) -> None:
    script = "mkdir -p /data/sub; mount -t tmpfs own /data/sub && echo x > /data/sub/file; exec sleep 1000"
    writer = {**seeing(script, "Bidirectional", securityContext={"privileged": True}), "name": "writer"}
    machine.apply(pod("web", seeing(SEEN, "HostToContainer"), writer, volumes=[{"name": "data", "emptyDir": empty}]))
    assert said(machine, of="app") == ["x"]
    assert str(machine.root) not in Path("/proc/self/mountinfo").read_text()
    machine.delete("web")


def test_a_part_of_a_volume_is_shared_too(machine: Host, shared: Path) -> None:
    script = "mount -t tmpfs own /data/deep && echo x > /data/deep/file; echo end; exec sleep 1000"
    (shared / "sub/deep").mkdir()
    app = seeing(script, "Bidirectional", securityContext={"privileged": True})
    app["volumeMounts"][0]["subPath"] = "sub"
    machine.apply(pod("web", app, volumes=on_host(shared)))
    said(machine)
    assert (shared / "sub/deep/file").read_text() == "x\n"
    machine.delete("web")


def test_a_mount_that_is_not_shared_is_named(machine: Host, shared: Path) -> None:
    mount("--make-private", shared)
    app = seeing("true", "HostToContainer")
    with pytest.raises(
        HostError, match=f"{shared} is on the mount {shared}, which is not shared; mount --make-rshared"
    ):
        machine.runtime.apply(pod("web", app, volumes=on_host(shared)))
    assert machine.pods() == []


@pytest.mark.parametrize(
    ("recursive", "runtime", "expected"),
    [
        (None, None, "written"),
        ("Enabled", None, "touch: /data/sub/new: Read-only file system"),
        ("IfPossible", None, "touch: /data/sub/new: Read-only file system"),
        ("IfPossible", "crun", "written"),
    ],
)
def test_read_only_with_what_is_mounted_below(
    machine: Host, shared: Path, recursive: str | None, runtime: str | None, expected: str
) -> None:
    mount("-t", "tmpfs", "below", shared / "sub")
    app = seeing("(touch /data/sub/new && echo written) 2>&1; touch /data/new 2>&1; echo end; exec sleep 1000")
    app["volumeMounts"][0] |= {"readOnly": True} | ({"recursiveReadOnly": recursive} if recursive else {})
    named = {"runtimeClassName": runtime} if runtime else {}
    machine.apply(pod("web", app, volumes=on_host(shared), **named))
    assert said(machine) == [expected, "touch: /data/new: Read-only file system"]
    machine.delete("web")


def test_changes_of_propagation_are_told_beforehand(machine: Host, shared: Path) -> None:
    script = "exec sleep 1000"
    manifest = pod("web", seeing(script, securityContext={"privileged": True}), volumes=on_host(shared))
    machine.apply(manifest)
    manifest["spec"]["containers"][0]["volumeMounts"][0]["mountPropagation"] = "Bidirectional"
    planned = machine.apply(manifest, "--dry-run").stdout
    assert "(recreate pod)" in planned
    assert json.dumps("Bidirectional") in planned
    machine.apply(manifest)
    assert machine.apply(manifest).stdout == "pod/web unchanged\n"
    machine.delete("web")
