# SPDX-License-Identifier: Apache-2.0
"""One container of a pod as an OCI runtime-spec ``config.json``: what Kubernetes and the image say, put together.

The network, IPC and UTS namespaces are not in it: the supervisor starts the container inside the pod's, and by the
runtime-spec a container inherits each namespace that its configuration does not name.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from podwright.errors import ImageError, ManifestError
from podwright.oci.host_devices import host_devices
from podwright.oci.mounts import Bind, container_mounts, read_only_cgroup_paths
from podwright.oci.security import DEFAULT as DEFAULT_SECURITY
from podwright.oci.security import Security
from podwright.oci.users import User

SECCOMP_ANNOTATION = "podwright.runtime/seccomp-profile"
"""Names the system call filter by the word of Kubernetes' seccompProfile.type; the profile itself would be repeated in
every container's configuration."""
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_HANDLED = frozenset(
    (
        "name",
        "image",
        "rootfs",
        "imagePullPolicy",  # decided before
        "command",
        "args",
        "envFrom",
        "env",  # both in declared
        "workingDir",
        "ports",  # informational
        "resources",  # in Cgroup.limits
        "resizePolicy",  # the planner's
        "restartPolicy",  # this and what follows is the supervisor's
        "restartPolicyRules",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "startupProbe",
        "livenessProbe",
        "readinessProbe",
        "lifecycle",
        "securityContext",  # decided in Security and User
        "volumeMounts",  # in volumes
    )
)
# Kubernetes' own lists (pkg/securitycontext/util.go): what /proc and /sys tell of the host, or let root change of it.
_MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
_READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

Expand = Callable[[str, Mapping[str, str]], str]


class Sandbox(NamedTuple):
    """The pod around the container."""

    uid: str
    hostname: str
    pod_dir: str
    """Holds ``etc/``, ``shm/`` and ``containers/<name>/rootfs``."""


class LimitsLike(Protocol):
    """The numbers that a cgroup enforces (podwright.cgroups.limits.Limits); None is no limit."""

    @property
    def cpu_quota_us(self) -> int | None: ...  # noqa: D102  # documented where they are defined
    @property
    def cpu_period_us(self) -> int: ...  # noqa: D102
    @property
    def cpu_shares(self) -> int | None: ...  # noqa: D102
    @property
    def memory_max(self) -> int | None: ...  # noqa: D102
    @property
    def pids_max(self) -> int | None: ...  # noqa: D102


class Cgroup(NamedTuple):
    """The container's cgroup."""

    path: str
    """In each hierarchy (``linux.cgroupsPath``)."""
    directories: Sequence[str]
    """In the file system, one per hierarchy, each ending in ``path``."""
    limits: LimitsLike


def container_spec(
    pod: Mapping[str, Any],
    container: Mapping[str, Any],
    image_config: Mapping[str, Any],
    *,
    sandbox: Sandbox,
    cgroup: Cgroup,
    user: User,
    oom_score_adj: int,
    declared: Mapping[str, str],
    expand: Expand,
    security: Security = DEFAULT_SECURITY,
    volumes: Sequence[Bind] = (),
) -> dict[str, Any]:
    """Return the ``config.json`` of one container.

    ``pod`` and ``container`` are normalised, ``image_config`` is the ``config`` object of the image's configuration,
    ``user`` comes from ``resolve_user``, ``declared`` is the container's own environment, expanded, and ``expand`` is
    ``podwright.manifest.expand.expand``. Raises ManifestError for a container without a command, and ImageError for an
    image configuration that is malformed.
    """
    _refuse_unknown(container)
    path, directories, limits = cgroup
    names = list(security.capabilities)
    return {
        "ociVersion": "1.1.0",
        "process": {
            "user": {"uid": user.uid, "gid": user.gid, "additionalGids": list(user.groups)},
            "args": _args(container, image_config, declared, expand),
            "env": _env(container, image_config, declared, sandbox.hostname, user.home),
            "cwd": _cwd(container, image_config),
            "capabilities": {
                "bounding": names,
                "effective": names,
                "permitted": names,
                "inheritable": [],  # CVE-2022-24769: else files with inheritable capabilities give them to any user
                "ambient": [],
            },
            "noNewPrivileges": not security.escalation,
            "oomScoreAdj": oom_score_adj,
        },
        "root": {
            "path": f"{sandbox.pod_dir}/containers/{container['name']}/rootfs",
            "readonly": security.read_only_root,
        },
        "mounts": container_mounts(sandbox.pod_dir, path, directories, volumes, privileged=security.privileged),
        "annotations": _annotations(pod, container, sandbox.uid, security),
        "linux": {
            "namespaces": [{"type": kind} for kind in ("pid", "mount", "cgroup")],
            "cgroupsPath": path,
            "resources": _resources(limits, security),
            **_kernel_views(path, directories, security),
        },
    }


def _refuse_unknown(container: Mapping[str, Any]) -> None:
    # The manifest's own check comes first; this one keeps a field that is added there from being lost here.
    for key in sorted(container.keys() - _HANDLED):
        field = f"spec.containers[{container['name']}].{key}"
        raise ManifestError(f"{field} is not supported by the native runtime", field=field, value=container[key])


def _kernel_views(path: str, directories: Sequence[str], security: Security) -> dict[str, Any]:
    """Return what of /proc, /sys and the cgroups a container does not see or cannot change, and its devices."""
    if security.privileged:
        return {"devices": host_devices()}
    return {
        "maskedPaths": list(_MASKED_PATHS),
        "readonlyPaths": [*_READONLY_PATHS, *read_only_cgroup_paths(path, directories)],
    }


def _args(
    container: Mapping[str, Any], image_config: Mapping[str, Any], declared: Mapping[str, str], expand: Expand
) -> list[str]:
    """Kubernetes' rule: ``command`` replaces entrypoint and arguments of the image, ``args`` only the arguments."""
    command, args = container.get("command"), container.get("args")
    image = _ground(container)
    own = [expand(text, declared) for text in [*(command or ()), *(args or ())]]
    entrypoint = [] if command else _strings(image_config, "Entrypoint", image)
    arguments = [] if command or args else _strings(image_config, "Cmd", image)
    result = [*entrypoint, *own, *arguments]
    field = f"spec.containers[{container['name']}].command"
    if not result:
        what = "image" if "image" in container else "rootfs"
        raise ManifestError(f"{field} is missing, and {what} {image} has no command of its own", field=field)
    if any("\0" in text for text in result):
        raise ManifestError(f"{field} or args: a command cannot hold a NUL character", field=field)
    return result


def _env(
    container: Mapping[str, Any],
    image_config: Mapping[str, Any],
    declared: Mapping[str, str],
    hostname: str,
    home: str,
) -> list[str]:
    env = {"PATH": _DEFAULT_PATH, "HOSTNAME": hostname}
    image = _ground(container)
    for text in _strings(image_config, "Env", image):
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise ImageError(f"image {image}: its environment has {text!r}, which is no NAME=value", value=text)
        env[name] = value
    env |= declared
    env.setdefault("HOME", home)
    for name, value in env.items():
        if "\0" in value:
            field = f"spec.containers[{container['name']}].env[{name}].value"
            raise ManifestError(f"{field}: a variable cannot hold a NUL character", field=field)
    return [f"{name}={value}" for name, value in env.items()]


def _cwd(container: Mapping[str, Any], image_config: Mapping[str, Any]) -> str:
    if container.get("workingDir"):
        return str(container["workingDir"])
    cwd = image_config.get("WorkingDir") or "/"
    if not isinstance(cwd, str) or not cwd.startswith("/") or "\0" in cwd:
        raise ImageError(f"image {_ground(container)}: its WorkingDir {cwd!r} is no absolute path", value=cwd)
    return cwd


def _ground(container: Mapping[str, Any]) -> str:
    """Return the image, or the rootfs of a container that has none."""
    return str(container.get("image") or container.get("rootfs"))


def _strings(image_config: Mapping[str, Any], key: str, image: str) -> list[str]:
    value = image_config.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, str) and "\0" not in item for item in value):
        raise ImageError(f"image {image}: its {key} is {value!r}, but must be a list of strings", value=value)
    return value


def _resources(limits: LimitsLike, security: Security) -> dict[str, Any]:
    resources: dict[str, Any] = {
        # On top of this stand the default devices, which the runtime-spec lets every container use.
        "devices": [{"allow": security.privileged, "access": "rwm"}],
    }
    cpu = {"shares": limits.cpu_shares, "quota": limits.cpu_quota_us}
    if limits.cpu_quota_us is not None:
        cpu["period"] = limits.cpu_period_us
    cpu = {key: value for key, value in cpu.items() if value is not None}
    if cpu:
        resources["cpu"] = cpu
    if limits.memory_max is not None:
        resources["memory"] = {"limit": limits.memory_max, "swap": limits.memory_max}  # swap counts both: none
    if limits.pids_max is not None:
        resources["pids"] = {"limit": limits.pids_max}
    return resources


def _annotations(pod: Mapping[str, Any], container: Mapping[str, Any], uid: str, security: Security) -> dict[str, str]:
    """Say whose container it is, in the words that tools know from containerd."""
    cri = "io.kubernetes.cri"
    annotations = {
        f"{cri}.container-type": "container",
        f"{cri}.container-name": container["name"],
        f"{cri}.image-name": _ground(container),
        f"{cri}.sandbox-name": pod["metadata"]["name"],
        f"{cri}.sandbox-namespace": pod["metadata"]["namespace"],
        f"{cri}.sandbox-uid": uid,
    }
    return annotations if security.seccomp == "Unconfined" else annotations | {SECCOMP_ANNOTATION: security.seccomp}
