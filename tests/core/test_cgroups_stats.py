# SPDX-License-Identifier: Apache-2.0
"""What a container used, in runc's form, from the files of v1 and v2."""

import pytest

from podwright.cgroups.cgroupfs import Cgroupfs
from podwright.cgroups.stats import stats
from podwright.cgroups.v1 import V1Hierarchy
from podwright.cgroups.v2 import V2Hierarchy

MAX = (1 << 64) - 1
V1 = {
    "cpu.stat": "nr_periods 10\nnr_throttled 4\nthrottled_time 5000",
    "cpuacct.usage": "900",
    "cpuacct.usage_percpu": "400 500",
    "cpuacct.stat": "user 3\nsystem 2",
    "memory.stat": "cache 7\nrss 8",
    "memory.limit_in_bytes": "4096",
    "memory.usage_in_bytes": "1024",
    "memory.max_usage_in_bytes": "2048",
    "memory.failcnt": "1",
    "pids.current": "2",
    "pids.max": "max",
    "blkio.bfq.io_serviced_recursive": "Total 0",
    "blkio.throttle.io_serviced_recursive": "8:0 Read 5\n8:0 Write 6\nTotal 11",
    "cpuset.effective_cpus": "0-2,5",
    "cpuset.effective_mems": "0",
    "cpuset.cpu_exclusive": "1",
    "cpuset.sched_relax_domain_level": "-1",
    "hugetlb.2MB.usage_in_bytes": "10",
    "hugetlb.2MB.max_usage_in_bytes": "20",
    "hugetlb.2MB.failcnt": "3",
    "hugetlb.2MB.rsvd.usage_in_bytes": "30",
}
V2 = {
    "cpu.stat": "usage_usec 9\nuser_usec 6\nsystem_usec 3\nnr_periods 10\nnr_throttled 4\nthrottled_usec 5",
    "cpu.pressure": "some avg10=0.50 avg60=0.00 avg300=0.00 total=77",
    "memory.stat": "anon 8\nfile 7\nkernel 5\nsock 1",
    "memory.current": "1024",
    "memory.max": "4096",
    "memory.peak": "2048",
    "memory.swap.current": "100",
    "memory.swap.max": "max",
    "memory.events": "low 0\nmax 6\noom_kill 0",
    "pids.current": "2",
    "pids.max": "9",
    "io.stat": "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0 cost.usage=1",
    "cpuset.cpus.effective": "0-1",
    "cpuset.mems.effective": "0",
    "hugetlb.2MB.current": "10",
    "hugetlb.2MB.events": "max 3",
    "hugetlb.2MB.rsvd.current": "30",
}
CONTROLLERS = frozenset({"cpu", "cpuacct", "memory", "pids", "blkio", "io", "cpuset", "hugetlb"})


def of(kind, tmp_path, files):
    (tmp_path / "c1").mkdir()
    for name, text in files.items():
        (tmp_path / "c1" / name).write_text(text + "\n")
    return stats([(kind(str(tmp_path), "", CONTROLLERS, Cgroupfs()), "c1")])


def test_v1(tmp_path):
    found = of(V1Hierarchy, tmp_path, V1)
    assert found["cpu"] == {
        "usage": {"total": 900, "percpu": [400, 500], "user": 30_000_000, "kernel": 20_000_000},
        "throttling": {"periods": 10, "throttledPeriods": 4, "throttledTime": 5000},
    }
    memory = found["memory"]
    assert (memory["cache"], memory["raw"]) == (7, {"cache": 7, "rss": 8})
    assert memory["usage"] == {"limit": 4096, "usage": 1024, "max": 2048, "failcnt": 1}
    assert found["pids"] == {"current": 2, "limit": 0}
    assert found["blkio"]["ioServicedRecursive"] == [
        {"major": 8, "minor": 0, "op": "Read", "value": 5},
        {"major": 8, "minor": 0, "op": "Write", "value": 6},
    ]
    assert found["cpuset"]["cpus"] == [0, 1, 2, 5]
    assert (found["cpuset"]["cpu_exclusive"], found["cpuset"]["sched_relax_domain_level"]) == (1, -1)
    assert found["hugetlb"] == {"2MB": {"usage": 10, "max": 20, "failcnt": 3}}


def test_v2(tmp_path):
    found = of(V2Hierarchy, tmp_path, V2)
    assert found["cpu"] == {
        "usage": {"total": 9000, "user": 6000, "kernel": 3000},
        "throttling": {"periods": 10, "throttledPeriods": 4, "throttledTime": 5000},
        "psi": {"some": {"avg10": 0.5, "avg60": 0.0, "avg300": 0.0, "total": 77}},
    }
    assert found["memory"]["usage"] == {"limit": 4096, "usage": 1024, "max": 2048, "failcnt": 6}
    assert found["memory"]["swap"] == {"limit": MAX, "usage": 1124, "failcnt": 0}
    assert found["memory"]["cache"] == 7
    assert found["pids"] == {"current": 2, "limit": 9}
    assert {"major": 8, "minor": 0, "op": "Write", "value": 2} in found["blkio"]["ioServiceBytesRecursive"]
    assert {"major": 8, "minor": 0, "op": "Read", "value": 3} in found["blkio"]["ioServicedRecursive"]
    assert found["cpuset"] == {"cpus": [0, 1], "mems": [0]}
    assert found["hugetlb"] == {"2MB": {"usage": 10, "max": 0, "failcnt": 3}}


@pytest.mark.parametrize("kind", [V1Hierarchy, V2Hierarchy])
def test_a_group_that_is_gone_used_nothing(kind, tmp_path):
    found = of(kind, tmp_path, {})
    assert found["cpu"]["usage"]["total"] == 0
    assert found["pids"] == {"current": 0, "limit": 0}
    assert stats([])["memory"] == {}
