# SPDX-License-Identifier: Apache-2.0
"""A tar archive, plain or compressed by gzip, that is read where it lies: an index says where each file's content is.

Nothing of it ever becomes a file, so what its names say cannot reach the host; its links lead to its members alone.
"""

import os
import posixpath
import stat
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from podwright.errors import ImageError
from podwright.images.documents import MAX_DOCUMENT
from podwright.images.formats.gzipped import MAGIC, Gzipped
from podwright.images.formats.tarheader import BLOCK, MAX_EXTENSION, Header, Kind, parse_block, parse_pax

MAX_MEMBERS = 65536
MAX_NAMES = 16 << 20  # bytes, of all names and links together
MAX_LINKS = 16  # that lead from one to the next
CHUNK = 256 * 1024  # bytes
_FAR = 1 << 60  # bytes: no file is as large
_EXTENSIONS = (b"x", b"L", b"K")  # of the member that follows: pax records, GNU's long name, GNU's long link
_UNREADABLE = (b"S", b"M")  # GNU's sparse files, and the rest of a file that began in another archive


class Member(NamedTuple):
    """A file in the archive."""

    offset: int
    size: int


class _Reader(Protocol):
    def read(self, position: int, size: int) -> bytes:
        """Return that many bytes, or fewer at the end."""


class Tarball:
    """The archive at ``path``. Every method raises ImageError that names the path; several threads may read."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = _open(path)
        gzipped = os.pread(self._fd, len(MAGIC), 0) == MAGIC
        self._reader: Callable[[], _Reader] = Gzipped(self._fd).reader if gzipped else lambda: _Plain(self._fd)
        self._lock = threading.Lock()
        self._members: dict[str, Member | str] | None = None

    def error(self, reason: str) -> ImageError:
        """Return the error that says so of this archive."""
        return ImageError(f"the archive {self._path} cannot be used: {reason}")

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def find(self, name: str) -> Member | None:
        """Return a file, also through links, or None when there is none of that name."""
        members = self._index()
        for _ in range(MAX_LINKS):
            found = members.get(posixpath.normpath(name))
            if not isinstance(found, str):
                return found
            name = found
        raise self.error(f"its link {name!r} leads to no end")

    def document(self, name: str) -> bytes | None:
        """Return a small file whole, or None when there is none of that name."""
        member = self.find(name)
        if member and member.size > MAX_DOCUMENT:
            raise self.error(f"its {name} of {member.size} bytes is over the limit of {MAX_DOCUMENT}")
        return b"".join(self.chunks(member)) if member else None

    def chunks(self, member: Member, offset: int = 0) -> Iterator[bytes]:
        """Yield a file's content from ``offset`` on."""
        reader = self._reader()
        position, end = member.offset + offset, member.offset + member.size
        while position < end:
            try:
                chunk = reader.read(position, min(CHUNK, end - position))
            except ImageError as error:
                raise self.error(error.message) from error
            if not chunk:
                raise self.error("it is truncated")
            yield chunk
            position += len(chunk)

    def _index(self) -> dict[str, Member | str]:
        """Return where each file is, or, for a link, the name that it stands for."""
        with self._lock:
            if self._members is None:
                try:
                    self._members = _indexed(self._reader())
                except ImageError as error:
                    raise self.error(error.message) from error
            return self._members


class _Plain:
    def __init__(self, fd: int) -> None:
        self._fd = fd

    def read(self, position: int, size: int) -> bytes:
        return os.pread(self._fd, size, position)


def _open(path: str) -> int:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO would wait for a writer
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ImageError(f"{path} is not a regular file: an archive must be one, to be read at any place")
    return fd


def _indexed(reader: _Reader) -> dict[str, Member | str]:
    """Go through an archive once. Of several members of one name the last counts, as when it is unpacked."""
    members: dict[str, Member | str] = {}
    names = 0
    for header, offset in _headers(reader):
        name = _inside(header.name, "member")
        if header.kind == Kind.REGULAR:
            members[name] = Member(offset, header.size)
        elif header.kind == Kind.SYMLINK:
            members[name] = _inside(posixpath.join(posixpath.dirname(name).encode(), header.link), "link to")
        elif header.kind == Kind.HARD_LINK:
            members[name] = _inside(header.link, "link to")
        names += len(name) + len(header.link)
        if len(members) > MAX_MEMBERS or names > MAX_NAMES:
            raise ImageError(f"it has more than {MAX_MEMBERS} members, or names of more than {MAX_NAMES} bytes")
    return members


def _inside(name: bytes, what: str) -> str:
    """Return the one spelling of a name; one that would leave a folder that the archive is unpacked in is refused."""
    text = posixpath.normpath(name.decode(errors="backslashreplace"))
    if text.startswith(("/", "../")) or text == "..":
        raise ImageError(f"its {what} {text!r} leads out of it")
    return text


def _headers(reader: _Reader) -> Iterator[tuple[Header, int]]:
    """Yield each member's header, with its long name if it has one, and where its content is."""
    position = 0
    extension: dict[bytes, bytes] = {}
    while (block := reader.read(position, BLOCK)) and (header := parse_block(block)):
        position += BLOCK
        if header.kind in _UNREADABLE:
            raise ImageError(f"its member {header.name!r} is stored in GNU's own form, which is not supported")
        if header.kind in _EXTENSIONS:
            extension |= _extension(header, reader, position)
        elif header.kind != b"g":  # a global header is a comment to Docker, and so to us
            header = _extended(header, extension)
            extension = {}
            yield header, position
        position += header.size + -header.size % BLOCK
        if position > _FAR:
            raise ImageError("it is damaged, or no tar archive")
    if position == 0:
        raise ImageError("it is empty")


def _extension(header: Header, reader: _Reader, position: int) -> dict[bytes, bytes]:
    if header.size > MAX_EXTENSION:
        raise ImageError(f"it has an extended header of {header.size} bytes, more than {MAX_EXTENSION}")
    data = reader.read(position, header.size)
    if len(data) != header.size:
        raise ImageError("it is truncated")
    if header.kind == b"x":
        return parse_pax(data)
    return {b"path" if header.kind == b"L" else b"linkpath": data.partition(b"\0")[0]}


def _extended(header: Header, extension: dict[bytes, bytes]) -> Header:
    size = extension.get(b"size", b"%d" % header.size)
    if not size.isdigit() or len(size) > 19:
        raise ImageError("it has a damaged pax header")
    name, link = extension.get(b"path", header.name), extension.get(b"linkpath", header.link)
    return header._replace(name=name, link=link, size=int(size))
