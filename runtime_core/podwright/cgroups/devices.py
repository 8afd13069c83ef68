# SPDX-License-Identifier: Apache-2.0
"""Which devices a container may touch, as data: cgroup v1 takes it as text, v2 as a BPF program."""

from typing import NamedTuple


class DeviceRule(NamedTuple):
    """Allow ``access`` (of "rwm") to devices of kind ``c`` or ``b``; None is any number."""

    kind: str
    major: int | None
    minor: int | None
    access: str

    def __str__(self) -> str:
        major, minor = ("*" if number is None else number for number in (self.major, self.minor))
        return f"{self.kind} {major}:{minor} {self.access}"


# A node may be made freely: it opens nothing. Otherwise the devices of the OCI runtime specification
# (config-linux.md, "Default Devices"). Node 5:1 is not among them though /dev/console is: a container's console is a
# pseudoterminal (136), while 5:1 is the host's own console, and a container with CAP_MKNOD could make it.
DEFAULT_RULES = (
    DeviceRule("c", None, None, "m"),
    DeviceRule("b", None, None, "m"),
    DeviceRule("c", 1, 3, "rwm"),  # null
    DeviceRule("c", 1, 5, "rwm"),  # zero
    DeviceRule("c", 1, 7, "rwm"),  # full
    DeviceRule("c", 1, 8, "rwm"),  # random
    DeviceRule("c", 1, 9, "rwm"),  # urandom
    DeviceRule("c", 5, 0, "rwm"),  # tty
    DeviceRule("c", 5, 2, "rwm"),  # ptmx
    DeviceRule("c", 136, None, "rwm"),  # pts/*
)
