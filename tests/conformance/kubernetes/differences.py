# SPDX-License-Identifier: Apache-2.0
"""Where Podwright does not do as an API server does, and why. Every other difference is a fault.

A difference that no manifest of the corpus shows any more fails a test, as does one that is not listed.
"""

import re
from typing import NamedTuple

from compare import ABSENT, Kind, Mismatch

from podwright.manifest.unbuilt import REFUSED, SERVER_SET


class Difference(NamedTuple):
    """A deliberate difference, or a known one."""

    kind: Kind
    fields: tuple[str, ...]
    """Paths with ``[*]`` for every index; ``…`` stands for whatever may stand there."""
    reason: str
    ours: str = ""
    """What must be in our sentence, or be our value."""
    theirs: str = ""
    """What must be in the server's sentence, or be its value."""
    where: str = ""
    """Words for the fields, where these are many."""

    def covers(self, mismatch: Mismatch) -> bool:
        """Tell whether this is the reason of a mismatch."""
        if mismatch.kind is not self.kind or not any(_fits(field, mismatch.field) for field in self.fields):
            return False
        if self.kind is Kind.VALUE:
            return self.ours in ("", mismatch.ours) and self.theirs in ("", mismatch.theirs)
        return self.ours in mismatch.ours and self.theirs in mismatch.theirs


def _fits(pattern: str, field: str) -> bool:
    """Tell whether a field is meant; what is said of a container is said of an init container too."""
    field = field.replace("spec.initContainers[*]", _C, 1)
    return re.fullmatch(".*".join(map(re.escape, pattern.split("…"))), field) is not None


_C = "spec.containers[*]"
_CONTEXT = f"{_C}.securityContext"
NOT_BUILT = Difference(
    Kind.STRICTER, ("…",), "this release does not have the field yet, and says so by its name", "not supported by this"
)
"""Not listed field by field: the refusal itself says it, and so it goes away with the code that says it."""

_STRICT = Kind.STRICTER
_LAX = Kind.LAXER
_VALUE = Kind.VALUE

DIFFERENCES: dict[str, Difference] = {
    "not built": NOT_BUILT,
    # Refused here
    "kind": Difference(
        _STRICT, ("apiVersion", "kind"), "a server knows from the address what it is sent; a file must say it itself"
    ),
    "generated names": Difference(
        _STRICT, ("metadata.name",), "a pod is known by its name, and generateName is not supported", "required"
    ),
    "null in a list or a map": Difference(
        _STRICT,
        ("…]",),
        "to a server null is the empty text, or zero; nobody who leaves a value out means that",
        "(got null)",
        where="any value in a list or a map",
    ),
    "keys that are not texts": Difference(
        _STRICT, ("manifest",), "a server makes texts of keys such as 1 and on; here they want quotes", "a key must be"
    ),
    "tags": Difference(_STRICT, ("manifest",), "only the tags of plain data; a server reads more", "the tag "),
    "image references": Difference(
        _STRICT,
        (f"{_C}.image", "spec.volumes[*].image.reference"),
        "a server takes any text, and the pod then waits for ever",
        "must ",
    ),
    "variables twice": Difference(
        _STRICT, (f"{_C}.env[*].name",), "the last one would count, and the others be lost in silence", "must be unique"
    ),
    "long variable names": Difference(
        _STRICT, (f"{_C}.env[*].name",), "a bound on what a manifest may hold", "must have at most"
    ),
    "ports twice": Difference(_STRICT, (f"{_C}.ports[*].containerPort",), "one of them is a mistake", "must be unique"),
    "relative paths": Difference(
        _STRICT,
        (
            f"{_C}.workingDir",
            f"{_C}.terminationMessagePath",
            f"{_C}.volumeMounts[*].mountPath",
            "spec.volumes[*].hostPath.path",
        ),
        "a server takes them, and the container then fails or what they are relative to is the runtime's to say",
        "must be an absolute path",
    ),
    "the same place twice": Difference(
        _STRICT, (f"{_C}.volumeMounts[*].mountPath",), "`/a` and `/a/` are one place", "must be unique"
    ),
    "places of mounts": Difference(
        _STRICT,
        (f"{_C}.volumeMounts[*].mountPath",),
        "a container cannot run with a mount there, or finds another place than it names",
        "must ",
    ),
    "grace periods": Difference(
        _STRICT,
        (
            "spec.terminationGracePeriodSeconds",
            "….livenessProbe.terminationGracePeriodSeconds",
            "….startupProbe.terminationGracePeriodSeconds",
        ),
        "at most a day, and never negative: a call waits that long",
        "must be at ",
    ),
    "lines of /etc/hosts": Difference(
        _STRICT,
        ("spec.hostAliases[*].hostnames", "spec.hostAliases[*].ip"),
        "an address without names, twice or with leading zeros is a mistake",
    ),
    "names of objects": Difference(
        _STRICT,
        (
            "spec.imagePullSecrets[*].name",
            *(f"….{holder}.name" for holder in ("configMap", "configMapKeyRef", "configMapRef")),
            *(f"….{holder}.name" for holder in ("secret", "secretKeyRef", "secretRef")),
            "….secret.secretName",
            "….persistentVolumeClaim.claimName",
        ),
        "a name that no such object can have, none at all, or a Secret for images twice",
    ),
    "root where no root may be": Difference(
        _STRICT, (f"{_CONTEXT}.runAsUser",), "such a container never starts", "runAsNonRoot"
    ),
    "requests of probes": Difference(
        _STRICT,
        (f"{_C}.….httpGet.…", f"{_C}.….tcpSocket.…", f"{_C}.….exec.command…"),
        "a host is told by its address, a path begins with a slash, a header has a value, a program has a name, and a "
        "port's name is one of the container's",
    ),
    "sleeps": Difference(
        _STRICT,
        (f"{_C}.lifecycle.….sleep.seconds",),
        "a hook that waits says how long",
    ),
    "sources of nothing": Difference(
        _STRICT, ("spec.volumes[*].projected.sources[*]",), "a source without an object has no files", "has none"
    ),
    "capabilities": Difference(
        _STRICT,
        tuple(f"{_CONTEXT}.capabilities.{kind}[*]" for kind in ("add", "drop")),
        "a server takes any text",
        "there is no such capability",
    ),
    "SYS_ADMIN": Difference(
        _STRICT,
        (f"{_CONTEXT}.allowPrivilegeEscalation",),
        "a server only knows it as CAP_SYS_ADMIN",
        "with the capability SYS_ADMIN",
    ),
    "kernel settings": Difference(
        _STRICT,
        ("spec.securityContext.sysctls…",),
        "a setting without a value changes nothing, and `a/b` and `a.b` are one",
    ),
    "a profile without a name": Difference(
        _STRICT,
        tuple(f"{context}.seccompProfile.localhostProfile" for context in (_CONTEXT, "spec.securityContext")),
        "there is no such file",
        "required",
    ),
    "amounts without digits": Difference(
        _STRICT,
        ("….limits…", "….requests…", "….sizeLimit"),
        "to a server `.`, `-` and `Ki` are zero",
        "must be a quantity",
    ),
    "emptyDir of huge pages": Difference(
        _STRICT, ("spec.volumes[*].emptyDir.medium",), "this release has no huge pages", "must be"
    ),
    "large amounts": Difference(
        _STRICT,
        ("….limits…", "….requests…"),
        "a server makes them 2^63-1 in silence",
        "is too large",
    ),
    "other systems": Difference(_STRICT, ("spec.os.name",), "containers run Linux here", "windows"),
    "characters of processes": Difference(
        _STRICT, (f"{_C}.args[*]",), "no process can be given such an argument", "NUL"
    ),
    # Accepted here
    "set by a server": Difference(
        _LAX,
        ("status…", *(f"metadata.{name}…" for name in sorted(SERVER_SET["ObjectMeta"]))),
        "dropped with a warning, so that what `kubectl get` prints can be applied",
    ),
    "times set by a server": Difference(
        _LAX, ("",), "`creationTimestamp` is dropped with a warning, whatever it holds", theirs="parsing time"
    ),
    "off in other words": Difference(
        _LAX,
        tuple(f"….{name}" for fields in REFUSED.values() for name in fields),
        "what asks for nothing is passed over, whatever its type",
        theirs="cannot unmarshal",
        where="the fields that are refused by name",
    ),
    "merge keys": Difference(
        _LAX, ("",), "a key may stand beside a `<<` that brings it in too, and wins", theirs="already set in map"
    ),
    "priorities": Difference(
        _LAX, ("",), "there are no priority classes on a host, and a priority has no effect", theirs="riority"
    ),
    "overhead": Difference(
        _LAX, ("",), "a runtime has no overhead to compare with, and the field has no effect", theirs="verhead"
    ),
    "other runtime classes": Difference(
        _LAX, ("",), "which ones there are is the host's to say, when the pod is applied", theirs="RuntimeClass"
    ),
    "no runtime class": Difference(
        _LAX,
        ("",),
        '`runtimeClassName: ""` is the host\'s default, as it is to a kubelet',
        theirs="name may not be empty",
    ),
    # Other values
    "resolvers": Difference(
        _VALUE, ("spec.dnsPolicy",), "there is no cluster's DNS on a host: the pod has the host's resolvers", "Default"
    ),
    "fields without effect": Difference(
        _VALUE,
        (
            "spec.tolerations",
            "spec.affinity…",
            "spec.topologySpreadConstraints…",
            "spec.schedulerName",
            "spec.priority",
            "spec.priorityClassName",
            "spec.preemptionPolicy",
            "spec.enableServiceLinks",
            "spec.serviceAccount",
            "spec.serviceAccountName",
            "spec.automountServiceAccountToken",
        ),
        "the field has no effect on a host, so the normal form does not have it; a server fills some in",
    ),
    "asking for nothing": Difference(
        _VALUE,
        (
            "spec.hostUsers",
            "spec.securityContext.supplementalGroupsPolicy",
            "spec.securityContext.appArmorProfile.type",
            f"{_CONTEXT}.appArmorProfile.type",
            f"{_CONTEXT}.procMount",
            f"{_C}.volumeMounts[*].mountPropagation",
            f"{_C}.volumeMounts[*].recursiveReadOnly",
            "spec.securityContext.fsGroupChangePolicy",
        ),
        "the value asks for what is so anyway, and the normal form does not have it",
        ABSENT,
    ),
    "the operating system": Difference(_VALUE, ("spec.os…",), "it is always linux", ABSENT),
    "the filter of system calls": Difference(
        _VALUE,
        (f"{_CONTEXT}.seccompProfile.type",),
        "RuntimeDefault unless something else is asked for; a kubelet filters nothing unless told to",
        "RuntimeDefault",
        ABSENT,
    ),
    "setuid programs": Difference(
        _VALUE,
        (f"{_CONTEXT}.allowPrivilegeEscalation",),
        "they gain nothing unless that is asked for; in Kubernetes they do unless it is forbidden",
        "False",
        ABSENT,
    ),
    "setuid programs of the privileged": Difference(
        _VALUE,
        (f"{_CONTEXT}.allowPrivilegeEscalation",),
        "the same as in Kubernetes, which does not write it down",
        "True",
        ABSENT,
    ),
    "parts of bytes": Difference(
        _VALUE,
        (
            *(f"….{kind}.{name}" for kind in ("limits", "requests") for name in ("memory", "ephemeral-storage")),
            "spec.volumes[*].emptyDir.sizeLimit",
        ),
        "what is counted in bytes is rounded up to whole ones, in Kubernetes by the kubelet",
    ),
    "the default runtime class": Difference(
        _VALUE, ("spec.runtimeClassName",), "`pod-containers` is what runs pods by default", ABSENT, "pod-containers"
    ),
}
"""Name to the difference."""


def reason_of(mismatch: Mismatch) -> str | None:
    """Return the name of the difference that is the reason of a mismatch."""
    return next((name for name, difference in DIFFERENCES.items() if difference.covers(mismatch)), None)
