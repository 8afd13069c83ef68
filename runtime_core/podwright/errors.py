# SPDX-License-Identifier: Apache-2.0
"""Every error that Podwright raises on purpose.

::

    PodwrightError
     ├── ManifestError    the manifest is wrong: names the field and the value (nothing was touched)
     ├── ConfigError      podwright.toml is wrong
     ├── ContainerError   an OCI container: its ID is wrong, or its state does not allow what was asked
     ├── NotFound         no such pod, container or image
     ├── ImageError       a registry, an image or a layer is wrong
     ├── HostError        the kernel refused, or the host lacks something
     ├── AgentError       the pod's supervisor did not answer, or answered with an error
     └── WaitTimeout      the pod did not become ready in time

A message is one sentence that a person can act on. ``field`` is a path as Kubernetes writes it
(``spec.containers[0].image``); ``value`` is what was found there.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class PodwrightError(Exception):
    """The base of all; ``str()`` is the sentence for the user."""

    def __init__(self, message: str, *, field: str | None = None, value: object = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.value = value

    def as_dict(self) -> dict[str, object]:
        """Return the error as ``podwright api`` sends it."""
        answer: dict[str, object] = {"type": type(self).__name__, "message": self.message}
        if self.field is not None:
            answer["field"] = self.field
        if self.value is not None:
            answer["value"] = self.value
        return answer


class ManifestError(PodwrightError):
    """The manifest is not a Pod that can run here."""


class ConfigError(PodwrightError):
    """``podwright.toml`` cannot be read, or holds a wrong key or value."""


class ContainerError(PodwrightError):
    """An OCI container's ID is wrong or taken, or its state does not allow what was asked."""


class NotFound(PodwrightError):
    """There is no pod, container or image of that name."""


class ImageError(PodwrightError):
    """An image cannot be pulled, read or unpacked."""


class HostError(PodwrightError):
    """The host refused a step, or lacks what a step needs."""


class AgentError(PodwrightError):
    """The pod's supervisor cannot be reached, or refused a request."""


class WaitTimeout(PodwrightError):
    """The pod was applied but did not become ready in time. ``result`` is what the apply did all the same."""

    result: Any = None
