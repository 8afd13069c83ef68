# SPDX-License-Identifier: Apache-2.0
import os

import pytest

from podwright.trees import remove_tree


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


def test_a_tree_deeper_than_python_recurses_and_paths_are_long(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    fd = os.open(tree, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=fd)
        deeper = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    os.close(fd)
    remove_tree(str(tree))
    assert not tree.exists()
