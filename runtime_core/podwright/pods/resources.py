# SPDX-License-Identifier: Apache-2.0
"""What a (normalised) pod's resources mean on this host: the numbers of its cgroups, and who is killed first.

As the kubelet has it: pkg/kubelet/cm/helpers_linux.go, kuberuntime/kuberuntime_container_linux.go, qos/policy.go.
"""

import os
from collections.abc import Mapping
from typing import Any

from podwright.cgroups.limits import Limits, Resources, container_limits, pod_limits
from podwright.errors import HostError
from podwright.manifest import quantity
from podwright.manifest.qos import qos_class
from podwright.manifest.resources import HUGE_PAGES, page_size, sums
from podwright.manifest.restart import is_sidecar
from podwright.oci.oom import oom_score_adj
from podwright.pods.store import Record

PAGES = "/sys/kernel/mm/hugepages"
"""Has a folder ``hugepages-<KiB>kB`` for each size of huge pages that the kernel knows."""

Container = Mapping[str, Any]


def limits_of(record: Record, pids_max: int | None) -> tuple[Limits, dict[str, Limits]]:
    """Return the limits of the pod's cgroup, and of each container's. Raises HostError for unknown huge pages."""
    spec = record.pod["spec"]
    own = spec.get("resources", {})
    pod = pod_limits(
        [_numbers(container.get("resources", {})) for container in record.containers],
        pids_max,
        init=[(_numbers(item.get("resources", {})), is_sidecar(item)) for item in record.init_containers],
        own=_numbers(own),
    )
    containers = {item["name"]: container_limits_of(record, item) for item in record.all_containers}
    asked = {name: value for name, value in sums(spec, "limits").items() if name.startswith(HUGE_PAGES)}
    asked |= _huge(own.get("limits", {}))
    return pod._replace(huge_pages=_pages(asked, _page_sizes(), "spec")), containers


def container_limits_of(record: Record, container: Container) -> Limits:
    """Return a container's limits: those of the pod where it has none of its own, or larger ones (before others)."""
    shared = record.pod["spec"].get("resources", {}).get("limits", {})
    resources = container.get("resources", {})
    effective = dict(shared)
    for name, value in resources.get("limits", {}).items():
        if quantity.parse(value):
            effective[name] = min(value, shared.get(name, value), key=quantity.parse)
    privileged = bool(container.get("securityContext", {}).get("privileged"))
    limits = container_limits(_numbers({**resources, "limits": effective}), all_devices=privileged)
    sizes = _page_sizes()
    pages = dict.fromkeys(sizes.values(), 0) | dict(_pages(_huge(effective), sizes, record.field_of(container)))
    return limits._replace(huge_pages=tuple(sorted(pages.items())))


def oom_score(record: Record, container: Container, host_memory: int) -> int:
    """Return the oom_score_adj that the kubelet gives a container on a host with so many bytes of memory.

    What the pod has asked for beyond its containers is shared out evenly. A sidecar goes no sooner than a main one.
    """
    spec = record.pod["spec"]
    asked = _memory(container)
    if is_sidecar(container) and any(container is item for item in record.init_containers):
        asked = max(asked, min(map(_memory, record.containers)))
    own = spec.get("resources", {}).get("requests", {}).get("memory")
    if own:
        spare = quantity.parse(own) - sums(spec, "requests").get("memory", 0)
        asked += spare // quantity.NANO // len(record.all_containers)
    return oom_score_adj(qos_class(spec), asked, host_memory)


def memory_field(record: Record, container: Container) -> str:
    """Return the field that a container has its memory limit from: its own, or the pod's."""
    own = container.get("resources", {}).get("limits", {}).get("memory", "0")
    where = record.field_of(container) if quantity.parse(own) else "spec"
    return f"{where}.resources.limits.memory"


def container_status(container: Container) -> dict[str, Any]:
    """Return what a v1.ContainerStatus says of resources."""
    resources = container.get("resources")
    if not resources:
        return {}
    asked = resources.get("requests")
    return {"resources": resources, **({"allocatedResources": asked} if asked else {})}


def pod_status(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a v1.PodStatus says of resources: those of the pod itself, and else what its containers add up to."""
    own = spec.get("resources", {})
    found = {kind: {**_texts(sums(spec, kind)), **own.get(kind, {})} for kind in ("limits", "requests")}
    found = {kind: values for kind, values in found.items() if values}
    if not found:
        return {}
    asked = found.get("requests")
    return {"resources": found, **({"allocatedResources": asked} if asked else {})}


def _numbers(resources: Mapping[str, Any]) -> Resources:
    limits, requests = resources.get("limits", {}), resources.get("requests", {})
    memory = limits.get("memory")
    return Resources(
        cpu_request=_millicores(requests.get("cpu")),
        cpu_limit=_millicores(limits.get("cpu")),
        memory_limit=None if memory is None else quantity.units(quantity.parse(memory)),
    )


def _huge(limits: Mapping[str, str]) -> dict[str, int]:
    return {name: quantity.parse(value) for name, value in limits.items() if name.startswith(HUGE_PAGES)}


def _pages(asked: Mapping[str, int], sizes: Mapping[int, str], field: str) -> tuple[tuple[str, int], ...]:
    """Return the bytes of each kind of huge pages, by the name that the kernel's files have."""
    found: dict[str, int] = {}
    for name, nano in asked.items():
        size = page_size(name)
        if size is not None and size in sizes:
            found[sizes[size]] = quantity.units(nano)
        elif nano:
            path = f"{field}.resources.limits.{name}"
            known = ", ".join(f"{HUGE_PAGES}{_binary(size)}" for size in sorted(sizes)) or "none"
            raise HostError(f"{path}: this host has no such pages, but {known}", field=path)
    return tuple(sorted(found.items()))


def _page_sizes() -> dict[int, str]:
    """Return the sizes of this host's huge pages, and what they are called in a cgroup: 2097152 is 2MB."""
    try:
        names = os.listdir(PAGES)
    except FileNotFoundError:
        return {}
    sizes = [int(name.removeprefix("hugepages-").removesuffix("kB")) << 10 for name in names]
    return {size: f"{_binary(size).removesuffix('i')}B" for size in sizes}


def _binary(size: int) -> str:
    return quantity.canonical(size * quantity.NANO, binary=True)


def _texts(values: Mapping[str, int]) -> dict[str, str]:
    return {name: quantity.canonical(value, binary=name != "cpu") for name, value in values.items()}


def _memory(container: Container) -> int:
    return quantity.units(quantity.parse(container.get("resources", {}).get("requests", {}).get("memory", "0")))


def _millicores(text: str | None) -> int | None:
    return None if text is None else quantity.milli_units(quantity.parse(text))
