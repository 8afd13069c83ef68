# SPDX-License-Identifier: Apache-2.0
"""podwright-oci run: create and start in one, in the foreground or not."""

from __future__ import annotations

from podwright.cli.oci_lifecycle import CREATE_OPTIONS, create_arguments
from podwright.cli.options import Option, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from podwright.cli.oci_context import Context
    from podwright.cli.options import Values


def _run(context: Context, values: Values) -> int:
    containers = context.containers()
    container_id, bundle, arguments = values.arguments[0], values.text("bundle") or ".", create_arguments(values)
    if values.flag("detach"):
        containers.create(container_id, bundle, **arguments)
        try:
            containers.start(container_id)
        except BaseException:
            containers.delete(container_id, force=True)
            raise
        return 0
    from podwright.cli.foreground import Foreground

    with Foreground(relay=arguments["console_socket"] is None) as foreground:
        pid = containers.create(container_id, bundle, console=foreground.console, **arguments)
        try:
            foreground.attach(pid)
            containers.start(container_id)
            code = foreground.wait()
        except BaseException:
            containers.delete(container_id, force=True)
            raise
    if not values.flag("keep"):
        containers.delete(container_id, force=True)
    return code


VERBS = {
    "run": (
        Verb(
            "run",
            "ID",
            "Make a container and run its program; in the foreground, end with its exit code.",
            (
                *CREATE_OPTIONS,
                Option("--detach -d", "return when the program runs"),
                Option("--keep", "do not delete the container when it has ended"),
                Option("--no-subreaper", "accepted; this process adopts no others"),
            ),
        ),
        _run,
    )
}
