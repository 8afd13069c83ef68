# SPDX-License-Identifier: Apache-2.0
"""Conditions that others say of a pod (readinessGates wait for them): set, and read with its status.

They are part of what a pod is now, not of what it is to be: they lie beside its live state and end with it.
"""

import time
from typing import Any

from podwright.errors import PodwrightError
from podwright.files import canonical_json, read_json, write_atomic
from podwright.manifest.names import is_label_key
from podwright.pods.phase import OWN_CONDITIONS

STATUSES = ("True", "False", "Unknown")
_MAX_TEXT = 1024  # bytes of a reason, and of a message


def read(run_dir: str) -> list[dict[str, Any]]:
    """Return the conditions of the pod with this folder of live state, sorted by type."""
    try:
        found = read_json(_path(run_dir))
    except ValueError:  # somebody else wrote it
        return []
    return [found[kind] for kind in sorted(found)] if isinstance(found, dict) else []


def write(run_dir: str, condition: dict[str, str]) -> None:
    """Add a condition, or replace the one of its type: ``type``, ``status``, and perhaps ``reason`` and ``message``."""
    all_of_them = {one["type"]: one for one in read(run_dir)}
    before = all_of_them.get(condition["type"], {})
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    since = before["lastTransitionTime"] if before.get("status") == condition["status"] else now
    all_of_them[condition["type"]] = {**condition, "lastTransitionTime": since}
    write_atomic(_path(run_dir), canonical_json(all_of_them), sync=False)


def check(condition: dict[str, str]) -> None:
    """Refuse what is no condition, or one that the pod's own state decides. Raises PodwrightError."""
    kind = condition["type"]
    if kind in OWN_CONDITIONS:
        raise PodwrightError(f"the condition {kind} follows from the pod's state and cannot be set", field="type")
    if not is_label_key(kind):
        raise PodwrightError(
            f"{kind!r} is no type of a condition: it must be [prefix/]name, such as example.com/ready", field="type"
        )
    if condition["status"] not in STATUSES:
        reason = f"the status of a condition is {condition['status']!r}, but must be one of {', '.join(STATUSES)}"
        raise PodwrightError(reason, field="status", value=condition["status"])
    for field in ("reason", "message"):
        if len(condition.get(field, "").encode()) > _MAX_TEXT:
            raise PodwrightError(f"the {field} is longer than {_MAX_TEXT} bytes", field=field)


def _path(run_dir: str) -> str:
    return f"{run_dir}/conditions.json"
