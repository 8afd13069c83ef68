# SPDX-License-Identifier: Apache-2.0
"""Pulls in processes of their own, and what a store may look like after one that went wrong.

world = Store(tmp_path / "root")
world.pull(registry.reference).refused("its layer", "came with 3 bytes")
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

PULLER = Path(__file__).with_name("puller.py")
MEMORY = 150  # MiB that a pull may take, of which the interpreter and its modules take 50
HEX = re.compile("[0-9a-f]{64}")


class Ended(NamedTuple):
    """How a pull ended: with an image, or with one error."""

    reference: str
    digest: str = ""
    diff_ids: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    """The folders, topmost first."""
    error: str = ""
    kind: str = ""
    peak: int = 0
    """MiB of memory at most."""

    def well(self) -> "Ended":
        assert self.error == ""
        assert self.digest
        return self._bounded()

    def refused(self, *words: str, kind: str = "ImageError") -> "Ended":
        """Check that there was one error: one line, of the image, with these words in it."""
        assert self.error.startswith(f"image {self.reference}: "), self.error or "the pull succeeded"
        assert "\n" not in self.error
        assert len(self.error) < 500
        assert [word for word in words if word not in self.error] == [], self.error
        assert self.kind == kind
        return self._bounded()

    def _bounded(self) -> "Ended":
        assert self.peak < MEMORY
        return self


class Pull:
    """A process that pulls; ``go()`` lets it begin."""

    def __init__(self, root: Path, reference: str, auth: dict[str, str] | None = None) -> None:
        self._reference = reference
        command = [sys.executable, PULLER, root, reference, json.dumps(auth)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def wait_until_ready(self) -> None:
        assert self.process.stdout
        assert self.process.stdout.readline() == "ready\n"

    def go(self) -> "Pull":
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self

    def ended(self) -> Ended:
        """Wait for the end."""
        out, _ = self.process.communicate(timeout=240)
        assert self.process.returncode == 0, f"the pull ended with {self.process.returncode}: it said why above"
        about = json.loads(out.splitlines()[-1])
        return Ended(self._reference, **{key: tuple(v) if isinstance(v, list) else v for key, v in about.items()})

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


class Store:
    """The store in the folder ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ingest = root / "images" / "ingest"

    def start(self, reference: str, auth: dict[str, str] | None = None) -> Pull:
        return Pull(self.root, reference, auth)

    def pull(self, reference: str, auth: dict[str, str] | None = None) -> Ended:
        return self.start(reference, auth).go().ended()

    def together(self, *references: str) -> list[Ended]:
        """Pull from several processes that begin at the same moment."""
        pulls = [self.start(reference) for reference in references]
        for pull in pulls:
            pull.wait_until_ready()
        for pull in pulls:
            pull.go()
        return [pull.ended() for pull in pulls]

    # What lies there

    def blobs(self) -> set[str]:
        """Return the digests of the blobs that are there."""
        return {f"sha256:{name}" for name in _names(self.root / "images" / "blobs" / "sha256")}

    def unfinished(self) -> dict[str, int]:
        """Return how much there is of the blobs that a later pull will go on with."""
        return {f"sha256:{name}": (self.ingest / name).stat().st_size for name in _names(self.ingest)}

    def images(self) -> list[str]:
        index = self.root / "images" / "index.json"
        entries = json.loads(index.read_text())["manifests"] if index.exists() else []
        return sorted(entry["annotations"]["org.opencontainers.image.ref.name"] for entry in entries)

    def check(self) -> None:
        """Check that nothing in the store is damaged or half made, and that nothing unexpected lies about.

        What another pull would go on with may be there.
        """
        images, layers = self.root / "images", self.root / "layers"
        assert _names(self.root) <= {"images", "layers"}
        assert _names(images) <= {"oci-layout", "index.json", ".lock", ".gate", "blobs", "ingest"}
        assert [name for name in _names(layers) - {".lock"} if not HEX.fullmatch(name)] == []
        assert [name for name in _names(self.ingest) if not HEX.fullmatch(name)] == []
        blobs = images / "blobs" / "sha256"
        assert {name: _digest(blobs / name) for name in _names(blobs)} == {name: name for name in _names(blobs)}
        self._check_images(blobs)

    def _check_images(self, blobs: Path) -> None:
        index = images_index(self.root)
        for entry in index:
            manifest = json.loads((blobs / entry["digest"].removeprefix("sha256:")).read_text())
            needed = [manifest["config"], *manifest["layers"]]
            assert [item for item in needed if item["digest"] not in self.blobs()] == []
            config = json.loads((blobs / manifest["config"]["digest"].removeprefix("sha256:")).read_text())
            diff_ids = {diff_id.removeprefix("sha256:") for diff_id in config["rootfs"]["diff_ids"]}
            assert diff_ids <= _names(self.root / "layers")

    def prune(self) -> None:
        """Remove what no image needs, and check that nothing else is left."""
        from podwright.images.upkeep import prune

        prune(self.open(), set(), set(self.images()))
        assert self.unfinished() == {}
        needed = {digest for entry in images_index(self.root) for digest in self._needs(entry)}
        assert self.blobs() == needed

    def _needs(self, entry: dict[str, Any]) -> list[str]:
        path = self.root / "images" / "blobs" / "sha256" / entry["digest"].removeprefix("sha256:")
        manifest = json.loads(path.read_text())
        return [entry["digest"], manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])]

    def open(self) -> Any:
        """Return the podwright.images.store.ImageStore."""
        from podwright.images.store import ImageStore
        from podwright.runtime import PODINIT

        return ImageStore(str(self.root), podinit=PODINIT)


def images_index(root: Path) -> list[dict[str, Any]]:
    index = root / "images" / "index.json"
    return json.loads(index.read_text())["manifests"] if index.exists() else []


def _names(folder: Path) -> set[str]:
    return set(os.listdir(folder)) if folder.is_dir() else set()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
