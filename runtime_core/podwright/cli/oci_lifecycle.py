# SPDX-License-Identifier: Apache-2.0
"""podwright-oci create, start, state, kill and delete."""

from __future__ import annotations

from podwright.cli.oci_context import indented, say
from podwright.cli.options import Option, Verb, usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from typing import Any

    from podwright.cli.oci_context import Context
    from podwright.cli.options import Values
else:
    import _signal

CREATE_OPTIONS = (
    Option("--bundle -b", "the bundle's directory (default: this one)", "DIR"),
    Option("--console-socket", "a socket that gets the terminal", "PATH"),
    Option("--pidfd-socket", "a socket that gets a pidfd of the process", "PATH"),
    Option("--pid-file", "a file that gets the process' number", "FILE"),
    Option("--no-pivot", "change the root without pivot_root"),
    Option("--no-new-keyring", "keep the caller's session keyring"),
    Option("--preserve-fds", "pass N more descriptors, from 3 on", "N"),
)


def create_arguments(values: Values) -> dict[str, Any]:
    """Return what ``Containers.create`` takes besides the ID and the bundle."""
    return {
        "console_socket": values.text("console-socket"),
        "pidfd_socket": values.text("pidfd-socket"),
        "pid_file": values.text("pid-file"),
        "no_pivot": values.flag("no-pivot"),
        "no_new_keyring": values.flag("no-new-keyring"),
        "preserve_fds": values.number("preserve-fds") or 0,
    }


def _create(context: Context, values: Values) -> int:
    context.containers().create(values.arguments[0], values.text("bundle") or ".", **create_arguments(values))
    return 0


def _start(context: Context, values: Values) -> int:
    context.containers().start(values.arguments[0])
    return 0


def _state(context: Context, values: Values) -> int:
    say(indented(context.containers().state(values.arguments[0])))
    return 0


def _kill(context: Context, values: Values) -> int:
    words = [*values.arguments[1:], *values.rest]
    if len(words) > 1:
        raise usage(f"kill takes one signal, not {' '.join(words)}")
    number = signal_number(words[0] if words else "SIGTERM")
    context.containers().kill(values.arguments[0], number, all=values.flag("all"))
    return 0


def signal_number(text: str) -> int:
    """Return the number of ``SIGTERM``, ``TERM``, ``15`` or ``SIGRTMIN+3``."""
    name = text.upper()
    if text.isascii() and text.isdigit() and len(text) <= 2:
        number = int(text)
    else:
        base, sign, steps = _split(name if name.startswith("SIG") else f"SIG{name}")
        found = getattr(_signal, base, None) if base[3:].isalnum() else None
        realtime = base in ("SIGRTMIN", "SIGRTMAX") and steps.isascii() and steps.isdigit() and len(steps) <= 2
        if type(found) is not int or (sign and not realtime):
            raise usage(f"{text!r} is no signal")
        number = found + int(sign + steps) if sign else found
    if not 0 <= number < _signal.NSIG:
        raise usage(f"{text!r} is no signal")
    return number


def _split(name: str) -> tuple[str, str, str]:
    for sign in "+-":
        if sign in name:
            base, _, steps = name.partition(sign)
            return base, sign, steps
    return name, "", ""


def _delete(context: Context, values: Values) -> int:
    context.containers().delete(values.arguments[0], force=values.flag("force"))
    return 0


VERBS = {
    "create": (Verb("create", "ID", "Make a container, stopped before its program.", CREATE_OPTIONS), _create),
    "start": (Verb("start", "ID", "Run the program of a created container."), _start),
    "state": (Verb("state", "ID", "Print the state of a container."), _state),
    "kill": (
        Verb(
            "kill",
            "ID",
            "Send a signal (default: SIGTERM) to the container's first process.",
            (Option("--all -a", "to all its processes"),),
            rest="[SIGNAL]",
        ),
        _kill,
    ),
    "delete": (
        Verb("delete", "ID", "Remove a stopped container.", (Option("--force -f", "one in any state"),)),
        _delete,
    ),
}
