# SPDX-License-Identifier: Apache-2.0
"""A container alone: what it may say, how it is refused, and its security context and volumes in normal form."""

from typing import Any

import pytest

from manifesttools import pod, with_container
from podwright.errors import ManifestError
from podwright.manifest import lone
from podwright.manifest.normalise import normalise

SMALL = {"kind": "Container", "name": "web", "image": "registry.example.com/httpd:2.4"}
VOLUMES = [{"name": "data", "emptyDir": {}}, {"name": "www", "hostPath": {"path": "/srv/www"}}]


def small(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in {**SMALL, **fields}.items() if value is not None}


def normal(**fields: Any) -> dict[str, Any]:
    """Return the container's fields in normal form."""
    return lone.unwrap(normalise(small(**fields)).pod)


def refused(**fields: Any) -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        normalise(small(**fields))
    return caught.value


def test_its_defaults() -> None:
    assert normal() == {
        **SMALL,
        "namespace": "default",
        "state": "present",
        "imagePullPolicy": "IfNotPresent",
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
    }


def test_it_normalises_to_itself() -> None:
    context = {"runAsUser": 0, "runAsNonRoot": False, "capabilities": {"add": ["CAP_SYS_ADMIN", "all"]}}
    full = normal(securityContext=context, volumes=VOLUMES, volumeMounts=[{"name": "data", "mountPath": "/d/./x/"}])
    assert lone.unwrap(normalise(full).pod) == full


def test_warnings_speak_of_its_own_fields() -> None:
    warnings = normalise(small(resources={"limits": {"memory": "64m"}})).warnings
    assert warnings == ["resources.limits[memory]: 64m is rounded up to 1"]


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"image": None}, "image", "required, but missing"),
        ({"rootfs": "/srv"}, "rootfs", "must not be there beside an image"),
        ({"image": None, "rootfs": "srv"}, "rootfs", "must be an absolute path"),
        ({"image": None, "rootfs": "/"}, "rootfs", "must be a directory below /"),
        ({"image": None, "rootfs": "/a/../.."}, "rootfs", "must be a directory below /"),
        ({"image": None, "rootfs": "/a", "imagePullPolicy": "Never"}, "imagePullPolicy", "must not be there"),
        ({"name": None}, "name", "required, but missing"),
        ({"name": "a.b"}, "name", "must be lower case letters, digits and '-'"),
        ({"state": "absent"}, "state", "must be 'present' or 'stopped'"),
        ({"imgae": "x"}, "imgae", "unknown field; did you mean image?"),
        ({"image_pull_policy": "Never"}, "image_pull_policy", "unknown field; did you mean imagePullPolicy?"),
        ({"hostNetwork": True}, "hostNetwork", "unknown field"),
        ({"labels": {"-": "x"}}, "labels[-]", "the key must be"),
        ({"env": [{"name": "A", "value": 1}]}, "env[0].value", "must be a string; put it in quotes"),
        ({"env": [{"name": "A"}, {"name": "A"}]}, "env[1].name", "must be unique, but env[0] has it too"),
        ({"livenessProbe": {"exec": {}}}, "livenessProbe", "not supported by this release of podwright"),
        ({"restartPolicy": "sometimes"}, "restartPolicy", "must be 'Always', 'OnFailure' or 'Never'"),
        ({"resources": {"limits": {"cpu": "-1"}}}, "resources.limits[cpu]", "must not be negative"),
        ({"volumeMounts": [{"name": "x", "mountPath": "/x"}]}, "volumeMounts[0].name", "no volume has this name"),
    ],
)
def test_what_is_wrong_is_named_as_it_was_written(fields: dict[str, Any], field: str, reason: str) -> None:
    error = refused(**fields)
    assert error.field == field
    assert error.message.startswith(f"{field}: {reason}")


# -- securityContext


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"privileged": False, "allowPrivilegeEscalation": False, "runAsNonRoot": False}, None),
        ({"seccompProfile": {"type": "RuntimeDefault"}, "procMount": "Default", "capabilities": {"add": []}}, None),
        ({"runAsUser": 0, "runAsGroup": 0.0}, {"runAsUser": 0, "runAsGroup": 0}),
        ({"allowPrivilegeEscalation": True}, {"allowPrivilegeEscalation": True}),
        ({"privileged": True, "allowPrivilegeEscalation": True}, {"privileged": True}),
        (
            {"capabilities": {"add": ["SYS_ADMIN", "cap_net_admin", "NET_ADMIN"]}, "allowPrivilegeEscalation": True},
            {"capabilities": {"add": ["NET_ADMIN", "SYS_ADMIN"]}},
        ),
    ],
)
def test_what_is_so_anyway_leaves_no_trace(given: dict[str, Any], expected: dict[str, Any] | None) -> None:
    assert normal(securityContext=given).get("securityContext") == expected


@pytest.mark.parametrize(
    ("context", "field", "reason"),
    [
        ({"privileged": True, "allowPrivilegeEscalation": False}, "allowPrivilegeEscalation", "must not be false"),
        (
            {"capabilities": {"add": ["CAP_SYS_ADMIN"]}, "allowPrivilegeEscalation": False},
            "allowPrivilegeEscalation",
            "must not be false with the capability SYS_ADMIN",
        ),
        ({"capabilities": {"drop": ["NET"]}}, "capabilities.drop[0]", "there is no such capability"),
        ({"procMount": "Unmasked"}, "procMount", "needs hostUsers: false"),
        ({"runAsUser": 0, "runAsNonRoot": True}, "runAsUser", "must not be 0 with runAsNonRoot"),
        ({"runAsUser": -1}, "runAsUser", "must be at least 0"),
        ({"runAsUser": 2**31}, "runAsUser", "must be at most 2147483647"),
        ({"runAsUser": "root"}, "runAsUser", "must be an integer"),
        ({"seccompProfile": {"type": "Localhost"}}, "seccompProfile.localhostProfile", "required with type Localhost"),
        (
            {"seccompProfile": {"type": "Localhost", "localhostProfile": "../x"}},
            "seccompProfile.localhostProfile",
            "must be a relative path without '..'",
        ),
        (
            {"seccompProfile": {"type": "Unconfined", "localhostProfile": "x"}},
            "seccompProfile.localhostProfile",
            "must be there only with type Localhost",
        ),
        ({"appArmorProfile": {"type": "RuntimeDefault"}}, "appArmorProfile", "not supported by this release"),
    ],
)
def test_a_security_context_that_cannot_be(context: dict[str, Any], field: str, reason: str) -> None:
    error = refused(securityContext=context)
    assert error.field == f"securityContext.{field}"
    assert error.message.startswith(f"securityContext.{field}: {reason}")


def in_pod(pod_context: dict[str, Any], context: dict[str, Any]) -> tuple[Any, Any]:
    manifest = with_container(securityContext=context)
    manifest["spec"]["securityContext"] = pod_context
    spec = normalise(manifest).pod["spec"]
    return spec.get("securityContext"), spec["containers"][0].get("securityContext")


@pytest.mark.parametrize(
    ("pod_context", "context", "expected"),
    [
        ({"runAsUser": 5}, {"runAsUser": 5}, ({"runAsUser": 5}, None)),
        ({"runAsUser": 5}, {"runAsUser": 6}, ({"runAsUser": 5}, {"runAsUser": 6})),
        ({"runAsNonRoot": True}, {"runAsNonRoot": False}, ({"runAsNonRoot": True}, {"runAsNonRoot": False})),
        ({"supplementalGroups": [3, 1, 3]}, {}, ({"supplementalGroups": [1, 3]}, None)),
        (
            {"seccompProfile": {"type": "Unconfined"}},
            {"seccompProfile": {"type": "RuntimeDefault"}},
            ({"seccompProfile": {"type": "Unconfined"}}, {"seccompProfile": {"type": "RuntimeDefault"}}),
        ),
        ({"seccompProfile": {"type": "RuntimeDefault"}, "appArmorProfile": {"type": "Unconfined"}}, {}, (None, None)),
    ],
)
def test_a_containers_settings_come_before_its_pods(
    pod_context: dict[str, Any], context: dict[str, Any], expected: tuple[Any, Any]
) -> None:
    assert in_pod(pod_context, context) == expected


def test_root_is_found_through_the_pod() -> None:
    manifest = with_container(securityContext={"runAsUser": 0})
    manifest["spec"]["securityContext"] = {"runAsNonRoot": True}
    with pytest.raises(ManifestError, match=r"^spec\.containers\[0\]\.securityContext\.runAsUser: must not be 0"):
        normalise(manifest)


# -- volumes


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"emptyDir": {}}),
        ({"emptyDir": {"medium": "", "sizeLimit": 0}}, {"emptyDir": {}}),
        (
            {"emptyDir": {"medium": "Memory", "sizeLimit": "1024Ki"}},
            {"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        ),
        ({"hostPath": {"path": "/srv//www/", "type": ""}}, {"hostPath": {"path": "/srv/www"}}),
        ({"hostPath": {"path": "/x", "type": "Socket"}}, {"hostPath": {"path": "/x", "type": "Socket"}}),
        ({"image": {"reference": "a"}}, {"image": {"reference": "a", "pullPolicy": "Always"}}),
        ({"image": {"reference": "a:1"}}, {"image": {"reference": "a:1", "pullPolicy": "IfNotPresent"}}),
        ({"persistentVolumeClaim": {"claimName": "c"}}, {"persistentVolumeClaim": {"claimName": "c"}}),
    ],
)
def test_volumes_in_normal_form(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert normal(volumes=[{"name": "v", **given}])["volumes"] == [{"name": "v", **expected}]


def test_their_order_means_nothing() -> None:
    mounts = [{"name": "data", "mountPath": "/b"}, {"name": "www", "mountPath": "/a", "readOnly": False}]
    one = normal(volumes=VOLUMES, volumeMounts=mounts)
    assert one == normal(volumes=VOLUMES[::-1], volumeMounts=mounts[::-1])
    assert one["volumeMounts"] == [{"name": "www", "mountPath": "/a"}, {"name": "data", "mountPath": "/b"}]


@pytest.mark.parametrize(
    ("volume", "field", "reason"),
    [
        ({"hostPath": {"path": "/x"}, "emptyDir": {}}, "", "must be one thing, but has hostPath and emptyDir"),
        ({"hostPath": {"path": "x"}}, ".hostPath.path", "must be an absolute path"),
        ({"hostPath": {"path": "/a/../b"}}, ".hostPath.path", "must not hold '..'"),
        ({"hostPath": {"path": "/a", "type": "Pipe"}}, ".hostPath.type", "must be 'Directory'"),
        ({"emptyDir": {"medium": "Memory", "sizeLimit": "lots"}}, ".emptyDir.sizeLimit", "must be a quantity"),
        ({"emptyDir": {"sizeLimit": -1}}, ".emptyDir.sizeLimit", "must not be negative"),
        ({"emptyDir": {"medium": "HugePages"}}, ".emptyDir.medium", "must be 'Memory'"),
        ({"image": {"reference": "A b"}}, ".image.reference", "must be"),
        ({"image": {"reference": "a" * 256}}, ".image.reference", "must have at most 255 characters"),
        ({"image": {"reference": "a", "pullPolicy": "x"}}, ".image.pullPolicy", "must be 'Always'"),
        ({"persistentVolumeClaim": {"claimName": "A"}}, ".persistentVolumeClaim.claimName", "must be"),
        ({"persistentVolumeClaim": {}}, ".persistentVolumeClaim.claimName", "required, but missing"),
        ({"nfs": {"server": "x", "path": "/"}}, ".nfs", "not supported by this release"),
    ],
)
def test_a_volume_that_cannot_be(volume: dict[str, Any], field: str, reason: str) -> None:
    error = refused(volumes=[{"name": "v", **volume}])
    assert error.field == f"volumes[0]{field}"
    assert error.message.startswith(f"volumes[0]{field}: {reason}")


@pytest.mark.parametrize("path", ["/", "/dev", "/proc", "/proc/self", "/a/../b", "/a:b", "x", ""])
def test_a_place_where_nothing_can_be_mounted(path: str) -> None:
    assert (
        refused(volumes=VOLUMES, volumeMounts=[{"name": "data", "mountPath": path}]).field
        == "volumeMounts[0].mountPath"
    )


def test_two_mounts_cannot_have_one_place() -> None:
    mounts = [{"name": "data", "mountPath": "/x"}, {"name": "www", "mountPath": "/x/"}]
    assert refused(volumes=VOLUMES, volumeMounts=mounts).field == "volumeMounts[1].mountPath"


def test_volumes_have_names_of_their_own() -> None:
    with pytest.raises(ManifestError, match=r"^spec\.volumes\[1\]\.name: must be unique"):
        normalise(pod(volumes=[{"name": "a"}, {"name": "a"}]))
