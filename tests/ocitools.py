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
