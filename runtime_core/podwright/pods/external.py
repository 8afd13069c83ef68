# SPDX-License-Identifier: Apache-2.0
"""Pods whose containers an OCI runtime of the host's makes: crun, runc or youki.

The pod stays podwright's: its supervisor, network, cgroups, root file systems and logs. The runtime gets a bundle whose
``config.json`` is complete, and ``podinit supervise`` drives it (``podinit/external.c``).
"""

import os
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from podwright.cgroups.mounts import mounted
from podwright.config import OWN_RUNTIME, Config, ExternalRuntime
from podwright.errors import HostError, ManifestError
from podwright.files import read_json
from podwright.jsontext import loads
from podwright.manifest.rules import DEFAULT_RUNTIME_CLASS
from podwright.oci.spec import SECCOMP_ANNOTATION
from podwright.security.seccomp_cache import DEFAULT_PROFILE

_PATIENCE = 10  # seconds for what a runtime says of itself
_CONTROLLERS_OF_HYBRID = "/sys/fs/cgroup/unified/cgroup.controllers"
_OCI_VERSION = "1.0.2"  # the newest that crun 1.8 and runc 1.1 take for their own


class _Manner(NamedTuple):
    """How a runtime has to be used, so that the limits in a container's cgroups stay what podwright set."""

    cgroups: str
    """``inherit``: it is started inside the container's cgroups; ``join``: it enters ``linux.cgroupsPath`` itself."""
    options: tuple[str, ...] = ()


# By the first word of ``--version``.
_MANNERS = {
    # Its own manager sets the memory limit of cgroup v1 to none before it sets what config.json says.
    "crun": _Manner("inherit", ("--cgroup-manager=disabled",)),
    # Refuses, from 1.2 on, cgroups that have a process in them, as the one that starts it would be.
    "runc": _Manner("join"),
}
_OTHER = _Manner("join")  # youki among them, which kills all of a container's cgroups when it fails


def chosen(config: Config, pod: Mapping[str, Any]) -> ExternalRuntime | None:
    """Return the runtime that a normalised pod's containers run under, None for podwright's own.

    Raises ManifestError for a ``runtimeClassName`` that this host's configuration does not have, and HostError for a
    program that cannot be executed.
    """
    wanted = pod["spec"].get("runtimeClassName")
    name = wanted or config.pods_runtime
    if name == OWN_RUNTIME:
        return None
    for runtime in config.runtimes:
        if runtime.name == name:
            if not os.path.isfile(runtime.path) or not os.access(runtime.path, os.X_OK):
                field = f"runtimes.{name}.path"
                reason = f"{field} of the configuration is {runtime.path}, which is no program that can be executed"
                raise HostError(f"{reason}; install it, or correct the path", field=field, value=runtime.path)
            return runtime
    known = ", ".join([DEFAULT_RUNTIME_CLASS, OWN_RUNTIME, *(runtime.name for runtime in config.runtimes)])
    reason = f"spec.runtimeClassName is {name!r}, which this host does not have: choose one of {known}"
    way_out = f"or add a section [runtimes.{name}] to its podwright.toml"
    raise ManifestError(f"{reason}, {way_out}", field="spec.runtimeClassName", value=name)


def sandbox_entry(runtime: ExternalRuntime | None, run_dir: str, cgroups: Sequence[str]) -> dict[str, Any] | None:
    """Return the field ``runtime`` of ``sandbox.json``: what the pod's supervisor needs to know.

    ``cgroups`` are the directories of the pod's sandbox, one for each hierarchy that podwright manages.
    """
    if runtime is None:
        return None
    manner = _MANNERS.get(_facts(runtime.path).kind, _OTHER)
    return {
        "path": runtime.path,
        "root": f"{run_dir}/runtime",
        "options": [*runtime.options, *manner.options],  # podwright's last: they win
        "hidden": _hidden(cgroups),
        "cgroups": manner.cgroups,
    }


def recorded_entry(pod_dir: str) -> dict[str, Any] | None:
    """Return what ``sandbox_entry`` was when the pod was started, whatever the configuration says now."""
    plan = read_json(f"{pod_dir}/sandbox.json")
    entry = plan.get("runtime") if isinstance(plan, dict) else None
    return entry if isinstance(entry, dict) else None


def _hidden(cgroups: Sequence[str]) -> list[str]:
    """Return what a runtime must not see: the hierarchies of v1 in which nobody would remove its cgroups.

    And crun refuses a hybrid host whose v2 hierarchy has a controller, though it is not to use any.
    """
    foreign = [mount.path for mount in mounted() if not any(path.startswith(f"{mount.path}/") for path in cgroups)]
    if _CONTROLLERS_OF_HYBRID.removesuffix("/cgroup.controllers") in foreign:
        return foreign
    return [*foreign, _CONTROLLERS_OF_HYBRID] if os.path.exists(_CONTROLLERS_OF_HYBRID) else foreign


def complete(spec: Mapping[str, Any], runtime: Mapping[str, Any], localhost: str | None = None) -> dict[str, Any]:
    """Return a container's ``config.json`` with all that podinit has from elsewhere, for another runtime.

    ``runtime`` is what ``sandbox_entry`` returned. Raises HostError when it would ignore the system call filter.

    ``localhost`` is the file of a seccomp profile of its own, instead of the default one. The limits are left out: they
    are set in the cgroups that the container gets, and change there while it runs.
    """
    linux = dict(spec["linux"])
    linux["resources"] = {"devices": linux["resources"]["devices"]}
    if any("rslave" in mount.get("options", ()) for mount in spec.get("mounts", ())):
        linux["rootfsPropagation"] = "rslave"  # or crun makes all mounts private before it binds any
    if SECCOMP_ANNOTATION in spec["annotations"]:
        if not can_filter(runtime["path"]):
            reason = f"the runtime {runtime['path']} was built without seccomp, which the container asks for"
            raise HostError(f"{reason}: use another, or securityContext.seccompProfile.type Unconfined")
        linux["seccomp"] = _profile(localhost or DEFAULT_PROFILE, spec["process"]["capabilities"]["bounding"])
    return {**spec, "ociVersion": _OCI_VERSION, "linux": linux}


def can_mount(path: str, option: str) -> bool:
    """Tell whether a runtime takes an option of a mount; one that does not say so (features.md) does not."""
    try:
        return option in loads(_output(path, "features"))["mountOptions"]
    except (ValueError, LookupError, TypeError):  # no JSON; nothing about it
        return False


def is_recursive(path: str | None) -> bool:
    """Tell whether a runtime (None: podinit itself) can make a mount read-only with all below it."""
    return path is None or can_mount(path, "rro")


def can_filter(path: str) -> bool:
    """Tell whether a runtime was built with seccomp; one that does not say so was not."""
    return _facts(path).seccomp


def _profile(path: str, caps: Collection[str]) -> dict[str, Any]:
    from podwright.security.seccomp_docker import to_oci

    with open(path, "rb") as file:
        return to_oci(loads(file.read()), os.uname().machine, caps)


class _Facts(NamedTuple):
    """What a program says of itself."""

    kind: str
    """The first word of ``--version``, by which its ways are known."""
    seccomp: bool


def _facts(path: str) -> _Facts:
    try:
        status = os.stat(path)
    except OSError as error:
        raise HostError(f"the runtime {path}: {error.strerror}", value=path) from error
    return _facts_of(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=16)
def _facts_of(path: str, _mtime: int, _size: int) -> _Facts:
    words = _output(path, "--version").split() or [""]
    # crun's word, and runc's; every one may answer by the runtime-spec's features.md
    seccomp = "+SECCOMP" in words or "libseccomp:" in words
    if not seccomp:
        try:
            seccomp = loads(_output(path, "features"))["linux"]["seccomp"]["enabled"] is True
        except (ValueError, LookupError, TypeError):  # no JSON; nothing about it
            seccomp = False
    return _Facts(words[0], seccomp)


def _output(path: str, argument: str) -> str:
    import subprocess

    try:
        done = subprocess.run([path, argument], capture_output=True, timeout=_PATIENCE, env={}, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = error.strerror if isinstance(error, OSError) else f"no answer in {_PATIENCE} s"
        raise HostError(f"the runtime cannot be asked what it is: {path} {argument}: {reason}", value=path) from error
    return done.stdout.decode(errors="replace")
