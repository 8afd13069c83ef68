# SPDX-License-Identifier: Apache-2.0
"""The command line ``podwright-oci``: an OCI runtime with runc's verbs, for engines such as podman and containerd.

A container engine runs several of these for each container, so a command imports no more than its verb needs: the
verbs stand in files of their own, and this one knows only their names.
"""

from __future__ import annotations

from podwright.cli.oci_context import Context, say
from podwright.cli.oci_program import VERBS
from podwright.cli.options import Option, Values, Verb, help_text, parse, usage
from podwright.errors import PodwrightError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PROGRAM = "podwright-oci"
_GLOBALS = Verb(
    "",
    "",
    "Runs OCI bundles: the containers of engines, with runc's command line.",
    (
        Option("--root", "where the containers' records are", "DIR"),
        Option("--log", "also write errors to this file", "FILE"),
        Option("--log-format", "text or json", "FORMAT"),
        Option("--cgroup-manager", "cgroupfs, systemd or disabled", "NAME"),
        Option("--systemd-cgroup", "the same as --cgroup-manager=systemd"),
        Option("--rootless", "accepted; what a user may do is found out", ""),
        Option("--debug", "accepted; there is nothing more to tell"),
        Option("--version -v", "print the version"),
    ),
    rest="COMMAND...",
)
_REFUSED = {
    "checkpoint": "this runtime takes no checkpoints of processes",
    "restore": "this runtime takes no checkpoints of processes, so there is none to restore",
}


def main(words: Sequence[str]) -> int:
    """Run one command and return its exit code: 0, 1 for an error that was told, or that of the process it ran."""
    context = Context()
    try:
        return _run(context, words)
    except PodwrightError as error:
        context.fail(error.message)
    except UnicodeError as error:
        context.fail(f"an argument is not UTF-8: {error}")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        hint = "; are you root?" if isinstance(error, PermissionError) else ""
        context.fail(f"the host refused a step: {where}{error.strerror or error}{hint}")
    except KeyboardInterrupt:
        return 130
    return 1


def _run(context: Context, words: Sequence[str]) -> int:
    values = parse(_GLOBALS, words)
    if values is None or not (values.rest or values.flag("version")):
        say(_help())
        return 0
    context.configure(values)
    if values.flag("version"):
        from podwright import __version__
        from podwright.containers.state import OCI_VERSION

        say(f"{PROGRAM} version {__version__}\nspec: {OCI_VERSION}")
        return 0
    name, *rest = values.rest
    if name == "help":
        say(_help())
        return 0
    return _find(name)(context, rest)


def _find(name: str) -> Callable[[Context, Sequence[str]], int]:
    if name in _REFUSED:
        raise usage(f"{name} is not supported: {_REFUSED[name]}")
    if name not in VERBS:
        what = "option" if name.startswith("-") else "command"
        raise usage(f"there is no {what} {name}; see {PROGRAM} --help")
    module = __import__(f"podwright.cli.{VERBS[name]}", fromlist=("VERBS",))
    verb, function = module.VERBS[name]

    def run(context: Context, words: Sequence[str]) -> int:
        values: Values | None = parse(verb, words)
        if values is None:
            say(help_text(PROGRAM, verb))
            return 0
        code: int = function(context, values)
        return code

    return run


def _help() -> str:
    commands = ", ".join(sorted(VERBS))
    return f"{help_text(PROGRAM, _GLOBALS)}\n\ncommands: {commands}\n{PROGRAM} COMMAND --help tells more"
