# SPDX-License-Identifier: Apache-2.0
"""What others break of a running pod: the plan names it, and an apply mends just that."""

import subprocess

import pytest

from hosttools import Host
from imagetools import make_busybox_image
from podtools import IMAGE, container, pod, statuses

LIMITS = {"limits": {"memory": "64Mi", "cpu": "500m"}}
MANIFEST = pod("web", container("a", "sleep 100000", resources=LIMITS), container("b", "sleep 100000"))


@pytest.fixture
def host(host: Host, tmp_path):
    make_busybox_image(tmp_path / "layout")
    host.run("import", tmp_path / "layout", IMAGE)
    host.apply(MANIFEST, "--wait")
    return host


def ids(host: Host) -> dict[str, str]:
    return {name: item["containerID"] for name, item in statuses(host.pod("web")).items()}


def test_a_limit_that_others_changed_is_set_again_without_a_restart(host):
    before = ids(host)
    uid = host.pod("web")["metadata"]["uid"]
    (limit,) = (path / "pids.max" for path in host.cgroup_dirs() if path.name == f"pod{uid}" and "pids" in str(path))
    wanted = limit.read_text()
    limit.write_text("7")
    plan = host.apply(MANIFEST, "--dry-run").stdout
    assert "configured (dry run)" in plan
    assert "pids.max" in plan
    assert limit.read_text() == "7\n", "a dry run changed something"
    assert "configured" in host.apply(MANIFEST).stdout
    assert limit.read_text() == wanted
    assert ids(host) == before
    assert "unchanged" in host.apply(MANIFEST).stdout


def test_a_deleted_interface_is_named_and_the_pod_repaired(host):
    before = host.pod("web")
    links = subprocess.run(
        ["ip", "-o", "link", "show", "master", host.bridge], capture_output=True, text=True, check=True
    )
    interface = links.stdout.split(": ")[1].split("@")[0]
    subprocess.run(["ip", "link", "delete", interface], check=True)
    plan = host.apply(MANIFEST, "--dry-run").stdout
    assert "repaired (dry run)" in plan
    assert interface in plan
    assert "repaired" in host.apply(MANIFEST, "--wait").stdout
    after = host.pod("web")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["status"]["podIP"] == before["status"]["podIP"]
    assert "unchanged" in host.apply(MANIFEST).stdout


def test_a_limit_that_is_edited_changes_in_place(host):
    before = ids(host)
    edited = pod("web", container("a", "sleep 100000", resources={"limits": {"memory": "96Mi", "cpu": "500m"}}),
                 container("b", "sleep 100000"))  # fmt: skip
    assert "in-place" in host.apply(edited, "--dry-run").stdout
    host.apply(edited)
    assert ids(host) == before
    sizes = {path.read_text() for top in host.cgroup_dirs() for path in top.glob("memory.limit_in_bytes")} | {
        path.read_text() for top in host.cgroup_dirs() for path in top.glob("memory.max")
    }
    assert f"{96 << 20}\n" in sizes
