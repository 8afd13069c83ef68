# SPDX-License-Identifier: Apache-2.0
"""Compiled seccomp filters on disk, so that a pod's start compiles nothing.

A filter is ``<root>/seccomp/<sha256>.bpf``, the digest of everything that goes into it: a file is right for ever.
"""

import hashlib
import json
import os
import stat
from collections.abc import Collection

from podwright.errors import HostError, ManifestError
from podwright.files import make_folders, write_atomic
from podwright.security import capabilities
from podwright.security.bpf import INSTRUCTION_SIZE, MAX_INSTRUCTIONS, RETURN

DEFAULT_PROFILE = os.path.join(os.path.dirname(__file__), "default_seccomp.json")
COMPILER_VERSION = 1
"""Part of a filter's name: raise it with every change of what ``compile_filter`` makes of the same profile."""


def filter_file(
    root: str, *, caps: Collection[str] = capabilities.DEFAULT, profile: str = DEFAULT_PROFILE, arch: str | None = None
) -> str:
    """Return the path of the filter for a profile file and a container's capabilities, compiling it when it is new.

    ``root`` is the state directory (``Config.root``), ``arch`` the host's unless given. A cached file that another
    user could have written, or that is not a program, is made anew. Raises what ``compile_filter`` raises, and
    HostError when the profile cannot be read or the filter not be kept.
    """
    arch = arch or os.uname().machine
    try:
        with open(profile, "rb") as file:
            text = file.read()
    except OSError as error:
        raise HostError(f"cannot read the seccomp profile {profile}: {error.strerror}", value=profile) from error
    path = os.path.join(root, "seccomp", f"{_key(text, arch, caps)}.bpf")
    if not _usable(path):
        _write(path, _compile(text, profile, arch, caps))
    return path


def _key(text: bytes, arch: str, caps: Collection[str]) -> str:
    digest = hashlib.sha256()
    for part in (b"%d" % COMPILER_VERSION, arch.encode(), b"%x" % capabilities.mask(caps), text):
        digest.update(b"%d:" % len(part))  # lengths, or two different lists of parts could read the same
        digest.update(part)
    return digest.hexdigest()


def _usable(path: str) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        status = os.fstat(fd)
        ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022
        count, rest = divmod(status.st_size, INSTRUCTION_SIZE)
        # The kernel checks a program when it is loaded; this finds the file that lost its end.
        return (
            ours
            and not rest
            and 0 < count <= MAX_INSTRUCTIONS
            and os.pread(fd, 1, status.st_size - INSTRUCTION_SIZE) == bytes([RETURN])
        )
    finally:
        os.close(fd)


def _compile(text: bytes, profile: str, arch: str, caps: Collection[str]) -> bytes:
    from podwright.security.seccomp import compile_filter  # once in a filter's life

    try:
        return compile_filter(json.loads(text), arch, caps)
    except ValueError as error:
        raise ManifestError(f"the seccomp profile {profile} is not JSON: {error}", value=profile) from error


def _write(path: str, program: bytes) -> None:
    try:
        make_folders(os.path.dirname(path))
        write_atomic(path, program, mode=0o600)
    except OSError as error:
        raise HostError(f"cannot keep the seccomp filter {path}: {error.strerror}", value=path) from error
