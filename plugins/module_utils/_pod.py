# Copyright: (c) 2026, Podwright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of the module pod, and the request that they become. Private to this collection."""

from __future__ import annotations

from typing import Any

from ansible_collections.podwright.runtime.plugins.module_utils import _core

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "definition": {"type": "dict"},
        "src": {"type": "path"},
        "remote_src": {"type": "bool", "default": False},
        "name": {"type": "str"},
        "namespace": {"type": "str"},
        "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
        **_core.WAITING,
    },
    "mutually_exclusive": [("definition", "src", "name")],
    "required_one_of": [("definition", "src", "name")],
    "required_if": [("state", "present", ("definition", "src"), True)],
    "required_by": {"namespace": "name"},
}


def unreadable(path: str, error: OSError | UnicodeError) -> str:
    """Return the sentence about a manifest that cannot be read."""
    reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
    return f"cannot read the manifest {path}: {reason}"


def request(params: dict[str, Any], text: str | None, *, check_mode: bool) -> dict[str, Any]:
    """Return the request to ``podwright api`` that the validated params ask for.

    text is the content of the file that the option src names, or None. Raises OptionError.
    """
    if params["name"] == "":
        raise _core.OptionError("name is empty, but must be the name of a pod")
    if text is not None:
        subject: dict[str, Any] = {"text": text}
    elif params["definition"] is not None:
        subject = {"manifest": params["definition"]}
    else:
        subject = {"name": params["name"], "namespace": params["namespace"] or "default"}
    return _core.request(params, subject, check_mode=check_mode)
