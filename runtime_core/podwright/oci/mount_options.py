# SPDX-License-Identifier: Apache-2.0
"""Mount options as the runtime-spec lists them, sorted by what carries them out.

The attributes of one mount (mount_setattr(2)), its propagation, and the parameters of its file system (fsconfig(2)).
"""

from __future__ import annotations

from podwright.errors import ManifestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# MOUNT_ATTR_*
RDONLY, NOSUID, NODEV, NOEXEC, NOATIME, STRICTATIME, NODIRATIME = 0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x80
NOSYMFOLLOW = 0x200000
ATIME = 0x70  # the field that NOATIME and STRICTATIME are values of; relatime is its 0
# MS_*, of mount(2)
MS_REC = 1 << 14
MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE, MS_SHARED = 1 << 17, 1 << 18, 1 << 19, 1 << 20

# What an option sets, and what it clears before.
_ATTRIBUTES = {
    "ro": (RDONLY, 0),
    "rw": (0, RDONLY),
    "nosuid": (NOSUID, 0),
    "suid": (0, NOSUID),
    "nodev": (NODEV, 0),
    "dev": (0, NODEV),
    "noexec": (NOEXEC, 0),
    "exec": (0, NOEXEC),
    "noatime": (NOATIME, ATIME),
    "strictatime": (STRICTATIME, ATIME),
    "relatime": (0, ATIME),
    "atime": (0, ATIME),
    "norelatime": (0, ATIME),
    "nostrictatime": (0, ATIME),
    "nodiratime": (NODIRATIME, 0),
    "diratime": (0, NODIRATIME),
    "nosymfollow": (NOSYMFOLLOW, 0),
    "symfollow": (0, NOSYMFOLLOW),
}
_RECURSIVE = {f"r{option}": bits for option, bits in _ATTRIBUTES.items()}
PROPAGATION = {
    "private": MS_PRIVATE,
    "rprivate": MS_PRIVATE | MS_REC,
    "shared": MS_SHARED,
    "rshared": MS_SHARED | MS_REC,
    "slave": MS_SLAVE,
    "rslave": MS_SLAVE | MS_REC,
    "unbindable": MS_UNBINDABLE,
    "runbindable": MS_UNBINDABLE | MS_REC,
}
# Parameters that every file system takes; a later one of a pair undoes the earlier.
_SUPERBLOCK = {
    "sync": ("sync", "async"),
    "async": ("async", "sync"),
    "dirsync": ("dirsync", ""),
    "lazytime": ("lazytime", "nolazytime"),
    "nolazytime": ("nolazytime", "lazytime"),
    "mand": ("mand", "nomand"),
    "nomand": ("nomand", "mand"),
}
_OFF = frozenset(("async", "nolazytime", "nomand"))  # what a new mount is without being told
# What nothing has to be done for: fsopen(2) writes no messages to the kernel's log; each file system that can count
# versions of inodes or has ACLs does so of itself, and those that can be told otherwise are told by their own names.
_NO_EFFECT = frozenset(("defaults", "silent", "loud", "iversion", "noiversion"))
_BIND = {"bind": False, "bind-nonrecursive": False, "rbind": True}
_ID_MAP = {"idmap": False, "ridmap": True}
_ACL = frozenset(("acl", "noacl"))
_WITHOUT_ACL_PARAMETER = frozenset(
    ("bind", "none", "tmpfs", "ramfs", "proc", "sysfs", "mqueue", "devpts", "cgroup", "cgroup2")
)
# The specification's own conformance tests (runtime-tools, "mounts") give these to binds as well, where mount(2) takes
# and ignores them.
_LEFT_TO_THE_SOURCE = frozenset(("mode", "size"))
_OTHERS = ("remount", "tmpcopyup", "src-nofollow")
_MAX_PARAMETER = 255  # bytes of a name and of a value that fsconfig(2) takes
_MAX_PARAMETERS = 4096  # bytes: a page, as mount(2) has it

KNOWN = tuple(
    sorted(
        {
            *_ATTRIBUTES, *_RECURSIVE, *PROPAGATION, *_SUPERBLOCK, *_NO_EFFECT, *_BIND, *_ID_MAP, *_ACL, *_OTHERS,
        }
    )
)  # fmt: skip


class MountOptions:
    """What the options of one mount ask for."""

    __slots__ = (
        "bind", "clear", "copyup", "id_map", "no_symlinks", "parameters", "propagation", "recursive_clear",
        "recursive_set", "remount", "set",
    )  # fmt: skip

    def __init__(self) -> None:
        self.set = self.clear = self.recursive_set = self.recursive_clear = self.propagation = 0
        self.bind: bool | None = None
        """None for no bind, True for a recursive one."""
        self.id_map: bool | None = None
        self.remount = self.copyup = self.no_symlinks = False
        self.parameters: list[str] = []


def parse_options(options: Iterable[str], kind: str, field: str) -> MountOptions:
    """Sort the options of a mount of type ``kind``; ManifestError, naming ``field``, for what cannot be carried out.

    What is none of the list is a parameter of the file system, as with mount(2). A bind has no file system of its own
    to take any: there it is an error.
    """
    result = MountOptions()
    for option in options:
        for word in _words(option):
            _sort(result, word, kind, field)
    if kind == "bind" and result.bind is None:
        result.bind = False
    if result.bind is not None or result.remount:
        _check_without_parameters(result, field)
    elif sum(len(word.encode()) + 1 for word in result.parameters) > _MAX_PARAMETERS:
        raise ManifestError(
            f"{field}: the parameters of the file system are longer than {_MAX_PARAMETERS} bytes, which is more than "
            "the kernel takes",
            field=field,
        )
    return result


def _sort(result: MountOptions, word: str, kind: str, field: str) -> None:
    if word in _ATTRIBUTES:
        result.set, result.clear = _changed(result.set, result.clear, *_ATTRIBUTES[word])
    elif word in _RECURSIVE:
        bits = _RECURSIVE[word]
        result.recursive_set, result.recursive_clear = _changed(result.recursive_set, result.recursive_clear, *bits)
    elif word in PROPAGATION:
        _set_propagation(result, PROPAGATION[word], field)
    elif word in _SUPERBLOCK:
        wanted, opposite = _SUPERBLOCK[word]
        result.parameters = [name for name in result.parameters if name not in (wanted, opposite)]
        if wanted not in _OFF:
            result.parameters.append(wanted)
    elif word in _BIND:
        result.bind = _BIND[word] or bool(result.bind)
    elif word in _ID_MAP:
        result.id_map = _ID_MAP[word] or bool(result.id_map)
    elif word == "tmpcopyup":
        if kind != "tmpfs":
            raise ManifestError(f"{field}: tmpcopyup is for mounts of type tmpfs, and this is {kind!r}", field=field)
        result.copyup = True
    elif word == "remount":
        result.remount = True
    elif word == "src-nofollow":
        result.no_symlinks = True
    elif word not in _NO_EFFECT and not (word in _ACL and kind in _WITHOUT_ACL_PARAMETER):
        _add_parameter(result, word, field)


def _changed(wanted: int, cleared: int, set_: int, clear: int) -> tuple[int, int]:
    """Add one option: what it sets is no longer cleared, except that a field is cleared before a value is set in it."""
    wanted, cleared = wanted & ~clear | set_, cleared & ~set_ | clear
    return wanted, cleared


def _set_propagation(result: MountOptions, wanted: int, field: str) -> None:
    if result.propagation & MS_SLAVE and wanted & MS_SHARED:
        raise ManifestError(
            f"{field}: a mount that is slave and shared at once is not supported; give one of both", field=field
        )
    result.propagation = wanted  # as mount(2) called for one after the other: the last one counts


def _add_parameter(result: MountOptions, word: str, field: str) -> None:
    name = word.partition("=")[0]
    if name in ("copy-symlink", "dest-nofollow", "idmap", "ridmap"):
        raise ManifestError(
            f"{field}: {word!r} is a form that only crun has, and is not supported"
            + ("; write the mapping as the mount's uidMappings and gidMappings" if "idmap" in name else ""),
            field=field,
            value=word,
        )
    if not name or any(len(part.encode()) > _MAX_PARAMETER for part in (name, word[len(name) + 1 :])):
        raise ManifestError(
            f"{field}: {word[:80]!r} is no option of a mount; name and value have {_MAX_PARAMETER} bytes at most",
            field=field,
            value=word,
        )
    result.parameters.append(word)


def _check_without_parameters(result: MountOptions, field: str) -> None:
    what = "a bind mount" if result.bind is not None else "a remount"
    ignored = _LEFT_TO_THE_SOURCE if result.bind is not None else ()
    for word in result.parameters:
        if word not in _SUPERBLOCK and word.partition("=")[0] not in ignored:
            raise ManifestError(
                f"{field}: {word!r} is for the file system, which {what} does not change; remove it",
                field=field,
                value=word,
            )
    result.parameters = []  # sync and its like belong to the file system that is there already; mount(2) ignores them


def _words(option: str) -> list[str]:
    """Split at commas, as the kernel splits the data of mount(2); quotes keep an SELinux context whole."""
    if "," not in option and '"' not in option:
        return [option] if option else []
    words, quoted = [""], False
    for position, sign in enumerate(option):
        if sign == '"':
            quoted = not quoted
        elif sign == "," and not quoted and option[position - 1] != "\\":
            words.append("")
        else:
            words[-1] += sign
    return [word for word in words if word]
