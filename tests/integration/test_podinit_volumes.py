# SPDX-License-Identifier: Apache-2.0
"""podinit supervise with plans written by hand: what it mounts for a pod's volumes, and which plans it refuses.

With PODINIT=… of `make asan` the sanitizers watch the same.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podinit_harness import MS_REC, MS_SHARED, Pod, bind, default_steps, fresh_pod, shell


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    with fresh_pod(tmp_path) as fresh:
        yield fresh


def seeing(pod: Pod, script: str, *binds: list[Any], **fields: Any) -> str:
    """Return what a container says that has these binds."""
    end, output = pod.run(*shell(script), steps=default_steps(before=binds), **fields)
    assert end["exitCode"] == 0, end
    pod.stop()
    return output


def inside(pod: Pod, index: int) -> Path:
    return pod.pod_dir / f"containers/app/subpaths/{index}"


def test_parts_of_volumes_are_mounted_before_the_steps(pod: Pod, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    (volume / "a").mkdir(parents=True)
    (volume / "file").write_text("file\n")
    (volume / "a/link").symlink_to("../file")
    volume.chmod(0o2770)
    rows = [[str(volume), "a/./b//c"], [str(volume), "a/link"]]
    output = seeing(
        pod,
        "stat -c '%a' /c; cat /link; touch /c/new",
        bind(inside(pod, 0), "/c"),
        bind(inside(pod, 1), "/link", 1),
        subPaths=rows,
    )
    assert output == "2770\nfile"
    assert (volume / "a/b/c/new").exists()
    assert os.listdir(pod.pod_dir / "containers/app/subpaths") == []


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("../x", "../x leads out of the volume"),
        ("up/x", "up/x leads out of the volume"),
        ("file/x", "open file/x: Not a directory"),
        ("a" * 256, "name too long"),
        ("a/" * 2100, "name too long"),
    ],
)
def test_a_path_that_leads_nowhere(pod: Pod, tmp_path: Path, path: str, reason: str) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume/up").symlink_to("..")
    (tmp_path / "volume/file").touch()
    end, _ = pod.run(*shell("true"), subPaths=[[str(tmp_path / "volume"), path]])
    assert end["reason"] == "StartError"
    assert reason in end["message"].replace("Filename", "File name")  # as musl and as glibc say it
    assert sorted(os.listdir(tmp_path / "volume")) == ["file", "up"]
    pod.stop()


def test_layers_of_an_image_and_memory_of_a_group(pod: Pod, tmp_path: Path) -> None:
    for name, content in (("low", "low\n"), ("top", "top\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(content)
    (tmp_path / "low/other").write_text("other\n")
    for name in ("image", "single", "fast"):
        (pod.pod_dir / "volumes" / name).mkdir(parents=True)
    top, low = str(tmp_path / "top"), str(tmp_path / "low")
    pod.sandbox["imageVolumes"] = [["image", [top, low]], ["single", [low]]]
    pod.sandbox["memoryVolumes"] = [{"path": "volumes/fast", "size": 1 << 20, "group": 77}]
    pod.sandbox["sysctls"] = [["net/ipv4/ip_unprivileged_port_start", "5"], ["kernel/shmmni", "99"]]
    output = seeing(
        pod,
        "cat /image/file /image/other /single/file; stat -c '%a %g' /fast; (touch /image/x || echo no) 2>/dev/null;"
        " cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shmmni",
        *(bind(pod.pod_dir / "volumes" / name, f"/{name}") for name in ("image", "single", "fast")),
    )
    assert output.splitlines() == ["top", "other", "low", "3777 77", "no", "5", "99"]


def test_a_volume_is_shared_with_the_host_or_in_the_pod(pod: Pod, tmp_path: Path) -> None:
    host = tmp_path / "host"
    host.mkdir()
    (pod.pod_dir / "volumes/own").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "host", host], check=True)
    try:
        subprocess.run(["mount", "--make-shared", host], check=True)
        for folder in (host, pod.pod_dir / "volumes/own"):
            (folder / "in").mkdir()
        own = str(pod.pod_dir / "volumes/own")
        pod.sandbox["sharedVolumes"] = [["both", str(host), "host"], ["own", own, "pod"]]
        binds = [
            bind(pod.pod_dir / "volumes" / name, f"/{name}", recursive=True, propagation=MS_SHARED | MS_REC)
            for name in ("both", "own")
        ]
        sets = dict.fromkeys(("bounding", "effective", "permitted"), "a82425fb")  # and SYS_ADMIN
        steps = default_steps(before=binds)
        for step in steps:
            if step[0] == "capabilities":
                step[1] |= sets
        script = "for v in both own; do busybox mount -t tmpfs new /$v/in && touch /$v/in/file; done"
        end, _ = pod.run(*shell(script), steps=steps)
        assert end["exitCode"] == 0, end
        assert (host / "in/file").exists()
        assert os.listdir(pod.pod_dir / "volumes/own/in") == [], "it shows on the host"
        shown = Path(f"/proc/{pod.state()['supervisorPid']}/mountinfo").read_text()
        assert f"{pod.pod_dir}/volumes/own/in " in shown
        pod.stop()
    finally:
        subprocess.run(["umount", "-R", host], check=True)


@pytest.mark.parametrize(
    ("field", "rows"),
    [
        ("sysctls", [["net/../kernel/panic", "1"]]),
        ("sysctls", [["vm/swappiness", "1"]]),
        ("sysctls", [["net/" + "x" * 300, "1"]]),
        ("sysctls", [["net/a"]]),
        ("sysctls", ["net/a"]),
        ("sysctls", [["net/a", 1]]),
        ("imageVolumes", [["../x", ["/a"]]]),
        ("imageVolumes", [["x", ["a"]]]),
        ("imageVolumes", [["x", "/a"]]),
        ("sharedVolumes", [["a/b", "/x", "pod"]]),
        ("sharedVolumes", [["a", "x", "pod"]]),
        ("sharedVolumes", [["a", "/x", "all"]]),
        ("sharedVolumes", [["a", "/x", "pod"]] * 65),
        ("memoryVolumes", [{"path": "volumes/v", "size": 0, "group": -1}]),
    ],
)
def test_a_plan_that_no_podwright_writes_is_refused(pod: Pod, field: str, rows: list[Any]) -> None:
    pod.sandbox[field] = rows
    answer = pod.start()
    assert answer["status"] == "error"
    assert answer["message"].startswith("sandbox.json: ")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sharedVolumes": [["a", "/none/such", "host"]]}, "open the volume /none/such: No such file or directory"),
        ({"sysctls": [["net/none", "1"]]}, "net/none: No such file or directory"),
        ({"imageVolumes": [["none", ["/"]]]}, "open volumes/none: No such file or directory"),
    ],
)
def test_what_is_not_there_is_told(pod: Pod, fields: dict[str, Any], message: str) -> None:
    pod.sandbox |= fields
    answer = pod.start()
    assert (answer["status"], message in answer["message"]) == ("error", True), answer
