# SPDX-License-Identifier: Apache-2.0
"""OCI containers on this host: their records, their processes, and the orders that runtime.md of the OCI names.

``Containers`` is the interface; it is loaded on first use.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from podwright.containers.lifecycle import Containers as Containers

__all__ = ["Containers"]


def __getattr__(name: str) -> object:
    if name == "Containers":
        from podwright.containers.lifecycle import Containers

        return Containers
    raise AttributeError(f"module 'podwright.containers' has no attribute {name!r}")
