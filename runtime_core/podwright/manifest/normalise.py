# SPDX-License-Identifier: Apache-2.0
"""From a manifest to the one form in which Podwright stores, compares and runs a Pod.

Pure: no I/O but its own schema file. ``normalise(normalise(x).pod).pod == normalise(x).pod``, and manifests that mean
the same have the same canonical JSON: defaults are filled in as an API server does, whatever says "off" or has no
effect is left out, quantities are rewritten, lists whose order means nothing are sorted.
"""

import json
from typing import Any, NamedTuple

from podwright.limits import MAX_MANIFEST_SIZE
from podwright.manifest import (
    check,
    env_sources,
    expand,
    lifecycle,
    lone,
    names,
    probes,
    resources,
    restart,
    rules,
    security,
    volume_mounts,
    volumes,
)
from podwright.manifest.faults import Fault, error
from podwright.manifest.ignored import warnings_of
from podwright.manifest.sift import sift

NORMALISER_VERSION = 1
"""Goes up whenever the same manifest gives another normalised Pod than before."""

DEFAULT_MESSAGE_PATH = "/dev/termination-log"
"""Seconds, as in Kubernetes."""


class Normalised(NamedTuple):
    """A Pod in its normal form, and what its author should know."""

    pod: dict[str, Any]
    warnings: list[str]


def normalise(manifest: dict[str, Any]) -> Normalised:
    """Check a Pod, or a container alone, and return its normal form (see ``lone.py`` for the latter's).

    Raises ManifestError with the first few things that are wrong.
    """
    _check_envelope(manifest)
    if manifest.get("kind") == lone.KIND:
        return _container_alone(manifest)
    pod, warnings = _checked(manifest, "Pod")
    faults = rules.faults_of(pod)
    if faults:
        raise error(faults)
    warnings += warnings_of(pod["spec"])
    return Normalised({"apiVersion": "v1", "kind": "Pod", **_normal(pod, warnings)}, warnings)


def _container_alone(manifest: dict[str, Any]) -> Normalised:
    container, warnings = _checked(manifest, "LoneContainer")
    pod = lone.wrap(container)
    faults = lone.faults_of(container)
    for fault in rules.faults_of(pod):
        faults.append(fault._replace(field=lone.own_path(fault.field), reason=lone.own_words(fault.reason)))
    if faults:
        raise error(faults)
    state = container.get("state") or "present"
    normal = {"kind": lone.KIND, "state": state, **_normal(pod, warnings)}
    del normal["spec"]["dnsPolicy"]  # not to be chosen, so nobody needs to see it
    return Normalised(normal, [lone.own_words(warning) for warning in warnings])


def _checked(manifest: dict[str, Any], kind: str) -> tuple[dict[str, Any], list[str]]:
    """Return a manifest whose structure is right, without what asks for nothing, and warnings."""
    sifted, faults, warnings = sift(manifest, kind)
    if not check.accepts(sifted, check.node_of(kind)):
        from podwright.manifest.explain import explain

        faults += explain(sifted, kind)
    if faults:
        raise error(faults)
    return sifted, warnings


def _normal(pod: dict[str, Any], warnings: list[str]) -> dict[str, Any]:
    return {"metadata": _metadata(pod["metadata"]), "spec": _spec(pod["spec"], pod["metadata"]["name"], warnings)}


def _check_envelope(manifest: object) -> None:
    """Refuse what is no object, no Pod, no JSON or too large, before looking into it."""
    if not isinstance(manifest, dict):
        raise error([Fault("manifest", "must be an object with apiVersion, kind, metadata and spec", manifest)])
    kind = manifest.get("kind")
    if isinstance(kind, str) and kind not in ("Pod", lone.KIND):
        raise error([Fault("kind", "podwright runs Pods, and no other kind", kind)])
    try:
        text = json.dumps(manifest, separators=(",", ":"), ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as problem:
        raise error([Fault("manifest", f"cannot be written as JSON: {problem}")]) from problem
    size = len(text.encode(errors="surrogatepass"))
    if size > MAX_MANIFEST_SIZE:
        raise error([Fault("manifest", f"is too large: at most {MAX_MANIFEST_SIZE} bytes of JSON are allowed", size)])


def _metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    return _filled(
        name=metadata["name"],
        namespace=metadata.get("namespace") or "default",
        labels=metadata.get("labels"),
        annotations=metadata.get("annotations"),
    )


def _spec(spec: dict[str, Any], pod_name: str, warnings: list[str]) -> dict[str, Any]:
    grace = spec.get("terminationGracePeriodSeconds")
    hostname = spec.get("hostname")
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    runtime_class = spec.get("runtimeClassName")
    context = security.pod_normal(spec.get("securityContext") or {})
    return {
        "restartPolicy": spec.get("restartPolicy") or "Always",
        "terminationGracePeriodSeconds": lifecycle.DEFAULT_GRACE_PERIOD if grace is None else grace,
        "dnsPolicy": "Default",
        **_filled(
            activeDeadlineSeconds=spec.get("activeDeadlineSeconds"),
            os=lifecycle.normal_os(spec),
            runtimeClassName=runtime_class if runtime_class != rules.DEFAULT_RUNTIME_CLASS else None,
            serviceAccountName=account if account != "default" and env_sources.names_account(spec) else None,
            hostname=hostname if hostname != names.default_hostname(pod_name) else None,
            hostAliases=[
                {"ip": rules.canonical_ip(alias["ip"]), "hostnames": alias["hostnames"]}
                for alias in spec.get("hostAliases") or []
            ],
            securityContext=context,
            readinessGates=[{"conditionType": gate["conditionType"]} for gate in spec.get("readinessGates") or ()],
            resources=resources.pod_normal(spec, "spec.resources", warnings),
            imagePullSecrets=[{"name": secret["name"]} for secret in spec.get("imagePullSecrets") or ()],
            volumes=sorted(map(volumes.normal, spec.get("volumes") or ()), key=lambda volume: str(volume["name"])),
        ),
        **_filled(
            initContainers=[
                _container(container, context, f"spec.initContainers[{index}]", warnings)
                for index, container in enumerate(spec.get("initContainers") or ())
            ]
        ),
        "containers": [
            _container(container, context, f"spec.containers[{index}]", warnings)
            for index, container in enumerate(spec["containers"])
        ],
    }


def _container(
    container: dict[str, Any], pod_context: dict[str, Any], field: str, warnings: list[str]
) -> dict[str, Any]:
    image = container.get("image")
    default = image and names.default_pull_policy(image)
    mounts = map(volume_mounts.normal, container.get("volumeMounts") or ())
    return _filled(
        name=container["name"],
        image=image,
        imagePullPolicy=container.get("imagePullPolicy") or default,
        rootfs=volumes.plain_path(container["rootfs"]) if container.get("rootfs") else None,
        command=container.get("command"),
        args=container.get("args"),
        workingDir=container.get("workingDir"),
        envFrom=[env_sources.normal_from(source) for source in container.get("envFrom") or ()],
        env=_env(container.get("env") or [], container["name"]),
        ports=sorted(
            (_port(port) for port in container.get("ports") or []),
            key=lambda port: (port["containerPort"], port["protocol"]),
        ),
        resources=resources.normal(container.get("resources") or {}, f"{field}.resources", warnings),
        resizePolicy=resources.normal_policy(container),
        **_message(container),
        startupProbe=probes.normal(container.get("startupProbe")),
        livenessProbe=probes.normal(container.get("livenessProbe")),
        readinessProbe=probes.normal(container.get("readinessProbe")),
        lifecycle=lifecycle.normal(container.get("lifecycle")),
        restartPolicy=container.get("restartPolicy"),
        restartPolicyRules=restart.normal_rules(container),
        securityContext=security.normal(container.get("securityContext") or {}, pod_context),
        volumeMounts=sorted(mounts, key=lambda mount: str(mount["mountPath"])),
    )


def _message(container: dict[str, Any]) -> dict[str, Any]:
    path, policy = container.get("terminationMessagePath"), container.get("terminationMessagePolicy")
    return {
        "terminationMessagePath": volumes.plain_path(path) if path and path != DEFAULT_MESSAGE_PATH else None,
        "terminationMessagePolicy": policy if policy != "File" else None,
    }


def _port(port: dict[str, Any]) -> dict[str, Any]:
    return {
        **_filled(name=port.get("name")),
        "containerPort": port["containerPort"],
        "protocol": port.get("protocol") or "TCP",
    }


def _env(env: list[dict[str, Any]], container: str) -> list[dict[str, Any]]:
    """Return the variables sorted by name, but none before or after another when a ``$(NAME)`` makes that matter."""
    position = {variable["name"]: index for index, variable in enumerate(env)}
    values = {variable["name"]: variable.get("value") or "" for variable in env}
    after: dict[str, set[str]] = {name: set() for name in values}
    for name, value in values.items():
        for other in expand.references(value):
            if other in position and other != name:
                first, second = sorted((name, other), key=position.__getitem__)
                after[second].add(first)
    normal = {variable["name"]: env_sources.normal_variable(variable, container) for variable in env}
    ordered: dict[str, Any] = {}
    waiting = sorted(values)
    while waiting:
        name = next(name for name in waiting if after[name] <= ordered.keys())
        ordered[name] = normal[name]
        waiting.remove(name)
    return list(ordered.values())


def _filled(**fields: Any) -> dict[str, Any]:
    """Return the fields that say something; null and empty ones mean the same as absent ones."""
    return {name: value for name, value in fields.items() if value}
