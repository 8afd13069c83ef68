# Copyright: (c) 2026, Podwright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of the modules about images, and the requests that they become. Private to this collection."""

from __future__ import annotations

from typing import Any

from ansible_collections.podwright.runtime.plugins.module_utils import _core

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "name": {"type": "str", "required": True},
        "source": {"type": "str"},
        "pull_policy": {
            "type": "str",
            "choices": ["Always", "IfNotPresent", "Never"],
            "aliases": ["pullPolicy"],
        },
        "platform": {"type": "str"},
        "auth": {
            "type": "dict",
            "options": {
                "username": {"type": "str"},
                "password": {"type": "str", "no_log": True},
                "auth_file": {"type": "path", "aliases": ["authFile"]},
            },
            "mutually_exclusive": [("auth_file", "username"), ("auth_file", "password")],
            "required_together": [("username", "password")],
            "required_one_of": [("username", "auth_file")],
        },
        "destinations": {"type": "list", "elements": "str"},
        "force": {"type": "bool", "default": False},
        "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
        **_core.EXECUTABLE,
    },
}
INFO_ARGUMENTS: dict[str, Any] = {
    "argument_spec": {"name": {"type": "list", "elements": "str", "aliases": ["names"]}, **_core.EXECUTABLE},
}
PRUNE_ARGUMENTS: dict[str, Any] = {
    "argument_spec": {"all": {"type": "bool", "default": False}, **_core.EXECUTABLE},
}


def request(params: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """Return the request to ``podwright api`` that the validated params of the module image ask for."""
    if not params["name"]:
        raise _core.OptionError("name is empty, but must be the name of an image")
    if params["state"] == "absent":
        return _about_images("delete", name=params["name"], force=params["force"], dry_run=check_mode)
    fields = ("name", "source", "pull_policy", "platform", "destinations")
    wanted = {_core.kubernetes_name(option): params[option] for option in fields if params[option] is not None}
    if params["auth"]:
        given = {_core.kubernetes_name(key): value for key, value in params["auth"].items() if value is not None}
        wanted["auth"] = given
    return _about_images("plan" if check_mode else "apply", manifest=wanted)


def info_request(params: dict[str, Any]) -> dict[str, Any]:
    """Return the request of the module image_info."""
    return _about_images("list", **({} if params["name"] is None else {"names": params["name"]}))


def prune_request(params: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """Return the request of the module prune."""
    return _about_images("prune", all=params["all"], dry_run=check_mode)


def _about_images(action: str, **fields: Any) -> dict[str, Any]:
    return {"version": 1, "kind": "Image", "action": action, **fields}
