# SPDX-License-Identifier: Apache-2.0
"""``podwright events`` and ``podwright set-condition``: what was said of a pod while it lives."""

import argparse
from typing import Any

from podwright.errors import ManifestError


def add_verbs(verbs: Any) -> None:
    """Add both to the command line's subcommands."""
    events = verbs.add_parser("events", help="list what happened to the containers of a pod")
    events.add_argument("pod", metavar="NAME", help="of a pod; container/NAME is a container alone")
    events.add_argument("-n", "--namespace", default="default", metavar="NAME")
    events.add_argument("-o", "--output", choices=["table", "json"], default="table")
    events.set_defaults(run=_events)

    condition = verbs.add_parser("set-condition", help="say what a pod's readinessGates wait for")
    condition.add_argument("pod", metavar="NAME", help="of the pod")
    condition.add_argument("type", metavar="TYPE", help="of the condition, such as example.com/ready")
    condition.add_argument("status", metavar="STATUS", help="True, False or Unknown")
    condition.add_argument("--reason", metavar="WORD")
    condition.add_argument("--message", metavar="TEXT")
    condition.add_argument("-n", "--namespace", default="default", metavar="NAME")
    condition.set_defaults(run=_set_condition)


def target(text: str) -> tuple[str, str]:
    """Return name and kind of NAME, pod/NAME or container/NAME. Raises ManifestError."""
    kind, slash, name = text.rpartition("/")
    if slash and kind not in ("pod", "container"):
        raise ManifestError(f"{text} is no name: write pod/NAME or container/NAME")
    return name, (kind or "pod").capitalize()


def _events(arguments: argparse.Namespace) -> int:
    from podwright.cli.tables import print_events, print_json
    from podwright.runtime import Runtime

    name, kind = target(arguments.pod)
    found = Runtime().reports.events(name, arguments.namespace, kind)
    if arguments.output == "json":
        print_json({"apiVersion": "v1", "kind": "List", "items": found})
    else:
        print_events(found)
    return 0


def _set_condition(arguments: argparse.Namespace) -> int:
    from podwright.runtime import Runtime

    condition = {"type": arguments.type, "status": arguments.status}
    given = {"reason": arguments.reason, "message": arguments.message}
    condition |= {field: text for field, text in given.items() if text}
    Runtime().reports.set_condition(arguments.pod, condition, arguments.namespace)
    print(f"pod/{arguments.pod} {arguments.type} {arguments.status}")
    return 0
