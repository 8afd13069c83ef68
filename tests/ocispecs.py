# SPDX-License-Identifier: Apache-2.0
"""Bundles for tests: a configuration that is right, and changes to it."""

import copy
from typing import Any

from podwright.oci.bundle import Bundle
from podwright.oci.default_spec import default_spec
from podwright.oci.plan import compile_bundle
from podwright.oci.schema import check_config

V1 = [
    ("/sys/fs/cgroup/cpu,cpuacct", ["cpu", "cpuacct"], "/sys/fs/cgroup/cpu,cpuacct/c1"),
    ("/sys/fs/cgroup/systemd", ["name=systemd"], "/sys/fs/cgroup/systemd/c1"),
]
UNIFIED = [("/sys/fs/cgroup", [], "/sys/fs/cgroup/c1")]

# Every member that a plan carries out, on any host.
FULL = default_spec(rootless=True)
FULL["process"] |= {
    "consoleSize": {"height": 1, "width": 2},
    "oomScoreAdj": 5,
    "scheduler": {"policy": "SCHED_FIFO", "priority": 1, "flags": ["SCHED_FLAG_RESET_ON_FORK"]},
    "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 1},
    "execCPUAffinity": {"initial": "0-1", "final": "1"},
}
FULL |= {
    "domainname": "x",
    "annotations": {"a": "b"},
    "hooks": {"prestart": [{"path": "/x", "args": ["x"], "env": ["A=b"], "timeout": 1}]},
}
FULL["mounts"] += [
    {"destination": "/x", "type": "bind", "source": "y", "options": ["rbind", "rro", "idmap", "noatime"]},
    {"destination": "/z", "type": "tmpfs", "options": ["size=1k", "tmpcopyup", "ro"]},
]
FULL["linux"]["namespaces"] += [{"type": "network"}, {"type": "time"}]
FULL["linux"] |= {
    "timeOffsets": {"monotonic": {"secs": 1}},
    "devices": [{"type": "c", "path": "/dev/x", "major": 1, "minor": 2, "fileMode": 3, "uid": 0, "gid": 0}],
    "netDevices": {"eth1": {"name": "x"}},
    "sysctl": {"net.ipv4.ip_forward": "1"},
    "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]},
    "personality": {"domain": "LINUX"},
    "rootfsPropagation": "slave",
    "resources": {"memory": {"limit": 1}, "devices": [{"allow": True, "type": "c", "access": "r"}]},
}


class Filter:
    path, flags, listener_path, listener_metadata = "/filters/1.bpf", 2, "/run/agent.sock", "who"


def changed(spec: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy with one member set; its parents are made. A path has dots, and numbers for lists."""
    result = copy.deepcopy(spec)
    *way, last = path.split(".")
    parent: Any = result
    for key in way:
        parent = parent[int(key)] if isinstance(parent, list) else parent.setdefault(key, {})
    if isinstance(parent, list):
        parent[int(last)] = value
    else:
        parent[last] = value
    return result


def compiled(spec: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    """Check and compile a configuration as that of container c1 in /bundle."""
    check_config(spec)
    bundle = Bundle("/bundle", "/bundle/rootfs", spec, b"")
    return compile_bundle(bundle, **{"container_id": "c1", "cgroups": [], "hierarchies": UNIFIED, **arguments})


def compiled_with(path: str, value: Any, **arguments: Any) -> dict[str, Any]:
    """Compile the default configuration with one member changed."""
    return compiled(changed(default_spec(), path, value), **arguments)


def steps_of(plan: dict[str, Any], kind: str) -> list[list[Any]]:
    return [step for step in plan["steps"] if step[0] == kind]


def last_mount(mount: dict[str, Any], **arguments: Any) -> list[Any]:
    """Return the step of one mount that is added to the default ones."""
    spec = default_spec()
    spec["mounts"].append(mount)
    return [step for step in compiled(spec, **arguments)["steps"] if step[0] in ("mount", "bind")][-1]
