# SPDX-License-Identifier: Apache-2.0
"""Podwright: Kubernetes pods on a plain host, with no daemon.

``Runtime`` is the whole public interface; everything else is private to the project. It is loaded on first use, so
that ``import podwright`` costs next to nothing.
"""

TYPE_CHECKING = False  # typing itself would cost 14 ms

if TYPE_CHECKING:
    from podwright.runtime import Runtime as Runtime

__version__ = "0.1.0"
__all__ = ["Runtime", "__version__"]


def __getattr__(name: str) -> object:
    if name == "Runtime":
        from podwright.runtime import Runtime

        return Runtime
    raise AttributeError(f"module 'podwright' has no attribute {name!r}")
