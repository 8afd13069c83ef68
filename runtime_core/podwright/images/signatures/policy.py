# SPDX-License-Identifier: Apache-2.0
"""Which images may come into the store: a file in the form of containers-policy.json(5), which podman reads too.

It is asked when an image comes in, by a pull or by an import. What is in the store already was accepted when it came.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from podwright.errors import ConfigError, ImageError
from podwright.images.formats.source import split_path
from podwright.images.reference import Reference
from podwright.images.signatures import requirement, strict
from podwright.images.signatures.identity import asked
from podwright.images.signatures.requirement import Evidence, Requirement
from podwright.images.signatures.signature import Repository

MAX_POLICY = 1 << 20  # bytes
_WITH_PATHS = ("oci", "oci-archive", "dir", "rootfs")
"""Transports whose scopes are paths; those of ``docker`` are names, ``docker-archive`` has the scope "" alone."""

Scopes = Mapping[str, Sequence[Requirement]]


class Policy(NamedTuple):
    """One file's content. Every check raises ImageError that names the file, the scope and the reason."""

    path: str
    """Empty when no file is configured, and then everything is accepted."""
    default: Sequence[Requirement] = ()
    transports: Mapping[str, Scopes] = MappingProxyType({})

    def check(self, image: Reference, repository: Repository, digest: str, instance: str | None = None) -> None:
        """Return if an image may be pulled.

        ``digest`` is that of the manifest or index which the registry has for the reference, ``instance`` that of the
        manifest which was chosen from an index. A signature of either counts: ``cosign sign`` signs the index, podman
        each manifest, and both leave no choice of what will run.
        """
        if not self.path:
            return
        digests = [digest] if instance in (None, digest) else [digest, str(instance)]
        self._check("docker", names(asked(image)), Evidence(image, repository, digests))

    def check_import(self, source: str) -> None:
        """Return if an image may be imported; ``source`` is what ``open_source`` takes: ``oci:/images/app``.

        No signatures are looked for in files, so a requirement of one is not fulfilled.
        """
        if self.path:
            transport, _, rest = source.partition(":")
            self._check(transport, paths(transport, rest), None)

    def _check(self, transport: str, candidates: Iterator[str], evidence: Evidence | None) -> None:
        scopes = self.transports.get(transport, {})
        scope = next((candidate for candidate in (*candidates, "") if candidate in scopes), None)
        where = "its default" if scope is None else f"its scope {scope!r} of transports.{transport}"
        for wanted in self.default if scope is None else scopes[scope]:
            try:
                wanted.check(evidence)
            except ImageError as error:
                raise ImageError(f"refused by the policy {self.path}, {where}: {error.message}") from error


def names(image: Reference) -> Iterator[str]:
    """Yield the scopes that an image in a registry falls into, the closest first."""
    name = f"{image.registry}/{image.repository}"
    yield str(image)
    yield name
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name
    host = "" if name.startswith("[") else name.partition(":")[0]
    while "." in host:
        host = host.partition(".")[2]
        yield f"*.{host}"


def paths(transport: str, source: str) -> Iterator[str]:
    """Yield the scopes that an image in a file or a folder falls into: PATH:NAME, PATH, and the folders above."""
    if transport not in _WITH_PATHS:
        return
    path, name = (source, "") if transport == "rootfs" else split_path(source)
    path = os.path.realpath(path)
    if name:
        yield f"{path}:{name}"
    while path != "/":
        yield path
        path = os.path.dirname(path)


def load(path: str) -> Policy:
    """Read a policy; "" is the one that accepts everything. Raises ConfigError that names the file and the member."""
    if not path:
        return Policy("")
    try:
        with open(path, "rb") as file:
            text = file.read(MAX_POLICY + 1)
    except OSError as error:
        raise ConfigError(f"the signature policy {path}: {error.strerror}") from error
    if len(text) > MAX_POLICY:
        raise ConfigError(f"the signature policy {path} is over the limit of {MAX_POLICY} bytes")
    try:
        return _parse(path, _object(strict.loads(text), "it"))
    except (ValueError, ConfigError) as error:
        raise ConfigError(f"the signature policy {path}: {error}") from error


def _parse(path: str, document: dict[str, Any]) -> Policy:
    unknown = document.keys() - {"default", "transports"}
    if unknown:
        raise ConfigError(f"{min(unknown)} is not a member of a policy (those are default and transports)")
    transports = {
        transport: _scopes(transport, _object(scopes, f"transports.{transport}"))
        for transport, scopes in _object(document.get("transports", {}), "transports").items()
    }
    return Policy(path, _requirements(document.get("default"), "default"), transports)


def _scopes(transport: str, scopes: dict[str, Any]) -> Scopes:
    for scope in scopes:
        if scope and transport == "docker-archive":
            raise ConfigError(f"transports.docker-archive has the scope {scope!r}, but can have '' alone")
        if scope and transport in _WITH_PATHS and not _is_plain_path(scope):
            raise ConfigError(f"transports.{transport} has the scope {scope!r}, which is not a plain absolute path")
    return {scope: _requirements(value, f"transports.{transport}[{scope!r}]") for scope, value in scopes.items()}


def _is_plain_path(path: str) -> bool:
    return path.startswith("/") and path not in ("/", "//") and os.path.abspath(path) == path


def _requirements(value: object, field: str) -> Sequence[Requirement]:
    if not isinstance(value, list) or not value:
        raise ConfigError(f"{field} must be a list of at least one requirement")
    return [requirement.parse(item, f"{field}[{number}]") for number, item in enumerate(value)]


def _object(value: object, field: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{field} is not an object")
    return value
