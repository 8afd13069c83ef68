# SPDX-License-Identifier: Apache-2.0
"""What a container and a pod may use, from the numbers of their ``resources``. Pure arithmetic, as the kubelet does it.

Processor time is counted in millicores (``500m`` is half a processor), memory in bytes.
"""

from collections.abc import Iterable
from typing import NamedTuple

from podwright.cgroups.units import CPU_PERIOD_US, MAX_SHARES, MIN_QUOTA_US, MIN_SHARES


class Resources(NamedTuple):
    """The numbers of one container's ``resources``; None is a key that is not there."""

    cpu_request: int | None = None
    cpu_limit: int | None = None
    memory_limit: int | None = None


NOTHING = Resources()


class Limits(NamedTuple):
    """What one cgroup enforces; None is no limit."""

    cpu_quota_us: int | None = None
    """Processor time per period, over all processors."""
    cpu_period_us: int = CPU_PERIOD_US
    cpu_shares: int | None = None
    """Weight against the siblings when processors are scarce, in the units of cgroup v1 (1024 is one processor)."""
    memory_max: int | None = None
    """Bytes; swap comes on top of it nowhere."""
    pids_max: int | None = None
    container: bool = False
    """A container's group: only the default devices may be opened, no swap, and an OOM kill takes all of it."""
    all_devices: bool = False
    """A privileged container's group: all devices may be opened."""
    huge_pages: tuple[tuple[str, int], ...] = ()
    """The size of a page as the kernel's files have it (``2MB``), and bytes; a size that is not here is not bounded."""


def container_limits(resources: Resources, *, all_devices: bool = False) -> Limits:
    """Return the limits of one container's cgroup."""
    request = resources.cpu_limit if resources.cpu_request is None else resources.cpu_request
    return Limits(
        cpu_quota_us=_quota(resources.cpu_limit),
        cpu_shares=_shares(request or 0),
        memory_max=resources.memory_limit or None,
        container=True,
        all_devices=all_devices,
    )


def pod_limits(
    containers: Iterable[Resources],
    pids_max: int | None = None,
    *,
    init: Iterable[tuple[Resources, bool]] = (),
    own: Resources = NOTHING,
) -> Limits:
    """Return the limits of the pod's cgroup: the most that runs at once, bounded only where every container is.

    ``init`` are the containers that start before the others, each with whether it stays (a sidecar). ``own`` are the
    resources of the pod itself, which come before all that its containers add up to.
    """
    main, before = list(containers), list(init)
    requests = [one.cpu_limit if one.cpu_request is None else one.cpu_request for one in main]
    init_requests = [(one.cpu_limit if one.cpu_request is None else one.cpu_request, stays) for one, stays in before]
    return Limits(
        cpu_quota_us=_quota(
            own.cpu_limit or _bound([one.cpu_limit for one in main], [(one.cpu_limit, stays) for one, stays in before])
        ),
        cpu_shares=_shares(_peak(requests, init_requests) if own.cpu_request is None else own.cpu_request),
        memory_max=own.memory_limit
        or _bound([one.memory_limit for one in main], [(one.memory_limit, stays) for one, stays in before]),
        pids_max=pids_max,
    )


def _quota(millicores: int | None) -> int | None:
    if not millicores:
        return None
    return max(MIN_QUOTA_US, millicores * CPU_PERIOD_US // 1000)


def _shares(millicores: int) -> int:
    return min(MAX_SHARES, max(MIN_SHARES, millicores * 1024 // 1000))


def _peak(main: Iterable[int | None], init: Iterable[tuple[int | None, bool]]) -> int:
    """Return the most that is used at once: by one init container and the sidecars before it, or by all that stay."""
    staying = highest = 0
    for value, stays in init:
        highest = max(highest, staying + (value or 0))
        staying += (value or 0) if stays else 0
    return max(highest, staying + sum(value or 0 for value in main))


def _bound(main: list[int | None], init: list[tuple[int | None, bool]]) -> int | None:
    if not all(main) or not all(value for value, _ in init):
        return None
    return _peak(main, init) or None
