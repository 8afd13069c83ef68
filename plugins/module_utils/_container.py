# Copyright: (c) 2026, Podwright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of the module container, and the request that they become. Private to this collection."""

from __future__ import annotations

from typing import Any

from ansible_collections.podwright.runtime.plugins.module_utils import _core

_DICTS = {"type": "list", "elements": "dict"}
_WORDS = {"type": "list", "elements": "str"}
FIELDS: dict[str, dict[str, Any]] = {
    "namespace": {"type": "str"},
    "labels": {"type": "dict"},
    "annotations": {"type": "dict"},
    "image": {"type": "str"},
    "rootfs": {"type": "str"},
    "image_pull_policy": {"type": "str", "choices": ["Always", "IfNotPresent", "Never"]},
    "command": _WORDS,
    "args": _WORDS,
    "working_dir": {"type": "str"},
    "env_from": _DICTS,
    "env": _DICTS,
    "ports": _DICTS,
    "resources": {"type": "dict"},
    "security_context": {"type": "dict"},
    "volumes": _DICTS,
    "volume_mounts": _DICTS,
    "restart_policy": {"type": "str", "choices": ["Always", "Never", "OnFailure"]},
    "runtime_class_name": {"type": "str"},
    "termination_grace_period_seconds": {"type": "int"},
}
"""The options that are fields of a container; each may be written as Kubernetes writes it, too."""


ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "name": {"type": "str", "required": True},
        **{
            option: dict(spec, aliases=[_core.kubernetes_name(option)]) if "_" in option else spec
            for option, spec in FIELDS.items()
        },
        "state": {"type": "str", "choices": ["absent", "present", "stopped"], "default": "present"},
        **_core.WAITING,
    },
    "mutually_exclusive": [("image", "rootfs")],
    "required_if": [("state", "present", ("image", "rootfs"), True)],
}


def request(params: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """Return the request to ``podwright api`` that the validated params ask for. Raises OptionError."""
    if not params["name"]:
        raise _core.OptionError("name is empty, but must be the name of a container")
    subject: dict[str, Any] = {"kind": "Container"}
    if params["state"] == "absent":
        subject.update(name=params["name"], namespace=params["namespace"] or "default")
    else:
        given = {_core.kubernetes_name(option): params[option] for option in FIELDS if params[option] is not None}
        subject["manifest"] = dict(given, name=params["name"], state=params["state"])
    return _core.request(params, subject, check_mode=check_mode)
