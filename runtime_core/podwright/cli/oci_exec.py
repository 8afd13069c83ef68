# SPDX-License-Identifier: Apache-2.0
"""podwright-oci exec: one more process in a running container."""

from __future__ import annotations

from podwright.cli.options import Option, Verb, usage, whole
from podwright.errors import ContainerError
from podwright.oci.bundle import MAX_CONFIG, parse_document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from podwright.cli.oci_context import Context
    from podwright.cli.options import Values

_MAX_ID = 2**32 - 2  # the highest number of a user: the kernel takes the next one for "none"


def _exec(context: Context, values: Values) -> int:
    containers, container_id = context.containers(), values.arguments[0]
    path = values.text("process")
    if path is None:
        # a container may have been created without any, which a hook or a debugger fills with this one
        own = containers.configuration(container_id).get("process") or {"cwd": "/"}
        process = asked_process(own, values)
    else:
        process = read_process(path, values)
    options: dict[str, Any] = {
        "console_socket": values.text("console-socket"),
        "pidfd_socket": values.text("pidfd-socket"),
        "pid_file": values.text("pid-file"),
        "preserve_fds": values.number("preserve-fds") or 0,
        "ignore_paused": values.flag("ignore-paused"),
        "cgroup": values.text("cgroup"),
    }
    if values.flag("detach"):
        containers.exec(container_id, process, **options)
        return 0
    from podwright.cli.foreground import Foreground

    with Foreground(relay=options["console_socket"] is None) as foreground:
        launched = containers.exec(container_id, process, console=foreground.console, **options)
        foreground.attach(launched.pid)
        return foreground.wait()


def read_process(path: str, values: Values) -> dict[str, Any]:
    """Return the process of a file (config.md's ``process`` as JSON)."""
    if values.rest:
        raise usage(f"--process gives the whole process, so exec takes no command {values.rest[0]!r} besides")
    try:
        with open(path, "rb") as file:
            text = file.read(MAX_CONFIG + 1)
    except OSError as error:
        raise usage(f"--process is {path!r}, which cannot be read: {error.strerror}") from error
    if len(text) > MAX_CONFIG:
        raise ContainerError(f"the process in {path} has more than {MAX_CONFIG} bytes", field="process")
    process = parse_document(text, path)
    if not isinstance(process, dict):
        raise ContainerError(f"the process in {path} must be an object", field="process")
    if values.flag("tty"):
        process["terminal"] = True
    return process


def asked_process(own: dict[str, Any], values: Values) -> dict[str, Any]:
    """Return the container's own process with what the options change in it."""
    if not values.rest:
        raise usage("exec needs a command, or --process; see --help")
    process = {key: value for key, value in own.items() if key != "consoleSize"}
    process["args"] = values.rest
    process["terminal"] = values.flag("tty")
    process["env"] = [*(own.get("env") or ()), *values.texts("env")]
    user = dict(own.get("user") or {"uid": 0, "gid": 0})
    given = values.text("user")
    if given is not None:
        user |= parse_user(given)
    groups = [_id("--additional-gids", text) for text in values.texts("additional-gids")]
    if groups:
        user["additionalGids"] = [*(user.get("additionalGids") or ()), *groups]
    process["user"] = user
    for key, option in (("cwd", "cwd"), ("apparmorProfile", "apparmor"), ("selinuxLabel", "process-label")):
        text = values.text(option)
        if text is not None:
            process[key] = text
    if values.flag("no-new-privs"):
        process["noNewPrivileges"] = True
    if values.texts("cap"):
        process["capabilities"] = _with_capabilities(own.get("capabilities") or {}, values.texts("cap"))
    return process


def _with_capabilities(own: dict[str, Any], names: list[str]) -> dict[str, Any]:
    # not to the inheritable set: a file of the image could hand them on (CVE-2022-29162)
    sets = dict(own)
    for kind in ("bounding", "effective", "permitted"):
        sets[kind] = list(dict.fromkeys([*(own.get(kind) or ()), *names]))
    return sets


def parse_user(text: str) -> dict[str, int]:
    """Read UID[:GID], two plain numbers. Names are not looked up: the image's passwd is not the host's to read."""
    uid, colon, gid = text.partition(":")
    found = {"uid": _id("--user", uid)}
    if colon:
        found["gid"] = _id("--user", gid)
    return found


def _id(option: str, text: str) -> int:
    number = whole(option, text)
    if number > _MAX_ID or text != str(number):
        raise usage(f"{option} is {text!r}, but must be a number from 0 to {_MAX_ID}")
    return number


VERBS = {
    "exec": (
        Verb(
            "exec",
            "ID",
            "Run one more process in a running container.",
            (
                Option("--process -p", "a file with the process as JSON", "FILE"),
                Option("--detach -d", "return when the program runs"),
                Option("--tty -t", "give it a terminal"),
                Option("--user -u", "who it runs as", "UID[:GID]"),
                Option("--additional-gids -g", "one more group", "GID", many=True),
                Option("--env -e", "one more environment variable", "NAME=VALUE", many=True),
                Option("--cwd", "where it runs", "DIR"),
                Option("--cap -c", "one more capability", "CAP", many=True),
                Option("--no-new-privs", "it cannot gain privileges"),
                Option("--apparmor", "its AppArmor profile", "NAME"),
                Option("--process-label", "its SELinux label", "LABEL"),
                Option("--console-socket", "a socket that gets the terminal", "PATH"),
                Option("--pidfd-socket", "a socket that gets a pidfd of the process", "PATH"),
                Option("--pid-file", "a file that gets the process' number", "FILE"),
                Option("--preserve-fds", "pass N more descriptors, from 3 on", "N"),
                Option("--ignore-paused", "also in a paused container"),
                Option("--cgroup", "a cgroup below the container's that it enters", "PATH"),
                Option("--no-subreaper", "accepted; this process adopts no others"),
            ),
            rest="COMMAND [ARGUMENT]...",
        ),
        _exec,
    )
}
