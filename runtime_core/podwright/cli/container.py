# SPDX-License-Identifier: Apache-2.0
"""``podwright run`` and ``podwright container``: single containers, without a pod around them."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from podwright.errors import PodwrightError


def add_verbs(verbs: Any) -> None:
    """Add both to the command line's subcommands."""
    run = verbs.add_parser("run", help="run a command in a new container, until it ends")
    run.add_argument("-r", "--rootfs", metavar="DIR", help="a root directory instead of an image; it is not written to")
    run.add_argument("-H", "--hostname", metavar="NAME")
    run.add_argument("--memory", metavar="SIZE", help="512m, 1g")
    run.add_argument("--cpus", type=_cpus, metavar="N", help="0.5, 2")
    run.add_argument("--pids-limit", type=_pids, metavar="N")
    run.add_argument("--read-only", action="store_true", help="nothing but the mounts can be written to")
    run.add_argument("-t", "--tty", action="store_true", help="with a terminal")
    run.add_argument("--rm", action="store_true", help="accepted; the container is removed in any case")
    run.add_argument("words", nargs=argparse.REMAINDER, metavar="IMAGE [COMMAND [ARGUMENT]...]")
    run.set_defaults(run=_run)

    container = verbs.add_parser("container", help="the life of a container from an OCI bundle")
    orders = container.add_subparsers(required=True, metavar="ORDER", prog="podwright container")
    create = orders.add_parser("create", help="make it, stopped before its program")
    create.add_argument("name")
    create.add_argument("--bundle", required=True, metavar="DIR")
    create.set_defaults(run=_create)
    for order, text, function in (
        ("start", "run its program", _start),
        ("state", "print its state", _state),
        ("delete", "remove it", _delete),
    ):
        one = orders.add_parser(order, help=text)
        one.add_argument("name")
        one.set_defaults(run=function)
        if order == "delete":
            one.add_argument("--force", action="store_true", help="in any state")
    stop = orders.add_parser("stop", help="ask its program to end, then kill it")
    stop.add_argument("name")
    stop.add_argument(
        "--timeout", type=_seconds, default=10.0, metavar="SECONDS", help="until it is killed (default 10)"
    )
    stop.set_defaults(run=_stop)
    orders.add_parser("list", help="list them").set_defaults(run=_list)


def _cpus(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.01 <= number <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of CPUs, 0.01 or more")
    return number


def _pids(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 31):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, 1 or more")
    return int(text)


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, 0 or more")
    return number


def _containers(config: Any) -> Any:
    from podwright.containers.lifecycle import Containers

    return Containers(
        f"{config.run}/oci",
        store=config.root,
        cgroups_missing=config.cgroups_missing,
        warn=lambda message: print(f"warning: {message}", file=sys.stderr),
    )


def _load() -> Any:
    from podwright.config import load

    return load()


def _run(arguments: argparse.Namespace) -> int:
    from contextlib import ExitStack

    from podwright.containers.scratch import Scratch, sweep
    from podwright.images import gate

    config = _load()
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    name = f"run-{os.urandom(6).hex()}"
    folder = f"{config.root}/run"
    sweep(folder, f"{config.run}/oci")
    with ExitStack() as stack:
        with gate.shared(config.root):  # what is chosen stays until the bundle tells of it
            lower, image, image_config, command = _root(config, arguments.rootfs, words)
            scratch = stack.enter_context(Scratch(folder, name, lower, "" if arguments.rootfs else image))
        _write_bundle(scratch.path, config, name, arguments, (lower, image, image_config, command))
        return _in_foreground(_containers(config), name, scratch.path)


def _root(config: Any, rootfs: str | None, words: list[str]) -> tuple[list[str], str, dict[str, Any], list[str]]:
    if rootfs is not None:
        path = os.path.realpath(rootfs)
        if not os.path.isdir(path) or path == "/":
            raise PodwrightError(f"--rootfs is {rootfs!r}, but must be a directory, and not the host's root")
        return [path], path, {}, words
    if not words:
        raise PodwrightError("run needs an image, or --rootfs; see podwright run --help")
    from podwright.containers.launch import PODINIT
    from podwright.images.distribution.registries import Registries
    from podwright.images.store import ImageStore

    store = ImageStore(config.root, podinit=PODINIT, registries=Registries.of(config))
    image = store.get(words[0]) or store.pull(words[0])
    return store.lower_dirs(image), image.reference, image.config.get("config") or {}, words[1:]


def _write_bundle(
    path: str,
    config: Any,
    name: str,
    arguments: argparse.Namespace,
    root: tuple[list[str], str, dict[str, Any], list[str]],
) -> None:
    from podwright.cli.oci_resources import amount
    from podwright.containers.oneoff import configuration
    from podwright.files import canonical_json, write_atomic

    lower, image, image_config, command = root
    spec = configuration(
        command,
        lower=lower,
        image=image,
        image_config=image_config,
        hostname=arguments.hostname or name,
        cgroups_path=f"{config.cgroups_parent}/{name}",
        terminal=arguments.tty,
        read_only=arguments.read_only,
        memory=None if arguments.memory is None else amount("memory", arguments.memory),
        cpus=arguments.cpus,
        pids_limit=arguments.pids_limit,
    )
    write_atomic(f"{path}/config.json", canonical_json(spec), sync=False)


def _in_foreground(containers: Any, name: str, bundle: str) -> int:
    from podwright.cli.foreground import Foreground

    try:
        with Foreground(relay=True) as foreground:
            pid = containers.create(name, bundle, console=foreground.console)
            foreground.attach(pid)
            containers.start(name)
            return foreground.wait()
    finally:
        containers.delete(name, force=True)


def _create(arguments: argparse.Namespace) -> int:
    _containers(_load()).create(arguments.name, arguments.bundle)
    print(f"container/{arguments.name} created")
    return 0


def _start(arguments: argparse.Namespace) -> int:
    _containers(_load()).start(arguments.name)
    print(f"container/{arguments.name} started")
    return 0


def _state(arguments: argparse.Namespace) -> int:
    from podwright.cli.tables import print_json

    print_json(_containers(_load()).state(arguments.name))
    return 0


def _stop(arguments: argparse.Namespace) -> int:
    _containers(_load()).stop(arguments.name, timeout=arguments.timeout)
    print(f"container/{arguments.name} stopped")
    return 0


def _delete(arguments: argparse.Namespace) -> int:
    _containers(_load()).delete(arguments.name, force=arguments.force)
    print(f"container/{arguments.name} deleted")
    return 0


def _list(_arguments: argparse.Namespace) -> int:
    from podwright.cli.oci_inspect import COLUMNS, table

    states = _containers(_load()).list()
    print(table([[name for name, _ in COLUMNS], *([str(state[key]) for _, key in COLUMNS] for state in states)]))
    return 0
