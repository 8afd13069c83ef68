# SPDX-License-Identifier: Apache-2.0
"""Priorities, affinity and memory policies."""

import pytest

from ocispecs import compiled_with, steps_of
from podwright.errors import ManifestError
from podwright.oci.scheduling import affinity, number_list


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (
            "process.scheduler",
            {"policy": "SCHED_FAST"},
            "but must be one of SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH,",
        ),
        ("process.scheduler", {"policy": "SCHED_ISO"}, "Linux has reserved SCHED_ISO but never had it"),
        (
            "process.scheduler",
            {"policy": "SCHED_OTHER", "priority": 1},
            "is for SCHED_FIFO and SCHED_RR; remove it with SCHED_OTHER",
        ),
        (
            "process.scheduler",
            {"policy": "SCHED_RR", "priority": 1, "runtime": 5},
            "runtime, deadline and period are for SCHED_DEADLINE; remove them with",
        ),
        (
            "process.scheduler",
            {"policy": "SCHED_DEADLINE", "runtime": 5, "deadline": 4},
            "SCHED_DEADLINE needs 0 < runtime <= deadline <= period, which 5, 4",
        ),
        (
            "process.scheduler",
            {"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_X"]},
            "but must be one of SCHED_FLAG_RESET_ON_FORK, SCHED_FLAG_RECLAIM,",
        ),
        ("process.execCPUAffinity", {"initial": "x"}, "is 'x', but must be a list of numbers such as 0-3,7"),
        (
            "process.execCPUAffinity",
            {"final": "3-1"},
            "is '3-1', but must be a list of ascending ranges of numbers up to 8191",
        ),
        ("linux.memoryPolicy", {"mode": "MPOL_BIND"}, "linux.memoryPolicy.nodes is missing, and MPOL_BIND needs it"),
        (
            "linux.memoryPolicy",
            {"mode": "MPOL_LOCAL", "nodes": "0"},
            "linux.memoryPolicy.nodes: MPOL_LOCAL takes no nodes; remove them",
        ),
        (
            "linux.memoryPolicy",
            {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"]},
            "MPOL_F_RELATIVE_NODES and MPOL_F_STATIC_NODES exclude each other",
        ),
        (
            "linux.memoryPolicy",
            {"mode": "MPOL_PREFERRED", "nodes": "0", "flags": ["MPOL_F_NUMA_BALANCING"]},
            "MPOL_F_NUMA_BALANCING needs MPOL_BIND, not MPOL_PREFERRED",
        ),
        (
            "linux.memoryPolicy",
            {"mode": "MPOL_PREFERRED", "flags": ["MPOL_F_STATIC_NODES"]},
            "MPOL_F_STATIC_NODES says something about nodes, and there are none",
        ),
        (
            "linux.memoryPolicy",
            {"mode": "MPOL_BIND", "nodes": "1-"},
            "is '1-', but must be a list of numbers such as 0-3,7",
        ),
        (
            "linux.memoryPolicy",
            {"mode": "MPOL_BIND", "nodes": "4096"},
            "but must be a list of ascending ranges of numbers up to 1023",
        ),
    ],
)
def test_what_is_refused(path, value, reason):
    with pytest.raises(ManifestError) as caught:
        compiled_with(path, value)
    assert reason in caught.value.message
    assert caught.value.field in caught.value.message


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [
        ({"policy": "SCHED_OTHER", "nice": -5}, [0, -5, 0, 0, 0, 0, 0]),
        ({"policy": "SCHED_FIFO", "priority": 10}, [1, 0, 10, 0, 0, 0, 0]),
        ({"policy": "SCHED_IDLE", "flags": ["SCHED_FLAG_RESET_ON_FORK"]}, [5, 0, 0, 1, 0, 0, 0]),
        ({"policy": "SCHED_DEADLINE", "runtime": 5, "deadline": 6, "period": 7}, [6, 0, 0, 0, 5, 6, 7]),
        ({"policy": "SCHED_DEADLINE", "runtime": 5, "deadline": 6}, [6, 0, 0, 0, 5, 6, 0]),
    ],
)
def test_schedulers(scheduler, expected):
    assert steps_of(compiled_with("process.scheduler", scheduler), "scheduler") == [["scheduler", *expected]]


def test_io_priorities():
    plan = compiled_with("process.ioPriority", {"class": "IOPRIO_CLASS_BE", "priority": 4})
    assert steps_of(plan, "io_priority") == [["io_priority", 2, 4]]
    plan = compiled_with("process.ioPriority", {"class": "IOPRIO_CLASS_IDLE"})
    assert steps_of(plan, "io_priority") == [["io_priority", 3, 0]]


def test_memory_policies():
    policy = {"mode": "MPOL_BIND", "nodes": "0,2-3", "flags": ["MPOL_F_STATIC_NODES"]}
    plan = compiled_with("linux.memoryPolicy", policy)
    assert steps_of(plan, "memory_policy") == [["memory_policy", 2, 1 << 15, [0, 2, 3]]]
    plan = compiled_with("linux.memoryPolicy", {"mode": "MPOL_PREFERRED"})
    assert steps_of(plan, "memory_policy") == [["memory_policy", 1, 0, []]]


def test_lists_of_numbers():
    assert number_list("", 9, "x") == []
    assert number_list("3, 0-1,1", 9, "x") == [0, 1, 3]
    assert affinity({"execCPUAffinity": {"initial": "0-1, 3"}}, "process") == ["0-1,3", ""]
    for text in ("-", "1--2", "a", "1,,2", "١", "1" * 9):
        with pytest.raises(ManifestError):
            number_list(text, 9, "x")
