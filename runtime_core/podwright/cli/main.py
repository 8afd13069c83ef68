# SPDX-License-Identifier: Apache-2.0
"""The command line ``podwright``: kubectl's verbs over ``podwright.Runtime``.

argparse and not typer: it costs 7 ms of the 150 ms that a whole ``podwright apply`` may take, typer 53.
"""

import argparse
import gc
import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from podwright import __version__
from podwright.cli import container, images, reports
from podwright.errors import ManifestError, PodwrightError

_KEPT = ("configmap", "secret", "persistentvolumeclaim")
OBJECTS = (*_KEPT, *(f"{kind}s" for kind in _KEPT), "cm", "pvc")
"""What the host keeps for its pods."""

if TYPE_CHECKING:
    from podwright.plan.model import Plan
    from podwright.runtime import Runtime


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code (0 done, 1 an error that was told, 2 wrong usage)."""
    gc.disable()  # a command ends before its garbage matters; collecting while modules load costs it 5 ms
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except PodwrightError as error:
        print(f"podwright: {error}", file=sys.stderr)
        return 1
    except OSError as error:  # standard output's: the core words all others
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter tries again at its end, and complains
        if not isinstance(error, BrokenPipeError):  # that is a reader who has seen enough (podwright logs … | head)
            print(f"podwright: cannot write the answer: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def program() -> None:
    """Be the command ``podwright``. It ends at once: to take the interpreter apart, module by module, costs 8 ms."""
    code = main()  # has flushed standard output; the other goes out by the line
    os._exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="podwright", description="Kubernetes pods on this host, with no daemon.")
    parser.add_argument("--version", action="version", version=f"podwright {__version__}")
    # with prog given, argparse formats no usage line (and imports no shutil) just to find it
    verbs = parser.add_subparsers(required=True, metavar="COMMAND", prog="podwright")

    apply = verbs.add_parser("apply", help="bring pods to what a file says")
    apply.add_argument("-f", "--filename", required=True, metavar="FILE", help="YAML or JSON; - is standard input")
    apply.add_argument("--dry-run", action="store_true", help="print the plan and change nothing")
    apply.add_argument("--wait", action="store_true", help="return when the pods are ready")
    apply.add_argument("--timeout", type=float, default=120.0, metavar="SECONDS", help="for --wait (default 120)")
    apply.set_defaults(run=_apply)

    get = verbs.add_parser("get", help="list pods, containers alone, ConfigMaps, Secrets or PersistentVolumeClaims")
    get.add_argument("kind", choices=["pods", "pod", "containers", "container", *OBJECTS])
    get.add_argument("name", nargs="?")
    _namespace(get)
    get.add_argument("-o", "--output", choices=["table", "json"], default="table")
    get.set_defaults(run=_get)

    logs = verbs.add_parser("logs", help="print what a container wrote")
    logs.add_argument("pod", metavar="NAME", help="of a pod; container/NAME is a container alone")
    logs.add_argument("-c", "--container", metavar="NAME")
    logs.add_argument("--tail", type=_count, metavar="LINES", help="only the last lines")
    _namespace(logs)
    logs.set_defaults(run=_logs)

    delete = verbs.add_parser(
        "delete",
        help="stop and remove a pod, or a container alone; remove an image, ConfigMap, Secret or persistent volume",
    )
    delete.add_argument("kind", choices=["pod", "container", "image", *_KEPT, "cm", "pvc"])
    delete.add_argument("name")
    delete.add_argument("--grace-period", type=_count, metavar="SECONDS", help="default: the pod's own")
    _namespace(delete)
    delete.add_argument("--force", action="store_true", help="an image also when a pod or container uses it")
    delete.set_defaults(run=_delete)

    images.add_verbs(verbs)
    container.add_verbs(verbs)
    reports.add_verbs(verbs)

    api = verbs.add_parser("api", help="answer one JSON request from standard input (for programs)")
    api.set_defaults(run=_api)
    return parser


def _namespace(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--namespace", default="default", metavar="NAME")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, 0 or more")
    return int(text)


def _apply(arguments: argparse.Namespace) -> int:
    from podwright.manifest.load import load_documents
    from podwright.runtime import Runtime

    runtime = Runtime()
    documents = load_documents(_read(arguments.filename))
    if arguments.dry_run:
        for document in documents:
            _tell(document, _planned(runtime, document, documents), dry_run=True)
        return 0
    if len(documents) > 1:  # a bad document stops all, before anything is done
        for document in documents:
            _planned(runtime, document, documents)
    for document in sorted(documents, key=lambda document: document["kind"] == "Pod"):  # a Pod may name any other
        if document["kind"] == "Pod":
            plan = runtime.apply(document, wait=arguments.wait, timeout=arguments.timeout).plan
        else:
            plan = runtime.objects.apply(document)
        _tell(document, plan, dry_run=False)
    return 0


def _planned(runtime: "Runtime", document: dict[str, Any], documents: list[dict[str, Any]]) -> "Plan":
    if document["kind"] != "Pod":
        return runtime.objects.plan(document)
    return runtime.plan(document, beside=[one for one in documents if one["kind"] != "Pod"])


def _tell(document: dict[str, Any], plan: "Plan", *, dry_run: bool) -> None:
    for warning in plan.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    name = f"{document['kind'].lower()}/{document['metadata']['name']}"
    print(f"{name} {_DONE[plan.action]}{' (dry run)' if dry_run else ''}")
    if dry_run:
        for change in plan.changes:
            before, after = json.dumps(change.before), json.dumps(change.after)
            print(f"  {change.path}: {before} -> {after} ({change.effect})")


_DONE = {
    "none": "unchanged",
    "create": "created",
    "update": "configured",
    "recreate": "recreated",
    "repair": "repaired",
}


def _read(path: str) -> str:
    try:
        if path == "-":
            return sys.stdin.buffer.read().decode()
        with open(path, "rb") as file:
            return file.read().decode()
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path} is not UTF-8: {error}") from error


def _get(arguments: argparse.Namespace) -> int:
    from podwright.cli.tables import print_json, print_pods
    from podwright.runtime import Runtime

    name, namespace = arguments.name, arguments.namespace
    if arguments.kind in OBJECTS:
        from podwright.cli import objects

        return objects.show(arguments.kind, name, namespace, arguments.output)
    runtime = Runtime()
    kind = arguments.kind.removesuffix("s").capitalize()
    pods = [runtime.get(name, namespace, kind)] if name else runtime.list(namespace, kind)
    if arguments.output == "json":
        answer: dict[str, Any] = {"apiVersion": "v1", "kind": "List", "items": pods}
        print_json(pods[0] if name else answer)
    else:
        print_pods(pods)
    return 0


def _logs(arguments: argparse.Namespace) -> int:
    from podwright.runtime import Runtime

    name, kind = reports.target(arguments.pod)
    asked = {"container": arguments.container, "tail": arguments.tail, "kind": kind}
    lines = Runtime().logs(name, arguments.namespace, **asked)
    for line in lines:
        sys.stdout.buffer.write(line.encode() + b"\n")  # as it was written, whatever the locale
    return 0


def _delete(arguments: argparse.Namespace) -> int:
    from podwright.errors import NotFound
    from podwright.runtime import Runtime

    kind, name, namespace = arguments.kind, arguments.name, arguments.namespace
    if kind == "image" and arguments.grace_period is None:
        return images.delete(name, force=arguments.force)
    if kind == "image" or arguments.force:
        raise PodwrightError("--grace-period is for pods and containers, and --force for images")
    if kind in OBJECTS:
        from podwright.cli import objects

        return objects.delete(kind, name, namespace)
    result = Runtime().delete(name, namespace, grace=arguments.grace_period, kind=kind.capitalize())
    if not result.plan.changed:
        raise NotFound(f"there is no {kind} {name} in namespace {namespace}")
    print(f"{kind}/{name} deleted")
    return 0


def _api(_arguments: argparse.Namespace) -> int:
    from podwright.cli.api import respond

    print(respond(sys.stdin.buffer.read()))
    return 0


if __name__ == "__main__":
    program()
