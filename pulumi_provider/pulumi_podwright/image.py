# SPDX-License-Identifier: Apache-2.0
"""The resource of an image, as a Pulumi program declares it."""

from collections.abc import Sequence
from typing import Any, Literal, NotRequired, TypedDict

import pulumi
from pulumi import Input
from pulumi.dynamic import Resource

from pulumi_podwright.image_provider import ImageProvider


class Auth(TypedDict):
    """Who asks a registry: a user with a password, or a file with credentials as ``docker login`` writes it."""

    username: NotRequired[Input[str]]
    password: NotRequired[Input[str]]
    authFile: NotRequired[Input[str]]


class Image(Resource, module="podwright", name="Image"):
    """An image on this host, from its registry or from a file.

    Pods fetch their images themselves: this is for one that shall be there before, that comes from no registry, or that
    is to be copied elsewhere. Give a pod the output ``reference``, so that the pod is made after its image and removed
    before it. Another ``name`` is another image; the new one comes before the old one goes.
    """

    def __init__(
        self,
        resource_name: str,
        *,
        name: Input[str] | None = None,
        source: Input[str] | None = None,
        pull_policy: Input[Literal["Always", "IfNotPresent", "Never"]] | None = None,
        platform: Input[str] | None = None,
        auth: Input[Auth] | None = None,
        destinations: Input[Sequence[Input[str]]] | None = None,
        keep_locally: Input[bool] = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the image ``resource_name``, which is its ``name`` too unless that is given.

        :param name: The image with its registry; ``busybox`` is ``docker.io/library/busybox:latest``.
        :param source: Where it comes from instead of a registry: ``oci:DIR[:NAME]``, ``oci-archive:FILE[:NAME]``,
            ``docker-archive:FILE[:NAME]``, or ``rootfs:FILE-OR-DIR``.
        :param pull_policy: When to ask the source whether it holds another image by now: Always for the tag ``latest``
            and for an image with a source, else IfNotPresent.
        :param platform: ``OS/ARCHITECTURE[/VARIANT]``, this host's unless given.
        :param auth: The user of the registry; kept as a secret.
        :param destinations: Places to copy it to, ``docker://NAME`` or as a source is written. They are not cleaned up.
        :param keep_locally: Whether ``destroy`` leaves the image on the host.
        :param opts: Pulumi's resource options.
        """
        props: dict[str, Any] = {
            "name": resource_name if name is None else name,
            "source": source,
            "pullPolicy": pull_policy,
            "platform": platform,
            "auth": None if auth is None else pulumi.Output.secret(auth),
            "destinations": destinations,
            "keepLocally": keep_locally,
        }
        outputs = dict.fromkeys(("reference", "digest", "size", "drift"))  # named here, or they would not be attributes
        super().__init__(ImageProvider(), resource_name, {**props, **outputs}, opts)

    @property
    def reference(self) -> pulumi.Output[str]:
        """The name in full, for the ``image`` of a pod's container."""
        return self._output("reference")

    @property
    def digest(self) -> pulumi.Output[str]:
        """What the name stood for where the image came from, when it came."""
        return self._output("digest")

    @property
    def platform(self) -> pulumi.Output[str]:
        """What the image runs on."""
        return self._output("platform")

    @property
    def size(self) -> pulumi.Output[int]:
        """Bytes of the configuration and the compressed layers."""
        return self._output("size").apply(int)

    def _output(self, name: str) -> pulumi.Output[Any]:
        value: pulumi.Output[Any] = self.__dict__[name]  # where Pulumi keeps a resource's outputs
        return value
