# SPDX-License-Identifier: Apache-2.0
"""Pulls in processes of their own, and what a store may look like after one that went wrong.

store = Store(tmp_path / "root")
store.pull(registry.reference).refused("its layer", "came with 3 bytes")
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from podwright.images.store import ImageStore
from podwright.images.upkeep.contents import contents
from podwright.images.upkeep.inventory import take
from podwright.images.upkeep.prune import prune
from podwright.images.upkeep.used import Used
from podwright.images.upkeep.verify import verify
from podwright.runtime import PODINIT

PULLER = Path(__file__).with_name("puller.py")
MEMORY = 100  # MiB that a pull may take, of which the interpreter and its modules take 30
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
    """The store in the folder ``root``. Leaving it ends the pulls that a failed test has left."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ingest = root / "images" / "ingest"
        self._pulls: list[Pull] = []

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        for pull in self._pulls:
            if pull.process.poll() is None:
                pull.kill()

    def start(self, reference: str, auth: dict[str, str] | None = None) -> Pull:
        self._pulls.append(Pull(self.root, reference, auth))
        return self._pulls[-1]

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
        return sorted(content.name for content in contents(self.open().layout))

    def check(self) -> None:
        """Check that nothing in the store is damaged or half made, and that nothing unexpected lies about.

        Of what is half made there may only be blobs that another pull would go on with.
        """
        assert _names(self.root) <= {"images", "layers", "parents"}
        assert [path for path in take(str(self.root)).unfinished if Path(path).parent != self.ingest] == []
        assert [name for name in _names(self.ingest) if not HEX.fullmatch(name)] == []
        found = verify(self.open(), lambda: Used({}, {}))
        assert found.damages == []
        assert found.images == len(self.images())

    def prune(self) -> None:
        """Remove what no image needs, and check that nothing else is left."""
        prune(self.open(), lambda: Used({}, {}))
        left, needed = take(str(self.root)), contents(self.open().layout)
        assert left.unfinished == []
        assert set(left.blobs) == {digest for content in needed for digest in content.blobs}
        assert _names(self.root / "parents") <= {".lock", *(f"above-{name}" for name in _names(self.root / "layers"))}
        assert set(left.layers) == {diff_id for content in needed for diff_id in content.layers}

    def open(self) -> ImageStore:
        return ImageStore(str(self.root), podinit=PODINIT)


@contextmanager
def disk(folder: Path, options: str) -> Iterator[Store]:
    """A tmpfs, as mount(8) knows its options, with a store in it, which must be in order at the end."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "podwright-test", folder], check=True)
    try:
        with Store(folder / "root") as store:
            yield store
        store.check()
        store.prune()
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def _names(folder: Path) -> set[str]:
    return set(os.listdir(folder)) if folder.is_dir() else set()
