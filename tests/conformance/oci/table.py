#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write docs/oci-conformance.md: which of runtime-tools' validation programs pass with which OCI runtime, as root."""

import os
import sys

from build import HERE
from suite import Runtime, Verdict, attempt, names, runtimes

DOCUMENT = HERE.parents[2] / "docs/oci-conformance.md"
Results = dict[str, dict[str, Verdict]]

REASONS = {
    "delete_resources": "compares the addresses of two numbers, not the numbers",
    "hooks": "wants prestart hooks at `start`, as before version 1.0.2 of the specification",
    "linux_cgroups_blkio": "the kernel has no `blkio.weight`",
    "linux_cgroups_hugetlb": "hugetlb is in this host's unified hierarchy, not where the program looks",
    "linux_cgroups_memory": "the kernel has no limit of its own memory any more",
    "linux_cgroups_network": "the kernel has no net_cls and net_prio",
    "linux_cgroups_pids": "compares the addresses of two numbers, not the numbers",
    "linux_cgroups_relative_blkio": "the kernel has no `blkio.weight`",
    "linux_cgroups_relative_hugetlb": "hugetlb is in this host's unified hierarchy, not where the program looks",
    "linux_cgroups_relative_memory": "the kernel has no limit of its own memory any more",
    "linux_cgroups_relative_network": "the kernel has no net_cls and net_prio",
    "linux_cgroups_relative_pids": "compares the addresses of two numbers, not the numbers",
    "linux_process_apparmor_profile": "the host has no AppArmor",
    "misc_props": "does not put the program that it wants to run into the container",
    "pidfile": "kills a container that has ended",
    "prestart": "wants prestart hooks at `start`, as before version 1.0.2 of the specification",
    "process_capabilities": "wants every capability, and root has not all of them on this host",
    "process_rlimits": "its program, in Go, raises its own RLIMIT_NOFILE before it looks at it",
    "start": "wants a container without `process` to start",
}
"""Why a program does not pass, other than for a fault of podwright-oci."""
DELIBERATE = ("pidfile",)
"""Programs that may pass with a peer and not with podwright-oci, for the reason above."""


def main() -> int:
    """Run every program with every runtime, print the table and write it down."""
    if os.geteuid() != 0:
        sys.exit("containers on this host need root")
    there = runtimes()
    results: Results = {}
    for name in names():
        results[name] = {runtime.name: attempt(name, runtime) for runtime in there}
        print(
            name, *(f"{key}: {verdict.passed or verdict.detail}" for key, verdict in results[name].items()), sep="\n  "
        )
    text = document(there, results)
    DOCUMENT.write_text(text)
    print(f"\n{text}\nwritten to {DOCUMENT}")
    return 0


def document(there: list[Runtime], results: Results) -> str:
    """Return the page."""
    columns = [runtime.name for runtime in there]
    head = ["program", *columns, "remark"]
    rows = [
        [f"`{name}`", *("passes" if verdicts[column].passed else "fails" for column in columns), remark(name, verdicts)]
        for name, verdicts in results.items()
    ]
    sums = [str(sum(verdicts[column].passed for verdicts in results.values())) for column in columns]
    lines = [head, ["---"] * len(head), *rows, [f"{len(results)} programs", *sums, ""]]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"""\
# Conformance with the OCI runtime specification

The validation programs of opencontainers/runtime-tools, at the version that `tests/conformance/oci/go.mod` pins, with
`podwright-oci` and with its peers on one host with hybrid cgroups. `make conformance` runs them and writes this page;
`make test` fails when a program passes with a peer and not with `podwright-oci`.

{table}
"""


def remark(name: str, verdicts: dict[str, Verdict]) -> str:
    """Return why a program does not pass, when that is not podwright-oci's fault."""
    nobody = not any(verdict.passed for verdict in verdicts.values())
    ours = next(iter(verdicts.values()))
    return REASONS.get(name, "") if nobody or (name in DELIBERATE and not ours.passed) else ""


if __name__ == "__main__":
    sys.exit(main())
