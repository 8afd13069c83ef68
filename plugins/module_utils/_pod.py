# Copyright: (c) 2026, Podwright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of the module pod, and the request that they become. Private to this collection."""

from __future__ import annotations

from typing import Any

DEFAULT_EXECUTABLE = "/opt/podwright/bin/podwright"

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "definition": {"type": "dict"},
        "src": {"type": "path"},
        "remote_src": {"type": "bool", "default": False},
        "name": {"type": "str"},
        "namespace": {"type": "str"},
        "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
        "wait": {"type": "bool", "default": True},
        "wait_timeout": {"type": "int", "default": 120},
        "executable": {"type": "str", "default": DEFAULT_EXECUTABLE},
    },
    "mutually_exclusive": [("definition", "src", "name")],
    "required_one_of": [("definition", "src", "name")],
    "required_if": [("state", "present", ("definition", "src"), True)],
    "required_by": {"namespace": "name"},
}


class OptionError(ValueError):
    """An option whose type is right and whose value is not; the text is for the user."""


def unreadable(path: str, error: OSError | UnicodeError) -> str:
    """Return the sentence about a manifest that cannot be read."""
    reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
    return f"cannot read the manifest {path}: {reason}"


def request(params: dict[str, Any], text: str | None, *, check_mode: bool) -> dict[str, Any]:
    """Return the request to ``podwright api`` that the validated params ask for.

    text is the content of the file that the option src names, or None. Raises OptionError.
    """
    if params["wait_timeout"] <= 0:
        raise OptionError(f"wait_timeout is {params['wait_timeout']}, but must be a number of seconds above 0")
    if params["name"] == "":
        raise OptionError("name is empty, but must be the name of a pod")
    if text is not None:
        subject: dict[str, Any] = {"text": text}
    elif params["definition"] is not None:
        subject = {"manifest": params["definition"]}
    else:
        subject = {"name": params["name"], "namespace": params["namespace"] or "default"}
    if params["state"] == "absent":
        return dict(subject, version=1, action="delete", dry_run=check_mode)
    if check_mode:
        return dict(subject, version=1, action="plan")
    return dict(subject, version=1, action="apply", wait=params["wait"], timeout=params["wait_timeout"])
