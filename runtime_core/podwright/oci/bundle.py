# SPDX-License-Identifier: Apache-2.0
"""A bundle: the directory with ``config.json`` and the container's root (bundle.md)."""

from __future__ import annotations

import os
import stat

from podwright.errors import ManifestError
from podwright.jsontext import loads
from podwright.oci.schema import check_config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CONFIG = "config.json"
MAX_CONFIG = 4 << 20  # bytes


class Bundle:
    """A configuration whose form is checked, and where it lies."""

    __slots__ = ("path", "rootfs", "spec", "text")

    def __init__(self, path: str, rootfs: str, spec: dict[str, Any], text: bytes) -> None:
        self.path = path
        """Absolute, without symlinks."""
        self.rootfs = rootfs
        """Absolute, without symlinks, and a directory."""
        self.spec = spec
        self.text = text
        """``config.json`` as it was read, for the container's own copy: later changes have no effect (runtime.md)."""


def load_bundle(path: str) -> Bundle:
    """Read and check a bundle. ManifestError names the file, or the member of the configuration, that is wrong."""
    if not path or "\0" in path:
        raise ManifestError(f"bundle is {path!r}, but must be the path of a directory", field="bundle", value=path)
    real = os.path.realpath(path)
    if not os.path.isdir(real):
        raise ManifestError(
            f"bundle: {path} is no directory; give the one that holds {CONFIG}", field="bundle", value=path
        )
    text = read_document(os.path.join(real, CONFIG))
    spec = parse_document(text, os.path.join(real, CONFIG))
    check_config(spec)
    return Bundle(real, _rootfs(real, spec["root"]["path"]), spec, text)


def read_document(path: str) -> bytes:
    """Return a file of JSON, at most 4 MiB of it."""
    try:
        # NONBLOCK: opening a FIFO must not wait for a writer
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        raise ManifestError(f"cannot read {path}: {error.strerror}", field=os.path.basename(path)) from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise ManifestError(f"{path} is no regular file", field=os.path.basename(path))
        if status.st_size > MAX_CONFIG:
            raise ManifestError(
                f"{path} has {status.st_size} bytes, but may have {MAX_CONFIG} at most", field=os.path.basename(path)
            )
        return _read(fd, MAX_CONFIG)
    finally:
        os.close(fd)


def parse_document(text: bytes, path: str) -> Any:
    """Return the JSON value of a file's text."""
    try:
        return loads(text)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ManifestError(f"{path} is not JSON: {reason}", field=os.path.basename(path)) from error


def _read(fd: int, limit: int) -> bytes:
    parts = []
    while limit > 0:
        part = os.read(fd, min(limit, 65536))
        if not part:
            break
        parts.append(part)
        limit -= len(part)
    return b"".join(parts)


def _rootfs(bundle: str, path: str) -> str:
    """Return the real path; its last part must be no symlink, which could be changed while it is used."""
    if not path:
        raise ManifestError("root.path is empty; give the directory of the container's root", field="root.path")
    full = os.path.join(bundle, path).rstrip("/")
    if os.path.islink(full):
        raise ManifestError(f"root.path: {full} is a symlink; give its target", field="root.path", value=path)
    real = os.path.realpath(full or "/")
    if real == "/":
        raise ManifestError("root.path is the root of the host; give the container's own", field="root.path")
    if not os.path.isdir(real):
        raise ManifestError(f"root.path: {full} is no directory", field="root.path", value=path)
    return real
