# SPDX-License-Identifier: Apache-2.0
"""Headers of tar archives: ustar blocks with pax extended headers (pax(1), "pax Interchange Format"), as bytes.

Written are the same bytes for the same file, whatever the Python. Read is what other programs write, GNU's long names
and big numbers too; only what is needed to find a member in an archive.
"""

from collections.abc import Mapping
from typing import NamedTuple

from podwright.errors import ImageError

BLOCK = 512  # bytes
END = bytes(2 * BLOCK)
MAX_EXTENSION = 1 << 20  # bytes of a long name or of pax records: what Go's archive/tar accepts
_MAX_NAME = 100  # bytes that the block itself has room for
_MAX_TIME = 8**11 - 1  # seconds


class Kind:
    """What a member is; ``REGULAR`` is also what a NUL or "7" (contiguous) in the block means."""

    REGULAR = b"0"
    HARD_LINK = b"1"
    SYMLINK = b"2"
    CHARACTER = b"3"
    BLOCK = b"4"
    DIRECTORY = b"5"
    FIFO = b"6"


class Header(NamedTuple):
    """A member of an archive; names are bytes, as the kernel has them."""

    name: bytes
    kind: bytes = Kind.REGULAR
    size: int = 0
    """Bytes of content, which follow the header and are padded to whole blocks."""
    link: bytes = b""
    """Where a link leads to."""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    """Nanoseconds since 1970."""
    device: tuple[int, int] = (0, 0)
    """Major and minor number."""
    xattrs: Mapping[bytes, bytes] = {}

    def encode(self) -> bytes:
        """Return the blocks that stand before the member's content."""
        records = self._records()
        if not records:
            return self._block()
        data = b"".join(_record(key, value) for key, value in records)
        about = Header(b"PaxHeaders/" + self.name[:80], kind=b"x", size=len(data))
        return about._block() + data + padding(len(data)) + self._block()

    def _records(self) -> list[tuple[bytes, bytes]]:
        """Return what the block has no room for; numbers have their binary form there, which all programs read."""
        records = []
        if len(self.name) > _MAX_NAME or not self.name.isascii():
            records.append((b"path", self.name))
        if len(self.link) > _MAX_NAME or not self.link.isascii():
            records.append((b"linkpath", self.link))
        if self.mtime % 10**9 or not 0 <= self.mtime // 10**9 <= _MAX_TIME:
            records.append((b"mtime", _decimal(self.mtime)))
        return records + [(b"SCHILY.xattr." + key, self.xattrs[key]) for key in sorted(self.xattrs)]

    def _block(self) -> bytes:
        seconds = min(max(self.mtime // 10**9, 0), _MAX_TIME)
        fields = (
            self.name[:_MAX_NAME].ljust(_MAX_NAME, b"\0"),
            *(_number(value, 8) for value in (self.mode, self.uid, self.gid)),
            *(_number(value, 12) for value in (self.size, seconds)),
            b" " * 8,  # the checksum, which counts itself as spaces
            self.kind,
            self.link[:_MAX_NAME].ljust(_MAX_NAME, b"\0"),
            b"ustar\x0000",
            bytes(64),  # names of user and group
            *(_number(value, 8) for value in self.device),
        )
        block = b"".join(fields).ljust(BLOCK, b"\0")
        return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def padding(size: int) -> bytes:
    """Return what fills up the last block of a content of so many bytes."""
    return bytes(-size % BLOCK)


def parse_block(block: bytes) -> Header | None:
    """Read one block: name, kind, size and link. None for a block of zeros, which ends an archive."""
    if not any(block):
        return None
    if len(block) != BLOCK or _octal(block[148:156]) != sum(block[:148]) + 256 + sum(block[156:]):
        raise ImageError("it is damaged, or no tar archive")
    name, link = (field.partition(b"\0")[0] for field in (block[:100], block[157:257]))
    if block[257:263] == b"ustar\0" and block[345]:
        name = block[345:500].partition(b"\0")[0] + b"/" + name
    kind = Kind.REGULAR if block[156:157] in b"\x007" else block[156:157]
    return Header(name, kind, size=_octal(block[124:136]), link=link)


def parse_pax(data: bytes) -> dict[bytes, bytes]:
    """Read the records of an extended header."""
    records = {}
    while data:
        digits = data[:20].partition(b" ")[0]
        length = int(digits) if digits.isdigit() else 0
        key, equals, value = data[len(digits) + 1 : length - 1].partition(b"=")
        if not equals or length > len(data) or data[length - 1 : length] != b"\n":
            raise ImageError("it has a damaged pax header")
        records[key] = value
        data = data[length:]
    return records


def _record(key: bytes, value: bytes) -> bytes:
    """Return one pax record, whose length counts its own digits."""
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest)
    while length != len(rest) + len(b"%d" % length):
        length = len(rest) + len(b"%d" % length)
    return b"%d" % length + rest


def _decimal(nanoseconds: int) -> bytes:
    sign = b"-" if nanoseconds < 0 else b""
    seconds, fraction = divmod(abs(nanoseconds), 10**9)
    return sign + (b"%d.%09d" % (seconds, fraction)).rstrip(b"0").rstrip(b".")


def _number(value: int, width: int) -> bytes:
    """Return an octal number, or GNU's binary form of one that is too large for it."""
    if value < 8 ** (width - 1):
        return b"%0*o\0" % (width - 1, value)
    return b"\x80" + value.to_bytes(width - 1, "big")


def _octal(field: bytes) -> int:
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if any(digit not in b"01234567" for digit in digits):
        raise ImageError("it is damaged, or no tar archive")
    return int(digits or b"0", 8)
