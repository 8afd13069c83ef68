# SPDX-License-Identifier: Apache-2.0
"""Each limit of a bundle is in the guest's cgroup files, and the guest's kernel holds the container to it."""

import json
from typing import Any

from containers import Container, eventually
from guest import Guest

MIB = 1 << 20
SPIN = "while :; do :; done"
COUNT = "i=0; while :; do i=$((i+1)); echo $i >/tmp/new; mv /tmp/new /tmp/count; done"


def test_memory_limit_kills(guest: Guest) -> None:
    script = "dd if=/dev/zero of=/dev/null bs=64M count=1; echo ended with $?; sleep 1000"
    with Container(guest, script, {"memory": {"limit": 32 * MIB}}) as container:
        assert container.cgroup("memory.max") == str(32 * MIB)
        eventually(lambda: "ended with 137" in container.said(), "the end of dd")
        assert container.count("memory.events", "oom_kill") >= 1


def test_memory_and_swap_limit(guest: Guest) -> None:
    with Container(guest, "sleep 1000", {"memory": {"limit": 32 * MIB, "swap": 48 * MIB}}) as container:
        assert container.cgroup("memory.swap.max") == str(16 * MIB)


def test_memory_reservation(guest: Guest) -> None:
    with Container(guest, "sleep 1000", {"memory": {"reservation": 8 * MIB}}) as container:
        assert container.cgroup("memory.low") == str(8 * MIB)


def test_unified_memory_high_slows(guest: Guest) -> None:
    script = "dd if=/dev/zero of=/dev/null bs=48M count=1"
    with Container(guest, script, {"unified": {"memory.high": str(16 * MIB)}}) as container:
        assert container.cgroup("memory.high") == str(16 * MIB)
        eventually(lambda: container.count("memory.events", "high") > 0, "the kernel to reclaim")


def test_cpu_quota_throttles(guest: Guest) -> None:
    with Container(guest, SPIN, {"cpu": {"quota": 10_000, "period": 50_000}}) as container:
        assert container.cgroup("cpu.max") == "10000 50000"
        eventually(lambda: container.count("cpu.stat", "nr_throttled") > 3, "throttled periods")


def test_cpu_weight_shares_a_processor(guest: Guest) -> None:
    def resources(weight: str) -> dict[str, Any]:
        return {"cpu": {"cpus": "1", "mems": "0"}, "unified": {"cpu.weight": weight}}

    with Container(guest, SPIN, resources("50")) as light, Container(guest, SPIN, resources("1000")) as heavy:
        assert heavy.cgroup("cpu.weight") == "1000"
        assert heavy.cgroup("cpuset.cpus") == "1"
        before = light.count("cpu.stat", "usage_usec"), heavy.count("cpu.stat", "usage_usec")
        eventually(lambda: heavy.count("cpu.stat", "usage_usec") - before[1] > 5_000_000, "five seconds of CPU time")
        used = light.count("cpu.stat", "usage_usec") - before[0]
        assert used < 2_500_000, "a twentieth of the weight does not get half of the time"


def test_cpu_shares_become_a_weight(guest: Guest) -> None:
    with Container(guest, "sleep 1000", {"cpu": {"shares": 4096}}) as more:
        assert int(more.cgroup("cpu.weight")) > 100


def test_pids_limit_stops_a_fork_bomb(guest: Guest) -> None:
    with Container(guest, "bomb() { bomb | bomb & }; bomb; sleep 1000", {"pids": {"limit": 20}}) as container:
        assert container.cgroup("pids.max") == "20"
        eventually(lambda: container.count("pids.events", "max") > 0, "a refused fork")
        assert int(container.cgroup("pids.current")) <= 20


def test_io_limit_throttles_a_device(guest: Guest) -> None:
    major, minor = (int(number) for number in guest.sh("stat -c '%Hr %Lr' /dev/vda").split())
    disk = {"type": "b", "major": major, "minor": minor}
    resources = {
        "devices": [{"allow": False, "access": "rwm"}, {"allow": True, "access": "r", **disk}],
        "blockIO": {"throttleReadBpsDevice": [{"major": major, "minor": minor, "rate": MIB}]},
    }
    read = "dd if=/dev/disk of=/dev/null bs=256k count=20 iflag=direct"
    script = f"a=$(cut -d. -f1 /proc/uptime); {read}; echo took $(($(cut -d. -f1 /proc/uptime)-a)) s; sleep 1000"
    with Container(guest, script, resources, devices=[{"path": "/dev/disk", **disk}]) as container:
        assert container.cgroup("io.max") == f"{major}:{minor} rbps={MIB} wbps=max riops=max wiops=max"
        said = eventually(lambda: "took" in container.said() and container.said(), "the end of dd")
        assert "20+0 records in" in said
        assert int(said.partition("took ")[2].split()[0]) >= 3, "five times what a second allows"


def test_update_changes_limits(guest: Guest) -> None:
    first = {"memory": {"limit": 32 * MIB}, "pids": {"limit": 20}, "cpu": {"quota": 10_000, "period": 50_000}}
    with Container(guest, "sleep 1000", first) as container:
        container.order(f"update --memory {64 * MIB} --pids-limit 30")
        assert container.cgroup("memory.max") == str(64 * MIB)
        assert container.cgroup("pids.max") == "30"
        assert container.cgroup("cpu.max") == "10000 50000"
        document = json.dumps({"cpu": {"quota": 20_000, "period": 100_000}, "unified": {"memory.high": str(MIB * 48)}})
        guest.sh(f"echo '{document}' | {container.oci} update --resources - {container.name}")
        assert container.cgroup("cpu.max") == "20000 100000"
        assert container.cgroup("memory.high") == str(48 * MIB)
        assert container.cgroup("memory.max") == str(64 * MIB)


def test_pause_freezes_until_resume(guest: Guest) -> None:
    with Container(guest, COUNT, {}) as container:
        count = f"cat /proc/$(head -1 /sys/fs/cgroup{container.group}/cgroup.procs)/root/tmp/count"
        eventually(lambda: guest.sh(count, check=False).isdigit(), "the first count")
        container.order("pause")
        assert container.count("cgroup.events", "frozen") == 1
        assert json.loads(container.order("state"))["status"] == "paused"
        first, second = guest.sh(f"{count}; sleep 2; {count}").split()
        assert first == second
        container.order("resume")
        assert container.count("cgroup.events", "frozen") == 0
        eventually(lambda: int(guest.sh(count)) > int(second), "progress")


def test_paused_container_can_be_deleted(guest: Guest) -> None:
    with Container(guest, SPIN, {}) as container:
        container.order("pause")


def test_device_filter(guest: Guest) -> None:
    disk, random = _device(guest, "/dev/vda"), _device(guest, "/dev/hwrng")
    script = """
        try() { "$@" && echo yes || echo no; }
        try sh -c 'echo x >/dev/null'
        try sh -c 'exec 3</dev/disk'
        try sh -c 'exec 3>/dev/disk'
        try sh -c 'exec 3</dev/random-source'
        mknod /tmp/random-source c $1 && try sh -c 'exec 3</tmp/random-source'
        echo end; sleep 1000
    """.replace("$1", f"{random['major']} {random['minor']}")
    nodes = [{"path": "/dev/disk", **disk}, {"path": "/dev/random-source", **random}]
    rules = [{"allow": False, "access": "rwm"}, {"allow": True, "access": "r", **disk}]
    everything = [{"allow": True, "access": "rwm"}]
    for devices, expected in ((rules, ["yes", "yes", "no", "no", "no"]), (everything, ["yes"] * 5)):
        with Container(guest, script, {"devices": devices}, devices=nodes) as container:
            said = eventually(lambda c=container: "end" in c.said() and c.said(), "the script")
            assert [line for line in said.splitlines() if line in ("yes", "no")] == expected, said
            assert said.count("Operation not permitted") == expected.count("no")
            word = "no" if devices is rules else "yes"
            assert container.exec("(exec 3</dev/random-source) 2>/dev/null && echo yes || echo no") == word


def test_exec_is_in_the_same_cgroup(guest: Guest) -> None:
    with Container(guest, "sleep 1000", {}) as container:
        guest.sh(f"{container.oci} exec --detach {container.name} sleep 1000 </dev/null >/dev/null 2>&1")
        assert len(container.cgroup("cgroup.procs").split()) == 2
        assert container.exec("cat /proc/self/cgroup") == "0::/", "the root of the container's cgroup namespace"


def _device(guest: Guest, path: str) -> dict[str, Any]:
    """Return the kind and the numbers of a device of the guest."""
    kind, major, minor = guest.sh(f"stat -c '%F %Hr %Lr' {path} | sed 's/ special file//'").split()
    return {"type": kind[0], "major": int(major), "minor": int(minor)}
