# SPDX-License-Identifier: Apache-2.0
"""Podwright's pods as Pulumi resources: ``Pod("web", manifest="pod.yaml")``."""

from pulumi_podwright.pod import Pod

__all__ = ["Pod"]
