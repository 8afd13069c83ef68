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
    plan = _joining(merged, linux, processes.command(merged), cgroups, seccomp, keyring=keyring)
    return {"pid": pid, "startTime": start_time, **plan}


def compile_command(
    spec: Mapping[str, Any], *, cgroups: Sequence[str], seccomp: SeccompFilter | None = None
) -> dict[str, Any]:
    """Return the plan of whatever the supervisor of a pod executes in a container: ``exec.json``.

    It is as a process of the container's own; what is executed, and which process is joined, the supervisor knows.
    """
    process, linux = spec["process"], spec.get("linux") or {}
    command = {"env": list(process["env"]), "cwd": process["cwd"], "terminal": None}
    return _joining(process, linux, command, cgroups, seccomp, keyring=True)


def _joining(
    process: Mapping[str, Any],
    linux: Mapping[str, Any],
    command: Mapping[str, Any],
    cgroups: Sequence[str],
    seccomp: SeccompFilter | None,
    *,
    keyring: bool,
) -> dict[str, Any]:
    return {
        "version": EXEC_PLAN_VERSION,
        **command,
        "cgroups": list(cgroups),
        "keyring": keyring,
        "affinity": affinity(process, "process"),
        "steps": [*processes.inside_steps(process, linux), *processes.last_steps(process, seccomp)],
    }


def _inherit(process: Mapping[str, Any], container: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(process)
    for key in _INHERITED:
        own = merged.get(key)
        # an empty list or text says nothing, but 0 and a set of no capabilities do
        if own is None or (not own and key not in ("capabilities", "oomScoreAdj")):
            merged[key] = container.get(key)
    return merged
