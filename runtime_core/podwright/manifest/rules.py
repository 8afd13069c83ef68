# SPDX-License-Identifier: Apache-2.0
"""Rules that a schema cannot say: between fields, between items of a list, and inside names and quantities.

Each function takes a part of a Pod whose structure is right and yields the faults in it.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from podwright.manifest import (
    env_sources,
    lifecycle,
    names,
    probes,
    resources,
    restart,
    security,
    volume_mounts,
    volumes,
)
from podwright.manifest.faults import Fault
from podwright.manifest.paths import in_brackets

RUNTIME_CLASSES = ("pod-containers", "pod-wasm", "pod-microvm-containers")
DEFAULT_RUNTIME_CLASS = RUNTIME_CLASSES[0]

# Before these were fields they were annotations, and an API server still obeys them.
_SECURITY_ANNOTATIONS = ("container.apparmor.security.beta.kubernetes.io/", "container.seccomp.security.alpha.")


def faults_of(pod: dict[str, Any]) -> list[Fault]:
    """Return the faults of a Pod whose structure has been checked."""
    return [*metadata_faults_of(pod["metadata"]), *_spec(pod["spec"])]


def canonical_ip(text: str) -> str | None:
    """Return an IP address in its one text (RFC 5952 for IPv6), or None when it is none."""
    import socket

    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_ntop(family, socket.inet_pton(family, text))
        except (OSError, ValueError):
            continue
    return None


def metadata_faults_of(metadata: dict[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with the labels and annotations of an object."""
    for key, value in (metadata.get("labels") or {}).items():
        field = f"metadata.labels{in_brackets(key)}"
        if not names.is_label_key(key):
            yield Fault(field, "the key must be [prefix/]name: letters, digits, '-', '_' and '.', at most 63", key)
        if not names.is_label_value(value):
            yield Fault(
                field,
                "must be at most 63 letters, digits, '-', '_' and '.', and start and end with a letter or digit",
                value,
            )
    annotations = metadata.get("annotations") or {}
    for key, value in annotations.items():
        field = f"metadata.annotations{in_brackets(key)}"
        if not names.is_label_key(key.lower()):
            yield Fault(field, "the key must be [prefix/]name: letters, digits, '-', '_' and '.', at most 63", key)
        elif key.startswith(_SECURITY_ANNOTATIONS):
            yield Fault(field, "not supported by this release of podwright; remove it", value)
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > names.ANNOTATIONS_SIZE:
        yield Fault("metadata.annotations", f"must have at most {names.ANNOTATIONS_SIZE} bytes together", size)


def _spec(spec: dict[str, Any]) -> Iterator[Fault]:
    runtime_class = spec.get("runtimeClassName")
    if runtime_class in RUNTIME_CLASSES[1:]:
        reason = f"not supported by this release of podwright; remove it to run as {DEFAULT_RUNTIME_CLASS}"
        yield Fault("spec.runtimeClassName", reason, runtime_class)
    elif runtime_class and not names.is_subdomain(runtime_class):
        # which there are is the host's to say
        yield Fault("spec.runtimeClassName", names.MEANING[names.DNS_SUBDOMAIN], runtime_class)
    aliases = spec.get("hostAliases") or []
    for index, alias in enumerate(aliases):
        if canonical_ip(alias["ip"]) is None:
            yield Fault(f"spec.hostAliases[{index}].ip", "must be an IPv4 or IPv6 address", alias["ip"])
    yield from _unique(aliases, lambda alias: canonical_ip(alias["ip"]), "spec.hostAliases", "ip")
    yield from probes.gate_faults_of(spec.get("readinessGates") or (), "spec.readinessGates")
    secrets = spec.get("imagePullSecrets") or []
    yield from _unique(secrets, lambda secret: secret["name"], "spec.imagePullSecrets", "name")
    given = spec.get("volumes") or []
    yield from _unique(given, lambda volume: volume["name"], "spec.volumes", "name")
    yield from volumes.faults_of(given, "spec.volumes")
    context = spec.get("securityContext") or {}
    yield from security.pod_faults_of(context, "spec.securityContext")
    containers = [(f"spec.containers[{index}]", container) for index, container in enumerate(spec["containers"])]
    init = [(f"spec.initContainers[{index}]", item) for index, item in enumerate(spec.get("initContainers") or ())]
    yield from _unique_names([*containers, *init])
    yield from resources.spec_faults_of(spec)
    for field, container in init:
        yield from restart.init_faults_of(container, field)
    for field, container in [*init, *containers]:
        yield from _container(container, field)
        yield from restart.faults_of(container, field)
        yield from probes.faults_of(container, field)
        yield from lifecycle.faults_of(
            container, field, grace=spec.get("terminationGracePeriodSeconds"), os=spec.get("os")
        )
        yield from security.faults_of(container.get("securityContext") or {}, context, f"{field}.securityContext")
        mounts = container.get("volumeMounts") or []
        yield from volume_mounts.faults_of(container, given, f"{field}.volumeMounts")
        yield from _unique(
            mounts, lambda mount: volumes.plain_path(mount["mountPath"]), f"{field}.volumeMounts", "mountPath"
        )


def _unique_names(containers: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[Fault]:
    """Yield a fault for each container whose name an earlier one has, in whichever list of the two."""
    seen: dict[str, str] = {}
    for field, container in containers:
        name = container["name"]
        if name in seen:
            yield Fault(f"{field}.name", f"must be unique, but {seen[name]} has it too", name)
        seen.setdefault(name, field)


def _container(container: dict[str, Any], field: str) -> Iterator[Fault]:
    yield from _unique(container.get("env") or [], lambda variable: variable["name"], f"{field}.env", "name")
    yield from env_sources.faults_of(container, field)
    ports = container.get("ports") or []
    for index, port in enumerate(ports):
        if port.get("name") and not names.is_port_name(port["name"]):
            yield Fault(
                f"{field}.ports[{index}].name", "must have a letter, and no '-' at an end or doubled", port["name"]
            )
    yield from _unique(ports, lambda port: port.get("name") or None, f"{field}.ports", "name")
    yield from _unique(
        ports,
        lambda port: f"{port['containerPort']}/{port.get('protocol') or 'TCP'}",
        f"{field}.ports",
        "containerPort",
    )


def _unique(items: Iterable[Any], key: Callable[[Any], object], field: str, name: str) -> Iterator[Fault]:
    """Yield a fault for each item whose key an earlier one has; a key of None is no key."""
    seen: dict[object, int] = {}
    for index, item in enumerate(items):
        value = key(item)
        if value is None:
            continue
        if value in seen:
            yield Fault(f"{field}[{index}].{name}", f"must be unique, but {field}[{seen[value]}] has it too", value)
        seen.setdefault(value, index)
