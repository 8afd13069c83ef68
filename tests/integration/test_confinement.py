# SPDX-License-Identifier: Apache-2.0
"""What a container may not do: capabilities, seccomp, limits."""

import pytest

from hosttools import Host
from imagetools import make_busybox_image
from podtools import IMAGE, container, eventually, pod, statuses
from podwright.security.capabilities import DEFAULT, mask


@pytest.fixture(scope="module")
def host(module_host: Host, tmp_path_factory):
    layout = tmp_path_factory.mktemp("image") / "layout"
    make_busybox_image(layout)
    module_host.run("import", layout, IMAGE)
    return module_host


def output(host: Host, script: str, **fields) -> list[str]:
    """Run a script as the only container of a pod; return its lines."""
    host.apply(pod("probe", container("sh", script, **fields), restartPolicy="Never"))
    eventually(lambda: "terminated" in statuses(host.pod("probe"))["sh"]["state"], "the script's end")
    lines = host.run("logs", "probe").stdout.splitlines()
    host.delete("probe")
    return lines


def test_proc_self_status_shows_the_default_privileges(host):
    fields = dict(
        line.split(":\t", 1) for line in output(host, "grep -E '^(Cap|Seccomp:|NoNewPrivs)' /proc/self/status")
    )
    default = f"{mask(DEFAULT):016x}"
    assert len(DEFAULT) == 14
    assert fields == {
        "CapInh": "0" * 16,
        "CapPrm": default,
        "CapEff": default,
        "CapBnd": default,
        "CapAmb": "0" * 16,
        "NoNewPrivs": "1",
        "Seccomp": "2",
    }


@pytest.mark.parametrize(
    "command",
    [
        "mount -t tmpfs none /mnt",
        "mount -o remount,rw /sys",
        "umount /proc",
        "reboot -f",
        "insmod /x.ko",
        "swapon /x.ko",
        "hostname other",
        "mknod /x b 8 0 && head -c1 /x",
        "echo 1 > /proc/sys/kernel/panic",
        "echo 1 > /proc/irq/default_smp_affinity",
        "unshare -r true",
        "ip link add x type dummy",
        "chroot / mount -t proc none /tmp",
    ],
)
def test_what_a_container_must_not_do_fails(host, command):
    """By the kernel's refusal: an error for another reason (no module in the file, say) would prove nothing."""
    *said, code = output(host, f"mkdir -p /mnt /tmp; echo module > /x.ko; ({command}) 2>&1; echo code=$?")
    assert code.startswith("code=")
    assert code != "code=0"
    refusals = ("not permitted", "permission denied", "read-only file system")
    assert any(refusal in line.lower() for line in said for refusal in refusals), said


def test_masked_paths_are_empty_and_readonly_paths_are_readonly(host):
    lines = output(
        host, "cat /proc/keys /proc/timer_list | wc -c; ls /sys/firmware | wc -l; echo 1 > /proc/sys/vm/swappiness"
    )
    assert lines[:2] == ["0", "0"]
    assert "Read-only file system" in lines[2]


def test_the_clock_is_the_hosts(host):
    """Busybox' date exits 0 whatever the kernel says, so look at the clock."""
    import time

    assert any("not permitted" in line for line in output(host, "date -s 2001-01-01 2>&1"))
    assert time.time() > 1e9 + 7e8


def test_a_memory_hog_is_killed_and_told_apart(host):
    hog = container("hog", "tail /dev/zero", resources={"limits": {"memory": "32Mi"}})
    hog["command"] = ["/bin/tail", "/dev/zero"]
    host.apply(pod("hog", hog, restartPolicy="Never"))
    state = eventually(lambda: statuses(host.pod("hog"))["hog"]["state"].get("terminated"), "the hog's end")
    assert (state["reason"], state["exitCode"]) == ("OOMKilled", 137)
    assert host.pod("hog")["status"]["phase"] == "Failed"
    host.delete("hog")


def test_a_fork_bomb_stops_at_the_limit(tmp_path):
    """The limit is the pod's (the kubelet's podPidsLimit), from the configuration."""
    host = Host(**{"pods.pids_limit": 40})
    try:
        layout = tmp_path / "layout"
        make_busybox_image(layout)
        host.run("import", layout, IMAGE)
        bomb = "bomb() { bomb | bomb & }; bomb 2>/dev/null; exec sleep 100000"
        host.apply(pod("bomb", container("sh", bomb)))
        uid = host.pod("bomb")["metadata"]["uid"]
        groups = [path for path in host.cgroup_dirs() if path.name == f"pod{uid}" and (path / "pids.max").exists()]
        assert [path.joinpath("pids.max").read_text() for path in groups] == ["40\n"]
        # v1 counts a refusal in the group that forked, v2 in the one that set the limit
        events = [groups[0] / "pids.events", *groups[0].glob("*/pids.events")]
        eventually(lambda: any(int(path.read_text().split()[1]) for path in events), "the kernel to refuse a fork")
        assert int((groups[0] / "pids.current").read_text()) <= 40
        host.delete("bomb")
    finally:
        host.close()


def test_no_descriptor_of_the_host_reaches_the_container(host):
    assert output(host, "ls /proc/self/fd | tr '\\n' ' '")[0].split()[:3] == ["0", "1", "2"]
    links = output(host, "for fd in /proc/1/fd/*; do readlink $fd; done")
    assert [link for link in links if not link.endswith((".out", ".err")) and link != "/dev/null"] == []


def test_the_callers_environment_stays_outside(host, monkeypatch):
    host.env["PODWRIGHT_SECRET"] = "hunter2"
    assert output(host, "env | grep -c hunter2; tr '\\0' '\\n' < /proc/1/environ | grep -c hunter2; true") == ["0", "0"]
