# SPDX-License-Identifier: Apache-2.0
"""Every Pod field that Kubernetes 1.36 knows and ``models.py`` does not, and what happens to it.

Kinds and fields are named as in k8s.io/api/core/v1. A test holds these tables and the models together against the
list of all of Kubernetes' fields.
"""

from collections.abc import Callable
from typing import NamedTuple


def _is_off(value: object) -> bool:
    """Tell whether a value is the field's way to say no: false, 0, or something empty."""
    return not value


def _never(_: object) -> bool:
    return False


def _is_unconfined(profile: object) -> bool:
    return profile == {"type": "Unconfined"}


class Refused(NamedTuple):
    """A field that this release refuses, unless its value asks for nothing that is not so anyway."""

    hint: str = "remove it"
    is_off: Callable[[object], bool] = _is_off


_THIS_HOST = "remove it: the pod runs on the host that it is applied to"
_CLUSTER = "remove it: there is no cluster behind this host"
_LABELS = "remove it: containers run without a profile of AppArmor or SELinux"
_WINDOWS = "remove it: containers run Linux here"
_OTHER_VOLUME = "use hostPath or emptyDir"
_NO_STORAGE = "use hostPath, for what is mounted on the host"
_REQUIRED_AFFINITY = Refused(_THIS_HOST)
_ON_BY_DEFAULT = Refused(is_off=lambda value: value is True)
_PLAIN = Refused()

REFUSED: dict[str, dict[str, Refused]] = {
    "ObjectMeta": {
        "generateName": Refused("give the pod a name of its own in metadata.name"),
        "finalizers": Refused(_CLUSTER),
    },
    "PodSpec": {
        "ephemeralContainers": _PLAIN,
        "nodeSelector": Refused(_THIS_HOST),
        "nodeName": Refused(_THIS_HOST),
        "hostNetwork": Refused("remove it: a pod always has a network of its own"),
        "hostPID": Refused("remove it: a container always has process ids of its own"),
        "hostIPC": Refused("remove it: a pod always has IPC of its own"),
        "hostUsers": _ON_BY_DEFAULT,
        "shareProcessNamespace": Refused("remove it: a container always has process ids of its own"),
        "subdomain": _PLAIN,
        "setHostnameAsFQDN": _PLAIN,
        "hostnameOverride": Refused("remove it, or use spec.hostname"),
        "dnsConfig": Refused("remove it: the pod uses the host's resolvers"),
        "schedulingGates": Refused(_CLUSTER),
        "resourceClaims": _PLAIN,
        "workloadRef": Refused(_CLUSTER),
        "schedulingGroup": Refused(_CLUSTER),
    },
    "NodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": _REQUIRED_AFFINITY},
    "PodAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": _REQUIRED_AFFINITY},
    "Container": {
        "volumeDevices": _PLAIN,
        "stdin": _PLAIN,
        "stdinOnce": _PLAIN,
        "tty": _PLAIN,
    },
    "ContainerPort": {
        "hostPort": Refused("remove it, and connect to the pod's IP address"),
        "hostIP": Refused("remove it, and connect to the pod's IP address"),
    },
    "EnvVarSource": {"fileKeyRef": Refused("use configMapKeyRef or secretKeyRef", _never)},
    "ResourceRequirements": {"claims": _PLAIN},
    "SecurityContext": {
        "seLinuxOptions": Refused(_LABELS),
        "windowsOptions": Refused(_WINDOWS),
        "appArmorProfile": Refused(_LABELS, _is_unconfined),
    },
    "PodSecurityContext": {
        "seLinuxOptions": Refused(_LABELS),
        "seLinuxChangePolicy": Refused(_LABELS),
        "windowsOptions": Refused(_WINDOWS),
        "appArmorProfile": Refused(_LABELS, _is_unconfined),
    },
    "Volume": {
        **dict.fromkeys(("gitRepo", "ephemeral"), Refused(_OTHER_VOLUME, _never)),
        **dict.fromkeys(
            (
                "awsElasticBlockStore",
                "azureDisk",
                "azureFile",
                "cephfs",
                "cinder",
                "csi",
                "fc",
                "flexVolume",
                "flocker",
                "gcePersistentDisk",
                "glusterfs",
                "iscsi",
                "nfs",
                "photonPersistentDisk",
                "portworxVolume",
                "quobyte",
                "rbd",
                "scaleIO",
                "storageos",
                "vsphereVolume",
            ),
            Refused(_NO_STORAGE, _never),
        ),
    },
    "VolumeProjection": {
        "serviceAccountToken": Refused(
            "remove it: there are no service accounts on a plain host (a Pod exported from a cluster has a volume for "
            "its token: remove that, and its volumeMounts)",
            _never,
        ),
        "clusterTrustBundle": Refused(_CLUSTER, _never),
        "podCertificate": Refused(_CLUSTER, _never),
    },
}
REFUSED["LoneContainer"] = {
    **REFUSED["Container"],
    "resizePolicy": Refused(
        "remove it: the container goes on with its new limits",
        lambda value: _restart_policies(value) <= {"NotRequired"},
    ),
    "terminationMessagePath": Refused(is_off=lambda value: value in ("", "/dev/termination-log")),
    "terminationMessagePolicy": Refused(is_off=lambda value: value in ("", "File")),
    **dict.fromkeys(("restartPolicyRules", "startupProbe", "livenessProbe", "readinessProbe", "lifecycle"), _PLAIN),
}
"""Kind to field to the refusal."""

SERVER_SET: dict[str, frozenset[str]] = {
    "Pod": frozenset({"status"}),
    "ObjectMeta": frozenset(
        {
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "managedFields",
            "ownerReferences",
            "selfLink",
        }
    ),
}
"""Kind to the fields that an API server fills in: dropped, so that the output of ``kubectl get`` can be applied."""


def _restart_policies(value: object) -> set[str]:
    """Return the words of a list of policies for CPU and memory; for whatever else stands there, the empty one."""
    return {
        str(item.get("restartPolicy"))
        if isinstance(item, dict) and item.get("resourceName") in ("cpu", "memory")
        else ""
        for item in (value if isinstance(value, list) else [value])
    }
