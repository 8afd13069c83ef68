# SPDX-License-Identifier: Apache-2.0
"""A plain file system, as a folder or a tar, that becomes an image of one layer with nothing configured.

A descriptor has the layer's digest, so the content is read twice: once for the digest, and once to be taken. A copy on
disk would cost as much again as the store's, and would not tell when the folder changed while it was copied.
"""

import os
from collections.abc import Iterator

from podwright.errors import ImageError
from podwright.files import canonical_json
from podwright.images import platform as platforms
from podwright.images.compression import compression_of, decompress
from podwright.images.documents import CONFIGS, LAYERS, OCI_MANIFEST, Descriptor, digest_of
from podwright.images.formats.foldertar import FolderTar
from podwright.images.hashing import Hashed

CHUNK = 256 * 1024  # bytes


class RootfsSource:
    """The folder, or the (plain, gzip or zstd) tar, at ``path``. See Source.

    It is taken to be for this machine. The same content gives the same image, to the digest.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._config = b""

    def top(self) -> bytes:
        """Return a manifest, made for what is there now."""
        if os.path.isdir(self._path):
            layer, diff_id, remark = self._folder()
        else:
            layer, diff_id, remark = *self._file(), ""
        platform = platforms.host()
        history = {"created_by": "podwright import rootfs"} | ({"comment": remark} if remark else {})
        config = {
            **{key: value for key, value in platform._asdict().items() if value},
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
            "history": [history],
        }
        self._config = canonical_json(config)
        descriptors = (Descriptor(CONFIGS[0], digest_of(self._config), len(self._config)), layer)
        about, contents = ({"mediaType": it.media_type, "digest": it.digest, "size": it.size} for it in descriptors)
        manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": about, "layers": [contents]}
        return canonical_json(manifest)

    def manifest(self, descriptor: Descriptor) -> bytes:
        """Never asked for: what is on top is no index."""
        raise ImageError(f"{self._path} has no manifest {descriptor.digest}")

    def blob(self, descriptor: Descriptor, offset: int = 0) -> Iterator[bytes]:
        """See Source; raises ImageError before the layer's last bytes when it is not what ``top`` saw."""
        if descriptor.digest == digest_of(self._config):
            yield self._config[offset:]
            return
        chunks, position = Hashed(self._chunks()), 0
        for chunk in chunks:
            short = chunks.size < descriptor.size
            if chunks.size > descriptor.size or (not short and chunks.digest != descriptor.digest):
                raise self._changed()
            if chunks.size > offset:
                yield chunk[max(0, offset - position) :]
            position = chunks.size
        if position != descriptor.size:
            raise self._changed()

    def close(self) -> None:
        """Nothing stays open."""

    def _folder(self) -> tuple[Descriptor, str, str]:
        """Return the layer, its diff-id, and a remark about what it does not have."""
        tar = FolderTar(self._path)
        chunks = Hashed(tar.chunks())
        chunks.exhaust()
        remark = f"without the sockets {', '.join(tar.sockets)}" if tar.sockets else ""
        return Descriptor(LAYERS[0], chunks.digest, chunks.size), chunks.digest, remark

    def _file(self) -> tuple[Descriptor, str]:
        """Return the layer, which is the file as it is, and its diff-id."""
        with open(self._path, "rb") as file:
            kind = compression_of(file.read(4))
        chunks = Hashed(_file_chunks(self._path))
        plain = Hashed(decompress(chunks))
        plain.exhaust()
        return Descriptor(LAYERS[0] + (f"+{kind}" if kind else ""), chunks.digest, chunks.size), plain.digest

    def _chunks(self) -> Iterator[bytes]:
        return FolderTar(self._path).chunks() if os.path.isdir(self._path) else _file_chunks(self._path)

    def _changed(self) -> ImageError:
        return ImageError(f"{self._path} changed while it was read: try again when nothing writes to it")


def _file_chunks(path: str) -> Iterator[bytes]:
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            yield chunk
