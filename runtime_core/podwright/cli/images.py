# SPDX-License-Identifier: Apache-2.0
"""``podwright pull``, ``push``, ``import``, ``images`` and ``prune``: what is done with images, and what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse


def add_verbs(verbs: Any) -> None:
    """Add all of them to the command line's subcommands."""
    pull = verbs.add_parser("pull", help="fetch an image from its registry")
    _platform(pull)
    _authfile(pull)
    pull.add_argument("image")
    pull.set_defaults(run=_pull)

    push = verbs.add_parser("push", help="copy an image to a registry, a layout or an archive")
    _platform(push)
    _authfile(push)
    push.add_argument("image")
    push.add_argument(
        "destination",
        nargs="?",
        help="docker://IMAGE, oci:DIR[:NAME], oci-archive:FILE[:NAME] or docker-archive:FILE[:NAME]; "
        "default: the registry that the image's name names",
    )
    push.set_defaults(run=_push)

    load = verbs.add_parser("import", help="take an image from a layout, an archive or a root file system")
    _platform(load)
    load.add_argument(
        "source",
        help="oci:DIR[:NAME], oci-archive:FILE[:NAME], docker-archive:FILE[:NAME] or rootfs:FILE-OR-DIR; "
        "DIR[:NAME] alone is a layout",
    )
    load.add_argument("image", help="the name that it gets here")
    load.set_defaults(run=_import)

    images = verbs.add_parser("images", help="list the images on this host, check them, or say what room they take")
    images.add_argument("order", nargs="?", choices=["list", "verify", "usage"], default="list")
    images.add_argument("-o", "--output", choices=["table", "json"], default="table")
    images.set_defaults(run=_images)

    prune = verbs.add_parser("prune", help="remove what no image has and nothing uses")
    prune.add_argument("--all", action="store_true", help="also images that no pod or container uses")
    prune.add_argument("--dry-run", action="store_true", help="say what would go, and remove nothing")
    prune.set_defaults(run=_prune)


def delete(name: str, *, force: bool) -> int:
    """Be ``podwright delete image``."""
    from podwright.errors import NotFound

    if not _images_of_host().remove(name, force=force):
        raise NotFound(f"there is no image {name} on this host")
    print(f"image/{name} deleted")
    return 0


def _platform(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--platform", metavar="OS/ARCH[/VARIANT]", help="default: this host's")


def _authfile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--authfile", metavar="FILE", help="credentials as docker login writes them")


def _images_of_host() -> Any:
    from podwright.runtime import Runtime

    return Runtime().images


def _auth(path: str | None) -> Any:
    import os

    from podwright.images.distribution.credentials import Auth

    return Auth.parse({"auth_file": os.path.abspath(path)}) if path else None


def _pull(arguments: argparse.Namespace) -> int:
    from podwright.cli.progress import shown

    with shown() as progress:
        image = _images_of_host().pull(
            arguments.image, platform=arguments.platform, auth=_auth(arguments.authfile), progress=progress
        )
    print(image.digest)
    return 0


def _push(arguments: argparse.Namespace) -> int:
    from podwright.cli.progress import shown

    with shown() as progress:
        digest = _images_of_host().push(
            arguments.image,
            arguments.destination,
            platform=arguments.platform,
            auth=_auth(arguments.authfile),
            progress=progress,
        )
    print(digest)
    return 0


def _import(arguments: argparse.Namespace) -> int:
    from podwright.cli.progress import shown
    from podwright.manifest.image import SOURCES

    source = arguments.source if arguments.source.startswith(SOURCES) else f"oci:{arguments.source}"
    with shown() as progress:
        image = _images_of_host().load(source, arguments.image, platform=arguments.platform, progress=progress)
    print(image.digest)
    return 0


def _images(arguments: argparse.Namespace) -> int:
    orders = {"list": _list, "verify": _verify, "usage": _usage}
    return orders[arguments.order](_images_of_host(), as_json=arguments.output == "json")


def _list(images: Any, *, as_json: bool) -> int:
    from podwright.cli.tables import print_images, print_json
    from podwright.runtime_images import view

    found = images.list()
    if as_json:
        print_json([view(image) for image in found])
    else:
        print_images(found)
    return 0


def _verify(images: Any, *, as_json: bool) -> int:
    """End with 1 when something was damaged, also when it could be put aside."""
    from podwright.cli.tables import print_json

    found = images.verify()
    if as_json:
        print_json({**found._asdict(), "damages": [damage._asdict() for damage in found.damages]})
    else:
        for damage in found.damages:
            done = "removed" if damage.removed else "left as it is"
            print(f"{damage.kind} {damage.name}: {damage.reason} ({done}; of {', '.join(damage.images) or 'no image'})")
        for diff_id in found.unchecked:
            print(f"layer {diff_id}: cannot be checked, its blob is not here")
        print(f"sound: {found.images} images, {found.blobs} blobs, {found.layers} layers")
    return 1 if found.damages else 0


def _usage(images: Any, *, as_json: bool) -> int:
    from podwright.cli.tables import print_json, print_usage

    found = images.usage()
    if as_json:
        lists = {name: [one._asdict() for one in getattr(found, name)] for name in ("images", "blobs", "layers")}
        print_json({**found._asdict(), **lists})
    else:
        print_usage(found)
    return 0


def _prune(arguments: argparse.Namespace) -> int:
    from podwright.cli.tables import megabytes

    pruned = _images_of_host().prune(all=arguments.all, dry_run=arguments.dry_run)
    for kind, names in (("image", pruned.images), ("layer", pruned.layers), ("blob", pruned.blobs)):
        for name in names:
            print(f"{kind} {name}")
    for path in pruned.leftovers:
        print(path)
    print(f"{'would free' if arguments.dry_run else 'freed'} {megabytes(pruned.size)}")
    return 0
