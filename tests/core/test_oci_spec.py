# SPDX-License-Identifier: Apache-2.0
"""One container of a pod as config.json."""

import json
from typing import Any

import pytest

from podwright.cgroups.limits import Limits
from podwright.errors import ImageError, ManifestError
from podwright.manifest.expand import expand
from podwright.oci.spec import Cgroup, Sandbox, container_spec
from podwright.oci.users import User
from podwright.security import capabilities

POD_DIR = "/var/lib/podwright/pods/1234"
PATH = "/podwright/pod1234/container-app"
UNIFIED = [f"/sys/fs/cgroup{PATH}"]
HYBRID = [f"/sys/fs/cgroup/{name}{PATH}" for name in ("memory", "cpu", "pids", "unified")]
IMAGE = {"Entrypoint": ["/entry"], "Cmd": ["run", "fast"], "Env": ["PATH=/bin", "LANG=C"], "WorkingDir": "/srv"}


def spec_of(
    container: dict[str, Any] | None = None,
    image: dict[str, Any] | None = None,
    *,
    limits: Limits | None = None,
    cgroups: list[str] = UNIFIED,
    user: User = User(0, 0, (0,), "/root"),  # noqa: B008  # immutable
) -> dict[str, Any]:
    return container_spec(
        {"metadata": {"name": "web", "namespace": "shop"}, "spec": {}},
        {"name": "app", "image": "example/app:1", **(container or {})},
        IMAGE if image is None else image,
        sandbox=Sandbox("1234", "web", POD_DIR),
        cgroup=Cgroup(PATH, cgroups, limits or Limits()),
        user=user,
        oom_score_adj=1000,
        declared={item["name"]: item["value"] for item in (container or {}).get("env", [])},
        expand=expand,
    )


@pytest.mark.parametrize(
    ("container", "image", "expected"),
    [
        ({}, IMAGE, ["/entry", "run", "fast"]),
        ({"args": ["slow"]}, IMAGE, ["/entry", "slow"]),
        ({"command": ["/other"]}, IMAGE, ["/other"]),
        ({"command": ["/other"], "args": ["x"]}, IMAGE, ["/other", "x"]),
        ({"command": [], "args": []}, IMAGE, ["/entry", "run", "fast"]),
        ({}, {"Cmd": ["sh"]}, ["sh"]),
        ({"args": ["x"]}, {"Cmd": ["sh"]}, ["x"]),
        ({}, {"Entrypoint": ["/entry"], "Cmd": None}, ["/entry"]),
    ],
)
def test_command_and_args_replace_what_kubernetes_says(container, image, expected):
    assert spec_of(container, image)["process"]["args"] == expected


def test_commands_are_expanded_from_declared_variables():
    container = {
        "env": [
            {"name": "EARLY", "value": "1"},
            {"name": "BOTH", "value": "1-$(LATE)-$(LANG)"},
            {"name": "LATE", "value": "$(EARLY)"},
            {"name": "EMPTY", "value": ""},
        ],
        "command": ["echo", "$(BOTH)", "$(PATH)"],
        "args": ["$$(EARLY)", "$(LATE)"],
    }
    process = spec_of(container)["process"]
    # An image's own variables are no references' targets, as in Kubernetes.
    assert process["args"] == ["echo", "1-$(LATE)-$(LANG)", "$(PATH)", "$(EARLY)", "$(EARLY)"]
    assert process["env"][-5:] == ["EARLY=1", "BOTH=1-$(LATE)-$(LANG)", "LATE=$(EARLY)", "EMPTY=", "HOME=/root"]


def test_the_environment_has_image_then_container_and_defaults():
    container = {"env": [{"name": "LANG", "value": "de"}]}
    assert spec_of(container)["process"]["env"] == ["PATH=/bin", "HOSTNAME=web", "LANG=de", "HOME=/root"]
    assert spec_of({"command": ["x"]}, {})["process"]["env"] == [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOSTNAME=web",
        "HOME=/root",
    ]
    assert "HOME=/x" in spec_of({"env": [{"name": "HOME", "value": "/x"}]})["process"]["env"]


def test_the_working_directory():
    assert spec_of()["process"]["cwd"] == "/srv"
    assert spec_of({"workingDir": "/tmp"})["process"]["cwd"] == "/tmp"
    assert spec_of({"command": ["x"]}, {"WorkingDir": ""})["process"]["cwd"] == "/"


def test_the_user_and_the_privileges():
    process = spec_of(user=User(101, 102, (102, 4), "/var/www"))["process"]
    assert process["user"] == {"uid": 101, "gid": 102, "additionalGids": [102, 4]}
    assert "HOME=/var/www" in process["env"]
    sets = process["capabilities"]
    assert sets["bounding"] == sets["effective"] == sets["permitted"] == list(capabilities.DEFAULT)
    assert sets["inheritable"] == sets["ambient"] == []
    assert process["noNewPrivileges"] is True
    assert process["oomScoreAdj"] == 1000


def test_limits_become_resources():
    limits = Limits(cpu_quota_us=50_000, cpu_shares=512, memory_max=64 << 20, pids_max=100, container=True)
    assert spec_of(limits=limits)["linux"]["resources"] == {
        "devices": [{"allow": False, "access": "rwm"}],
        "cpu": {"shares": 512, "quota": 50_000, "period": 100_000},
        "memory": {"limit": 64 << 20, "swap": 64 << 20},
        "pids": {"limit": 100},
    }
    assert spec_of()["linux"]["resources"].keys() == {"devices"}
    assert spec_of()["linux"]["cgroupsPath"] == PATH


def mounts_of(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {mount["destination"]: mount for mount in spec["mounts"]}


def test_the_pods_files_and_shared_memory_are_bound():
    mounts = mounts_of(spec_of())
    for name in ("hosts", "hostname", "resolv.conf"):
        assert mounts[f"/etc/{name}"]["source"] == f"{POD_DIR}/etc/{name}"
    assert mounts["/dev/shm"]["source"] == f"{POD_DIR}/shm"
    assert "ro" in mounts["/sys"]["options"]
    for mount in mounts.values():
        assert "nosuid" in mount["options"]


def test_the_unified_hierarchy_shows_the_containers_own_cgroup():
    spec = spec_of()
    mounts = mounts_of(spec)
    assert mounts["/sys/fs/cgroup"]["source"] == UNIFIED[0]
    assert "ro" in mounts["/sys/fs/cgroup"]["options"]
    assert "/sys/fs/cgroup" not in spec["linux"]["readonlyPaths"]


def test_hybrid_hierarchies_stand_side_by_side_and_readonly():
    spec = spec_of(cgroups=HYBRID)
    mounts = mounts_of(spec)
    assert mounts["/sys/fs/cgroup"]["type"] == "tmpfs"
    for name, source in zip(("memory", "cpu", "pids", "unified"), HYBRID, strict=True):
        assert mounts[f"/sys/fs/cgroup/{name}"]["source"] == source
        assert "ro" in mounts[f"/sys/fs/cgroup/{name}"]["options"]
    assert "/sys/fs/cgroup" in spec["linux"]["readonlyPaths"]


def test_a_host_without_cgroups_mounts_none():
    assert not [target for target in mounts_of(spec_of(cgroups=[])) if target.startswith("/sys/fs")]


def test_it_is_json_and_says_whose_it_is():
    spec = spec_of()
    assert json.loads(json.dumps(spec)) == spec
    assert spec["annotations"]["io.kubernetes.cri.sandbox-uid"] == "1234"
    assert spec["annotations"]["io.kubernetes.cri.container-name"] == "app"
    assert spec["root"]["path"] == f"{POD_DIR}/containers/app/rootfs"


def test_no_command_anywhere_is_an_error():
    with pytest.raises(ManifestError, match="image example/app:1 has no command") as caught:
        spec_of({}, {})
    assert caught.value.field == "spec.containers[app].command"


@pytest.mark.parametrize(
    ("container", "field"),
    [
        ({"tty": True}, "spec.containers[app].tty"),
        ({"command": ["a\0b"]}, "spec.containers[app].command"),
        ({"env": [{"name": "X", "value": "a\0b"}]}, "spec.containers[app].env[X].value"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(container, field):
    with pytest.raises(ManifestError) as caught:
        spec_of(container)
    assert caught.value.field == field


def test_an_empty_security_context_asks_for_nothing():
    assert spec_of({"securityContext": {}}) == spec_of()


@pytest.mark.parametrize(
    "image",
    [
        {"Entrypoint": "sh -c"},
        {"Cmd": [1]},
        {"Cmd": ["a\0"]},
        {"Cmd": ["x"], "Env": ["NOVALUE"]},
        {"Cmd": ["x"], "Env": ["=x"]},
        {"Cmd": ["x"], "Env": {"A": "b"}},
        {"Cmd": ["x"], "WorkingDir": "relative"},
        {"Cmd": ["x"], "WorkingDir": 7},
    ],
)
def test_a_malformed_image_configuration_is_named(image):
    with pytest.raises(ImageError, match="image example/app:1: its "):
        spec_of({}, image)
