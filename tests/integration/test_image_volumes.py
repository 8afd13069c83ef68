# SPDX-License-Identifier: Apache-2.0
"""Volumes that are images."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from hosttools import Host
from imagetools import make_busybox_image, make_layout
from podtools import IMAGE, container, eventually, pod
from podwright.errors import ImageError

SITE = "localhost/site:1"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    crun = shutil.which("crun")
    host = Host(**({"runtimes.crun.path": crun} if crun else {}))
    folder = tmp_path_factory.mktemp("image")
    make_busybox_image(folder / "layout")
    host.run("import", folder / "layout", IMAGE)
    below = [{"name": "site", "kind": "dir"}, {"name": "site/a", "data": "below\n"}, {"name": "site/b", "data": "b\n"}]
    above = [{"name": "site/a", "data": "above\n"}, {"name": "site/.wh.b"}, {"name": "top", "data": "top\n"}]
    make_layout(folder / "site", [below, above])
    host.run("import", folder / "site", SITE)
    make_layout(folder / "flat", [[{"name": "only", "data": "one layer\n"}]])
    host.run("import", folder / "flat", "localhost/flat:1")
    yield host
    host.close()


def showing(script: str, reference: str = SITE, policy: str | None = None, **spec: Any) -> dict[str, Any]:
    mounts = [{"name": "site", "mountPath": "/site"}]
    app = container("app", f"exec 2>&1; {script}; echo end; exec sleep 1000", volumeMounts=mounts)
    image = {"reference": reference, **({"pullPolicy": policy} if policy else {})}
    return pod("web", app, volumes=[{"name": "site", "image": image}], **spec)


def said(machine: Host, manifest: dict[str, Any]) -> list[str]:
    machine.runtime.apply(manifest)
    eventually(lambda: "end" in machine.runtime.logs("web"), "its output")
    lines = machine.runtime.logs("web")
    return lines[: lines.index("end")]


@pytest.mark.parametrize("runtime", [None, *(["crun"] if shutil.which("crun") else [])])
def test_layers_are_one_tree_that_nobody_writes(machine: Host, runtime: str | None) -> None:
    manifest = showing(
        "cat /site/top /site/site/a; ls /site/site /part; touch /site/x; touch /part/x",
        **({"runtimeClassName": runtime} if runtime else {}),
    )
    part = {"name": "site", "mountPath": "/part", "subPath": "site"}
    manifest["spec"]["containers"][0]["volumeMounts"].append(part)
    assert said(machine, manifest) == [
        "top",
        "above",
        "/part:",
        "a",
        "",
        "/site/site:",
        "a",
        "touch: /site/x: Read-only file system",
        "touch: /part/x: Read-only file system",
    ]
    machine.delete("web")


def test_an_image_of_one_layer(machine: Host) -> None:
    assert said(machine, showing("ls /site; cat /site/only", "localhost/flat:1")) == ["only", "one layer"]
    record = machine.runtime._store.find("default", "web")
    assert record.images["volume:site"]["reference"] == "localhost/flat:1"
    machine.delete("web")


def test_an_image_in_use_stays(machine: Host) -> None:
    said(machine, showing("true"))
    machine.run("prune", "--all")
    assert SITE in machine.run("images").stdout
    refused = machine.run("delete", "image", SITE, check=False)
    assert (refused.returncode, "default/web" in refused.stderr) == (1, True)
    machine.runtime.apply(showing("cat /site/top"))
    eventually(lambda: "top" in machine.runtime.logs("web"), "the volume after a restart")
    machine.delete("web")


def test_an_image_that_is_not_there(machine: Host) -> None:
    with pytest.raises(ImageError, match="volume site: image localhost/none:1 is not on this host, and image"):
        machine.runtime.apply(showing("true", "localhost/none:1", "Never"))
    assert machine.pods() == []


def test_another_image_recreates_the_pod(machine: Host) -> None:
    said(machine, showing("true"))
    planned = machine.apply(showing("true", "localhost/flat:1"), "--dry-run").stdout
    change = f'spec.volumes[site].image.reference: "{SITE}" -> "localhost/flat:1" (recreate pod)'
    assert change in planned
    assert machine.apply(showing("true")).stdout == "pod/web unchanged\n"
    machine.delete("web")
