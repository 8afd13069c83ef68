# SPDX-License-Identifier: Apache-2.0
"""What a pull or a push tells whoever watches it."""

from typing import Protocol


class Progress(Protocol):
    """Told from several threads at once; a blob is named by its digest."""

    def begin(self, digest: str, size: int) -> None:
        """Tell that a blob of ``size`` bytes is about to be moved."""

    def advance(self, digest: str, size: int) -> None:
        """Tell that so many bytes more of it have come, or were there already."""

    def done(self, digest: str) -> None:
        """Tell that it is in its place (and unpacked, when it is a layer)."""


class Silent:
    """Nobody watches."""

    def begin(self, digest: str, size: int) -> None:
        """See Progress."""

    def advance(self, digest: str, size: int) -> None:
        """See Progress."""

    def done(self, digest: str) -> None:
        """See Progress."""
