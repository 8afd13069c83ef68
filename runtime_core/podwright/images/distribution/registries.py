# SPDX-License-Identifier: Apache-2.0
"""How registries are reached on this host: what the configuration says of them."""

from typing import NamedTuple

from podwright.config import Config, RegistryHost


class Registries(NamedTuple):
    """The part of the configuration that a registry client needs."""

    insecure: tuple[str, ...] = ()
    """Registries (host[:port]) reached over plain HTTP, besides those on loopback."""
    auth_file: str = ""
    """Where logins are, instead of the files that podman and docker write."""
    policy: str = ""
    """The signature policy (containers-policy.json(5)) that a pull obeys."""
    hosts: tuple[RegistryHost, ...] = ()
    """Mirrors, authorities and certificates of single registries."""

    @classmethod
    def of(cls, config: Config) -> "Registries":
        """Return what the configuration says."""
        return cls(
            insecure=config.registries_insecure,
            auth_file=config.registries_auth_file,
            policy=config.registries_policy,
            hosts=config.registries_hosts,
        )

    def host(self, name: str) -> RegistryHost:
        """Return what is special about a registry or a mirror."""
        return next((host for host in self.hosts if host.name == name), RegistryHost(name))
