# SPDX-License-Identifier: Apache-2.0
"""An OCI runtime-spec configuration compiled to a container plan: the flat list of steps that podinit carries out.

The plan holds no decision and the compiler drops nothing: each member of the configuration becomes a step, is carried
out by somebody else (cgroups, the hooks after start and stop), or is refused by its name. Nothing is touched while a
plan is made; the host is only asked. The form of the plan is in ARCHITECTURE.md.
"""

from __future__ import annotations

from podwright.errors import ManifestError
from podwright.oci import process as processes
from podwright.oci.devices import device_steps
from podwright.oci.hooks import any_before_pivot, compile_hooks, state_text
from podwright.oci.mount import Surroundings, mount_steps
from podwright.oci.mount_options import MS_PRIVATE, MS_UNBINDABLE, PROPAGATION
from podwright.oci.namespaces import (
    Namespaces,
    check_mapped,
    compile_mappings,
    compile_net_devices,
    compile_time_offsets,
)
from podwright.oci.schema import check_config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from podwright.oci.bundle import Bundle
    from podwright.oci.cgroup_mount import Hierarchy
    from podwright.oci.process import SeccompFilter

    Step = list[Any]

PLAN_VERSION = 2
_SIGTERM = 15


def compile_plan(
    spec: Mapping[str, Any],
    *,
    name: str,
    spec_hash: str,
    stop_signal: int,
    lower: Sequence[str],
    cgroups: Sequence[str],
    oom_events: Mapping[str, str] | None,
    seccomp: str | SeccompFilter | None,
    sub_paths: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """Return the plan of container ``name`` of a pod, as ``plan.json`` has it.

    ``lower`` are the image's layer directories (topmost first), ``cgroups`` the container's cgroup directories,
    ``oom_events`` where its OOM kills are counted (None: nowhere), ``seccomp`` the compiled filter, or its file (None
    only when the configuration asks for none), ``sub_paths`` the volumes and paths in them that its mounts have as
    ``subpaths/<index>``. Raises ManifestError naming the first member that cannot be carried out.
    """
    from podwright.oci.pod_rules import PodFilter, check_pod
    from podwright.oci.spec import SECCOMP_ANNOTATION

    check_config(spec)
    check_pod(spec, name, cgroups)
    asked = bool(_linux(spec).get("seccomp")) or SECCOMP_ANNOTATION in (spec.get("annotations") or {})
    if asked != (seccomp is not None):
        raise ManifestError("linux.seccomp and the compiled filter must come together", field="linux.seccomp")
    # The supervisor starts the container inside the pod's own.
    namespaces = Namespaces(_linux(spec).get("namespaces") or (), inherited=("network", "ipc", "uts"))
    seccomp = PodFilter(seccomp) if isinstance(seccomp, str) else seccomp
    return {
        **_plan(spec, namespaces, (), seccomp, [["overlay"]], "pivot_root"),
        "name": name,
        "hash": spec_hash,
        "stopSignal": stop_signal,
        "cgroups": list(cgroups),
        "oomEvents": None if oom_events is None else dict(oom_events),
        "lower": list(lower),
        "subPaths": [list(row) for row in sub_paths],
    }


def compile_bundle(
    bundle: Bundle,
    *,
    container_id: str,
    cgroups: Sequence[str],
    hierarchies: Sequence[Hierarchy] = (),
    seccomp: SeccompFilter | None = None,
    no_pivot: bool = False,
    keyring: bool = True,
) -> dict[str, Any]:
    """Return the plan of an OCI bundle's container.

    ``cgroups`` are the directories that its processes join, and ``hierarchies`` (mount point, controllers, directory)
    what a mount of type cgroup shows, the unified one without controllers; none of the directories has to exist yet.
    Raises ManifestError naming the first member that cannot be carried out.
    """
    spec, linux = bundle.spec, _linux(bundle.spec)
    if bool(linux.get("seccomp")) != (seccomp is not None):
        raise ManifestError("linux.seccomp and the compiled filter must come together", field="linux.seccomp")
    namespaces = Namespaces(linux.get("namespaces") or ())
    # In the host's own mount namespace the host's root would be changed.
    change_root = "chroot" if not namespaces.own("mount") else "move_root" if no_pivot else "pivot_root"
    root: list[Step] = [["rootfs", bundle.rootfs]]
    propagation = PROPAGATION.get(linux.get("rootfsPropagation") or "", 0)
    if propagation & MS_UNBINDABLE:
        propagation ^= MS_UNBINDABLE | MS_PRIVATE  # the root itself has to be bound first
    if propagation:
        root.insert(0, ["propagation", propagation])
    plan = _plan(spec, namespaces, hierarchies, seccomp, root, change_root, bundle=bundle.path)
    # for hooks, and for the agent of a system call filter
    plan["state"] = state_text(spec, container_id, bundle.path)
    return {
        **plan,
        "name": container_id,
        "hash": "",
        "stopSignal": _SIGTERM,
        "cgroups": list(cgroups),
        "oomEvents": None,
        "lower": [],
        "subPaths": [],
        "keyring": keyring,
    }


def _plan(
    spec: Mapping[str, Any],
    namespaces: Namespaces,
    hierarchies: Sequence[Hierarchy],
    seccomp: SeccompFilter | None,
    root: list[Step],
    change_root: str,
    *,
    bundle: str = "/",
) -> dict[str, Any]:
    linux, process = _linux(spec), spec.get("process") or {}
    _refuse(linux)
    around = Surroundings(
        bundle=bundle,
        hierarchies=hierarchies,
        own_cgroup_namespace=namespaces.own("cgroup"),
        uid_mappings=compile_mappings(linux, namespaces, "uidMappings"),
        gid_mappings=compile_mappings(linux, namespaces, "gidMappings"),
        label=_label(linux),
    )
    hooks = compile_hooks(spec.get("hooks") or {})
    change = [[change_root]]
    # the container's terminal is opened there too: the image is in place, and the host still in sight
    if any_before_pivot(hooks) or process.get("terminal"):
        change.insert(0, ["hooks"])
    return {
        "version": PLAN_VERSION,
        "name": "",
        # Without a process the container can be created but not started (runtime.md, "Start").
        **(processes.command(process) if process else {"args": [], "env": [], "cwd": "/", "terminal": None}),
        "namespaces": namespaces.listed,
        "uidMappings": around.uid_mappings,
        "gidMappings": around.gid_mappings,
        "timeOffsets": compile_time_offsets(linux, namespaces),
        "netDevices": compile_net_devices(linux, namespaces),
        "hooks": hooks,
        "state": "",
        "keyring": False,
        "steps": [*root, *_steps(spec, namespaces, around, change), *_process_steps(process, linux, seccomp)],
    }


def _steps(
    spec: Mapping[str, Any], namespaces: Namespaces, around: Surroundings, change_root: list[Step]
) -> list[Step]:
    linux, listed = _linux(spec), spec.get("mounts") or ()
    mounts, late = mount_steps(listed, around)
    devices = device_steps(linux.get("devices") or (), listed)
    return [*mounts, *devices, *change_root, *_inside_steps(spec, linux, namespaces, late)]


def _process_steps(
    process: Mapping[str, Any], linux: Mapping[str, Any], seccomp: SeccompFilter | None
) -> Iterator[Step]:
    check_mapped(process, linux)
    if process.get("execCPUAffinity"):
        _check_affinity(process)
    yield from processes.inside_steps(process, linux)
    yield from processes.last_steps(process, seccomp)


def _inside_steps(
    spec: Mapping[str, Any], linux: Mapping[str, Any], namespaces: Namespaces, late: list[Step]
) -> Iterator[Step]:
    yield from late
    for key in ("hostname", "domainname"):
        name = spec.get(key)
        if name:
            namespaces.require("uts", key)
            if len(name.encode()) > 64:
                raise ManifestError(f"{key} is {name!r}, which is longer than 64 bytes", field=key, value=name)
            yield [key, name]
    if linux.get("memoryPolicy"):
        from podwright.oci.scheduling import memory_policy_step

        yield memory_policy_step(linux["memoryPolicy"])
    if linux.get("sysctl"):
        from podwright.oci.sysctl import sysctl_steps

        yield from sysctl_steps(linux["sysctl"], namespaces)
    # Masks come last: they would hide what the others need.
    for kind, key in (("readonly_path", "readonlyPaths"), ("mask_path", "maskedPaths")):
        for path in linux.get(key) or ():
            namespaces.require("mount", f"linux.{key}")
            yield [kind, path]
    if linux.get("rootfsPropagation"):  # after the paths, which are bound: nothing unbindable could be
        yield ["root_propagation", PROPAGATION[linux["rootfsPropagation"]]]
    if (spec.get("root") or {}).get("readonly"):
        namespaces.require("mount", "root.readonly")
        yield ["root_readonly"]


def _label(linux: Mapping[str, Any]) -> str:
    """Return the SELinux context of the mounts. Unlike the process' label it confines nobody, so none is no error."""
    from podwright.oci.lsm import has_selinux

    label: str = linux.get("mountLabel") or ""
    return label if label and has_selinux() else ""


def _check_affinity(process: Mapping[str, Any]) -> None:
    from podwright.oci.scheduling import affinity

    affinity(process, "process")  # it is for `exec`, which may be long after


def _linux(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    return spec.get("linux") or {}


def _refuse(linux: Mapping[str, Any]) -> None:
    if linux.get("intelRdt"):
        raise ManifestError(
            "linux.intelRdt is not supported by this runtime; remove it",
            field="linux.intelRdt",
            value=linux["intelRdt"],
        )
