# SPDX-License-Identifier: Apache-2.0
"""The resource of a container alone, as a Pulumi program declares it."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pulumi
from pulumi import Input

from pulumi_podwright import fields
from pulumi_podwright.kept import Kept
from pulumi_podwright.provider import ContainerProvider


class Container(Kept, module="podwright", name="Container"):
    """One container that runs on this host, kept as Kubernetes' container fields say, without a pod to write around it.

    New limits are set while it runs; most other edits restart it. Another ``name`` or ``namespace`` is another
    container: the old one is removed first. A container of that name that is there already is adopted, not made twice.
    """

    def __init__(
        self,
        resource_name: str,
        *,
        image: Input[str] | None = None,
        rootfs: Input[str] | None = None,
        name: Input[str] | None = None,
        namespace: Input[str] | None = None,
        labels: Input[Mapping[str, Input[str]]] | None = None,
        annotations: Input[Mapping[str, Input[str]]] | None = None,
        state: Input[Literal["present", "stopped"]] | None = None,
        image_pull_policy: Input[Literal["Always", "IfNotPresent", "Never"]] | None = None,
        command: Input[Sequence[Input[str]]] | None = None,
        args: Input[Sequence[Input[str]]] | None = None,
        working_dir: Input[str] | None = None,
        env_from: Input[Sequence[Input[fields.EnvFromSource]]] | None = None,
        env: Input[Sequence[Input[fields.EnvVar]]] | None = None,
        ports: Input[Sequence[Input[fields.ContainerPort]]] | None = None,
        resources: Input[fields.Resources] | None = None,
        security_context: Input[fields.SecurityContext] | None = None,
        volumes: Input[Sequence[Input[fields.Volume]]] | None = None,
        volume_mounts: Input[Sequence[Input[fields.VolumeMount]]] | None = None,
        restart_policy: Input[Literal["Always", "OnFailure", "Never"]] | None = None,
        runtime_class_name: Input[str] | None = None,
        termination_grace_period_seconds: Input[int] | None = None,
        wait: bool = True,
        wait_timeout: int = 120,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the container ``resource_name``, which is its ``name`` too unless that is given.

        The other arguments are the fields of a Kubernetes container, and the few of a Pod's that one needs; what is
        inside them is spelt as in Kubernetes (``fields`` has the shapes).

        :param image: The image; either this or ``rootfs``.
        :param rootfs: A directory of the host to use instead of an image; it is never written.
        :param state: Whether the container runs (``present``) or is only recorded (``stopped``).
        :param volumes: What can be mounted: ``hostPath``, ``emptyDir``, ``configMap``, ``secret``, … as in a Pod.
        :param wait: Whether ``up`` waits until the container runs or has done its work.
        :param wait_timeout: How long to wait, in seconds.
        :param opts: Pulumi's resource options.
        """
        props: dict[str, Any] = {
            "name": resource_name if name is None else name,
            "namespace": namespace,
            "labels": labels,
            "annotations": annotations,
            "state": state,
            "image": image,
            "rootfs": rootfs,
            "imagePullPolicy": image_pull_policy,
            "command": command,
            "args": args,
            "workingDir": working_dir,
            "envFrom": env_from,
            "env": env,
            "ports": ports,
            "resources": resources,
            "securityContext": security_context,
            "volumes": volumes,
            "volumeMounts": volume_mounts,
            "restartPolicy": restart_policy,
            "runtimeClassName": runtime_class_name,
            "terminationGracePeriodSeconds": termination_grace_period_seconds,
            "wait": wait,
            "waitTimeout": wait_timeout,
        }
        super().__init__(ContainerProvider(), resource_name, props, opts)

    @property
    def container_name(self) -> pulumi.Output[str]:
        """The container's ``name``."""
        return self._output("name")
