# SPDX-License-Identifier: Apache-2.0
"""Platforms as images name them: ``linux/amd64``, ``linux/arm/v7``, and which of them runs where.

The names are Go's (``GOOS`` and ``GOARCH``), as config.md of the OCI image specification wants them. The rules for
variants are containerd's, but one architecture never stands in for another: whether an amd64 machine runs 386, or an
arm64 one runs arm, is not seen from here, so whoever wants that asks for it.
"""

import os
import re
from typing import NamedTuple

from podwright.errors import ImageError

_WORD = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_WASM = ("wasi", "wasip1", "wasip2")
_ALIASES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "i386": ("386", ""),
    "i486": ("386", ""),
    "i586": ("386", ""),
    "i686": ("386", ""),
    "aarch64": ("arm64", ""),
    "armel": ("arm", "v6"),
    "armhf": ("arm", "v7"),
    "armv5tel": ("arm", "v5"),
    "armv6l": ("arm", "v6"),
    "armv7l": ("arm", "v7"),
    "armv8l": ("arm", "v8"),
    "loongarch64": ("loong64", ""),
}
_DEFAULT_VARIANT = {"amd64": "v1", "arm": "v7", "arm64": "v8"}  # what an image is for that names no variant


class Platform(NamedTuple):
    """What an image runs on, in its one spelling: ``linux/arm64/v8`` is ``linux/arm64``, ``linux/armhf`` is arm/v7.

    Made by ``parse()``, ``host()`` or ``of()``; ``str()`` gives what ``parse()`` reads.
    """

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        """Return ``os/architecture``, with ``/variant`` when it is not the usual one."""
        return "/".join(part for part in self if part)

    @property
    def is_wasm(self) -> bool:
        """Whether its images hold WebAssembly, which any host runs."""
        return self.os in _WASM

    def distance(self, offered: "Platform") -> int | None:
        """Tell how well an image for ``offered`` suits this platform: 0 is best, None is not at all.

        An arm machine runs code for the older variants down to v5, and amd64's and arm64's variants count up from the
        plain architecture in the same way: an image for v3 does not run on v2.
        """
        if offered[:2] != self[:2]:
            return None
        mine, theirs = self._level(), offered._level()
        if mine is None or theirs is None:
            return 0 if self.variant == offered.variant else None
        return mine - theirs if theirs <= mine else None

    def matches(self, offered: "Platform") -> bool:
        """Tell whether an image for ``offered`` runs on this platform."""
        return self.distance(offered) is not None

    def _level(self) -> int | None:
        """Return the variant as a number that grows with what the processor can do: v8 is 80, v8.2 is 82."""
        variant = self.variant or _DEFAULT_VARIANT.get(self.architecture, "")
        found = re.fullmatch(r"v(\d)(?:\.(\d))?", variant)
        return int(found[1]) * 10 + int(found[2] or 0) if found and self.architecture in _DEFAULT_VARIANT else None


def parse(text: str) -> Platform:
    """Read ``OS/ARCHITECTURE[/VARIANT]``; raises ImageError that says what is wrong with it."""
    parts = text.lower().split("/")
    if len(parts) not in (2, 3) or not all(_WORD.fullmatch(part) for part in parts):
        raise ImageError(
            f"the platform {text!r} is not of the form OS/ARCHITECTURE[/VARIANT], as in linux/amd64 or linux/arm/v7"
        )
    return _normal(*parts)


def of(document: object) -> Platform | None:
    """Return the platform of an index's entry or a configuration, or None when it names none that has a meaning."""
    if not isinstance(document, dict):
        return None
    words = [document.get(key) for key in ("os", "architecture", "variant") if key != "variant" or document.get(key)]
    if not all(isinstance(word, str) and _WORD.fullmatch(word.lower()) for word in words):
        return None
    platform = _normal(*(str(word).lower() for word in words))
    return None if platform.os == "unknown" else platform


def host() -> Platform:
    """Return the platform of this machine."""
    return _normal("linux", os.uname().machine.lower())


def _normal(system: str, architecture: str, variant: str = "") -> Platform:
    architecture, implied = _ALIASES.get(architecture, (architecture, ""))
    variant = variant or implied
    if variant[:1].isdigit():
        variant = f"v{variant}"
    if architecture == "arm":
        return Platform(system, architecture, variant or "v7")
    usual = variant == _DEFAULT_VARIANT.get(architecture)
    return Platform(system, architecture, "" if usual else variant)
