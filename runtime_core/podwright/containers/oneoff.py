# SPDX-License-Identifier: Apache-2.0
"""The configuration of a container that is run once from an image, or from a root directory."""

from __future__ import annotations

import os

from podwright.errors import ContainerError, ImageError
from podwright.jsontext import loads
from podwright.oci.default_spec import default_spec
from podwright.oci.users import resolve_user
from podwright.security import capabilities
from podwright.security.seccomp_cache import DEFAULT_PROFILE
from podwright.security.seccomp_docker import to_oci

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CPU_PERIOD_US = 100_000


def configuration(
    command: Sequence[str],
    *,
    lower: Sequence[str],
    image: str,
    image_config: Mapping[str, Any],
    hostname: str,
    cgroups_path: str,
    terminal: bool,
    read_only: bool,
    memory: int | None = None,
    cpus: float | None = None,
    pids_limit: int | None = None,
) -> dict[str, Any]:
    """Return ``config.json``. ``image_config`` is the ``config`` object of the image, {} for a plain directory.

    Raises ContainerError when there is no command, ImageError for what is wrong with the image.
    """
    user = resolve_user(str(image_config.get("User") or ""), lower, image)
    spec = default_spec()
    process = {
        "terminal": terminal,
        "user": {"uid": user.uid, "gid": user.gid, "additionalGids": list(user.groups)},
        "args": _args(command, image, image_config),
        "env": _environment(image, image_config, hostname, user.home, terminal=terminal),
        "cwd": image_config.get("WorkingDir") or "/",
        "capabilities": {kind: list(capabilities.DEFAULT) for kind in ("bounding", "effective", "permitted")},
        "noNewPrivileges": True,
    }
    linux = spec["linux"]
    linux["cgroupsPath"] = cgroups_path
    linux["resources"] |= _resources(memory, cpus, pids_limit)
    linux["seccomp"] = _seccomp()
    return spec | {
        "process": process,
        "root": {"path": "rootfs", "readonly": read_only},
        "hostname": hostname,
    }


def _args(command: Sequence[str], image: str, image_config: Mapping[str, Any]) -> list[str]:
    entrypoint = _strings(image, image_config, "Entrypoint")
    args = [*entrypoint, *(command or _strings(image, image_config, "Cmd"))]
    if not args:
        raise ContainerError(f"{image} has no command of its own: give one", field="process.args")
    return args


def _environment(image: str, image_config: Mapping[str, Any], hostname: str, home: str, *, terminal: bool) -> list[str]:
    variables = {"PATH": _PATH, "HOSTNAME": hostname}
    if terminal:
        variables["TERM"] = "xterm"
    for text in _strings(image, image_config, "Env"):
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise ImageError(f"image {image}: its environment has {text!r}, which is no NAME=value", value=text)
        variables[name] = value
    variables.setdefault("HOME", home)
    return [f"{name}={value}" for name, value in variables.items()]


def _strings(image: str, image_config: Mapping[str, Any], key: str) -> list[str]:
    value = image_config.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ImageError(f"image {image}: its {key} is no list of strings", value=value)
    return value


def _resources(memory: int | None, cpus: float | None, pids_limit: int | None) -> dict[str, Any]:
    resources: dict[str, Any] = {}
    if memory is not None:
        resources["memory"] = {"limit": memory}
    if cpus is not None:
        resources["cpu"] = {"quota": round(cpus * CPU_PERIOD_US), "period": CPU_PERIOD_US}
    if pids_limit is not None:
        resources["pids"] = {"limit": pids_limit}
    return resources


def _seccomp() -> dict[str, Any]:
    with open(DEFAULT_PROFILE, "rb") as file:
        return to_oci(loads(file.read()), os.uname().machine, capabilities.DEFAULT)
