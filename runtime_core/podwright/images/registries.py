# SPDX-License-Identifier: Apache-2.0
"""How registries are reached on this host: what the configuration says of them."""

from typing import NamedTuple

from podwright.config import Config


class Registries(NamedTuple):
    """The part of the configuration that a registry client needs."""

    insecure: tuple[str, ...] = ()
    """Registries (host[:port]) reached over plain HTTP, besides those on loopback."""

    @classmethod
    def of(cls, config: Config) -> "Registries":
        """Return what the configuration says."""
        return cls(insecure=config.registries_insecure)
