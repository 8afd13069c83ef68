# SPDX-License-Identifier: Apache-2.0
"""Which containers the kernel kills first when the host runs out of memory (proc_pid_oom_score_adj(5))."""

import os

_GUARANTEED = -997
_BEST_EFFORT = 1000
_CAP_SYS_RESOURCE = 24


def oom_score_adj(qos_class: str, memory_request: int, node_memory: int) -> int:
    """Return the adjustment that the kubelet gives a container (pkg/kubelet/qos/policy.go); sizes in bytes.

    The more of the host's memory a Burstable container has asked for, the later its turn comes.
    """
    if qos_class == "Guaranteed":
        return _GUARANTEED
    if qos_class == "BestEffort":
        return _BEST_EFFORT
    return min(999, max(3, 1000 - 1000 * memory_request // node_memory))


def allowed_oom_score_adj(wanted: int, proc: str = "/proc/self") -> int:
    """Return the adjustment nearest to ``wanted`` that this process may give its children.

    Going below one's own takes CAP_SYS_RESOURCE, which containers, and some hosts, withhold even from root; there the
    order among pods stays, and all of them are as likely to be killed as podwright's caller (containerd does the same).
    """
    with open(f"{proc}/oom_score_adj", "rb") as file:
        own = int(file.read())
    if wanted >= own:
        return wanted
    with open(f"{proc}/status", "rb") as file:
        effective = next(line for line in file if line.startswith(b"CapEff:"))
    return wanted if int(effective.split()[1], 16) >> _CAP_SYS_RESOURCE & 1 else own


def host_memory() -> int:
    """Return the host's memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
