# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from podwright.trees import disk_use, remove_tree, walk_tree


def test_a_tree_goes_and_what_its_links_point_at_stays(tmp_path):
    tree = tmp_path / "tree"
    for folder in ("a/b/c", "a/d", "e"):
        (tree / folder).mkdir(parents=True)
        (tree / folder / "file").write_text("x")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("x")
    (tree / "link").symlink_to(outside)
    (tree / "a" / "b" / "loop").symlink_to(tree)
    remove_tree(str(tree))
    assert not tree.exists()
    assert (outside / "file").exists()


def test_nothing_there_is_nothing_to_do(tmp_path):
    remove_tree(str(tmp_path / "none"))


def test_a_link_in_the_trees_place_is_not_followed(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "link").symlink_to("outside")
    with pytest.raises(OSError):
        remove_tree(str(tmp_path / "link"))
    assert (tmp_path / "outside").exists()


@pytest.fixture
def deep(tmp_path):
    """A tree of 3000 directories, one in another."""
    tree = tmp_path / "deep"
    tree.mkdir()
    fd = os.open(tree, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=fd)
        deeper = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    os.close(fd)
    yield str(tree)
    remove_tree(str(tree))


def test_a_tree_deeper_than_python_recurses_and_paths_are_long(deep):
    remove_tree(deep)
    assert not os.path.exists(deep)


def test_a_tree_that_several_remove_at_once(tmp_path):
    for attempt in range(20):
        tree = tmp_path / str(attempt)
        for number in range(60):
            (tree / str(number % 7) / str(number) / "deep").mkdir(parents=True)
            (tree / str(number % 7) / str(number) / "file").touch()
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(remove_tree, [str(tree)] * 4))
        assert not tree.exists()


def test_a_walk_visits_every_directory_once(tmp_path):
    tree = tmp_path / "tree"
    for folder in ("a/b/c", "a/d", "e"):
        (tree / folder).mkdir(parents=True)
        (tree / folder / "file").write_text("x")
    (tree / "e" / "link").symlink_to(tmp_path)
    seen = {}
    for path, fd, entries in walk_tree(str(tree)):
        assert os.path.samestat(os.fstat(fd), os.stat(tree / path))
        seen[path] = sorted(entry.name for entry in entries)
    assert seen == {
        "": ["a", "e"],
        "a": ["b", "d"],
        "a/b": ["c"],
        "a/b/c": ["file"],
        "a/d": ["file"],
        "e": ["file", "link"],
    }


def test_a_walk_goes_deeper_than_paths_are_long(deep):
    assert sum(len(entries) for _, _, entries in walk_tree(deep)) == 3000


def test_what_a_tree_takes_of_the_disk(tmp_path):
    tree = tmp_path / "tree"
    (tree / "folder").mkdir(parents=True)
    (tree / "file").write_bytes(b"x" * 100_000)
    os.link(tree / "file", tree / "folder" / "again")
    (tmp_path / "outside").write_bytes(b"x" * 1_000_000)
    (tree / "link").symlink_to(tmp_path / "outside")
    done = subprocess.run(["du", "-s", "--block-size=1", tree], capture_output=True, text=True, check=True)
    assert disk_use(str(tree)) == int(done.stdout.split()[0])
    assert disk_use(str(tree / "file")) == (tree / "file").stat().st_blocks * 512
