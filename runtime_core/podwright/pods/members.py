# SPDX-License-Identifier: Apache-2.0
"""What the supervisor is told of a pod's containers before it starts one: their order, and when each starts again."""

from typing import Any

from podwright.manifest.restart import is_sidecar, policy_of
from podwright.pods.store import Record

BACK_OFF = {"first": 10_000, "last": 300_000, "forgiven": 600_000}
"""Milliseconds, as the kubelet has them: the second restart's delay, the longest one, and for how long a container has
to run until the restarts before are forgotten."""


def members(record: Record) -> list[dict[str, Any]]:
    """Return the entries of ``sandbox.json``, in the order in which they start."""
    policy = record.pod["spec"]["restartPolicy"]
    init = [_member(item, "sidecar" if is_sidecar(item) else "init", policy) for item in record.init_containers]
    return [*init, *(_member(item, "main", policy) for item in record.containers)]


def _member(container: dict[str, Any], role: str, pod_policy: str) -> dict[str, Any]:
    return {
        "name": container["name"],
        "role": role,
        "restart": policy_of(container, pod_policy),
        "rules": [_rule(rule["exitCodes"]) for rule in container.get("restartPolicyRules", ())],
    }


def _rule(codes: dict[str, Any]) -> list[Any]:
    return [codes["operator"] == "In", *codes["values"]]
