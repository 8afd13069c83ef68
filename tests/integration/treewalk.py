# SPDX-License-Identifier: Apache-2.0
"""Everything that a directory tree holds, as comparable data; also a program, for trees in another mount namespace."""

import hashlib
import json
import os
import stat
import sys
from typing import Any

_PASSING = "trusted.overlay.unsettled"  # on a layer until it is on the disk


def snapshot(root: str | os.PathLike[str], *, times: bool = True) -> dict[str, dict[str, Any]]:
    """Map each path below (and including) ``root`` to its type, mode, owner, time, links, attributes and content.

    What has several names has the first of them as ``same``.
    """
    base = os.fsencode(os.fspath(root))
    found = {".": _describe(base, times)}
    names: dict[tuple[int, int], list[str]] = {}
    for folder, folders, files in os.walk(base):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            short = os.fsdecode(os.path.relpath(path, base))
            found[short] = _describe(path, times)
            info = os.lstat(path)
            names.setdefault((info.st_dev, info.st_ino), []).append(short)
    for group in names.values():
        if len(group) > 1:
            for short in group:
                found[short]["same"] = min(group)
    return found


def _describe(path: bytes, times: bool) -> dict[str, Any]:
    info = os.lstat(path)
    kind = stat.S_IFMT(info.st_mode)
    about: dict[str, Any] = {"mode": oct(info.st_mode), "owner": f"{info.st_uid}:{info.st_gid}"}
    if times:
        about["mtime"] = info.st_mtime_ns
    if kind == stat.S_IFLNK:
        about["target"] = os.fsdecode(os.readlink(path))
    if kind in (stat.S_IFCHR, stat.S_IFBLK):
        about["device"] = f"{os.major(info.st_rdev)}:{os.minor(info.st_rdev)}"
    if kind == stat.S_IFREG:
        about |= {"size": info.st_size, "links": info.st_nlink}
        with open(path, "rb") as file:
            about["content"] = hashlib.file_digest(file, "sha256").hexdigest()
    attributes = set(os.listxattr(path, follow_symlinks=False)) - {_PASSING}
    about["xattrs"] = {name: os.getxattr(path, name, follow_symlinks=False).hex() for name in sorted(attributes)}
    return about


if __name__ == "__main__":
    print(json.dumps(snapshot(sys.argv[1])))
