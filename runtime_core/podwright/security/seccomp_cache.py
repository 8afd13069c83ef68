# SPDX-License-Identifier: Apache-2.0
"""Compiled seccomp filters on disk, so that a container's start compiles nothing.

A filter is ``<root>/seccomp/<sha256>.bpf``, the digest of everything that goes into it: a file is right for ever, and
that it is there says that its profile has been checked.
"""

from __future__ import annotations

import os
import stat

from podwright.errors import HostError, ManifestError
from podwright.jsontext import dumps, loads
from podwright.security import capabilities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

DEFAULT_PROFILE = os.path.join(os.path.dirname(__file__), "default_seccomp.json")
COMPILER_VERSION = 2
"""Part of a filter's name: raise it with every change of what ``compile_filter`` makes of the same profile."""
_INSTRUCTION_SIZE, _MAX_INSTRUCTIONS, _RETURN = 8, 4096, 0x06  # podwright.security.bpf, not worth its import here
# linux/seccomp.h. TSYNC is for other threads of the caller: podinit has none, and the kernel takes no listener with it.
_WAIT_KILLABLE_RECV = 32
_FLAGS = {"SECCOMP_FILTER_FLAG_TSYNC": 0, "SECCOMP_FILTER_FLAG_LOG": 2, "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,
          "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": _WAIT_KILLABLE_RECV}  # fmt: skip


class SeccompFilter:
    """A compiled filter, and how it is loaded.

    ``path`` is the file of the program; ``flags`` are seccomp(2)'s SECCOMP_FILTER_FLAG_*, without NEW_LISTENER, which
    whoever loads the filter adds when there is a ``listener_path``: the socket of the agent that answers for the calls
    with SCMP_ACT_NOTIFY, "" when the profile has none. ``listener_metadata`` is for the agent.
    """

    __slots__ = ("flags", "listener_metadata", "listener_path", "path")

    def __init__(self, path: str, flags: int = 0, listener_path: str = "", listener_metadata: str = "") -> None:
        self.path = path
        self.flags = flags
        self.listener_path = listener_path
        self.listener_metadata = listener_metadata


def oci_filter(root: str, seccomp: Mapping[str, Any], arch: str | None = None) -> SeccompFilter:
    """Return the filter for ``linux.seccomp`` of a bundle, compiling it when it is new.

    ``root`` is the state directory (``Config.root``), ``arch`` the host's unless given. A cached file that another
    user could have written, or that is not a program, is made anew. Raises what ``compile_filter`` raises, and
    HostError when the filter cannot be kept.
    """
    arch = arch or os.uname().machine
    path = _path(root, b"oci", arch.encode(), dumps(seccomp, sort_keys=True).encode(errors="surrogatepass"))
    if not _usable(path):
        from podwright.security.seccomp import compile_filter  # once in a filter's life

        _write(path, compile_filter(seccomp, arch))
    flags = 0
    for name in seccomp.get("flags") or ():
        flags |= _FLAGS[name]
    if any(entry["action"] == "SCMP_ACT_NOTIFY" for entry in seccomp.get("syscalls") or ()):
        return SeccompFilter(path, flags, seccomp["listenerPath"], seccomp.get("listenerMetadata") or "")
    return SeccompFilter(path, flags & ~_WAIT_KILLABLE_RECV)  # the kernel refuses it without a listener


def filter_file(
    root: str, *, caps: Collection[str] = capabilities.DEFAULT, profile: str = DEFAULT_PROFILE, arch: str | None = None
) -> str:
    """Return the path of the filter for a profile file and a container's capabilities, compiling it when it is new.

    The profile is in the runtime-spec's form or in Docker's (see ``seccomp_docker``). ``root``, ``arch`` and the errors
    are those of ``oci_filter``; also HostError when the profile cannot be read.
    """
    arch = arch or os.uname().machine
    text = _read(profile)
    mask = b"%x" % capabilities.mask(caps)
    path = _path(root, b"file", arch.encode(), os.uname().release.encode(), mask, text)
    if not _usable(path):
        from podwright.security.seccomp import compile_filter
        from podwright.security.seccomp_docker import to_oci

        _write(path, compile_filter(to_oci(_parse(text, profile), arch, caps), arch))
    return path


def pod_filter(
    root: str, seccomp_profile: Mapping[str, Any] | None, *, folder: str, caps: Collection[str] = capabilities.DEFAULT
) -> SeccompFilter | None:
    """Return the filter for Kubernetes' ``securityContext.seccompProfile``; None for ``Unconfined``.

    No profile is ``RuntimeDefault``. ``Localhost`` names a file below ``folder`` in ``localhostProfile``, in the
    runtime-spec's form or in Docker's. The errors are those of ``filter_file``; their fields begin at ``type``,
    ``localhostProfile`` or, within the file, at ``linux.seccomp``.
    """
    wanted = seccomp_profile or {"type": "RuntimeDefault"}
    kind, name = wanted.get("type"), wanted.get("localhostProfile")
    if kind not in ("RuntimeDefault", "Localhost", "Unconfined"):
        raise _wrong("type", kind, "must be RuntimeDefault, Localhost or Unconfined")
    if kind != "Localhost":
        if name is not None:
            raise _wrong("localhostProfile", name, "goes with the type Localhost only")
        return None if kind == "Unconfined" else SeccompFilter(filter_file(root, caps=caps))
    if not isinstance(name, str) or not name or name.startswith("/") or ".." in name.split("/") or "\0" in name:
        raise _wrong("localhostProfile", name, f"must be the path of a file below {folder}")
    from podwright.security.seccomp_docker import to_oci

    path, arch = os.path.join(folder, name), os.uname().machine
    return oci_filter(root, to_oci(_parse(_read(path), path), arch, caps), arch)


def _path(root: str, *parts: bytes) -> str:
    digest = _sha256()(b"%d" % COMPILER_VERSION)
    for part in parts:
        digest.update(b"%d:" % len(part))  # lengths, or two different lists of parts could read the same
        digest.update(part)
    return os.path.join(root, "seccomp", f"{digest.hexdigest()}.bpf")


def _sha256() -> Any:
    """Return hashlib.sha256 without hashlib, which loads OpenSSL: 3 ms for one digest of 20 KB."""
    for module in ("_sha2", "_sha256"):  # from Python 3.12 on, before
        try:
            return __import__(module).sha256
        except ImportError:
            continue
    from hashlib import sha256

    return sha256


def _usable(path: str) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        status = os.fstat(fd)
        ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022
        count, rest = divmod(status.st_size, _INSTRUCTION_SIZE)
        # The kernel checks a program when it is loaded; this finds the file that lost its end.
        return (
            ours
            and not rest
            and 0 < count <= _MAX_INSTRUCTIONS
            and os.pread(fd, 1, status.st_size - _INSTRUCTION_SIZE) == bytes([_RETURN])
        )
    finally:
        os.close(fd)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise HostError(f"cannot read the seccomp profile {path}: {error.strerror}", value=path) from error


def _parse(text: bytes, path: str) -> Any:
    try:
        return loads(text)
    except ValueError as error:
        raise ManifestError(f"the seccomp profile {path} is not JSON: {error}", value=path) from error


def _write(path: str, program: bytes) -> None:
    from podwright.files import make_folders, write_atomic

    try:
        make_folders(os.path.dirname(path))
        write_atomic(path, program, mode=0o600)
    except OSError as error:
        raise HostError(f"cannot keep the seccomp filter {path}: {error.strerror}", value=path) from error


def _wrong(field: str, value: object, reason: str) -> ManifestError:
    return ManifestError(f"seccompProfile.{field} is {value!r}: {reason}", field=f"seccompProfile.{field}", value=value)
