# SPDX-License-Identifier: Apache-2.0
"""Volumes as containers see them: what lies inside one, and who may write it."""

import ctypes
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hosttools import Host
from imagetools import make_busybox_image
from podtools import IMAGE, container, eventually, pod
from podwright.errors import ManifestError

CANARY = "the host's own"


@pytest.fixture(scope="module")
def machine(module_host: Host, tmp_path_factory: pytest.TempPathFactory) -> Host:
    layout = make_busybox_image(tmp_path_factory.mktemp("image") / "layout")
    module_host.run("import", layout, IMAGE)
    return module_host


@pytest.fixture(autouse=True)
def _alone(machine: Host) -> Iterator[None]:
    yield
    for one in machine.pods():
        machine.delete(one["metadata"]["name"])


def mounting(script: str, *mounts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a container that says something of its mounts, then sleeps."""
    return container("app", f"{script}; echo end; exec sleep 1000", volumeMounts=list(mounts), **fields)


def host_path(path: Path) -> dict[str, Any]:
    return {"name": "data", "hostPath": {"path": str(path)}}


def at(place: str, **fields: Any) -> dict[str, Any]:
    return {"name": "data", "mountPath": place, **fields}


def said(machine: Host, name: str = "web", of: str = "app") -> list[str]:
    """Return what a container wrote until it said that it was at its end."""
    lines = eventually(
        lambda: [lines for lines in [machine.runtime.logs(name, container=of)] if "end" in lines], "its output"
    )[0]
    return lines[: lines.index("end")]


def volume_of(machine: Host, volume: str = "data", name: str = "web") -> Path:
    uid = machine.pod(name)["metadata"]["uid"]
    return machine.root / "lib/pods" / uid / "volumes" / volume


def test_parts_of_a_volume(machine: Host) -> None:
    script = (
        "echo one > /one/file; cat /all/a/b/file; stat -c %a /all/a /all/a/b /one; (echo x > /two/no) 2>&1;"
        " echo three > /three/file; cat /all/web/logs/file"
    )
    mounts = [
        at("/all"),
        at("/one", subPath="a/b"),
        at("/two", subPath="a", readOnly=True),
        at("/three", subPathExpr="$(NAME)/logs"),
    ]
    env = [{"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
    machine.apply(pod("web", mounting(script, *mounts, env=env), volumes=[{"name": "data", "emptyDir": {}}]))
    lines = said(machine)
    assert lines[:4] == ["one", "777", "777", "777"]
    assert "Read-only file system" in lines[4]
    assert lines[5] == "three"
    assert (volume_of(machine) / "a/b/file").read_text() == "one\n"
    assert "subpaths" not in Path("/proc/self/mountinfo").read_text()


def test_a_file_of_a_volume_and_a_key_of_a_config_map(machine: Host, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/settings").write_text("of the host\n")
    (tmp_path / "link").symlink_to("etc/../etc/settings")
    keys = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "keys"}, "data": {"k.conf": "of the map\n"}}
    machine.runtime.objects.apply(keys)
    mounts = [
        at("/a", subPath="etc/settings"),
        at("/b", subPath="link"),
        {"name": "keys", "mountPath": "/c", "subPath": "k.conf"},
    ]
    volumes = [host_path(tmp_path), {"name": "keys", "configMap": {"name": "keys"}}]
    machine.apply(pod("web", mounting("cat /a /b /c; echo x > /a; (echo x > /c) 2>&1", *mounts), volumes=volumes))
    lines = said(machine)
    assert lines[:3] == ["of the host", "of the host", "of the map"]
    assert "Read-only file system" in lines[3]
    assert (tmp_path / "etc/settings").read_text() == "x\n"


@pytest.mark.parametrize(
    ("link", "sub_path", "reason"),
    [
        ("..", "link", "link leads out of the volume"),
        ("/", "link/etc", "link/etc leads out of the volume"),
        ("missing", "link/a", "open link/a: No such file or directory"),
        ("link", "link", "open link: "),
        ("/proc/self/root", "link", "link leads out of the volume"),
    ],
)
def test_a_link_does_not_lead_out_of_a_volume(
    machine: Host, tmp_path: Path, link: str, sub_path: str, reason: str
) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume/link").symlink_to(link)
    app = mounting("ls /x", at("/x", subPath=sub_path))
    machine.apply(pod("web", app, volumes=[host_path(tmp_path / "volume")], restartPolicy="Never"))
    (status,) = machine.pod("web")["status"]["containerStatuses"]
    assert status["state"]["terminated"]["reason"] == "StartError"
    assert status["state"]["terminated"]["message"].startswith(f"subPath of volume {tmp_path}/volume: {reason}")
    assert os.listdir(tmp_path) == ["volume"]
    assert os.listdir(tmp_path / "volume") == ["link"]


def test_a_variable_that_is_missing_stops_all_before_anything_starts(machine: Host) -> None:
    manifest = pod("web", mounting("true", at("/x", subPathExpr="$(NOWHERE)")), volumes=[{"name": "data"}])
    field = r"^spec\.containers\[app\]\.volumeMounts\[/x\]\.subPathExpr: CreateContainerConfigError: missing value"
    with pytest.raises(ManifestError, match=field + " for NOWHERE; declare it in the container's env"):
        machine.runtime.apply(manifest)
    assert machine.pods() == []


def exchange(one: Path, other: Path) -> None:
    """Give each of two names what the other has, at once (renameat2(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2)


def test_who_swaps_a_directory_for_a_link_meanwhile_never_reaches_the_host(machine: Host, tmp_path: Path) -> None:
    """Somebody swaps as fast as can be, as a second container could; the first mounts it, and looks around in it."""
    (tmp_path / "host/below").mkdir(parents=True)
    (tmp_path / "host/canary").write_text(CANARY)
    (tmp_path / "host/below/canary").write_text(CANARY)
    volume = tmp_path / "volume"
    (volume / "swap/below").mkdir(parents=True)
    (volume / "swap/mine").write_text("mine\n")
    (volume / "other").symlink_to("../host")
    script = "cat /x/mine /x/canary /x/../canary 2>/dev/null; touch /x/touched; exit 1"
    looking = container("app", script, volumeMounts=[at("/x", subPath="swap"), at("/y", subPath="swap/below/new")])
    machine.apply(pod("web", looking, volumes=[host_path(volume)], restartPolicy="Never"))
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            exchange(volume / "swap", volume / "other")

    thread = threading.Thread(target=swap)
    thread.start()
    reached = refused = 0
    try:
        for number in range(25):
            shutil.rmtree(volume / "other/below/new", ignore_errors=True)
            command = ["/bin/sh", "-c", f"{script} # {number}"]
            machine.runtime.apply(
                pod("web", {**looking, "command": command}, volumes=[host_path(volume)], restartPolicy="Never")
            )
            ended = eventually(
                lambda: machine.pod("web")["status"]["containerStatuses"][0]["state"].get("terminated"), "its end"
            )
            if ended["reason"] == "StartError":
                assert "leads out of the volume" in ended["message"] or "No such file" in ended["message"]
                refused += 1
            else:
                reached += 1
            assert CANARY not in "".join(machine.runtime.logs("web"))
    finally:
        over.set()
        thread.join()
    assert sorted(os.listdir(tmp_path / "host")) == ["below", "canary"]
    assert os.listdir(tmp_path / "host/below") == ["canary"]
    assert reached, "it never got what it was to get, so nothing was shown"
    assert refused, "it never met the link, so nothing was shown"
