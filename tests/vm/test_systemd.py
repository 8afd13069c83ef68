# SPDX-License-Identifier: Apache-2.0
"""Containers in a scope of the guest's systemd (--systemd-cgroup): it knows them, and takes no limit away."""

import json
from typing import Any

import pytest

from containers import Container, eventually
from guest import Guest

MIB = 1 << 20
LIMITS: dict[str, Any] = {
    "memory": {"limit": 64 * MIB, "reservation": 16 * MIB},
    "cpu": {"shares": 2048, "quota": 20_000, "period": 100_000},
    "pids": {"limit": 30},
}
FILES = ("memory.max", "memory.low", "cpu.max", "cpu.weight", "pids.max")


def scope(container: Container, name: str) -> str:
    """Return the content of one of the scope's own files."""
    return container.guest.sh(f"cat /sys/fs/cgroup/system.slice/{container.scope}/{name}")


def shown(container: Container, *names: str) -> dict[str, str]:
    """Return properties of the scope as systemd has them."""
    said = container.guest.sh(f"systemctl show {container.scope} -p {','.join(names)}")
    return dict(line.split("=", 1) for line in said.splitlines())


def test_the_scope_is_a_unit_of_systemd(guest: Guest) -> None:
    with Container(guest, "sleep 1000", LIMITS, manager="systemd") as container:
        assert shown(container, "ActiveState", "Slice", "Delegate", "Transient", "ControlGroup", "Description") == {
            "ActiveState": "active",
            "Slice": "system.slice",
            "Delegate": "yes",
            "Transient": "yes",
            "ControlGroup": f"/system.slice/{container.scope}",
            "Description": f"container {container.name}",
        }
        status = guest.sh(f"systemctl status --no-pager {container.scope}")
        assert "sleep 1000" in status
        assert "placeholder" not in status
        groups = guest.sh(f"find /sys/fs/cgroup/system.slice/{container.scope} -mindepth 1 -type d").split()
        assert groups == [f"/sys/fs/cgroup{container.group}"], "the placeholder's group is gone"
        assert guest.sh("pgrep -x podinit", check=False) == ""
        assert container.exec("cat /proc/self/cgroup") == "0::/"
        assert json.loads(container.order("state"))["status"] == "running"


def test_limits_survive_a_reload(guest: Guest) -> None:
    with Container(guest, "sleep 1000", LIMITS, manager="systemd") as container:
        before = [container.cgroup(name) for name in FILES]
        assert before == [str(64 * MIB), str(16 * MIB), "20000 100000", "174", "30"]
        own = ["memory.low", "cpu.weight", "pids.max"]
        assert [scope(container, name) for name in own] == [str(16 * MIB), "174", "max"]
        guest.sh("systemctl daemon-reload; systemctl daemon-reexec")
        assert [container.cgroup(name) for name in FILES] == before
        assert [scope(container, name) for name in own] == [str(16 * MIB), "174", "max"]
        guest.sh(f"{container.oci} exec {container.name} true")


def test_update_reaches_the_container_and_its_neighbours(guest: Guest) -> None:
    with Container(guest, "sleep 1000", LIMITS, manager="systemd") as container:
        container.order(f"update --memory {96 * MIB} --pids-limit 40 --cpu-share 1024")
        assert container.cgroup("memory.max") == str(96 * MIB)
        assert container.cgroup("pids.max") == "40"
        assert container.cgroup("cpu.max") == "20000 100000"
        assert container.cgroup("cpu.weight") == scope(container, "cpu.weight") == "100"
        guest.sh("systemctl daemon-reload")
        assert container.cgroup("memory.max") == str(96 * MIB)
        assert scope(container, "cpu.weight") == "100"


def test_pause_and_resume(guest: Guest) -> None:
    with Container(guest, "sleep 1000", {}, manager="systemd") as container:
        container.order("pause")
        assert container.count("cgroup.events", "frozen") == 1
        assert json.loads(container.order("state"))["status"] == "paused"
        guest.sh("systemctl daemon-reload")
        container.order("resume")
        assert json.loads(container.order("state"))["status"] == "running"
        container.order("pause")  # and a frozen one can be deleted


def test_the_device_filter_holds(guest: Guest) -> None:
    rules = [{"allow": False, "access": "rwm"}]
    script = "mknod /tmp/disk b 254 0; (exec 3</tmp/disk) || echo refused; echo end; sleep 1000"
    with Container(guest, script, {"devices": rules}, manager="systemd") as container:
        said = eventually(lambda: "end" in container.said() and container.said(), "the script")
        assert "refused" in said


def test_a_container_that_ends_takes_its_scope_along(guest: Guest) -> None:
    with Container(guest, "true", {}, manager="systemd") as container:
        eventually(lambda: shown(container, "LoadState")["LoadState"] == "not-found", "the end of the scope")
        assert json.loads(container.order("state"))["status"] == "stopped"


def test_the_name_is_free_at_once(guest: Guest) -> None:
    with Container(guest, "sleep 1000", {}, manager="systemd") as container:
        for _ in range(3):
            container.order("delete --force")
            assert shown(container, "LoadState")["LoadState"] == "not-found"
            guest.sh(f"cd {container.bundle} && {container.oci} create {container.name} >said 2>&1 </dev/null")


def test_a_slice_of_an_engine_is_the_parent(guest: Guest) -> None:
    path = "machine-libpod_pod.slice:libpod:1"
    with Container(guest, "sleep 1000", {}, manager="systemd", cgroupsPath=path) as container:
        container.scope = "libpod-1.scope"
        container.group = f"/machine.slice/machine-libpod_pod.slice/{container.scope}/container"
        assert shown(container, "Slice")["Slice"] == "machine-libpod_pod.slice"
        assert len(container.cgroup("cgroup.procs").split()) == 1


def test_a_foreign_process_in_the_scope_does_not_keep_it(guest: Guest) -> None:
    with Container(guest, "sleep 1000", {}, manager="systemd") as container:
        other = f"/sys/fs/cgroup/system.slice/{container.scope}/other"
        guest.sh(f"mkdir {other}; sleep 1000 >/dev/null 2>&1 </dev/null & echo $! >{other}/cgroup.procs")
        assert guest.sh(f"cat {other}/cgroup.procs").isdigit()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("a+b.slice:podwright:x", "systemd makes no scope podwright-x.scope"),
        ("system.slice:podwright:a+b", "systemd makes no scope podwright-a+b.scope: Invalid unit name"),
        ("/elsewhere", "must be slice:prefix:name"),
    ],
)
def test_what_systemd_refuses_is_told_and_leaves_nothing(guest: Guest, path: str, said: str) -> None:
    container = Container(guest, "sleep 1000", {}, manager="systemd", cgroupsPath=path)
    with pytest.raises(AssertionError, match=said.replace("+", r"\+")):
        container.__enter__()
    assert guest.sh(f"{container.oci} list --format json") in ("[]", "null")
    assert guest.sh("pgrep -x podinit", check=False) == ""


def test_a_limit_that_cannot_be_enforced_leaves_no_scope(guest: Guest) -> None:
    container = Container(guest, "sleep 1000", {"unified": {"memory.nonsense": "1"}}, manager="systemd")
    with pytest.raises(AssertionError, match=r"this kernel has no memory\.nonsense"):
        container.__enter__()
    assert shown(container, "LoadState")["LoadState"] == "not-found"
    assert guest.sh(f"ls /sys/fs/cgroup/system.slice | grep {container.scope}", check=False) == ""


def test_a_killed_creator_leaves_nothing(guest: Guest) -> None:
    """Killed at different moments of a create, it leaves at most a record, and what delete --force removes."""
    container = Container(guest, "sleep 1000", LIMITS, manager="systemd")
    guest.write(f"{container.bundle}/config.json", json.dumps(container.config).encode())
    moments = " ".join(f"0.{tenths}" for tenths in range(1, 10))
    guest.sh(
        f"""cd {container.bundle}; for moment in {moments} 1.1 1.3 1.5; do
            timeout -s KILL $moment {container.oci} create {container.name} >said 2>&1 </dev/null
            {container.oci} delete --force {container.name} || exit 1
        done""",
        timeout=600,
    )
    gone = f"! pgrep -x podinit && ! ls -d /sys/fs/cgroup/system.slice/{container.scope}"
    eventually(lambda: guest.run(gone).returncode == 0, "the end of the scope")
    assert shown(container, "LoadState")["LoadState"] == "not-found"
