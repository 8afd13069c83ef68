# SPDX-License-Identifier: Apache-2.0
"""The ConfigMaps and Secrets that this host keeps, each in a file that root alone can read.

::

    <root>/configmaps/<namespace>_<name>
    <root>/secrets/<namespace>_<name>
    <root>/secrets/.key                 for digests of what is in them
"""

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
    read_small,
    remove_temporary,
    sync_directory,
    write_atomic,
)

Kept = dict[str, Any]

_KEY_SIZE = 32  # bytes
_NAME_MAX = 200  # bytes of a file's name, with room for a temporary one's ending


class ObjectStore:
    """Objects in the form of ``podwright.manifest.objects.normalise``, below ``root``."""

    def __init__(self, root: str) -> None:
        self._root = root

    def find(self, kind: str, namespace: str, name: str) -> Kept | None:
        """Return an object, or None. Raises HostError for one that is damaged."""
        return read_kept(self._path(kind, namespace, name), kind)

    def all(self, kind: str) -> list[Kept]:
        """Return all objects of a kind, sorted by namespace and name."""
        folder = self._folder(kind)
        try:
            files = [name for name in os.listdir(folder) if name[0] != "." and not name.endswith(".tmp")]
        except FileNotFoundError:
            return []
        found = (read_kept(f"{folder}/{name}", kind) for name in files)
        return sorted(filter(None, found), key=lambda one: (one["metadata"]["namespace"], one["metadata"]["name"]))

    def logins(self, namespace: str, names: Iterable[str]) -> Iterator[tuple[str, str, bytes]]:
        """Yield of the Secrets of these names that hold logins: the name, the type, and the file of logins."""
        from podwright.manifest.objects import LOGINS, SECRET, values_of

        for name in names:
            secret = self.find(SECRET, namespace, name)
            if secret and secret["type"] in LOGINS:  # others are passed over, as by a kubelet
                yield name, secret["type"], values_of(secret)[LOGINS[secret["type"]]]

    def key(self) -> bytes:
        """Return a key that only this host has, made when it is first asked for."""
        path = f"{self._root}/secrets/.key"
        with contextlib.suppress(FileNotFoundError):
            return read_small(path)
        make_folders(f"{self._root}/secrets")
        with locked(f"{self._root}/secrets/.lock"):
            if not os.path.exists(path):
                write_atomic(path, os.urandom(_KEY_SIZE))
        return read_small(path)

    def write(self, kept: Kept) -> None:
        """Keep an object, in place of what had its name."""
        folder = self._folder(kept["kind"])
        make_folders(folder)
        with locked(f"{folder}/.lock"):
            remove_temporary(folder)
            metadata = kept["metadata"]
            write_atomic(self._path(kept["kind"], metadata["namespace"], metadata["name"]), canonical_json(kept))

    def remove(self, kind: str, namespace: str, name: str) -> None:
        """Forget an object; one that is not there is no error."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path(kind, namespace, name))
            sync_directory(self._folder(kind))

    def _folder(self, kind: str) -> str:
        return f"{self._root}/{kind.lower()}s"

    def _path(self, kind: str, namespace: str, name: str) -> str:
        return f"{self._folder(kind)}/{file_name(namespace, name)}"


def file_name(namespace: str, name: str) -> str:
    """Return the name of the file, or folder, of an object."""
    file = f"{namespace}_{name}"  # no Kubernetes name holds an underscore, nor a tilde
    return file if len(file) <= _NAME_MAX else f"{namespace}_~{hashlib.sha256(name.encode()).hexdigest()}"


def read_kept(path: str, kind: str) -> Kept | None:
    """Return what a file keeps, None when there is none. Raises HostError for one that is damaged."""
    try:
        kept = read_json(path)
    except ValueError as problem:
        raise HostError(f"{path} is damaged: remove it, and apply the {kind} again") from problem
    if kept is not None and not isinstance(kept, dict):
        raise HostError(f"{path} is damaged: remove it, and apply the {kind} again")
    return kept
