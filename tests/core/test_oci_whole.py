# SPDX-License-Identifier: Apache-2.0
"""Nothing of a bundle's configuration is dropped: change any leaf of it, and the plan changes or it is refused."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from ocispecs import FULL, V1, compiled
from podwright.errors import ManifestError

# Carried out by others: cgroups, those who load the bundle, and `exec`.
ELSEWHERE = (("linux", "resources"), ("root", "path"), ("process", "execCPUAffinity"))


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if not items:
        yield path
        return
    for key, item in items:
        yield from leaves(item, (*path, key))


def other(value: Any) -> Any:
    """Return another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return f"2{value}" if isinstance(value, str) else ["2"]


def changed(path: tuple[Any, ...], remove: bool) -> dict[str, Any]:
    spec = copy.deepcopy(FULL)
    parent: Any = spec
    for key in path[:-1]:
        parent = parent[key]
    if remove:
        del parent[path[-1]]
    else:
        parent[path[-1]] = other(parent[path[-1]])
    return spec


def is_type_of_a_bind(path: tuple[Any, ...]) -> bool:
    """With bind or rbind among the options the type is no more than a word (config.md, "Mounts")."""
    return path[0] == "mounts" and path[2] == "type" and "rbind" in FULL["mounts"][path[1]]["options"]


def says_the_default(path: tuple[Any, ...]) -> bool:
    """Tell whether a leaf that is removed says what holds without it."""
    if path[0] == "mounts":
        mount = FULL["mounts"][path[1]]
        if path[2] == "options" and mount["type"] == "cgroup":
            return mount["options"][path[3]] in ("nosuid", "nodev", "noexec")
        return path[2] == "source" and mount["source"] == mount["type"]
    return path in {
        ("process", "user", "uid"),
        ("process", "user", "gid"),
        ("linux", "devices", 0, "uid"),
        ("linux", "devices", 0, "gid"),
    }


LEAVES = [path for path in leaves(FULL) if path[:2] not in ELSEWHERE]


@pytest.mark.parametrize("remove", [False, True], ids=["changed", "removed"])
def test_no_member_is_dropped(remove):
    before = compiled(FULL, hierarchies=V1)
    ignored = []
    for path in LEAVES:
        try:
            after = compiled(changed(path, remove), hierarchies=V1)
        except ManifestError:
            continue
        if after == before and not is_type_of_a_bind(path) and not (remove and says_the_default(path)):
            ignored.append(path)
    assert ignored == []
