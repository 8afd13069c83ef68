# SPDX-License-Identifier: Apache-2.0
"""Kubernetes' defaults of a Pod (pkg/apis/core/v1/defaults.go), to write out what Podwright's normal form leaves out.

They are stated here once more, and not taken from Podwright, so that a default that Podwright has wrong is seen.
"""

import copy
from collections.abc import Iterator
from typing import Any

Fields = dict[str, Any]

PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
READABLE = 0o644
TOKEN_SECONDS = 3600


def defaulted(pod: Fields) -> Fields:
    """Return a copy of a Pod in which every field has a value that an API server gives one."""
    pod = copy.deepcopy(pod)
    spec = pod["spec"]
    _fill(
        spec,
        dnsPolicy="ClusterFirst",
        enableServiceLinks=True,
        restartPolicy="Always",
        schedulerName="default-scheduler",
        securityContext={},
        terminationGracePeriodSeconds=30,
    )
    for container in [*spec.get("containers", ()), *spec.get("initContainers", ())]:
        _container(container)
        if spec.get("hostNetwork"):
            for port in container.get("ports", ()):
                port["hostPort"] = port.get("hostPort") or port["containerPort"]
    for volume in spec.get("volumes", ()):
        _volume(volume)
    return pod


def pull_policy(image: str) -> str:
    """Return the pull policy of an image for which none is given."""
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return "Always" if tag == "latest" or not (tag or digest) else "IfNotPresent"


def _container(container: Fields) -> None:
    _fill(
        container,
        imagePullPolicy=pull_policy(container.get("image", "")),
        resources={},
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
    )
    resources = container["resources"]
    if resources.get("limits"):
        resources["requests"] = resources["limits"] | resources.get("requests", {})
    for port in container.get("ports", ()):
        _fill(port, protocol="TCP")
    for variable in container.get("env", ()):
        _field_reference(variable.get("valueFrom") or {})
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(name):
            container[name] |= {field: container[name].get(field) or value for field, value in PROBE.items()}
            _handler(container[name])
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict):
            _handler(hook)


def _handler(handler: Fields) -> None:
    """Fill in a probe or a hook."""
    if handler.get("httpGet"):
        _fill(handler["httpGet"], path="/", scheme="HTTP")
    if handler.get("sleep") is not None:
        handler["sleep"].setdefault("seconds", 0)
    if "grpc" in handler:
        handler["grpc"].setdefault("service", "")


def _volume(volume: Fields) -> None:
    if not any(value is not None for name, value in volume.items() if name != "name"):
        volume["emptyDir"] = {}
    if volume.get("hostPath"):
        volume["hostPath"].setdefault("type", "")
    if volume.get("image"):
        _fill(volume["image"], pullPolicy=pull_policy(volume["image"].get("reference", "")))
    for name in ("configMap", "secret", "downwardAPI", "projected"):
        if volume.get(name) is not None:
            volume[name].setdefault("defaultMode", READABLE)
    for item in _downward_items(volume):
        _field_reference(item)
    for source in (volume.get("projected") or {}).get("sources") or ():
        if source.get("serviceAccountToken"):
            _fill(source["serviceAccountToken"], expirationSeconds=TOKEN_SECONDS)


def _downward_items(volume: Fields) -> Iterator[Fields]:
    yield from (volume.get("downwardAPI") or {}).get("items") or ()
    for source in (volume.get("projected") or {}).get("sources") or ():
        yield from (source.get("downwardAPI") or {}).get("items") or ()


def _field_reference(holder: Fields) -> None:
    if holder.get("fieldRef"):
        _fill(holder["fieldRef"], apiVersion="v1")
    if holder.get("resourceFieldRef"):
        holder["resourceFieldRef"].setdefault("divisor", "0")


def _fill(fields: Fields, **values: Any) -> None:
    """Give fields that are absent or say nothing their values."""
    for name, value in values.items():
        if fields.get(name) in (None, ""):
            fields[name] = value
