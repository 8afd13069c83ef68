# SPDX-License-Identifier: Apache-2.0
"""What a container stands on and whom it runs as."""

from typing import Any

import pytest

from podwright.errors import HostError, ManifestError
from podwright.pods import settings
from podwright.pods.store import Record

PASSWD = "root:x:0:0::/root:/bin/sh\napp:x:1000:2000::/home/app:/bin/sh\n"
GROUP = "root:x:0:\nstaff:x:50:app\nextra:x:60:app\n"


@pytest.fixture
def rootfs(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    return tmp_path


def user(rootfs, image_user: str, context: dict[str, Any], pod_context: dict[str, Any] | None = None) -> Any:
    container = {"name": "web", "rootfs": str(rootfs), "securityContext": context}
    pod = {"kind": "Pod", "metadata": {}, "spec": {"securityContext": pod_context or {}, "containers": [container]}}
    ground = settings.Ground("the-image", "d", [str(rootfs)], {"User": image_user})
    return settings.user_of(Record("u", "running", pod, 1, {}, ""), container, ground)


@pytest.mark.parametrize(
    ("image_user", "context", "pod_context", "expected"),
    [
        ("", {}, {}, (0, 0, (0,), "/root")),
        ("app", {}, {}, (1000, 2000, (2000, 50, 60), "/home/app")),
        ("app:staff", {"runAsUser": 1000}, {}, (1000, 2000, (2000, 50, 60), "/home/app")),
        ("app", {"runAsUser": 5}, {}, (5, 0, (0,), "/")),
        ("app", {"runAsUser": 5, "runAsGroup": 6}, {}, (5, 6, (6,), "/")),
        ("app", {"runAsGroup": 6}, {}, (1000, 6, (6, 50, 60), "/home/app")),
        ("app", {}, {"runAsUser": 5, "supplementalGroups": [0, 9]}, (5, 0, (0, 9), "/")),
        ("app", {"runAsUser": 0}, {"runAsUser": 5}, (0, 0, (0,), "/root")),
        ("", {"runAsGroup": 7}, {}, (0, 7, (7,), "/root")),
    ],
)
def test_whom_it_runs_as(rootfs, image_user, context, pod_context, expected):
    assert tuple(user(rootfs, image_user, context, pod_context)) == expected


@pytest.mark.parametrize(
    ("image_user", "context", "reason"),
    [
        ("", {}, "the-image runs as root; set runAsUser"),
        ("0", {}, "the-image runs as root; set runAsUser"),
        ("app", {}, "the-image runs as 'app', a name that could be root's; set runAsUser to a number"),
        ("root:staff", {"runAsGroup": 3}, "the-image runs as 'root', a name"),
    ],
)
def test_who_must_not_be_root_is_known_not_to_be(rootfs, image_user, context, reason):
    with pytest.raises(ManifestError) as caught:
        user(rootfs, image_user, {"runAsNonRoot": True, **context})
    field = "spec.containers[web].securityContext.runAsNonRoot"
    assert caught.value.field == field
    assert caught.value.message.startswith(f"{field}: {reason}")


@pytest.mark.parametrize(
    ("image_user", "context"), [("1000", {}), ("app", {"runAsUser": 1000}), ("", {"runAsUser": 7})]
)
def test_a_number_proves_it(rootfs, image_user, context):
    assert user(rootfs, image_user, {"runAsNonRoot": True, **context}).uid


def test_a_rootfs_may_be_a_symlink(rootfs, tmp_path_factory):
    link = tmp_path_factory.mktemp("links") / "current"
    link.symlink_to(rootfs)
    ground = settings.ground_of({"name": "web", "rootfs": str(link)}, None, None)
    assert ground == (str(link), str(rootfs), [str(rootfs)], {})


def test_a_rootfs_that_is_no_directory_is_named(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "none"):
        with pytest.raises(HostError, match="is not a directory of this host") as caught:
            settings.ground_of({"name": "web", "rootfs": str(path)}, None, None)  # type: ignore[arg-type]  # not asked
        assert caught.value.field == "spec.containers[web].rootfs"
