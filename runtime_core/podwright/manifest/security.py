# SPDX-License-Identifier: Apache-2.0
"""``securityContext``: what Kubernetes does not allow in one, and its normal form.

A container's settings come before those of its pod, field by field. What asks for nothing that is not so anyway is no
part of the normal form.
"""

from collections.abc import Iterator
from typing import Any

from podwright.manifest import sysctls
from podwright.manifest.faults import Fault

DEFAULT_PROFILE = {"type": "RuntimeDefault"}
_INHERITED = ("runAsUser", "runAsGroup", "runAsNonRoot", "seccompProfile")


def effective(container: dict[str, Any], pod: dict[str, Any]) -> dict[str, Any]:
    """Return a container's settings with those of the pod where it has none (both ``securityContext``)."""
    inherited = {name: pod[name] for name in _INHERITED if pod.get(name) is not None}
    return inherited | {name: value for name, value in container.items() if value is not None}


def may_escalate(context: dict[str, Any]) -> bool:
    """Tell whether a process may gain privileges that its parent did not have (setuid programs, file capabilities).

    Kubernetes lets it unless told not to; here it may not unless told so, or unless it could do everything anyway.
    """
    told = context.get("allowPrivilegeEscalation")
    return bool(told) if told is not None else bool(context.get("privileged")) or "SYS_ADMIN" in _added(context)


def faults_of(container: dict[str, Any], pod: dict[str, Any], field: str) -> Iterator[Fault]:
    """Yield what is wrong with a container's settings."""
    if container.get("allowPrivilegeEscalation") is False:
        if container.get("privileged"):
            yield Fault(f"{field}.allowPrivilegeEscalation", "must not be false for a privileged container", False)
        elif "SYS_ADMIN" in _added(container):
            yield Fault(f"{field}.allowPrivilegeEscalation", "must not be false with the capability SYS_ADMIN", False)
    if container.get("procMount") == "Unmasked":
        yield Fault(f"{field}.procMount", "needs hostUsers: false, which this release does not support", "Unmasked")
    yield from _capability_faults(container.get("capabilities") or {}, f"{field}.capabilities")
    yield from _profile_faults(container.get("seccompProfile"), f"{field}.seccompProfile")
    context = effective(container, pod)
    if context.get("runAsNonRoot") and context.get("runAsUser") == 0:
        yield Fault(f"{field}.runAsUser", "must not be 0 with runAsNonRoot", 0)


def pod_faults_of(pod: dict[str, Any], field: str) -> Iterator[Fault]:
    """Yield what is wrong with a pod's settings."""
    yield from _profile_faults(pod.get("seccompProfile"), f"{field}.seccompProfile")
    yield from sysctls.faults_of(pod.get("sysctls") or [], f"{field}.sysctls")


def normal(container: dict[str, Any], pod: dict[str, Any]) -> dict[str, Any]:
    """Return the normal form of a container's settings; ``pod`` is the normal form of the pod's."""
    inherited = {"seccompProfile": DEFAULT_PROFILE, "runAsNonRoot": False} | pod
    result = {
        name: container[name]
        for name in _INHERITED
        if container.get(name) is not None and container[name] != inherited.get(name)
    }
    for name in ("privileged", "readOnlyRootFilesystem"):
        if container.get(name):
            result[name] = True
    told = container.get("allowPrivilegeEscalation")
    if told is not None and told != may_escalate({**container, "allowPrivilegeEscalation": None}):
        result["allowPrivilegeEscalation"] = told
    capabilities = container.get("capabilities") or {}
    lists = {kind: sorted({_plain(name) for name in capabilities.get(kind) or ()}) for kind in ("add", "drop")}
    if any(lists.values()):
        result["capabilities"] = {kind: names for kind, names in lists.items() if names}
    return result


def pod_normal(pod: dict[str, Any]) -> dict[str, Any]:
    """Return the normal form of a pod's settings."""
    result = {name: pod[name] for name in ("runAsUser", "runAsGroup", "fsGroup") if pod.get(name) is not None}
    if pod.get("runAsNonRoot"):
        result["runAsNonRoot"] = True
    if pod.get("seccompProfile") and pod["seccompProfile"] != DEFAULT_PROFILE:
        result["seccompProfile"] = pod["seccompProfile"]
    if pod.get("supplementalGroups"):
        result["supplementalGroups"] = sorted(set(pod["supplementalGroups"]))
    for name, default in (("supplementalGroupsPolicy", "Merge"), ("fsGroupChangePolicy", "Always")):
        if pod.get(name, default) not in (default, None):
            result[name] = pod[name]
    if pod.get("sysctls"):
        result["sysctls"] = sysctls.normal(pod["sysctls"])
    return result


def _added(context: dict[str, Any]) -> set[str]:
    return {_plain(name) for name in (context.get("capabilities") or {}).get("add") or ()}


def _plain(capability: str) -> str:
    """Return a capability as Kubernetes writes it, without the prefix that the kernel's headers have."""
    return capability.upper().removeprefix("CAP_")


def _capability_faults(capabilities: dict[str, Any], field: str) -> Iterator[Fault]:
    from podwright.security.capabilities import NAMES

    for kind in ("add", "drop"):
        for index, name in enumerate(capabilities.get(kind) or ()):
            if _plain(name) != "ALL" and f"CAP_{_plain(name)}" not in NAMES:
                yield Fault(f"{field}.{kind}[{index}]", "there is no such capability; NET_ADMIN is one, or ALL", name)


def _profile_faults(profile: dict[str, Any] | None, field: str) -> Iterator[Fault]:
    if not profile:
        return
    path = profile.get("localhostProfile")
    if profile["type"] != "Localhost":
        if path is not None:
            yield Fault(f"{field}.localhostProfile", "must be there only with type Localhost", path)
    elif not path:
        yield Fault(f"{field}.localhostProfile", "required with type Localhost, but missing")
    elif path.startswith("/") or ".." in path.split("/"):
        yield Fault(f"{field}.localhostProfile", "must be a relative path without '..'", path)
