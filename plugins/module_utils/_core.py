# Copyright: (c) 2026, Podwright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options and requests to the core that this collection's modules share. Private to this collection."""

from __future__ import annotations

from typing import Any

DEFAULT_EXECUTABLE = "/opt/podwright/bin/podwright"

EXECUTABLE: dict[str, Any] = {"executable": {"type": "str", "default": DEFAULT_EXECUTABLE}}
WAITING: dict[str, Any] = {
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "int", "default": 120},
    **EXECUTABLE,
}
"""The options that are not about what to run."""


class OptionError(ValueError):
    """An option whose type is right and whose value is not; the text is for the user."""


def kubernetes_name(option: str) -> str:
    """Return the field that an option is: ``image_pull_policy`` is ``imagePullPolicy``."""
    first, *others = option.split("_")
    return first + "".join(word.capitalize() for word in others)


def request(params: dict[str, Any], subject: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """Return the request to ``podwright api`` about a subject (a manifest, or a name) that the params ask for."""
    if params["wait_timeout"] <= 0:
        raise OptionError(f"wait_timeout is {params['wait_timeout']}, but must be a number of seconds above 0")
    if params["state"] == "absent":
        return dict(subject, version=1, action="delete", dry_run=check_mode)
    if check_mode:
        return dict(subject, version=1, action="plan")
    return dict(subject, version=1, action="apply", wait=params["wait"], timeout=params["wait_timeout"])
