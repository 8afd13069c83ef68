# SPDX-License-Identifier: Apache-2.0
"""Who a container runs as: the image's ``User`` looked up in the image's own /etc/passwd and /etc/group."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from podwright.errors import ImageError
from podwright.oci.layers import LayeredRoot

_MAX_FILE = 1 << 20  # bytes of a passwd or group file
_MAX_ID = (1 << 31) - 1  # as in Docker and containerd: larger ones meet programs that read them as negative


class User(NamedTuple):
    """Numbers for the kernel, and the home directory for ``HOME``."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    """Supplementary groups. The primary one comes first: without it, a file that denies its group more than others
    would be open to a process that changed its primary group (CVE-2022-36109)."""
    home: str


class _Group(NamedTuple):
    name: str
    gid: int
    members: list[str]


class _Account(NamedTuple):
    name: str
    uid: int
    gid: int
    home: str


def resolve_user(user: str, layers: Sequence[str], image: str) -> User:
    """Resolve ``""``, ``uid``, ``name``, each with ``:gid`` or ``:group``, in the layers (topmost first) of an image.

    A number needs no entry in the image: its group is then 0 and its home ``/``. A text of digits is always a number,
    never a name, so that an image cannot call root ``1000``. Supplementary groups are those that list the user, as the
    kubelet has it. ImageError, naming image and user, for a name that the image does not have, for a malformed one and
    for unreadable files.
    """
    name, colon, group = user.partition(":")
    if ":" in group or (colon and not (name and group)):
        raise _wrong(user, image, "it must be a user, or a user and a group with a colon between them")
    with LayeredRoot(layers) as root:
        account = _account(name or "0", root, user, image)
        entries = list(_groups(root, user, image))
    if not account.home.isprintable():  # control characters, and bytes that are not UTF-8
        raise _wrong(user, image, "its home directory in /etc/passwd is not a path of printable characters")
    gid = _gid(group, entries, user, image) if group else account.gid
    member_of = [entry.gid for entry in entries if account.name and account.name in entry.members]
    return User(account.uid, gid, tuple(dict.fromkeys((gid, *member_of))), account.home)


def _account(name: str, root: LayeredRoot, user: str, image: str) -> _Account:
    number = _number(name, user, image)
    for line in _lines(root, "/etc/passwd", user, image):
        fields = line.split(":")
        if len(fields) < 6 or not (_is_number(fields[2]) and _is_number(fields[3])):
            continue  # "+" entries of NIS, comments
        account = _Account(fields[0], int(fields[2]), int(fields[3]), fields[5] or "/")
        if account.uid == number if number is not None else account.name == name:
            _check(account.uid, user, image)
            _check(account.gid, user, image)
            return account
    if number is None:
        raise _wrong(user, image, f"its /etc/passwd has no user {name!r}")
    return _Account("", number, 0, "/")


def _groups(root: LayeredRoot, user: str, image: str) -> Iterator[_Group]:
    for line in _lines(root, "/etc/group", user, image):
        fields = line.split(":")
        if len(fields) >= 4 and _is_number(fields[2]) and int(fields[2]) <= _MAX_ID:
            yield _Group(fields[0], int(fields[2]), fields[3].strip().split(","))


def _gid(group: str, entries: list[_Group], user: str, image: str) -> int:
    number = _number(group, user, image)
    if number is not None:
        return number
    for entry in entries:
        if entry.name == group:
            return entry.gid
    raise _wrong(user, image, f"its /etc/group has no group {group!r}")


def _number(text: str, user: str, image: str) -> int | None:
    if not (text.isascii() and text.isdigit()):
        return None
    number = int(text) if _is_number(text) else _MAX_ID + 1
    _check(number, user, image)
    return number


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10


def _check(number: int, user: str, image: str) -> None:
    if number > _MAX_ID:
        raise _wrong(user, image, f"user and group numbers end at {_MAX_ID}")


def _lines(root: LayeredRoot, path: str, user: str, image: str) -> list[str]:
    try:
        content = root.read(path, _MAX_FILE)
    except OSError as error:
        raise _wrong(user, image, f"its {path} cannot be read: {error.strerror}") from error
    return content.decode("utf-8", "surrogateescape").splitlines() if content else []


def _wrong(user: str, image: str, reason: str) -> ImageError:
    return ImageError(f"image {image}: cannot run as its user {user!r}: {reason}", value=user)
