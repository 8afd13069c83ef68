# SPDX-License-Identifier: Apache-2.0
"""Recipes for what tests need and no package holds: made once, kept by the recipe's content, then found.

Everything is below ``${PODWRIGHT_CACHE:-~/.cache/podwright}``, in a directory ``name-<hash of the recipe>``.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

Build = Callable[[Path, Path], None]
"""Makes a result in the second directory, which is empty; the first one is scratch space."""


def cached(name: str, recipe: Iterable[Path], build: Build) -> Path:
    """Return the directory with what ``build`` makes, after calling it when no one did for this recipe."""
    cache = Path(os.environ.get("PODWRIGHT_CACHE") or Path.home() / ".cache" / "podwright")
    directory = cache / f"{name}-{recipe_hash(recipe)}"
    if not directory.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        _make(directory, build)
    return directory


def recipe_hash(recipe: Iterable[Path]) -> str:
    """Return what changes when the result may: the recipe's files and the machine's kind."""
    digest = hashlib.sha256(platform.machine().encode())
    for path in recipe:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def log(message: str) -> None:
    """Tell the person who waits, on the stream that is not the answer."""
    print(f"recipe: {message}", file=sys.stderr, flush=True)


def _make(directory: Path, build: Build) -> None:
    """Build into a temporary neighbour of ``directory`` and rename it; one process at a time."""
    with _lock(directory.with_suffix(".lock")):
        if directory.is_dir():
            return  # another process made it while this one waited
        for left in directory.parent.glob(f"{directory.name}.partial.*"):
            shutil.rmtree(left)  # of a build that was killed: nobody else works under this lock
        start = time.monotonic()
        with _scratch(directory) as work:
            result = work / "result"
            result.mkdir()
            build(work, result)
            result.rename(directory)
        log(f"made {directory} in {time.monotonic() - start:.0f} s")


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold an flock on ``path``."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _scratch(directory: Path) -> Iterator[Path]:
    """Yield a temporary directory on the same file system as ``directory``, and remove it."""
    work = Path(tempfile.mkdtemp(prefix=f"{directory.name}.partial.", dir=directory.parent))
    try:
        yield work
    finally:
        shutil.rmtree(work)
