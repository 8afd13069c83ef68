# SPDX-License-Identifier: Apache-2.0
"""The kernel's units and bounds, and how a number of v1 is said in v2."""

from __future__ import annotations

CPU_PERIOD_US = 100_000
MIN_QUOTA_US = 1_000  # the kernel refuses less (kernel/sched/core.c, min_cfs_quota_period)
MIN_SHARES = 2
MAX_SHARES = 262_144


def cpu_weight(shares: int) -> int:
    """Convert cpu.shares of v1 to cpu.weight of v2, on the curve that newer OCI runtimes use.

    It is a parabola in log2 that meets 2→1, 1024→100 and 262144→10000, so that the default of one is the default of
    the other. The kubelet still uses a straight line for its pod groups; one curve everywhere keeps the proportions
    between pods the same as between containers.
    """
    if shares <= MIN_SHARES:
        return 1
    if shares >= MAX_SHARES:
        return 10_000
    from math import ceil, log2

    log = log2(shares)
    return ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34))
