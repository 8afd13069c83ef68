# SPDX-License-Identifier: Apache-2.0
"""The Secrets that this host keeps: ``<root>/secrets/<namespace>_<name>``, each readable by root alone."""

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator
from typing import Any

from podwright.errors import HostError
from podwright.files import (
    canonical_json,
    locked,
    make_folders,
    read_json,
    remove_temporary,
    sync_directory,
    write_atomic,
)

_NAME_MAX = 200  # bytes of a file's name, with room for a temporary one's ending


class SecretStore:
    """Secrets in the form of ``podwright.manifest.secret.normalise``, below ``root``."""

    def __init__(self, root: str) -> None:
        self._folder = f"{root}/secrets"

    def find(self, namespace: str, name: str) -> dict[str, Any] | None:
        """Return a Secret, or None. Raises HostError for one that is damaged."""
        return self._read(self._path(namespace, name))

    def all(self) -> list[dict[str, Any]]:
        """Return all Secrets, sorted by namespace and name."""
        try:
            files = [name for name in os.listdir(self._folder) if name != ".lock" and not name.endswith(".tmp")]
        except FileNotFoundError:
            return []
        found = (self._read(f"{self._folder}/{name}") for name in files)
        return sorted(filter(None, found), key=lambda one: (one["metadata"]["namespace"], one["metadata"]["name"]))

    def logins(self, namespace: str, names: Iterable[str]) -> Iterator[tuple[str, str, bytes]]:
        """Yield of the Secrets of these names that there are: the name, the type, and the file of logins."""
        import base64

        from podwright.manifest.secret import KEYS

        for name in names:
            if secret := self.find(namespace, name):
                yield name, secret["type"], base64.b64decode(secret["data"][KEYS[secret["type"]]])

    def write(self, secret: dict[str, Any]) -> None:
        """Keep a Secret, in place of what had its name."""
        make_folders(self._folder)
        with locked(f"{self._folder}/.lock"):
            remove_temporary(self._folder)
            write_atomic(
                self._path(secret["metadata"]["namespace"], secret["metadata"]["name"]), canonical_json(secret)
            )

    def remove(self, namespace: str, name: str) -> None:
        """Forget a Secret; one that is not there is no error."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path(namespace, name))
            sync_directory(self._folder)

    def _path(self, namespace: str, name: str) -> str:
        file = f"{namespace}_{name}"  # no Kubernetes name holds an underscore, nor a tilde
        if len(file) > _NAME_MAX:
            file = f"{namespace}_~{hashlib.sha256(name.encode()).hexdigest()}"
        return f"{self._folder}/{file}"

    def _read(self, path: str) -> dict[str, Any] | None:
        try:
            secret = read_json(path)
        except ValueError as problem:
            raise HostError(f"{path} is damaged: remove it, and apply the Secret again") from problem
        if secret is not None and not isinstance(secret, dict):
            raise HostError(f"{path} is damaged: remove it, and apply the Secret again")
        return secret
