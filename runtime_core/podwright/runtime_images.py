# SPDX-License-Identifier: Apache-2.0
"""``Runtime.images``: the images of this host, for every front end.

A single step (pull, load, push, remove) is a method; what an image shall be like, as a document of
``podwright.manifest.image``, is planned and applied as a pod is.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from podwright.config import Config
from podwright.errors import HostError, ImageError, NotFound
from podwright.images import gate, places
from podwright.images import reference as references
from podwright.images.distribution.registries import Registries
from podwright.images.documents import parse_manifest
from podwright.images.layout import SOURCE
from podwright.images.progress import Progress, Silent
from podwright.images.store import Image, ImageStore
from podwright.manifest.image import normalise
from podwright.plan.image import Observed, plan
from podwright.plan.model import Plan
from podwright.runtime_errors import host_errors

if TYPE_CHECKING:
    from podwright.images.distribution.credentials import Auth
    from podwright.images.platform import Platform
    from podwright.images.upkeep.prune import Pruned
    from podwright.images.upkeep.usage import Usage
    from podwright.images.upkeep.used import Used
    from podwright.images.upkeep.verify import Verified

AllImages = list[Image]  # inside Images, the name ``list`` is its method
Names = list[str]
_SILENT = Silent()


class ImageResult(NamedTuple):
    """What an apply or a delete did: the plan that was carried out, and the image after it (None when it is gone)."""

    plan: Plan
    image: Image | None


class Images:
    """The images of a host; ``podwright.Runtime`` has one. Methods raise PodwrightError, as Runtime's do.

    A reference may be short: ``busybox`` is ``docker.io/library/busybox:latest``. ``platform`` is this host's unless
    given, ``auth`` who asks the registry: without it the host's own logins count.
    """

    def __init__(self, store: ImageStore, config: Config) -> None:
        self._store = store
        self._config = config

    @host_errors()
    def get(self, reference: str, *, platform: str | None = None) -> Image:
        """Return an image. Raises NotFound."""
        image = self._store.get(reference, _platform(platform))
        if image is None:
            name = references.parse(reference)
            raise NotFound(f"there is no image {name} on this host", field="name", value=str(name))
        return image

    @host_errors()
    def list(self) -> AllImages:
        """Return all images, by name."""
        return self._store.list()

    @host_errors()
    def pull(
        self,
        reference: str,
        *,
        platform: str | None = None,
        auth: "Auth | None" = None,
        progress: Progress = _SILENT,
    ) -> Image:
        """Fetch what is missing of an image from its registry, and unpack it."""
        return self._store.pull(reference, platform=_platform(platform), auth=auth, progress=progress)

    @host_errors()
    def load(
        self,
        source: str,
        reference: str,
        *,
        platform: str | None = None,
        progress: Progress = _SILENT,
    ) -> Image:
        """Take an image from a file or folder and call it ``reference``.

        ``source`` is ``oci:DIR[:NAME]``, ``oci-archive:FILE[:NAME]``, ``docker-archive:FILE[:NAME]`` or
        ``rootfs:FILE-OR-DIR``.
        """
        from podwright.images.formats.source import open_source

        return self._store.take(open_source(source), reference, platform=_platform(platform), progress=progress)

    @host_errors()
    def push(
        self,
        reference: str,
        destination: str | None = None,
        *,
        platform: str | None = None,
        auth: "Auth | None" = None,
        progress: Progress = _SILENT,
    ) -> str:
        """Copy an image to a registry, a layout or an archive; return the digest that it has there.

        ``destination`` is ``docker://REFERENCE``, ``oci:DIR[:NAME]``, ``oci-archive:FILE[:NAME]`` or
        ``docker-archive:FILE[:NAME]``; without it, the registry that the image's name names.
        """
        image = self.get(reference, platform=platform)
        return self._push(image, destination or f"docker://{image.reference}", auth, progress)

    @host_errors()
    def remove(self, reference: str, *, force: bool = False) -> bool:
        """Forget an image's name; ``prune`` makes room. False when there is none.

        Raises ImageError for one that a pod or container uses, unless with ``force``: what runs goes on then.
        """
        from podwright.images.upkeep.prune import remove

        return remove(self._store, reference, self._in_use(), force=force)

    @host_errors()
    def prune(self, *, all: bool = False, dry_run: bool = False) -> "Pruned":  # noqa: A002 - the command's word
        """Remove what no image has and nothing uses; with ``all`` also the images that no pod or container uses."""
        from podwright.images.upkeep.prune import prune

        return prune(self._store, self._in_use, all=all, dry_run=dry_run)

    @host_errors()
    def verify(self) -> "Verified":
        """Read all that the store holds, and take out what is damaged: the next pull fetches it anew."""
        from podwright.images.upkeep.verify import verify

        return verify(self._store, self._in_use)

    @host_errors()
    def usage(self) -> "Usage":
        """Return how much room the images take, and how much of it ``prune`` would free."""
        from podwright.images.upkeep.usage import usage

        return usage(self._store, self._in_use)

    @host_errors()
    def users(self, reference: str) -> Names:
        """Return who uses an image, in words: ``pod default/web``."""
        return self._in_use().images.get(str(references.parse(reference)), [])

    # ---- what an image shall be like ----

    @host_errors()
    def plan(self, document: Mapping[str, Any]) -> Plan:
        """Say what ``apply`` would do. It changes and downloads nothing: registries tell digests, files are read."""
        return self._plan(normalise(document))

    @host_errors()
    def apply(self, document: Mapping[str, Any], *, progress: Progress = _SILENT) -> ImageResult:
        """Have the image as the document says, doing only what ``plan`` names."""
        wanted = normalise(document)
        plan = self._plan(wanted)
        paths = {change.path for change in plan.changes}
        if paths & {"digest", "platform"}:
            image = self._fetch(wanted, progress)
        else:
            image = self.get(wanted["name"], platform=wanted.get("platform"))
        for place in wanted.get("destinations", ()):
            if f"destinations[{place}]" in paths:
                self._push(image, place, _auth(wanted, place), progress)
        return ImageResult(plan, image)

    @host_errors()
    def plan_delete(self, name: str, *, force: bool = False) -> Plan:
        """Say what ``delete`` would do, and refuse what it would refuse. Changes nothing."""
        from podwright.images.upkeep.prune import check_unused

        full = str(references.parse(name))
        entry = self._store.layout.find(full)
        if entry and not force:
            check_unused(full, self._in_use())
        recorded = {"digest": entry.annotations.get(SOURCE, entry.descriptor.digest)} if entry else None
        return plan(None, recorded, Observed(None, {}))

    @host_errors()
    def delete(self, name: str, *, force: bool = False) -> ImageResult:
        """Forget an image's name, as ``remove`` does. No such image is no error."""
        plan = self.plan_delete(name, force=force)
        if plan.changed:
            self.remove(name, force=force)
        return ImageResult(plan, None)

    # ---- what is ----

    def _plan(self, wanted: dict[str, Any]) -> Plan:
        image = self._store.get(wanted["name"], _platform(wanted.get("platform")))
        digest = self._source_digest(wanted, image)
        destinations = {}
        for place in wanted.get("destinations", ()):
            with _about(place):
                destinations[place] = places.digest_at(place, Registries.of(self._config), _auth(wanted, place))
        return plan(wanted, self._recorded(image), Observed(digest, destinations))

    def _source_digest(self, wanted: dict[str, Any], image: Image | None) -> str | None:
        """Ask the source, when what is here may not do."""
        if image and wanted["pullPolicy"] != "Always":
            return None
        if "source" in wanted:
            return places.digest_in(wanted["source"])
        if wanted["pullPolicy"] == "Never":
            reason = f"image {wanted['name']} is not on this host, and pullPolicy is Never: import it, or choose Always"
            raise ImageError(reason, field="pullPolicy", value="Never")
        return self._store.resolve(wanted["name"], auth=_auth(wanted))

    def _fetch(self, wanted: dict[str, Any], progress: Progress) -> Image:
        name, platform = wanted["name"], wanted.get("platform")
        if "source" in wanted:
            return self.load(wanted["source"], name, platform=platform, progress=progress)
        return self.pull(name, platform=platform, auth=_auth(wanted), progress=progress)

    def _push(self, image: Image, place: str, auth: "Auth | None", progress: Progress) -> str:
        from podwright.images.formats.destination import copy_out, open_destination

        source = references.parse(image.reference)
        with _about(f"image {image.reference} to {place}"):
            destination = open_destination(place, Registries.of(self._config), auth, source=source)
            try:
                with gate.shared(self._store.root):  # its blobs stay, also when it loses its name meanwhile
                    return copy_out(self._store.layout, image.manifest, destination, progress)
            finally:
                destination.close()

    def _recorded(self, image: Image | None) -> dict[str, Any] | None:
        if image is None:
            return None
        return {
            "digest": image.digest,
            "manifest": image.manifest.digest,
            "config": self._config_digest(image),
        }

    def _config_digest(self, image: Image) -> str | None:
        data = self._store.layout.read(image.manifest.digest)
        return parse_manifest(data).config.digest if data else None

    def _in_use(self) -> "Used":
        from podwright.pods.in_use import in_use

        return in_use(self._config)


def view(image: Image) -> dict[str, Any]:
    """Return an image as front ends show it."""
    return {
        "name": image.reference,
        "digest": image.digest,
        "platform": image.platform,
        "size": image.size,
        "layers": image.diff_ids,
        "created": image.config.get("created"),
        "config": image.config["config"],
    }


@contextmanager
def _about(what: str) -> Iterator[None]:
    """Put before whatever goes wrong what it was about."""
    try:
        yield
    except (ImageError, HostError) as error:
        kind = HostError if isinstance(error, HostError) else ImageError
        raise kind(f"{what}: {error.message}") from error


def _platform(text: str | None) -> "Platform | None":
    from podwright.images.platform import parse

    return parse(text) if text else None


def _auth(wanted: Mapping[str, Any], place: str = "") -> "Auth | None":
    """Return what the document gives as login, for its own registry or for a destination.

    User and password are for the registry that the image's name names, and shown to no other one.
    """
    from podwright.images.distribution.credentials import Auth

    given = wanted.get("auth")
    if not given:
        return None
    if "authFile" in given:
        return Auth.parse({"auth_file": given["authFile"]})
    names = [wanted["name"], *([place.removeprefix("docker://")] if place.startswith("docker://") else [])]
    registries = {references.parse(name).registry for name in names}
    return Auth.parse(given) if len(registries) == 1 else None
