# SPDX-License-Identifier: Apache-2.0
"""Where a repository is served: at its registry, and perhaps at mirrors of it."""

import re
from typing import NamedTuple

from podwright.images.distribution.registries import Registries
from podwright.images.distribution.tls import Tls
from podwright.images.reference import DEFAULT_REGISTRY, Reference

_HUB = "registry-1.docker.io"
"""Where the registry answers that calls itself docker.io."""


class Endpoint(NamedTuple):
    """One place that serves a repository, perhaps under a longer name than its own."""

    host: str
    """As the configuration and files of logins call it: ``docker.io``, ``mirror.lan:5000``."""
    repository: str
    plain: bool
    """Spoken to over HTTP without TLS."""

    @property
    def origin(self) -> str:
        """The beginning of all URLs of the host."""
        return f"{'http' if self.plain else 'https'}://{_server(self.host)}"


def own_endpoint(reference: Reference, registries: Registries) -> Endpoint:
    """Return the registry itself: what is pushed goes nowhere else."""
    return _endpoint(reference.registry, reference.repository, registries)


def endpoints(reference: Reference, registries: Registries) -> list[Endpoint]:
    """Return the places that a repository can be read from, in the order in which they are asked."""
    found = []
    for mirror in registries.host(reference.registry).mirrors:
        host, _slash, prefix = mirror.partition("/")
        found.append(_endpoint(host, f"{prefix}/{reference.repository}".lstrip("/"), registries))
    return [*found, own_endpoint(reference, registries)]


def tls_settings(registries: Registries) -> dict[str, Tls]:
    """Return the authorities and certificates of hosts, by what stands for the host in URLs."""
    special = [host for host in registries.hosts if host.ca or host.certificate]
    return {_server(host.name): Tls(host.ca, host.certificate, host.key) for host in special}


def is_loopback(host: str) -> bool:
    """Tell whether a registry is on this machine: there plain HTTP is safe, and what Docker speaks."""
    name = host.partition("]")[0][1:] if host.startswith("[") else host.partition(":")[0]
    return name in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", name) is not None


def _endpoint(host: str, repository: str, registries: Registries) -> Endpoint:
    special = registries.host(host)
    has_tls = bool(special.ca or special.certificate)
    return Endpoint(host, repository, host in registries.insecure or (is_loopback(host) and not has_tls))


def _server(host: str) -> str:
    return _HUB if host == DEFAULT_REGISTRY else host
