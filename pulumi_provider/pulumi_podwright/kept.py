# SPDX-License-Identifier: Apache-2.0
"""What both resources offer once they are up."""

from typing import Any

import pulumi
from pulumi.dynamic import Resource, ResourceProvider


class Kept(Resource):
    """A resource of which the core keeps a pod, or a pod of one."""

    def __init__(
        self, provider: ResourceProvider, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions | None
    ) -> None:
        outputs = dict.fromkeys(("uid", "phase", "podIP", "drift"))  # named here, or they would not be attributes
        super().__init__(provider, name, {**props, **outputs}, opts)

    @property
    def uid(self) -> pulumi.Output[str]:
        """Kubernetes' ``metadata.uid``: the same for as long as it is not recreated."""
        return self._output("uid")

    @property
    def phase(self) -> pulumi.Output[str]:
        """The ``status.phase`` when Pulumi last looked: Pending (or stopped), Running, Succeeded, Failed or Unknown."""
        return self._output("phase")

    @property
    def pod_ip(self) -> pulumi.Output[str]:
        """The ``status.podIP``, an IPv4 address that the host and its pods reach; empty when nothing runs."""
        return self._output("podIP")

    def _output(self, name: str) -> pulumi.Output[str]:
        value: pulumi.Output[str] = self.__dict__[name]  # where Pulumi keeps a resource's outputs
        return value
