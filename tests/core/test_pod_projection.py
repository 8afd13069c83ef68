# SPDX-License-Identifier: Apache-2.0
"""What is in volumes of configuration, and how a folder's files are replaced at once."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from podwright.errors import ManifestError
from podwright.manifest.objects import normalise
from podwright.pods import atomic_tree
from podwright.pods.facts import Facts
from podwright.pods.projection import File, files, of_objects
from podwright.pods.sources import Beside, Sources


class Nothing:
    def find(self, _kind: str, _namespace: str, _name: str) -> None:
        return None

    def key(self) -> bytes:
        return b"k"


def kept(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    return normalise({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **fields})


OBJECTS = [
    kept("ConfigMap", "c", data={"a": "1", "b": "2"}, binaryData={"bin": "AP8="}),
    kept("Secret", "s", stringData={"a": "secret"}),
]
POD = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"containers": [{"name": "app"}]}}
FACTS = Facts(POD, "u", "", "", "/")


def sources() -> Sources:
    return Sources(Beside(OBJECTS, Nothing()), "default")


def found(**volume: Any) -> dict[str, tuple[bytes, int]]:
    return {path: tuple(file) for path, file in files({"name": "v", **volume}, sources(), FACTS).items()}


def test_all_values_by_their_keys() -> None:
    assert found(configMap={"name": "c"}) == {"a": (b"1", 0o644), "b": (b"2", 0o644), "bin": (b"\0\xff", 0o644)}
    assert found(secret={"secretName": "s", "defaultMode": 0o400}) == {"a": (b"secret", 0o400)}
    assert found(emptyDir={}) == found(hostPath={"path": "/"}) == {}


def test_some_values_under_other_paths() -> None:
    items = [{"key": "a", "path": "x//./y"}, {"key": "bin", "path": "z", "mode": 0o600}]
    assert found(configMap={"name": "c", "items": items, "defaultMode": 0}) == {
        "x/y": (b"1", 0),
        "z": (b"\0\xff", 0o600),
    }


def test_of_several_sources_the_later_is_taken() -> None:
    both = [{"configMap": {"name": "c"}}, {"secret": {"name": "s"}}]
    own = {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}, "mode": 0o111}]}}
    volume = {"projected": {"sources": [*both, own], "defaultMode": 0o440}}
    assert found(**volume)["a"] == (b"secret", 0o440)
    assert found(**volume)["name"] == (b"web", 0o111)
    assert found(projected={"sources": both[::-1]})["a"] == (b"1", 0o644)
    paths = [(path, is_secret) for path, is_secret, _ in of_objects({"name": "v", **volume}, sources())]
    prefix = "spec.volumes[v].projected.sources"
    assert paths == [(f"{prefix}[0].configMap", False), (f"{prefix}[1].secret", True)]


def test_only_what_is_taken_counts() -> None:
    items = [{"key": "a", "path": "x"}]
    ((_, _, one),) = of_objects({"name": "v", "configMap": {"name": "c", "items": items}}, sources())
    assert one == {"x": "31"}


def test_what_is_optional_may_be_missing() -> None:
    assert found(configMap={"name": "none", "optional": True}) == {}
    items = [{"key": "a", "path": "a"}, {"key": "none", "path": "b"}]
    assert list(found(secret={"secretName": "s", "optional": True, "items": items})) == ["a"]


@pytest.mark.parametrize(
    ("volume", "field", "words"),
    [
        ({"configMap": {"name": "none"}}, "configMap", 'configmap "none" not found in namespace default'),
        ({"secret": {"secretName": "none"}}, "secret", 'secret "none" not found'),
        (
            {"projected": {"sources": [{"secret": {"name": "s", "items": [{"key": "k", "path": "p"}]}}]}},
            "projected.sources[0].secret",
            "couldn't find key k in Secret default/s",
        ),
    ],
)
def test_what_is_missing_is_named(volume: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(ManifestError) as caught:
        found(**volume)
    assert caught.value.field == f"spec.volumes[v].{field}"
    assert words in caught.value.message


# -- a folder's files, replaced at once


def seen(folder: Any) -> dict[str, tuple[str, int]]:
    """Return what a reader finds below a folder, by the paths that he knows."""
    result = {}
    for name in os.listdir(folder):
        if name.startswith(".."):
            continue
        if (folder / name).is_symlink() and not (folder / name).exists():
            continue  # its file went with the update, itself goes next
        for place, _folders, names in os.walk(folder / name) if (folder / name).is_dir() else [(folder, [], [name])]:
            for one in names:
                path = os.path.join(place, one)
                result[os.path.relpath(path, folder)] = (Path(path).read_text(), os.stat(path).st_mode & 0o777)
    return result


def test_a_folder_is_filled_and_swapped(tmp_path) -> None:
    atomic_tree.write(str(tmp_path), {"a": File(b"1", 0o644), "d/e/b": File(b"2", 0o400), "d/c": File(b"", 0)})
    assert seen(tmp_path) == {"a": ("1", 0o644), "d/e/b": ("2", 0o400), "d/c": ("", 0)}
    first = os.readlink(tmp_path / "..data")
    assert (os.readlink(tmp_path / "a"), os.readlink(tmp_path / "d")) == ("..data/a", "..data/d")
    held = os.open(tmp_path / "a", os.O_RDONLY)
    atomic_tree.write(str(tmp_path), {"a": File(b"new", 0o644), "f": File(b"3", 0o600)})
    assert seen(tmp_path) == {"a": ("new", 0o644), "f": ("3", 0o600)}
    assert os.read(held, 9) == b"1"
    os.close(held)
    assert sorted(os.listdir(tmp_path)) == sorted([os.readlink(tmp_path / "..data"), "..data", "a", "f"])
    assert os.readlink(tmp_path / "..data") != first


def test_what_is_the_same_is_not_touched(tmp_path) -> None:
    wanted = {"a": File(b"1", 0o644), "d/b": File(b"2", 0o644)}
    atomic_tree.write(str(tmp_path), wanted)
    before = os.readlink(tmp_path / "..data"), os.stat(tmp_path).st_mtime_ns
    atomic_tree.write(str(tmp_path), wanted)
    assert (os.readlink(tmp_path / "..data"), os.stat(tmp_path).st_mtime_ns) == before
    atomic_tree.write(str(tmp_path), {**wanted, "a": File(b"1", 0o600)})
    assert seen(tmp_path)["a"] == ("1", 0o600)
    atomic_tree.write(str(tmp_path), {})
    assert seen(tmp_path) == {}


class Killed(BaseException):
    """The end of a writer at some step."""


def killed_at(step: int, function: str, count: list[int]) -> Callable[..., Any]:
    real = getattr(os, function)

    def counted(*args: Any, **kwargs: Any) -> Any:
        count.append(step)
        if len(count) == step:
            raise Killed
        return real(*args, **kwargs)

    return counted


def write_and_be_killed(folder: Path, wanted: dict[str, File], step: int) -> bool:
    """Tell whether a writer got to its end before that step."""
    count: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        for function in ("mkdir", "chmod", "open", "fchmod", "symlink", "rename", "unlink", "rmdir", "listdir"):
            patch.setattr(os, function, killed_at(step, function, count))
        try:
            atomic_tree.write(str(folder), wanted)
        except Killed:
            return False
    return True


def test_a_writer_that_is_killed_at_any_step_leaves_the_old_or_the_new(tmp_path) -> None:
    old = {"a": File(b"1", 0o644), "gone": File(b"g", 0o644)}
    new = {"a": File(b"2", 0o644), "d/b": File(b"2", 0o644)}
    for step in range(1, 100):
        folder = tmp_path / str(step)
        folder.mkdir()
        atomic_tree.write(str(folder), old)
        done = write_and_be_killed(folder, new, step)
        assert seen(folder)["a"][0] in (("2",) if done else ("1", "2"))
        atomic_tree.write(str(folder), new)
        assert seen(folder) == {"a": ("2", 0o644), "d/b": ("2", 0o644)}
        assert sorted(os.listdir(folder)) == sorted([os.readlink(folder / "..data"), "..data", "a", "d"])
        if done:
            break
    assert done
    assert step > 10
