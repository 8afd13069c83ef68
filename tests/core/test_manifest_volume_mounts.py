# SPDX-License-Identifier: Apache-2.0
"""``volumeMounts``: what is refused, and the normal form."""

from typing import Any

import pytest

from manifesttools import SMALL, with_container
from podwright.errors import HostError, ManifestError
from podwright.manifest.normalise import NORMALISER_VERSION, normalise
from podwright.plan.model import Observed
from podwright.plan.planner import plan
from podwright.pods import propagation
from podwright.pods.claims import ClaimStore
from podwright.pods.store import Record
from podwright.pods.volume_mounts import mounts_of

WHERE = "spec.containers[server]"


def manifest(mount: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return the small pod whose container mounts an emptyDir."""
    given = with_container(volumeMounts=[{"name": "data", "mountPath": "/data", **mount}], **fields)
    given["spec"]["volumes"] = [{"name": "data"}]
    return given


def normal(mount: dict[str, Any]) -> dict[str, Any]:
    """Return the normal form of what a mount has beside name and mountPath."""
    (found,) = normalise(manifest(mount)).pod["spec"]["containers"][0]["volumeMounts"]
    return {key: value for key, value in found.items() if key not in ("name", "mountPath")}


def refused(mount: dict[str, Any], **fields: Any) -> str:
    with pytest.raises(ManifestError) as caught:
        normalise(manifest(mount, **fields))
    return caught.value.message.removeprefix("spec.containers[0].volumeMounts[0].")


@pytest.mark.parametrize(
    ("mount", "expected"),
    [
        ({"subPath": "a//b/./c/"}, {"subPath": "a/b/c"}),
        ({"subPath": "..a"}, {"subPath": "..a"}),
        ({"subPath": "."}, {}),
        ({"subPath": "", "subPathExpr": ""}, {}),
        ({"subPathExpr": "$(POD)/x"}, {"subPathExpr": "$(POD)/x"}),
        ({"subPath": None, "readOnly": True}, {"readOnly": True}),
        ({"mountPropagation": "None", "recursiveReadOnly": "Disabled"}, {}),
        ({"mountPropagation": "HostToContainer"}, {"mountPropagation": "HostToContainer"}),
        (
            {"readOnly": True, "recursiveReadOnly": "Enabled", "mountPropagation": "None"},
            {"readOnly": True, "recursiveReadOnly": "Enabled"},
        ),
    ],
)
def test_normal_form(mount: dict[str, Any], expected: dict[str, Any]) -> None:
    assert normal(mount) == expected


@pytest.mark.parametrize(
    ("mount", "reason"),
    [
        ({"subPath": "/a"}, "subPath: must be a relative path without '..'"),
        ({"subPath": "a/../b"}, "subPath: must be a relative path without '..'"),
        ({"subPathExpr": "../$(A)"}, "subPathExpr: must be a relative path without '..'"),
        ({"subPathExpr": "$(A)", "subPath": "a"}, "subPathExpr: cannot stand beside subPath; remove one of them"),
        ({"subPath": 1}, "subPath: must be a string"),
        ({"mountPropagation": "Both"}, "mountPropagation: must be 'None', 'HostToContainer' or 'Bidirectional'"),
        ({"mountPropagation": "Bidirectional"}, "mountPropagation: Bidirectional is only for privileged containers"),
        ({"recursiveReadOnly": "Enabled"}, "recursiveReadOnly: needs readOnly: true beside it"),
        (
            {"recursiveReadOnly": "IfPossible", "readOnly": True, "mountPropagation": "HostToContainer"},
            "recursiveReadOnly: cannot stand beside mountPropagation; remove one of them",
        ),
    ],
)
def test_what_cannot_be(mount: dict[str, Any], reason: str) -> None:
    assert refused(mount).startswith(reason)


def mounts(mount: dict[str, Any], **declared: str) -> Any:
    pod = normalise(manifest(mount)).pod
    record = Record("u", "running", pod, 1, {}, "")
    return mounts_of(record, record.containers[0], WHERE, declared, "/pod", ClaimStore("/root"))


def test_a_sub_path_is_mounted_from_where_it_was_looked_up() -> None:
    found = mounts({"subPathExpr": "$(POD)/$$(x)", "readOnly": True}, POD="web")
    assert found.sub_paths == [("/pod/volumes/data", "web/$(x)")]
    assert found.binds == [("/pod/containers/server/subpaths/0", "/data", ("rprivate", "ro"))]
    assert mounts({}) == ([("/pod/volumes/data", "/data", ("rprivate", "rw"))], [])


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ({}, "missing value for A, B; declare it in the container's env"),
        ({"A": "", "B": "x"}, "missing value for A; "),
        ({"A": "x", "B": ".."}, "is 'x/..' with its variables, but must be a relative path without '..'"),
        ({"A": "/etc", "B": "x"}, "is '/etc/x' with its variables, but must be a relative path without '..'"),
    ],
)
def test_an_expression_that_gives_no_path(declared: dict[str, str], reason: str) -> None:
    with pytest.raises(ManifestError) as caught:
        mounts({"subPathExpr": "$(A)/$(B)"}, **declared)
    assert caught.value.message.startswith(
        f"{WHERE}.volumeMounts[/data].subPathExpr: CreateContainerConfigError: {reason}"
    )


@pytest.mark.parametrize("source", [{"claimName": "big"}, {"claimName": "big", "readOnly": True}])
def test_a_persistent_volume_is_where_its_claim_is(source: dict[str, Any]) -> None:
    given = manifest({})
    given["spec"]["volumes"] = [{"name": "data", "persistentVolumeClaim": source}]
    record = Record("u", "running", normalise(given).pod, 1, {}, "")
    (bind,) = mounts_of(record, record.containers[0], WHERE, {}, "/pod", ClaimStore("/root")).binds
    right = "ro" if source.get("readOnly") else "rw"
    assert bind == ("/root/volumes/default_big/data", "/data", ("rprivate", right))


PRIVILEGED = {"securityContext": {"privileged": True}}


def prepared(mount: dict[str, Any], source: dict[str, Any], **fields: Any) -> Record:
    given = manifest(mount, **fields)
    given["spec"]["volumes"] = [{"name": "data", **source}]
    return Record("u", "running", normalise(given).pod, 1, {}, "")


@pytest.mark.parametrize(
    ("mode", "source", "bind", "rows"),
    [
        ("None", {}, ("/pod/volumes/data", "rprivate"), []),
        ("HostToContainer", {"hostPath": {"path": "/h"}}, ("/h", "rslave"), []),
        ("Bidirectional", {}, ("/pod/volumes/data", "rshared"), [["data", "/pod/volumes/data", "pod"]]),
        (
            "Bidirectional",
            {"hostPath": {"path": "/h"}},
            ("/pod/volumes/data", "rshared"),
            [["data", "/h", "host"]],
        ),
        (
            "Bidirectional",
            {"persistentVolumeClaim": {"claimName": "c"}},
            ("/pod/volumes/data", "rshared"),
            [["data", "/root/volumes/default_c/data", "pod"]],
        ),
        ("Bidirectional", {"hostPath": {"path": "/dev/null"}}, ("/dev/null", "rshared"), []),
    ],
)
def test_where_mounts_show(mode: str, source: dict[str, Any], bind: tuple[str, str], rows: list[list[str]]) -> None:
    record = prepared({"mountPropagation": mode}, source, **PRIVILEGED)
    claims = ClaimStore("/root")
    (found,) = mounts_of(record, record.containers[0], WHERE, {}, "/pod", claims).binds
    assert (found.source, found.options[0]) == bind
    assert propagation.rows(record, "/pod", claims) == rows


def test_read_only_with_all_below() -> None:
    for wanted, possible, expected in (
        ("Enabled", True, "rro"),
        ("IfPossible", True, "rro"),
        ("IfPossible", False, "ro"),
    ):
        record = prepared({"readOnly": True, "recursiveReadOnly": wanted}, {})
        how = {"recursive": lambda possible=possible: possible}
        (found,) = mounts_of(record, record.containers[0], WHERE, {}, "/pod", ClaimStore("/root"), **how).binds
        assert found.options == ("rprivate", expected)
    record = prepared({"readOnly": True, "recursiveReadOnly": "Enabled"}, {})
    with pytest.raises(HostError, match=r"recursiveReadOnly: the container's runtime cannot .*; choose IfPossible"):
        mounts_of(record, record.containers[0], WHERE, {}, "/pod", ClaimStore("/root"), recursive=lambda: False)


def test_a_mount_that_is_not_shared_is_named() -> None:
    record = prepared({"mountPropagation": "HostToContainer"}, {"hostPath": {"path": "/proc/self"}})
    field = r"^spec\.containers\[server\]\.volumeMounts\[/data\]\.mountPropagation: "
    with pytest.raises(HostError, match=field + "Bidirectional is for podwright's own runtime"):
        propagation.check(prepared({"mountPropagation": "Bidirectional"}, {}, **PRIVILEGED), external=True)
    place, options = propagation.mount_of("/proc/self")
    assert place == "/proc"
    if not [one for one in options if one.startswith(("shared:", "master:"))]:
        with pytest.raises(
            HostError, match=field + "/proc/self is on the mount /proc, which is not shared; mount --ma"
        ):
            propagation.check(record, external=False)


def test_whoever_shares_more_is_started_anew() -> None:
    before = prepared({"mountPropagation": "HostToContainer"}, {}, **PRIVILEGED).pod
    for mode, action in (("Bidirectional", "recreate"), ("None", "update")):
        after = prepared({"mountPropagation": mode}, {}, **PRIVILEGED).pod
        recorded = {"pod": before, "normaliser": NORMALISER_VERSION, "images": {}, "references": {}}
        assert plan(after, recorded, Observed(state="running", problems=[], digests={})).action == action


def test_the_small_pod_has_no_mounts() -> None:
    assert "volumeMounts" not in normalise(SMALL).pod["spec"]["containers"][0]
