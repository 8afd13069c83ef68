# SPDX-License-Identifier: Apache-2.0
"""What all verbs of podwright-oci share: the global options, the containers, and where output and errors go."""

from __future__ import annotations

import os
import time

from podwright.cli.options import usage
from podwright.jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from podwright.cli.options import Values
    from podwright.containers.lifecycle import Containers

_MANAGERS = ("cgroupfs", "systemd", "disabled")
_CONFIG = "/etc/podwright/podwright.toml"
_DEFAULTS = {"root": "/var/lib/podwright", "run": "/run/podwright", "cgroups.missing": "error"}


class Context:
    """One command: its global options."""

    def __init__(self) -> None:
        self._root: str | None = None
        self._log: str | None = None
        self._json = False
        self._manager = "cgroupfs"

    def configure(self, values: Values) -> None:
        """Take over the global options. The log comes first, so that it gets what is wrong with the others."""
        self._log = values.text("log")
        log_format = values.text("log-format") or "text"
        self._json = log_format == "json"
        self._root = values.text("root")
        self._manager = "systemd" if values.flag("systemd-cgroup") else values.text("cgroup-manager") or "cgroupfs"
        if log_format not in ("text", "json"):
            raise usage(f"--log-format is {log_format!r}, but must be text or json")
        if self._manager not in _MANAGERS:
            raise usage(f"--cgroup-manager is {self._manager!r}, but must be one of: {', '.join(_MANAGERS)}")
        if self._root == "":
            raise usage("--root is empty, but must be a directory")

    def containers(self) -> Containers:
        """Return the containers that this command is about."""
        from podwright.containers.lifecycle import Containers

        settings = host_settings()
        return Containers(
            self._root or f"{settings['run']}/oci",
            store=settings["root"],
            cgroup_manager=self._manager,
            cgroups_missing=settings["cgroups.missing"],
            warn=self.warn,
        )

    def warn(self, message: str) -> None:
        """Tell what went wrong and stopped nothing."""
        self._tell("warning", message)

    def fail(self, message: str) -> None:
        """Tell what ended the command."""
        self._tell("error", message)

    def _tell(self, level: str, message: str) -> None:
        mark = "warning: " if level == "warning" else ""
        if not message.isprintable():  # a path in a bundle may hold anything: lines, a terminal's commands
            message = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in message)
        _write(2, f"podwright-oci: {mark}{message}\n")
        if not self._log:
            return
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if self._json:
            line = dumps({"level": level, "msg": message, "time": now})
        else:
            line = f'time="{now}" level={level} msg={dumps(message)}'
        try:
            fd = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            _write(2, f"podwright-oci: --log is {self._log!r}, which cannot be written: {error.strerror}\n")
            return
        try:
            os.write(fd, line.encode(errors="surrogateescape") + b"\n")
        except OSError as error:
            _write(2, f"podwright-oci: --log is {self._log!r}, which cannot be written: {error.strerror}\n")
        finally:
            os.close(fd)


def host_settings() -> dict[str, str]:
    """Return ``root``, ``run`` and ``cgroups.missing`` of the host's configuration."""
    path = os.environ.get("PODWRIGHT_CONFIG") or _CONFIG
    if path == _CONFIG and not os.path.exists(path):
        return dict(_DEFAULTS)
    try:
        with open(path, encoding="utf-8") as file:
            found = plain_settings(file.read())
    except (OSError, ValueError):
        found = None
    if found is None:
        from podwright.config import load  # words what is wrong with it

        config = load()
        return {"root": config.root, "run": config.run, "cgroups.missing": config.cgroups_missing}
    return _DEFAULTS | found


def plain_settings(text: str) -> dict[str, str] | None:
    """Return our keys of a TOML file that is written plainly, a key and a string without escapes on a line.

    None for any other: reading all of TOML costs as much as the whole command may take, and the file that the host's
    role writes is plain.
    """
    if '"""' in text or "'''" in text or "\\" in text:
        return None
    found: dict[str, str] = {}
    section = ""
    for line in text.splitlines():
        words = line.strip()
        if words.startswith("["):
            section = words.strip("[] ") + "."
            if not section[:-1].isidentifier():
                return None
            continue
        if words.startswith("#"):
            continue
        key, _, value = words.partition("=")
        name = section + key.replace(" ", "")
        if words[:1] in ('"', "'") or name == "cgroups":
            return None  # perhaps one of ours, in another spelling
        if name not in _DEFAULTS:
            continue
        value = value.strip()
        allowed = value[1:2] == "/" if name != "cgroups.missing" else value in ('"error"', '"warn"')
        if not (allowed and value[0] == value[-1] == '"' and '"' not in value[1:-1]):
            return None
        found[name] = value[1:-1]
    return found


def say(text: str) -> None:
    """Print a line. A reader who has seen enough is no error."""
    _write(1, text + "\n")


def _write(fd: int, text: str) -> None:
    view = memoryview(text.encode(errors="surrogateescape"))
    try:
        while view:
            view = view[os.write(fd, view) :]
    except BrokenPipeError:
        pass
    except OSError:
        if fd == 1:
            raise


def indented(value: object, margin: str = "") -> str:
    """Return a value as JSON for people: one member a line, two spaces a level."""
    inner = margin + "  "
    if isinstance(value, dict) and value:
        members = [f"{inner}{dumps(str(key))}: {indented(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(members) + f"\n{margin}}}"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(inner + indented(item, inner) for item in value) + f"\n{margin}]"
    return dumps(value)
