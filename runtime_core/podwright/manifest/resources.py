# SPDX-License-Identifier: Apache-2.0
"""``resources`` of containers and of a whole pod: what is wrong with them, their normal form, their sums.

As Kubernetes has it: pkg/apis/core/validation (validateResourceRequirements, validatePodResourceConsistency),
pkg/apis/core/v1/defaults.go (SetDefaults_Pod), k8s.io/component-helpers/resource. Sums are in nano-units.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from podwright.manifest import quantity
from podwright.manifest.faults import Fault
from podwright.manifest.paths import in_brackets
from podwright.manifest.restart import is_sidecar

STORAGE = "ephemeral-storage"
HUGE_PAGES = "hugepages-"
"""Followed by a quantity: the size of a page."""
RESIZABLE = ("cpu", "memory")
"""What may change while the containers run."""
_KINDS = ("limits", "requests")

Resources = Mapping[str, Any]
Container = Mapping[str, Any]
Sums = dict[str, int]


def spec_faults_of(spec: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with the resources of a pod and of its containers."""
    yield from _pod_faults(spec, "spec.resources")
    never = spec.get("restartPolicy") == "Never"
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(kind) or ()):
            field = f"spec.{kind}[{index}]"
            yield from _faults(container.get("resources") or {}, f"{field}.resources")
            yield from _resize_faults(container, field, init=kind == "initContainers", never=never)


def _faults(resources: Resources, field: str, *, of_pod: bool = False) -> Iterator[Fault]:
    """Yield what is wrong with the resources of one container, or of the pod itself."""
    for kind in _KINDS:
        for name, value in (resources.get(kind) or {}).items():
            yield from _quantity_faults(name, value, f"{field}.{kind}{in_brackets(name)}", of_pod=of_pod)
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name, value in requests.items():
        asked, limit = _nano(value), _nano(limits[name]) if name in limits else None
        where = f"{field}.requests{in_brackets(name)}"
        if _is_huge(name) and name not in limits:
            yield Fault(f"{field}.limits{in_brackets(name)}", f"required beside requests[{name}], but missing")
        elif _is_huge(name) and None not in (asked, limit) and asked != limit:
            yield Fault(where, f"must be the limit of {limits[name]}: huge pages are not shared", value)
        elif limit is not None and asked is not None and asked > limit:
            yield Fault(where, f"must not be more than the limit of {limits[name]}", value)
    named = {*limits, *requests}
    if any(map(_is_huge, named)) and not named & set(RESIZABLE):
        yield Fault(field, "huge pages need cpu or memory beside them", sorted(named))


def _pod_faults(spec: Mapping[str, Any], field: str) -> Iterator[Fault]:
    """Yield what is wrong with the pod's own resources, alone and beside those of its containers."""
    given = spec.get("resources") or {}
    containers = list(spec["containers"])
    everyone = [*containers, *(spec.get("initContainers") or ())]
    everything = [given, *(item.get("resources") or {} for item in everyone)]
    if any(_nano(value) is None for one in everything for kind in _KINDS for value in (one.get(kind) or {}).values()):
        yield from _faults(given, field, of_pod=True)  # sums need quantities: those of containers are told of anyway
        return
    own = _with_defaults(spec)
    yield from _faults(own, field, of_pod=True)
    if not own:
        return
    for kind, what in (("requests", "requests"), ("limits", "limits")):
        for name, total in sums(spec, kind).items():
            if name in own[kind] and total > quantity.parse(own[kind][name]) and (kind == "requests" or _is_huge(name)):
                reason = f"must be at least the {what} of the containers together, {_text(name, total)}"
                yield Fault(f"{field}.{kind}{in_brackets(name)}", reason, own[kind][name])
    for index, container in enumerate(containers):
        for name, value in ((container.get("resources") or {}).get("limits") or {}).items():
            if name in own["limits"] and quantity.parse(value) > quantity.parse(own["limits"][name]):
                reason = f"must not be more than the limit of the pod, {own['limits'][name]}"
                yield Fault(f"spec.containers[{index}].resources.limits{in_brackets(name)}", reason, value)


def _resize_faults(container: Container, field: str, *, init: bool, never: bool) -> Iterator[Fault]:
    """Yield what is wrong with a container's resizePolicy; ``never`` is whether the pod's restartPolicy is Never."""
    seen: set[str] = set()
    for index, item in enumerate(container.get("resizePolicy") or ()):
        where = f"{field}.resizePolicy[{index}]"
        if item["resourceName"] in seen:
            yield Fault(f"{where}.resourceName", "must be unique", item["resourceName"])
        seen.add(item["resourceName"])
        if item["restartPolicy"] == "RestartContainer" and never:
            reason = "must be NotRequired where spec.restartPolicy is Never"
            yield Fault(f"{where}.restartPolicy", reason, item["restartPolicy"])
        elif item["restartPolicy"] == "RestartContainer" and init and not is_sidecar(container):
            reason = "must be NotRequired of an init container without restartPolicy: Always"
            yield Fault(f"{where}.restartPolicy", reason, item["restartPolicy"])


def normal(resources: Resources, field: str, warnings: list[str]) -> dict[str, dict[str, str]]:
    """Return resources in their normal form: where there is only a limit, it is the request too."""
    limits = _quantities(resources.get("limits") or {}, f"{field}.limits", warnings)
    requests = _quantities(resources.get("requests") or {}, f"{field}.requests", warnings)
    return _filled({"limits": limits, "requests": limits | requests})


def pod_normal(spec: Mapping[str, Any], field: str, warnings: list[str]) -> dict[str, dict[str, str]]:
    """Return the pod's own resources in their normal form, with what its containers have where it says nothing."""
    own = _with_defaults(spec)
    return _filled({kind: _quantities(own[kind], f"{field}.{kind}", warnings) for kind in _KINDS}) if own else {}


def normal_policy(container: Container) -> list[dict[str, str]]:
    """Return a resizePolicy in its normal form: what needs no restart is not mentioned."""
    restarting = {
        item["resourceName"]
        for item in container.get("resizePolicy") or ()
        if item["restartPolicy"] == "RestartContainer"
    }
    return [{"resourceName": name, "restartPolicy": "RestartContainer"} for name in sorted(restarting)]


def sums(spec: Mapping[str, Any], kind: str) -> Sums:
    """Return the most that the containers of a pod have of each resource at once; ``kind`` is limits or requests.

    That is an init container with the sidecars before it, or all that stay.
    """
    total: Sums = {}
    for container in spec["containers"]:
        _add(total, _own(container, kind))
    staying: Sums = {}
    peak: Sums = {}
    for container in spec.get("initContainers") or ():
        at_once = dict(staying)
        _add(at_once, _own(container, kind))
        if is_sidecar(container):
            _add(total, _own(container, kind))
            staying = at_once
        peak = {name: max(peak.get(name, 0), at_once.get(name, 0)) for name in {**peak, **at_once}}
    return {name: max(total.get(name, 0), peak.get(name, 0)) for name in {**total, **peak}}


def _own(container: Container, kind: str) -> Sums:
    resources = container.get("resources") or {}
    given = dict(resources.get("limits") or {}) if kind == "requests" else {}
    given |= resources.get(kind) or {}
    return {name: quantity.parse(value) for name, value in given.items()}


def _with_defaults(spec: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the pod's resources as an API server completes them; nothing where it has none of its own."""
    given = spec.get("resources") or {}
    limits, requests = dict(given.get("limits") or {}), dict(given.get("requests") or {})
    if not limits and not requests:
        return {}
    for name, total in sums(spec, "limits").items():
        if _is_huge(name) and name not in requests:
            limits.setdefault(name, _text(name, total))
    if limits:
        for name, total in sums(spec, "requests").items():
            if name in RESIZABLE:
                requests.setdefault(name, _text(name, total))
        for name, value in limits.items():
            requests.setdefault(name, value)
    return {"limits": limits, "requests": requests}


def _quantity_faults(name: str, value: Any, field: str, *, of_pod: bool) -> Iterator[Fault]:
    if of_pod and not (name in RESIZABLE or _is_huge(name)):
        yield Fault(field, "must be cpu, memory or hugepages-SIZE: containers share nothing else", value)
        return
    if name not in (*RESIZABLE, STORAGE) and not _is_huge(name):
        known = "cpu, memory, ephemeral-storage and hugepages-SIZE"
        reason = f"not supported by this release of podwright, which knows {known}; remove it"
        yield Fault(field, reason, value)
        return
    try:
        nano = quantity.parse(value)
    except ValueError as error:
        yield Fault(field, str(error), value)
        return
    if nano < 0:
        yield Fault(field, "must not be negative", value)
    elif _is_huge(name) and not _is_whole(quantity.units(nano), page_size(name)):
        yield Fault(field, "must be a multiple of the page size that its name ends in, such as hugepages-2Mi", value)


def page_size(name: str) -> int | None:
    """Return the bytes of one of these huge pages; None for a name that says no size."""
    size = _nano(name.removeprefix(HUGE_PAGES))
    return size // quantity.NANO if size and size > 0 and size % quantity.NANO == 0 else None


def _is_whole(size: int, page: int | None) -> bool:
    return page is not None and size % page == 0


def _is_huge(name: str) -> bool:
    return name.startswith(HUGE_PAGES)


def _nano(value: Any) -> int | None:
    try:
        return quantity.parse(value)
    except ValueError:
        return None


def _add(total: Sums, more: Sums) -> None:
    for name, value in more.items():
        total[name] = total.get(name, 0) + value


def _quantities(quantities: Mapping[str, Any], field: str, warnings: list[str]) -> dict[str, str]:
    """Return canonical quantities, rounded up to what the kernel can count: millicores and bytes."""
    result = {}
    for name, value in quantities.items():
        nano = quantity.parse(value)
        result[name] = _text(name, nano)
        if quantity.parse(result[name]) != nano:
            warnings.append(f"{field}{in_brackets(name)}: {value} is rounded up to {result[name]}")
    return result


def _text(name: str, nano: int) -> str:
    step = quantity.MILLI if name == "cpu" else quantity.NANO
    return quantity.canonical(-(-nano // step) * step, binary=name != "cpu")


def _filled(fields: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    return {name: value for name, value in fields.items() if value}
