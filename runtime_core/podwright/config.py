# SPDX-License-Identifier: Apache-2.0
"""The host's configuration: one TOML file, every key with a default."""

import os
import re
from typing import Any, NamedTuple

from podwright.errors import ConfigError

DEFAULT_PATH = "/etc/podwright/podwright.toml"
OWN_RUNTIME = "podwright"
"""The name of podwright's own runtime, podinit."""
MAX_RUNTIME_OPTIONS = 32

_FOLDER = (r"/[^\0]+", "an absolute path")
_FILE = (r"(/[^\0]+)?", "an absolute path, or empty")
_RULES = {
    "root": _FOLDER,
    "run": _FOLDER,
    "cgroups.parent": (r"(/(?!\.\.?(/|$))[^/\s\0]+)+", "a path such as /podwright"),
    "cgroups.missing": ("error|warn", '"error" or "warn"'),
    "pods.pids_limit": ("[1-9][0-9]{0,8}", "a number from 1 up"),
    "registries.auth_file": _FILE,
    "registries.policy": _FILE,
}
"""Key to what its value must look like, and that in words."""
_HANDLER = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_HOST = r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?)(:[0-9]{1,5})?"
_MIRROR = rf"{_HOST}(/[a-z0-9]+([-._]+[a-z0-9]+)*)*"
_RESERVED = (OWN_RUNTIME, "pod-containers", "pod-wasm", "pod-microvm-containers")  # classes of podwright's own


class ExternalRuntime(NamedTuple):
    """An OCI runtime of the host's: a section ``[runtimes.NAME]`` of the file."""

    name: str
    """What a pod's ``runtimeClassName`` and ``pods.runtime`` call it."""
    path: str
    """The program, an absolute path."""
    options: tuple[str, ...] = ()
    """Global options, given before those of podwright and the verb."""


class RegistryHost(NamedTuple):
    """A registry or a mirror: a section ``[registries.hosts."HOST[:PORT]"]`` of the file."""

    name: str
    """Host, with a port when images' references have one."""
    mirrors: tuple[str, ...] = ()
    """``HOST[:PORT][/PREFIX]``, asked before the registry, in this order."""
    ca: str = ""
    """A file with authorities that are trusted besides the system's."""
    certificate: str = ""
    """A file with what the host proves itself with to the registry."""
    key: str = ""
    """The certificate's key, unless it is in the same file."""


class Config(NamedTuple):
    """What a host may set. Section ``[network] bridge`` of the file is the attribute ``network_bridge``."""

    root: str = "/var/lib/podwright"
    """Images, layers and pods: survives a reboot."""
    run: str = "/run/podwright"
    """Sockets, locks and live state: gone after a reboot."""
    network_bridge: str = "podwright0"
    network_subnet: str = "10.77.0.0/16"
    """IPv4 network of the pods; its first address is the bridge's."""
    cgroups_parent: str = "/podwright"
    """The cgroup under which each pod gets its own, in every hierarchy."""
    cgroups_missing: str = "error"
    """What to do about a limit whose controller the host lacks: ``error`` or ``warn``."""
    pods_pids_limit: int = 4096
    """Most processes of one pod (the kubelet's podPidsLimit)."""
    registries_insecure: tuple[str, ...] = ()
    """Registries (host[:port]) reached over plain HTTP, besides those on loopback."""
    registries_auth_file: str = ""
    """Logins (containers-auth.json(5)); empty for where podman and docker keep theirs."""
    registries_policy: str = ""
    """Which signatures an image must have (containers-policy.json(5)); empty for none."""
    registries_hosts: tuple[RegistryHost, ...] = ()
    """Registries and mirrors of which there is something to say, by their names' order."""
    pods_allowed_unsafe_sysctls: tuple[str, ...] = ()
    """Kernel parameters that pods may set beside the safe ones; one that ends in * stands for all that begin so (the
    kubelet's allowedUnsafeSysctls)."""
    pods_runtime: str = OWN_RUNTIME
    """What runs the containers of a pod that names no runtime: ``podwright``, or one of ``runtimes``."""
    runtimes: tuple[ExternalRuntime, ...] = ()
    """The OCI runtimes that pods may choose, by their names' order."""


def load(path: str | None = None) -> Config:
    """Read the configuration: ``path``, else ``$PODWRIGHT_CONFIG``, else the default file if there is one.

    Raises ConfigError for a file that is named but missing, for bad TOML and for unknown or mistyped keys.
    """
    explicit = path or os.environ.get("PODWRIGHT_CONFIG")
    try:
        with open(explicit or DEFAULT_PATH, "rb") as file:
            text = file.read()
    except FileNotFoundError:
        if explicit:
            raise ConfigError(f"the configuration file {explicit} does not exist") from None
        return Config()
    except OSError as error:
        raise ConfigError(f"the configuration file {explicit or DEFAULT_PATH}: {error.strerror}") from error
    return _parse(text, explicit or DEFAULT_PATH)


def _parse(text: bytes, path: str) -> Config:
    import tomllib  # 14 ms that only a host with a configuration file pays

    try:
        data = tomllib.loads(text.decode())
    except ValueError as error:  # no TOML, or no UTF-8
        raise ConfigError(f"{path}: {error}") from error
    runtimes = _runtimes(path, data.pop("runtimes", {}))
    registries = data.get("registries")
    hosts = _hosts(path, registries.pop("hosts", {})) if isinstance(registries, dict) else ()
    given: dict[str, Any] = {}
    for key, value in data.items():
        given |= {f"{key}.{name}": item for name, item in value.items()} if isinstance(value, dict) else {key: value}
    sections = ("runtimes", "registries_hosts")  # whose keys the user names
    attributes = {
        attribute.replace("_", ".", 1): attribute for attribute in Config._fields if attribute not in sections
    }
    values: dict[str, Any] = {}
    for key, value in given.items():
        if key not in attributes:
            raise ConfigError(f"{path}: unknown key {key}", field=key, value=value)
        values[attributes[key]] = _typed(path, key, value, Config._field_defaults[attributes[key]])
        if key in _RULES and not re.fullmatch(_RULES[key][0], str(value)):
            raise ConfigError(f"{path}: {key} is {value!r}, but must be {_RULES[key][1]}", field=key, value=value)
    return _with_hosts(path, _with_runtimes(path, Config(**values), runtimes), hosts)


def _with_runtimes(path: str, config: Config, runtimes: tuple[ExternalRuntime, ...]) -> Config:
    name = config.pods_runtime
    known = [OWN_RUNTIME, *(runtime.name for runtime in runtimes)]
    if name not in known:
        reason = f"must be one of {', '.join(known)}, or get a section [runtimes.{name}]"
        raise ConfigError(f"{path}: pods.runtime is {name!r}, but {reason}", field="pods.runtime", value=name)
    return config._replace(runtimes=runtimes)


def _runtimes(path: str, sections: object) -> tuple[ExternalRuntime, ...]:
    if not isinstance(sections, dict) or not all(isinstance(section, dict) for section in sections.values()):
        reason = "must have one section [runtimes.NAME] for each runtime"
        raise ConfigError(f"{path}: runtimes {reason}", field="runtimes", value=sections)
    return tuple(_runtime(path, name, sections[name]) for name in sorted(sections))


def _runtime(path: str, name: str, section: dict[str, Any]) -> ExternalRuntime:
    field = f"runtimes.{name}"
    if name in _RESERVED or len(name) > 253 or not re.fullmatch(_HANDLER, name):
        reason = f"must be a lower-case DNS name, and none of {', '.join(_RESERVED)}"
        raise ConfigError(f"{path}: {field}: the name {reason}", field=field, value=name)
    for key in section.keys() - {"path", "options"}:
        raise ConfigError(f"{path}: unknown key {field}.{key}", field=f"{field}.{key}", value=section[key])
    if "path" not in section:
        raise ConfigError(f"{path}: {field}.path is missing: the runtime's program", field=f"{field}.path")
    program = str(_typed(path, f"{field}.path", section["path"], ""))
    if not re.fullmatch(_FOLDER[0], program):
        reason = f"is {program!r}, but must be {_FOLDER[1]}"
        raise ConfigError(f"{path}: {field}.path {reason}", field=f"{field}.path", value=program)
    _typed(path, f"{field}.options", section.get("options", []), ())
    options = tuple(section.get("options", []))
    if len(options) > MAX_RUNTIME_OPTIONS or any("\0" in option or not option for option in options):
        reason = f"must be at most {MAX_RUNTIME_OPTIONS} options, none of them empty"
        raise ConfigError(f"{path}: {field}.options {reason}", field=f"{field}.options", value=section["options"])
    return ExternalRuntime(name, program, options)


def _with_hosts(path: str, config: Config, hosts: tuple[RegistryHost, ...]) -> Config:
    for item in config.registries_insecure:
        if not re.fullmatch(_HOST, item):
            reason = f"has {item!r}, which is not HOST[:PORT]"
            raise ConfigError(f"{path}: registries.insecure {reason}", field="registries.insecure", value=item)
    for host in hosts:
        if host.name in config.registries_insecure and (host.ca or host.certificate):
            field = f'registries.hosts."{host.name}"'
            reason = "has ca or certificate for TLS, and registries.insecure says that it is reached without"
            raise ConfigError(f"{path}: {field} {reason}", field=field, value=host.name)
    return config._replace(registries_hosts=hosts)


def _hosts(path: str, sections: object) -> tuple[RegistryHost, ...]:
    if not isinstance(sections, dict) or not all(isinstance(section, dict) for section in sections.values()):
        reason = 'must have one section [registries.hosts."HOST[:PORT]"] for each registry'
        raise ConfigError(f"{path}: registries.hosts {reason}", field="registries.hosts", value=sections)
    return tuple(_registry_host(path, name, sections[name]) for name in sorted(sections))


def _registry_host(path: str, name: str, section: dict[str, Any]) -> RegistryHost:
    field = f'registries.hosts."{name}"'
    if not re.fullmatch(_HOST, name):
        raise ConfigError(f"{path}: {field}: the name must be HOST[:PORT]", field=field, value=name)
    for key, value in section.items():
        if key not in RegistryHost._field_defaults:
            raise ConfigError(f"{path}: unknown key {field}.{key}", field=f"{field}.{key}", value=value)
        _typed(path, f"{field}.{key}", value, RegistryHost._field_defaults[key])
        form, words = (_MIRROR, "each HOST[:PORT][/PREFIX], without a scheme") if key == "mirrors" else _FOLDER
        for item in value if key == "mirrors" else [value]:
            if not re.fullmatch(form, item):
                reason = f"is {value!r}, but must be {words}"
                raise ConfigError(f"{path}: {field}.{key} {reason}", field=f"{field}.{key}", value=value)
    if "key" in section and "certificate" not in section:
        raise ConfigError(f"{path}: {field}.key needs a certificate", field=f"{field}.key", value=section["key"])
    return RegistryHost(name, **(section | {"mirrors": tuple(section.get("mirrors", ()))}))


def _typed(path: str, key: str, value: object, default: object) -> object:
    if isinstance(default, tuple):
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise ConfigError(f"{path}: {key} is {value!r}, but must be a list of strings", field=key, value=value)
    if type(value) is not type(default):
        kind = {"str": "a string", "int": "an integer"}[type(default).__name__]
        raise ConfigError(f"{path}: {key} is {value!r}, but must be {kind}", field=key, value=value)
    return value
