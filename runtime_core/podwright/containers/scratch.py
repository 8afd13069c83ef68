# SPDX-License-Identifier: Apache-2.0
"""A bundle for one run: a root of read-only folders with an overlay on top, gone with the command that made it.

The overlay is mounted in a mount namespace of the command's own, so that no mount is left on the host, however the
command ends. Only a command may do this: a mount namespace belongs to the whole process.
"""

from __future__ import annotations

import ctypes
import fcntl
import os

from podwright.errors import HostError
from podwright.files import make_folders, write_new
from podwright.jsontext import dumps
from podwright.trees import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GROUND = "ground.json"
_CLONE_NEWNS = 0x20000
_MS_REC, _MS_SLAVE = 0x4000, 0x80000
_MNT_DETACH = 2


class Scratch:
    """The bundle's directory ``<folder>/<name>``; enter it to have ``rootfs`` in it mounted.

    ``lower`` are the directories that make up the root, topmost first; what the container writes goes to none of them.
    ``image`` is the full reference of the image that they are of, "" for none. Both are kept in the file ``GROUND``,
    for whoever wants to remove them.
    """

    def __init__(self, folder: str, name: str, lower: Sequence[str], image: str) -> None:
        self.path = f"{folder}/{name}"
        self._lower = list(lower)
        self._image = image
        self._lock = -1

    def __enter__(self) -> Scratch:
        make_folders(self.path)
        self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            for name in ("rootfs", "upper", "work"):
                os.mkdir(f"{self.path}/{name}", 0o755)
            ground = {"image": self._image, "lower": self._lower}
            write_new(f"{self.path}/{GROUND}", dumps(ground).encode())
            self._mount()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        _libc().umount2(os.fsencode(f"{self.path}/rootfs"), _MNT_DETACH)  # perhaps it was never mounted
        remove_tree(self.path)
        os.close(self._lock)

    def _mount(self) -> None:
        libc = _libc()
        if libc.unshare(_CLONE_NEWNS) < 0 or libc.mount(None, b"/", None, _MS_REC | _MS_SLAVE, None) < 0:
            raise _failed("make a mount namespace")
        fds = [os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for path in self._lower]
        try:
            # by descriptors: a path may hold a colon or a comma, and all together have one page
            lower = ":".join(f"/proc/self/fd/{fd}" for fd in fds)
            data = f"lowerdir={lower},upperdir={self.path}/upper,workdir={self.path}/work"
            if libc.mount(b"overlay", os.fsencode(f"{self.path}/rootfs"), b"overlay", 0, os.fsencode(data)) < 0:
                raise _failed(f"mount an overlay of {', '.join(self._lower)}")
        finally:
            for fd in fds:
                os.close(fd)


def live(folder: str, containers: str) -> list[str]:
    """Return the bundles in ``folder`` whose command lives, or whose container is still recorded."""
    bundles = _bundles(folder)
    dead = set(_dead(bundles, containers))
    return [path for path in bundles if path not in dead]


def sweep(folder: str, containers: str) -> None:
    """Remove what killed commands have left in ``folder``, unless their container is still recorded."""
    for path in _dead(_bundles(folder), containers):
        remove_tree(path)


def _bundles(folder: str) -> list[str]:
    try:
        return [f"{folder}/{name}" for name in os.listdir(folder)]
    except FileNotFoundError:
        return []


def _dead(bundles: Sequence[str], containers: str) -> Iterator[str]:
    """Yield, with its lock held, each bundle that nobody needs any more."""
    for path in bundles:
        if os.path.exists(f"{containers}/{os.path.basename(path)}"):
            continue
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # its command has just ended
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield path
        except BlockingIOError:
            continue  # its command lives
        finally:
            os.close(fd)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _failed(what: str) -> HostError:
    return HostError(f"cannot {what}: {os.strerror(ctypes.get_errno())}")
