# SPDX-License-Identifier: Apache-2.0
"""What a change of each field costs."""

import pytest

from manifesttools import SMALL, pod
from podwright.manifest import check
from podwright.manifest.ignored import IGNORED
from podwright.manifest.normalise import normalise
from podwright.manifest.paths import Key
from podwright.plan import effects
from podwright.plan.diff import leaves

# A container alone has them.
OF_A_CONTAINER_ALONE = {"state", "spec.containers.rootfs"}


def test_every_field_of_the_normal_form_has_its_effect_in_the_table() -> None:
    kinds = check.schema()["$defs"]
    fields = {"apiVersion", "kind"}
    fields |= {f"metadata.{name}" for name in kinds["ObjectMeta"]["properties"]}
    fields |= {f"spec.{name}" for name in kinds["PodSpec"]["properties"]}
    fields -= {f"spec.{name}" for name in IGNORED.keys() - {"dnsPolicy", "serviceAccountName"}}
    fields |= {f"spec.containers.{name}" for name in kinds["Container"]["properties"]}
    fields -= {"spec.containers.name"}
    fields |= OF_A_CONTAINER_ALONE | {"spec.containers.securityContext.privileged"}
    assert set(effects.TABLE) == fields


@pytest.mark.parametrize(
    ("path", "effect"),
    [
        (("metadata", "labels", "a"), "none"),
        (("metadata", "annotations", "a"), "none"),
        (("metadata", "name"), "recreate pod"),
        (("spec", "restartPolicy"), "recreate pod"),
        (("spec", "terminationGracePeriodSeconds"), "recreate pod"),
        (("spec", "hostAliases"), "recreate pod"),
        (("spec", "hostAliases", Key("10.0.0.1"), "hostnames"), "recreate pod"),
        (("spec", "containers"), "recreate pod"),
        (("spec", "containers", Key("a"), "image"), "restart container a"),
        (("spec", "containers", Key("a"), "command"), "restart container a"),
        (("spec", "containers", Key("a"), "args"), "restart container a"),
        (("spec", "containers", Key("a"), "workingDir"), "restart container a"),
        (("spec", "containers", Key("a"), "env"), "restart container a"),
        (("spec", "containers", Key("a"), "env", Key("B"), "value"), "restart container a"),
        (("spec", "containers", Key("a"), "resources", "limits", "cpu"), "in-place"),
        (("spec", "containers", Key("a"), "imagePullPolicy"), "in-place"),
        (("spec", "containers", Key("a"), "ports", Key("80/TCP")), "in-place"),
        (("spec", "volumes", Key("data"), "hostPath", "path"), "recreate pod"),
        (("spec", "securityContext", "runAsUser"), "recreate pod"),
        (("spec", "containers", Key("a"), "securityContext", "runAsUser"), "restart container a"),
        (("spec", "containers", Key("a"), "securityContext", "privileged"), "recreate pod"),
        (("spec", "containers", Key("a"), "volumeMounts", Key("/x"), "name"), "restart container a"),
        (("state",), "start container"),
        (("spec", "somethingNew"), "recreate pod"),
        (("spec", "containers", Key("a"), "somethingNew"), "recreate pod"),
    ],
)
def test_effects(path: tuple[str, ...], effect: str) -> None:
    assert effects.effect_of(path) == effect


@pytest.mark.parametrize(
    ("path", "container"),
    [
        ("spec.containers[a-1].image", "a-1"),
        ("spec.containers[a].env[B]", "a"),
        ("status.containerStatuses[a]", "a"),
        ("spec.containers", None),
        ("metadata.labels[spec.containers[a]]", None),
        ("status", None),
    ],
)
def test_a_path_tells_its_container(path: str, container: str | None) -> None:
    assert effects.container_of(path) == container


def test_the_ways_to_say_default_leave_no_trace() -> None:
    manifest = pod(os={"name": "linux"}, runtimeClassName="pod-containers", securityContext={})
    assert leaves(normalise(manifest).pod) == leaves(normalise(SMALL).pod)
