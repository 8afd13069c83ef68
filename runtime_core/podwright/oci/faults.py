# SPDX-License-Identifier: Apache-2.0
"""What podinit says of a step of the plan, in the words of the configuration: its reader never saw the plan."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

# The member that a kind of step comes from, and which of the step's words tells it from its like (0: there is one).
_FIELDS = {
    "rootfs": ("root.path", 0),
    "mount": ("mounts", 3),
    "bind": ("mounts", 2),
    "attributes": ("mounts", 1),
    "device": ("linux.devices", 2),
    "symlink": ("linux.devices", 2),
    "propagation": ("linux.rootfsPropagation", 0),
    "root_propagation": ("linux.rootfsPropagation", 0),
    "hostname": ("hostname", 0),
    "domainname": ("domainname", 0),
    "sysctl": ("linux.sysctl", 1),
    "readonly_path": ("linux.readonlyPaths", 1),
    "mask_path": ("linux.maskedPaths", 1),
    "root_readonly": ("root.readonly", 0),
    "memory_policy": ("linux.memoryPolicy", 0),
    "personality": ("linux.personality", 0),
    "apparmor": ("process.apparmorProfile", 0),
    "selinux": ("process.selinuxLabel", 0),
    "rlimit": ("process.rlimits", 1),
    "oom_score_adj": ("process.oomScoreAdj", 0),
    "scheduler": ("process.scheduler", 0),
    "io_priority": ("process.ioPriority", 0),
    "capabilities": ("process.capabilities", 0),
    "user": ("process.user", 0),
    "seccomp": ("linux.seccomp", 0),
}


def explained(message: str, steps: Sequence[Sequence[Any]]) -> str:
    """Return ``step 18 mount: why`` as ``mounts (/tmp): why``, and any other message as it is."""
    head, _, reason = message.partition(": ")
    word, _, rest = head.partition(" ")
    number, _, kind = rest.partition(" ")
    if word != "step" or kind not in _FIELDS or not (number.isascii() and number.isdigit()):
        return message
    if int(number) >= len(steps) or steps[int(number)][0] != kind:
        return message
    field, position = _FIELDS[kind]
    subject = f" ({steps[int(number)][position]})" if position else ""
    return f"{field}{subject}: {reason}"
