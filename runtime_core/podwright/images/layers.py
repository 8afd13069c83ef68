# SPDX-License-Identifier: Apache-2.0
"""Unpacked layers: each once, in a folder named by its diff-id, a lower directory for overlayfs.

``podinit unpack`` does the unpacking in its own process, confined to a temporary folder; a rename makes that folder the
layer, once the digest of all that was unpacked is the diff-id.
"""

import fcntl
import hashlib
import os
import signal
import socket
from collections.abc import Iterator

from podwright.errors import ImageError
from podwright.files import locked, make_folders, sync_directory
from podwright.images.compression import decompress
from podwright.trees import remove_tree

# A layer may unpack to ALWAYS_ALLOWED bytes, and beyond that to MAX_RATIO times its compressed size: gzip makes at most
# 1032 bytes of one and zstd any number, but only of content made for it. Real layers stay below 20.
ALWAYS_ALLOWED = 1 << 30
MAX_RATIO = 100

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
        """Tell whether a layer is unpacked."""
        return os.path.isdir(self.path(diff_id))

    def unpack(self, diff_id: str, blob: Iterator[bytes], size: int) -> None:
        """Unpack a layer from its (compressed) blob of ``size`` bytes, unless it is there already.

        Raises ImageError, and leaves nothing, when the layer is hostile, damaged, or not the one of that diff-id.
        """
        make_folders(self._root)
        lock = f"{self.path(diff_id)}.lock"
        with locked(lock):  # whoever comes second waits here, and finds the layer
            try:
                if not self.has(diff_id):
                    self._make(diff_id, _limited(decompress(blob), max(ALWAYS_ALLOWED, size * MAX_RATIO)))
            finally:
                os.unlink(lock)

    def _make(self, diff_id: str, pieces: Iterator[bytes]) -> None:
        temporary, lock = self._temporary()
        try:
            found = hashlib.sha256()
            reason = _feed(self._podinit, temporary, _hashed(pieces, found))
            if reason:
                raise ImageError(f"its layer {diff_id} cannot be unpacked: {reason}")
            if f"sha256:{found.hexdigest()}" != diff_id:
                raise ImageError(f"its layer {diff_id} has other content: its digest is sha256:{found.hexdigest()}")
            os.rename(temporary, self.path(diff_id))
        except BaseException:
            remove_tree(temporary)
            raise
        finally:
            os.close(lock)
        sync_directory(self._root)

    def _temporary(self) -> tuple[str, int]:
        """Make a folder with a lock that says it is in use; those of dead processes are removed on the occasion.

        podinit holds the same lock, so that a folder whose Python died stays until podinit has noticed.
        """
        with locked(os.path.join(self._root, ".lock")):
            for name in os.listdir(self._root):
                path = os.path.join(self._root, name)
                if name.startswith(_TEMPORARY) and not _in_use(path):
                    remove_tree(path)
            path = os.path.join(self._root, f"{_TEMPORARY}{os.urandom(8).hex()}")
            os.mkdir(path)
            os.chmod(path, 0o755)  # noqa: S103 -- the container's "/", when the layer does not say otherwise
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(fd, fcntl.LOCK_SH)
            return path, fd


def _in_use(path: str) -> bool:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _limited(pieces: Iterator[bytes], limit: int) -> Iterator[bytes]:
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > limit:
            raise ImageError(f"a layer unpacks to more than {limit} bytes, which its size does not justify")
        yield piece


def _hashed(pieces: Iterator[bytes], into: "hashlib._Hash") -> Iterator[bytes]:
    for piece in pieces:
        into.update(piece)
        yield piece


def _feed(podinit: str, folder: str, pieces: Iterator[bytes]) -> str:
    """Run ``podinit unpack``; returns "" or the line in which it says why it gave up."""
    # A socket and not a pipe: MSG_NOSIGNAL spares a caller who has SIGPIPE at its default.
    ours, its = socket.socketpair()
    reading, writing = os.pipe()
    try:
        with its:
            pid = _spawn(podinit, folder, its.fileno(), writing)
    except BaseException:
        ours.close()
        os.close(reading)
        raise
    finally:
        os.close(writing)
    try:
        with ours:
            for piece in pieces:
                ours.sendall(piece, socket.MSG_NOSIGNAL)
    except (BrokenPipeError, ConnectionResetError):
        pass  # it gave up: its reason follows
    finally:
        with open(reading, "rb") as file:
            line = file.read(4096)
        status = _exit_status(pid)
    if status == 0:
        return ""
    if status is None:
        return "how its unpacking ended is unknown: the process that uses podwright must not ignore SIGCHLD"
    return line.decode(errors="backslashreplace").strip() or f"podinit ended with status {status}"


def _exit_status(pid: int) -> int | None:
    """Wait for a child; None when the caller has the kernel reap its children (waitpid(2), ECHILD)."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        return None


def _spawn(podinit: str, folder: str, stdin: int, stderr: int) -> int:
    actions = [
        (os.POSIX_SPAWN_DUP2, stdin, 0),
        (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
        (os.POSIX_SPAWN_DUP2, stderr, 2),
    ]
    argv = ["podinit", "unpack", folder]
    return os.posix_spawn(podinit, argv, {}, file_actions=actions, setsigdef=[signal.SIGPIPE], setsigmask=[])
