# SPDX-License-Identifier: Apache-2.0
"""Unpacked layers: each once, in a folder named by its diff-id, a lower directory for overlayfs.

``podinit unpack`` does the unpacking in its own process, confined to a temporary folder; a rename makes that folder the
layer, once the digest of all that was unpacked is the diff-id.

Nobody waits until a layer is on the disk: it bears a mark with the boot that made it, and a process that comes after
the pull syncs the file system and takes the mark away. A layer with the mark of another boot may have lost content with
the power; it counts as missing, and is unpacked again. The order in which file systems write names and attributes makes
sure that the mark is there when the name is; it is an extended attribute that overlayfs does not show.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator

from podwright.errors import ImageError
from podwright.files import is_held, locked, make_folders, read_small
from podwright.images.hashing import Hashed
from podwright.trees import remove_tree

# A layer may unpack to ALWAYS_ALLOWED bytes, and beyond that to MAX_RATIO times its compressed size: gzip makes at most
# 1032 bytes of one and zstd any number, but only of content made for it. Real layers stay below 20.
ALWAYS_ALLOWED = 1 << 30
MAX_RATIO = 100

UNSETTLED = "trusted.overlay.unsettled"
"""The mark of a layer that may not be on the disk yet; its value is the boot-id (random(4)) of who made it."""

_TEMPORARY = ".tmp-"


class Layers:
    """The folder ``root`` of unpacked layers; ``podinit`` is the path of that program."""

    def __init__(self, root: str, podinit: str) -> None:
        self._root = root
        self._podinit = podinit

    def path(self, diff_id: str) -> str:
        """Return the folder of a layer, whether it is there or not."""
        return os.path.join(self._root, diff_id.removeprefix("sha256:"))

    def has(self, diff_id: str) -> bool:
        """Tell whether a layer is unpacked, and sure to be all there."""
        maker = _maker(self.path(diff_id))
        return maker == b"" or maker == _boot()

    def settle(self, diff_ids: Iterable[str]) -> None:
        """Have those that may not be on the disk yet brought there; returns at once."""
        from podwright.images.unpacker import settle

        paths = [self.path(diff_id) for diff_id in dict.fromkeys(diff_ids)]
        if unsettled := [path for path in paths if _maker(path)]:
            settle(self._podinit, unsettled)

    @contextlib.contextmanager
    def claimed(self, diff_id: str, pause: Callable[[], object]) -> Iterator[None]:
        """Hold the right to make a layer; ``pause`` is called while another has it, and makes it perhaps."""
        make_folders(self._root)
        path = f"{self.path(diff_id)}.lock"
        with locked(path, pause=pause):
            try:
                yield
            finally:
                os.unlink(path)

    def unpack(self, diff_id: str, blob: Iterator[bytes], size: int) -> None:
        """Make a layer, which is claimed, from its (compressed) blob of ``size`` bytes.

        Raises ImageError, and leaves nothing, when the layer is hostile, damaged, or not the one of that diff-id. It
        gets its name when the blob has proved good (an iterator that ends tells so, one that raises does not).

        It is not sure to survive a power loss before it is settled. The blob is, before an image is recorded.
        """
        from podwright.images.compression import decompress
        from podwright.images.unpacker import unpack

        temporary, lock = self._temporary()
        try:
            plain = Hashed(_limited(decompress(blob), size))
            reason = unpack(self._podinit, temporary, plain)
            if reason:
                raise ImageError(f"its layer {diff_id} cannot be unpacked: {reason}")
            if plain.digest != diff_id:
                raise ImageError(f"its layer {diff_id} has other content: its digest is {plain.digest}")
            os.setxattr(temporary, UNSETTLED, _boot())
            remove_tree(self.path(diff_id))  # of another boot
            os.rename(temporary, self.path(diff_id))
        except BaseException:
            remove_tree(temporary)
            raise
        finally:
            os.close(lock)

    def _temporary(self) -> tuple[str, int]:
        """Make a folder with a lock that says it is in use; those of dead processes are removed on the occasion.

        podinit holds the same lock, so that a folder whose Python died stays until podinit has noticed.
        """
        make_folders(self._root)
        with locked(os.path.join(self._root, ".lock")):
            for name in os.listdir(self._root):
                path = os.path.join(self._root, name)
                if name.startswith(_TEMPORARY) and not is_held(path):
                    remove_tree(path)  # unless it was just now renamed to the layer that it was to be
            path = os.path.join(self._root, f"{_TEMPORARY}{os.urandom(8).hex()}")
            os.mkdir(path)
            os.chmod(path, 0o755)  # noqa: S103 -- the container's "/", when the layer does not say otherwise
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(fd, fcntl.LOCK_SH)
            return path, fd


def _maker(path: str) -> bytes | None:
    """Return the boot of a layer that is not settled, nothing for one that is, and None when there is none."""
    try:
        return os.getxattr(path, UNSETTLED)
    except OSError as error:
        return b"" if error.errno == errno.ENODATA else None


def _boot() -> bytes:
    return read_small("/proc/sys/kernel/random/boot_id").strip()


def _limited(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    total, limit = 0, max(ALWAYS_ALLOWED, size * MAX_RATIO)
    for piece in pieces:
        total += len(piece)
        if total > limit:
            raise ImageError(f"a layer unpacks to more than {limit} bytes, which its size does not justify")
        yield piece
