# SPDX-License-Identifier: Apache-2.0
"""What Podwright and a Kubernetes API server think of one manifest, and in which fields they do not agree.

Podwright's normal form leaves out what is as it is by default, a server writes it down. So both are spelled out before
they are compared: ``defaults.py`` fills in Kubernetes' defaults, and ``spelled_out`` writes a container's settings
where Podwright means them to hold and what is only another way to write the same in one way.
"""

import ipaddress
import posixpath
import re
from collections.abc import Iterator
from enum import Enum
from typing import Any, NamedTuple

from corpus import Case
from defaults import defaulted

from podwright.errors import ManifestError
from podwright.manifest import names, quantity, security
from podwright.manifest.load import load_documents
from podwright.manifest.normalise import normalise

Pod = dict[str, Any]
ABSENT = "(absent)"
"""The value of a field that one of the two does not have."""
_INHERITED = ("runAsUser", "runAsGroup", "runAsNonRoot", "seccompProfile")
_MEANS_NOTHING = (None, False, "", [], {})
_TELLING = ("allowPrivilegeEscalation", "enableServiceLinks", "hostUsers", "automountServiceAccountToken")
"""Fields whose ``false`` is not what is so anyway."""
# How a server's decoder names the field that it is at.
_NAMED_FIELD = re.compile(r'(?:unknown|duplicate) field "([^"]+)"|Go struct field \w+\.(\S+) of type')


class Kind(Enum):
    """How the two do not agree."""

    STRICTER = "refused here, accepted by Kubernetes"
    LAXER = "accepted here, refused by Kubernetes"
    VALUE = "another value"


class Mismatch(NamedTuple):
    """One thing in which they do not agree about a manifest."""

    case: str
    kind: Kind
    field: str
    """Its path, with ``[*]`` for every index."""
    ours: str
    """Our sentence about it, or our value."""
    theirs: str


def compare(case: Case, answer: dict[str, Any]) -> list[Mismatch]:
    """Return what Podwright makes differently of a manifest than the server that gave the answer."""
    try:
        pod = ours(case.text)
    except ManifestError as error:
        if "refused" in answer:
            return []
        return [
            Mismatch(case.id, Kind.STRICTER, generic(sentence.partition(": ")[0]), sentence, "")
            for sentence in error.message.splitlines()
            if sentence != "and more"
        ]
    if "refused" in answer:
        field, sentence = first_cause(answer["refused"])
        return [Mismatch(case.id, Kind.LAXER, generic(field), "", sentence)]
    accepted = answer["accepted"]
    mine, server = spelled_out(defaulted(pod), is_ours=True), spelled_out(defaulted(accepted), is_ours=False)
    return [
        Mismatch(case.id, Kind.VALUE, generic(field), here, there)
        for part in ("metadata", "spec")
        for field, here, there in _differing(part, mine[part], server[part])
    ]


def ours(text: str) -> Pod:
    """Return the normal form of the one Pod in a text. Raises ManifestError."""
    (document,) = load_documents(text)
    return normalise(document).pod


def first_cause(refusal: dict[str, Any]) -> tuple[str, str]:
    """Return the field and the sentence of the first thing that a server did not like."""
    if refusal.get("causes"):
        cause = refusal["causes"][0]
        return cause.get("field", ""), cause["message"]
    message: str = refusal["message"]
    found = _NAMED_FIELD.search(message)
    return next(filter(None, found.groups())) if found else "", message


def generic(path: str) -> str:
    """Return a path in which every index is a ``*``."""
    return re.sub(r"\[\d+\]", "[*]", path)


def spelled_out(pod: Pod, *, is_ours: bool) -> Pod:
    """Return a Pod of which every part says itself what it means, in one way of several that mean the same."""
    spec = dict(pod["spec"])
    context = spec.get("securityContext") or {}
    for kind in ("containers", "initContainers"):
        if kind in spec:
            spec[kind] = [_container(container, context, is_ours=is_ours) for container in spec[kind]]
    spec["hostname"] = spec.get("hostname") or names.default_hostname(pod["metadata"].get("name", ""))
    spec["resources"] = _resources(spec)
    spec["securityContext"] = _pod_context(context)
    spec["volumes"] = sorted(map(_volume, spec.get("volumes") or ()), key=lambda volume: str(volume["name"]))
    spec["hostAliases"] = [
        {**alias, "ip": str(ipaddress.ip_address(alias["ip"]))} for alias in spec.get("hostAliases") or ()
    ]
    return {"metadata": pod["metadata"], "spec": spec}


def _pod_context(context: Pod) -> Pod:
    """Return a pod's security context without what stands in the containers then."""
    settings = [{**one, "name": one["name"].replace("/", ".")} for one in context.get("sysctls") or ()]
    return {
        **{name: value for name, value in context.items() if name not in _INHERITED},
        "supplementalGroups": sorted(set(context.get("supplementalGroups") or ())),
        "sysctls": sorted(settings, key=lambda one: str(one["name"])),
    }


def _container(container: Pod, pod_context: Pod, *, is_ours: bool) -> Pod:
    inherited = {name: pod_context[name] for name in _INHERITED if name in pod_context}
    context = inherited | (container.get("securityContext") or {})
    if is_ours:  # what Podwright does where nothing is said
        context = {
            "seccompProfile": security.DEFAULT_PROFILE,
            "allowPrivilegeEscalation": security.may_escalate(context),
            **context,
        }
    capabilities = context.get("capabilities") or {}
    plain = {
        kind: sorted({name.upper().removeprefix("CAP_") for name in capabilities.get(kind) or ()})
        for kind in ("add", "drop")
    }
    resizing = [item for item in container.get("resizePolicy") or () if item["restartPolicy"] != "NotRequired"]
    return {
        **container,
        "env": sorted(
            (_variable(variable, container["name"]) for variable in container.get("env") or ()),
            key=lambda variable: str(variable["name"]),
        ),
        "ports": sorted(
            container.get("ports") or (), key=lambda port: (int(port["containerPort"]), str(port["protocol"]))
        ),
        "restartPolicyRules": [_rule(rule) for rule in container.get("restartPolicyRules") or ()],
        "resources": _resources(container),
        "securityContext": {**context, "capabilities": plain},
        "terminationMessagePath": _path(container["terminationMessagePath"]),
        "resizePolicy": sorted(resizing, key=lambda item: str(item["resourceName"])),
        "volumeMounts": sorted(
            map(_mount, container.get("volumeMounts") or ()), key=lambda mount: str(mount["mountPath"])
        ),
    }


def _variable(variable: Pod, container: str) -> Pod:
    """Return a variable that names the container whose resources it tells."""
    reference = (variable.get("valueFrom") or {}).get("resourceFieldRef")
    if not reference:
        return variable
    named = {**reference, "containerName": reference.get("containerName") or container}
    return {**variable, "valueFrom": {"resourceFieldRef": _resource(named)}}


def _resource(reference: Pod) -> Pod:
    """Return a reference to an amount; one that is divided by nothing is divided by one."""
    return {**reference, "divisor": quantity.parse(reference.get("divisor") or 0) or quantity.NANO}


def _rule(rule: Pod) -> Pod:
    """Return a rule about exit codes, of which order and repetition mean nothing."""
    return {**rule, "exitCodes": {**rule["exitCodes"], "values": sorted(set(rule["exitCodes"].get("values") or ()))}}


def _resources(holder: Pod) -> Pod:
    resources = holder.get("resources") or {}
    return {**resources, **{kind: _amounts(resources.get(kind) or {}) for kind in ("limits", "requests")}}


def _amounts(quantities: Pod) -> dict[str, int]:
    """Return amounts in nano-units, so that those that are written differently compare as equal."""
    return {name: quantity.parse(value) for name, value in quantities.items()}


def _mount(mount: Pod) -> Pod:
    sub_path = posixpath.normpath(mount.get("subPath") or ".")
    return {**mount, "mountPath": _path(mount["mountPath"]), "subPath": "" if sub_path == "." else sub_path}


def _volume(volume: Pod) -> Pod:
    volume = dict(volume)
    if volume.get("hostPath"):
        volume["hostPath"] = {**volume["hostPath"], "path": _path(volume["hostPath"]["path"])}
    if volume.get("downwardAPI"):
        volume["downwardAPI"] = _downward(volume["downwardAPI"])
    if volume.get("projected"):
        sources = volume["projected"].get("sources") or ()
        volume["projected"] = {**volume["projected"], "sources": list(map(_source, sources))}
    if (volume.get("emptyDir") or {}).get("sizeLimit") is not None:
        size = quantity.parse(volume["emptyDir"]["sizeLimit"])
        rest = {name: value for name, value in volume["emptyDir"].items() if name != "sizeLimit"}
        volume["emptyDir"] = {**rest, "sizeLimit": size} if size else rest  # 0 is no limit
    if volume.get("emptyDir") is not None and not volume["emptyDir"]:
        volume["emptyDir"] = {"medium": "disk"}  # so that it is there to be compared
    return volume


def _source(source: Pod) -> Pod:
    return {**source, "downwardAPI": _downward(source["downwardAPI"])} if source.get("downwardAPI") else source


def _downward(files: Pod) -> Pod:
    """Return files with what a pod knows of itself."""
    items = [
        {**item, "resourceFieldRef": _resource(item["resourceFieldRef"])} if item.get("resourceFieldRef") else item
        for item in files.get("items") or ()
    ]
    return {**files, "items": items}


def _path(path: str) -> str:
    return "/" + posixpath.normpath(path).lstrip("/") if path.startswith("/") else path


def _differing(path: str, here: Any, there: Any) -> Iterator[tuple[str, str, str]]:
    """Yield path and both values wherever two values differ."""
    if isinstance(here, dict) or isinstance(there, dict):
        mine, server = ({} if value == ABSENT else value for value in (here, there))
        if isinstance(mine, dict) and isinstance(server, dict):
            for name in sorted({*mine, *server}):
                yield from _differing(f"{path}.{name}", _said(name, mine), _said(name, server))
            return
    if isinstance(here, list) and isinstance(there, list) and len(here) == len(there):
        for index, (mine, server) in enumerate(zip(here, there, strict=True)):
            yield from _differing(f"{path}[{index}]", mine, server)
    elif here != there:
        yield path, str(here), str(there)


def _said(name: str, fields: Pod) -> Any:
    """Return a field's value; one that asks for nothing is as good as none."""
    value = fields.get(name, ABSENT)
    is_off = any(value is nothing or (value == nothing and type(value) is type(nothing)) for nothing in _MEANS_NOTHING)
    return ABSENT if is_off and not (value is False and name in _TELLING) else value
