# SPDX-License-Identifier: Apache-2.0
"""The plan of one more process in a running container."""

from __future__ import annotations

from podwright.oci import process as processes
from podwright.oci.namespaces import check_mapped
from podwright.oci.scheduling import affinity
from podwright.oci.schema import check_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from podwright.oci.process import SeccompFilter

EXEC_PLAN_VERSION = 2
_INHERITED = (
    "capabilities", "rlimits", "oomScoreAdj", "apparmorProfile", "selinuxLabel", "scheduler", "ioPriority",
    "execCPUAffinity",
)  # fmt: skip


def compile_exec(
    process: Mapping[str, Any],
    *,
    spec: Mapping[str, Any],
    pid: int,
    start_time: int,
    cgroups: Sequence[str],
    seccomp: SeccompFilter | None = None,
    keyring: bool = True,
) -> dict[str, Any]:
    """Return the plan of one more process in a running container, whose first one is ``pid``.

    ``process`` is as ``process.json`` has it; ``spec`` is the container's configuration, from which come capabilities,
    resource limits, profile, label and priorities that ``process`` does not name. Raises ManifestError.
    """
    check_process(process)
    linux = spec.get("linux") or {}
    merged = _inherit(process, spec.get("process") or {})
    check_mapped(merged, linux)
    steps: list[Any] = [*processes.inside_steps(merged, linux), *processes.last_steps(merged, seccomp)]
    return {
        "version": EXEC_PLAN_VERSION,
        "pid": pid,
        "startTime": start_time,
        **processes.command(merged),
        "cgroups": list(cgroups),
        "keyring": keyring,
        "affinity": affinity(merged, "process"),
        "steps": steps,
    }


def _inherit(process: Mapping[str, Any], container: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(process)
    for key in _INHERITED:
        own = merged.get(key)
        # an empty list or text says nothing, but 0 and a set of no capabilities do
        if own is None or (not own and key not in ("capabilities", "oomScoreAdj")):
            merged[key] = container.get(key)
    return merged
