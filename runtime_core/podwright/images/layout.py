# SPDX-License-Identifier: Apache-2.0
"""An OCI image layout (image-layout.md): blobs by their digest, and an index that names images.

Two of them matter: the store's own, which this module keeps valid at every moment so that any OCI tool can read it, and
a folder that somebody else made, which is only read, and is not trusted.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

from podwright.errors import ImageError
from podwright.files import canonical_json, is_locked, locked, make_folders, sync_directory, write_atomic
from podwright.images import platform as platforms
from podwright.images.documents import MAX_DOCUMENT, OCI_INDEX, Descriptor, parse_descriptor, parse_object
from podwright.images.platform import Platform

NAME = "org.opencontainers.image.ref.name"
SOURCE = "dev.podwright.image.digest"
"""Annotation: the digest that the name had at its registry (an index's, where ``digest`` is one platform's)."""
MARKER = b'{"imageLayoutVersion":"1.0.0"}'
CHUNK = 256 * 1024  # bytes


class Entry(NamedTuple):
    """One image of an index: its manifest, the annotations that go with it, and what it runs on if that is known."""

    descriptor: Descriptor
    annotations: dict[str, str]
    platform: Platform | None = None


class Layout:
    """The layout in the folder ``root``; ``create()`` makes it."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._blobs = os.path.join(root, "blobs", "sha256")
        self._index = os.path.join(root, "index.json")

    def create(self) -> None:
        """Make the folder a layout, unless it is one."""
        marker = os.path.join(self.root, "oci-layout")
        if os.path.exists(marker) and os.path.exists(self._index):
            return
        make_folders(self._blobs)
        with locked(os.path.join(self.root, ".lock")):
            if not os.path.exists(self._index):
                write_atomic(self._index, _index_document([]), mode=0o644)
            write_atomic(marker, MARKER, mode=0o644)

    def check(self) -> None:
        """Raise ImageError when the folder is no layout that this program understands."""
        try:
            check_marker(_read(os.path.join(self.root, "oci-layout")), self.root)
        except (FileNotFoundError, NotADirectoryError):
            raise ImageError(f"{self.root} is not an OCI image layout: it has no file oci-layout") from None

    # ---- blobs ----

    def blob_path(self, digest: str) -> str:
        """Return where the blob of a (checked) digest is, or would be."""
        return os.path.join(self._blobs, digest.removeprefix("sha256:"))

    def ingest_path(self, digest: str) -> str:
        """Return where the blob of a (checked) digest is while it is being fetched (ingest.py)."""
        return os.path.join(self.root, "ingest", digest.removeprefix("sha256:"))

    def ingested(self, descriptor: Descriptor) -> int:
        """Return how many bytes of a blob have come so far."""
        try:
            return min(os.stat(self.ingest_path(descriptor.digest)).st_size, descriptor.size)
        except FileNotFoundError:
            return 0

    def has(self, descriptor: Descriptor) -> bool:
        """Tell whether a blob is there: what is in the store was verified when it came in."""
        try:
            return os.stat(self.blob_path(descriptor.digest)).st_size == descriptor.size
        except FileNotFoundError:
            return False

    def read(self, digest: str) -> bytes | None:
        """Return a small blob (a manifest, a configuration), or None when it is missing or damaged."""
        try:
            data = _read(self.blob_path(digest))
        except FileNotFoundError:
            return None
        return data if f"sha256:{hashlib.sha256(data).hexdigest()}" == digest else None

    def chunks(self, digest: str, offset: int = 0) -> Generator[bytes, None, None]:
        """Read a blob piece by piece, unchecked."""
        with open(self.blob_path(digest), "rb", buffering=0) as file:
            file.seek(offset)
            while chunk := file.read(CHUNK):
                yield chunk

    def add(self, descriptor: Descriptor, chunks: Iterator[bytes]) -> None:
        """Store a blob; raises ImageError, and stores nothing, when it has another size or digest than promised."""
        temporary, fd = self._temporary()
        try:
            _copy(fd, descriptor, chunks)
            os.fsync(fd)
            os.rename(temporary, self.blob_path(descriptor.digest))
        except BaseException:
            os.unlink(temporary)
            raise
        finally:
            os.close(fd)  # and with it the lock: without it, another process would take the file for a dead one's

    def is_damaged(self, digest: str) -> bool:
        """Hash a blob of any size again."""
        found = hashlib.sha256()
        for chunk in self.chunks(digest):
            found.update(chunk)
        return f"sha256:{found.hexdigest()}" != digest

    def discard(self, digest: str) -> None:
        """Remove a blob that turned out to be worthless."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.blob_path(digest))

    def _temporary(self) -> tuple[str, int]:
        """Open a new file whose lock says that it is in use; those of dead processes are removed on the occasion."""
        with locked(os.path.join(self.root, ".lock")):
            for name in os.listdir(self._blobs):
                if name.startswith(".tmp-"):
                    _remove_unlocked(os.path.join(self._blobs, name))
            path = os.path.join(self._blobs, f".tmp-{os.urandom(8).hex()}")
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            fcntl.flock(fd, fcntl.LOCK_EX)
            return path, fd

    # ---- the index ----

    def entries(self) -> list[Entry]:
        """Return what the index names; an empty list when there is no index."""
        try:
            return parse_entries(_read(self._index))
        except FileNotFoundError:
            return []
        except ImageError as error:
            raise ImageError(
                f"{self._index} is damaged ({error.message}): "
                "restore it, or remove it and pull or import the images again"
            ) from error

    def named(self, name: str) -> list[Entry]:
        """Return the images of that name (their ``org.opencontainers.image.ref.name``): one for each platform."""
        return [entry for entry in self.entries() if entry.annotations.get(NAME) == name]

    def find(self, name: str) -> Entry | None:
        """Return an image of that name, of whatever platform."""
        return next(iter(self.named(name)), None)

    def record(self, entry: Entry) -> None:
        """Name an image, in place of what had the name before for its platform; its blobs are all there already."""
        with locked(os.path.join(self.root, ".lock")):
            sync_directory(self._blobs)
            name = entry.annotations[NAME]
            others = [
                other
                for other in self.entries()
                if other.annotations.get(NAME) != name or other.platform not in (entry.platform, None)
            ]
            write_atomic(self._index, _index_document([*others, entry]), mode=0o644)

    def forget(self, name: str) -> bool:
        """Take a name out of the index; tells whether it was there."""
        with locked(os.path.join(self.root, ".lock")):
            entries = self.entries()
            others = [entry for entry in entries if entry.annotations.get(NAME) != name]
            if len(others) == len(entries):
                return False
            write_atomic(self._index, _index_document(others), mode=0o644)
            return True


def check_marker(data: bytes, where: str) -> None:
    """Raise ImageError when a layout's file oci-layout says that it is of a version that this program does not know."""
    if parse_object(data, "file oci-layout").get("imageLayoutVersion") != "1.0.0":
        raise ImageError(f"{where} is an OCI image layout of another version than 1.0.0")


def parse_entries(data: bytes) -> list[Entry]:
    """Return what a layout's index.json names."""
    manifests = parse_object(data, "file").get("manifests")
    if not isinstance(manifests, list):
        raise ImageError("it has no list manifests")
    return [_entry(item) for item in manifests]


def _remove_unlocked(path: str) -> None:
    if not is_locked(path):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _copy(fd: int, descriptor: Descriptor, chunks: Iterator[bytes]) -> None:
    found, size = hashlib.sha256(), 0
    for chunk in chunks:
        size += len(chunk)
        if size > descriptor.size:
            raise ImageError(
                f"the blob {descriptor.digest} is longer than the {descriptor.size} bytes that it should be"
            )
        found.update(chunk)
        view = memoryview(chunk)
        while view:
            view = view[os.write(fd, view) :]
    if size != descriptor.size:
        raise ImageError(f"the blob {descriptor.digest} came with {size} bytes instead of {descriptor.size}")
    if f"sha256:{found.hexdigest()}" != descriptor.digest:
        raise ImageError(
            f"the blob {descriptor.digest} came with other content: its digest is sha256:{found.hexdigest()}"
        )


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        data = file.read(MAX_DOCUMENT + 1)
    if len(data) > MAX_DOCUMENT:
        raise ImageError(f"{path} is larger than {MAX_DOCUMENT} bytes")
    return data


def _entry(value: object) -> Entry:
    descriptor = parse_descriptor(value, "index's entry")
    annotations = value.get("annotations") if isinstance(value, dict) else None
    if not isinstance(annotations, dict):
        annotations = {}
    platform = platforms.of(value.get("platform")) if isinstance(value, dict) else None
    return Entry(descriptor, {key: item for key, item in annotations.items() if isinstance(item, str)}, platform)


def _index_document(entries: list[Entry]) -> bytes:
    manifests: list[dict[str, Any]] = [
        {
            "mediaType": entry.descriptor.media_type,
            "digest": entry.descriptor.digest,
            "size": entry.descriptor.size,
            "annotations": entry.annotations,
        }
        | ({"platform": _platform_document(entry.platform)} if entry.platform else {})
        for entry in entries
    ]
    return canonical_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests})


def _platform_document(platform: Platform) -> dict[str, str]:
    names = {"architecture": platform.architecture, "os": platform.os, "variant": platform.variant}
    return {key: value for key, value in names.items() if value}
