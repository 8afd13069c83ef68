# SPDX-License-Identifier: Apache-2.0
"""podwright-oci list, ps, features and spec."""

from __future__ import annotations

import os

from podwright.cli.oci_context import indented, say
from podwright.cli.options import Option, Verb, usage
from podwright.errors import HostError
from podwright.jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from podwright.cli.oci_context import Context
    from podwright.cli.options import Values

COLUMNS = (
    ("ID", "id"),
    ("PID", "pid"),
    ("STATUS", "status"),
    ("BUNDLE", "bundle"),
    ("CREATED", "created"),
    ("OWNER", "owner"),
)
_FORMAT = Option("--format -f", "table or json", "FORMAT")


def _format(values: Values) -> str:
    text = values.text("format") or "table"
    if text not in ("table", "json"):
        raise usage(f"--format is {text!r}, but must be table or json")
    return text


def _list(context: Context, values: Values) -> int:
    output = _format(values)
    states = context.containers().list()
    if values.flag("quiet"):
        for state in states:
            say(state["id"])
    elif output == "json":
        say(dumps(states))
    else:
        say(table([[name for name, _ in COLUMNS], *([str(state[key]) for _, key in COLUMNS] for state in states)]))
    return 0


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows in columns of equal width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("   ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _ps(context: Context, values: Values) -> int:
    output = _format(values)
    pids = context.containers().pids(values.arguments[0])
    if output == "json":
        say(dumps(list(pids)))
        return 0
    say("\n".join(_ps_lines(values.rest or ["-ef"], {str(pid) for pid in pids})))
    return 0


def _ps_lines(options: Sequence[str], pids: set[str]) -> list[str]:
    """Return the heading and our lines of ps(1), which is asked for all processes."""
    import subprocess

    try:
        done = subprocess.run(["ps", *options], capture_output=True, text=True, errors="replace", check=True)
    except FileNotFoundError:
        raise HostError("this host has no ps(1): use --format json") from None
    except subprocess.CalledProcessError as error:
        raise HostError(f"ps {' '.join(options)} failed: {error.stderr.strip()}") from error
    heading, *lines = done.stdout.splitlines()
    columns = heading.split()
    if "PID" not in columns:
        raise usage(f"ps {' '.join(options)} prints no column PID")
    column = columns.index("PID")
    return [heading, *(line for line in lines if len(words := line.split()) > column and words[column] in pids)]


def _features(_context: Context, _values: Values) -> int:
    from podwright.oci.features import features

    say(indented(features()))
    return 0


def _spec(_context: Context, values: Values) -> int:
    from podwright.oci.default_spec import default_spec

    path = os.path.join(values.text("bundle") or ".", "config.json")
    text = indented(default_spec(rootless=values.flag("rootless"))) + "\n"
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise usage(f"{path} exists already: remove it first") from None
    except OSError as error:
        raise usage(f"{path} cannot be written: {error.strerror}") from error
    return 0


VERBS = {
    "list": (
        Verb("list", "", "List the containers.", (_FORMAT, Option("--quiet -q", "only their IDs"))),
        _list,
    ),
    "ps": (Verb("ps", "ID", "List the processes of a container.", (_FORMAT,), rest="[PS-OPTION]..."), _ps),
    "features": (Verb("features", "", "Print what this runtime can do, as the OCI's features.md has it."), _features),
    "spec": (
        Verb(
            "spec",
            "",
            "Write a config.json to begin with.",
            (
                Option("--bundle -b", "the bundle's directory (default: this one)", "DIR"),
                Option("--rootless", "for a user who is not root"),
            ),
        ),
        _spec,
    ),
}
