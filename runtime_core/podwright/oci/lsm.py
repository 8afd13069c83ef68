# SPDX-License-Identifier: Apache-2.0
"""Profiles and labels of security modules: one that is asked for, and that the host cannot apply, is an error."""

from __future__ import annotations

import os

from podwright.errors import ManifestError

APPARMOR = "/sys/module/apparmor/parameters/enabled"
SELINUX = "/sys/fs/selinux/enforce"


def apparmor_profile(name: str, field: str) -> str:
    """Return the profile to apply, "" for none."""
    if not name or (name == "unconfined" and not has_apparmor()):
        return ""
    if not has_apparmor():
        raise ManifestError(
            f"{field} is {name!r}, but this host has no AppArmor; enable it, or remove the profile",
            field=field,
            value=name,
        )
    return name


def selinux_label(label: str, field: str) -> str:
    """Return the label to apply, "" for none."""
    if label and not has_selinux():
        raise ManifestError(
            f"{field} is {label!r}, but this host has no SELinux; enable it, or remove the label",
            field=field,
            value=label,
        )
    return label


def has_apparmor() -> bool:
    """Tell whether the kernel runs AppArmor."""
    try:
        with open(APPARMOR, "rb") as file:
            return file.read(1) == b"Y"
    except OSError:
        return False


def has_selinux() -> bool:
    """Tell whether SELinux is there and mounted."""
    return os.path.exists(SELINUX)
