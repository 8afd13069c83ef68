# SPDX-License-Identifier: Apache-2.0
"""Podwright's pods, containers and images as Pulumi resources: ``Pod("web", manifest="pod.yaml")``."""

from pulumi_podwright.container import Container
from pulumi_podwright.image import Image
from pulumi_podwright.pod import Pod

__all__ = ["Container", "Image", "Pod"]
