# SPDX-License-Identifier: Apache-2.0
"""Which devices a container may touch, as data: cgroup v1 takes it as text, v2 as a BPF program.

Rules stand in an order, and for each of read, write and mknod the last one that matches a device decides; what no rule
matches is denied.
"""

from __future__ import annotations

from podwright.errors import HostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Key = tuple[str, int | None, int | None]

FIELD = "linux.resources.devices"


class DeviceRule:
    """Allow or deny ``access`` (of "rwm") to devices of kind ``c``, ``b`` or ``a`` (both); None is any number."""

    __slots__ = ("access", "allow", "kind", "major", "minor")

    def __init__(self, kind: str, major: int | None, minor: int | None, access: str, *, allow: bool = True) -> None:
        self.kind = kind
        self.major = major
        self.minor = minor
        self.access = access
        self.allow = allow

    def __str__(self) -> str:
        return _text((self.kind, self.major, self.minor), self.access)

    @property
    def everything(self) -> bool:
        """Tell whether this rule decides alone, whatever stands before it."""
        return self.kind == "a" and self.major is None and self.minor is None and set(self.access) == {"r", "w", "m"}


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


def container_rules(devices: Sequence[Mapping[str, Any]]) -> list[DeviceRule]:
    """Return OCI's list (checked before), and after it the default devices, which no configuration takes away."""
    rules = []
    for device in devices:
        major, minor = (
            None if number in (None, -1) else number for number in (device.get("major"), device.get("minor"))
        )
        rules.append(
            DeviceRule(device.get("type") or "a", major, minor, device.get("access") or "rwm", allow=device["allow"])
        )
    return [*rules, *DEFAULT_RULES]


def decisive(rules: Sequence[DeviceRule]) -> Sequence[DeviceRule]:
    """Return the rules from the last one on that decides about everything."""
    for index in range(len(rules) - 1, -1, -1):
        if rules[index].everything:
            return rules[index:]
    return rules


def all_allowed(rules: Sequence[DeviceRule]) -> bool:
    """Tell whether nothing at all is denied."""
    rest = decisive(rules)
    return bool(rest) and rest[0].everything and all(rule.allow for rule in rest)


def v1_list(rules: Sequence[DeviceRule]) -> tuple[bool, list[str]]:
    """Return what cgroup v1 shall hold: whether it allows by default, and the exceptions to that as text.

    The kernel removes an exception only as it was added, so v1 cannot hold "all but this one" inside of an exception.
    Raises HostError for such rules, since a rule without effect would be worse.
    """
    default = False
    exceptions: dict[Key, str] = {}
    for rule in decisive(rules):
        if rule.everything:
            default = rule.allow
            continue
        for kind in ("b", "c") if rule.kind == "a" else (rule.kind,):
            key = (kind, rule.major, rule.minor)
            if rule.allow != default:
                exceptions[key] = _merged(exceptions.get(key, "") + rule.access)
            else:
                _withdraw(exceptions, key, rule)
    return default, [_text(key, access) for key, access in exceptions.items()]


def _withdraw(exceptions: dict[Key, str], key: Key, rule: DeviceRule) -> None:
    for other, access in list(exceptions.items()):
        meet = other[0] == key[0] and all(
            ours is None or theirs is None or ours == theirs for ours, theirs in zip(key[1:], other[1:], strict=True)
        )
        if not meet or not set(access) & set(rule.access):
            continue
        if any(ours is not None and theirs is None for ours, theirs in zip(key[1:], other[1:], strict=True)):
            verbs = ("allow", "denied") if rule.allow else ("deny", "allowed")
            raise HostError(
                f"{FIELD} cannot {verbs[0]} {_text(key, rule.access)} while {_text(other, access)} is {verbs[1]} as a"
                " whole: cgroup v1 has no such exceptions, list the single devices instead",
                field=FIELD,
            )
        rest = "".join(letter for letter in access if letter not in rule.access)
        if rest:
            exceptions[other] = rest
        else:
            del exceptions[other]


def _merged(access: str) -> str:
    return "".join(letter for letter in "rwm" if letter in access)


def _text(key: Key, access: str) -> str:
    major, minor = ("*" if number is None else number for number in key[1:])
    return f"{key[0]} {major}:{minor} {access}"
