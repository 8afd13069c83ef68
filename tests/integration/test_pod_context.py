# SPDX-License-Identifier: Apache-2.0
"""The pod's own security context: the group of its volumes, its groups, its kernel parameters."""

import pytest

from hosttools import Host
from imagetools import busybox_layer, make_busybox_image, make_layout
from podtools import IMAGE, container, eventually, pod
from podwright.errors import HostError

USER = {"runAsUser": 1000, "runAsGroup": 1001}


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    host = Host(**{"pods.allowed_unsafe_sysctls": ["net.core.somaxconn", "kernel.shm*"]})
    host.run("import", image(tmp_path_factory), IMAGE)
    yield host
    host.close()


def image(tmp_path_factory):
    layout = tmp_path_factory.mktemp("image") / "layout"
    make_busybox_image(layout)
    return layout


def said(machine, manifest):
    """Return what the only container of a pod writes, then remove the pod."""
    machine.runtime.apply(manifest)
    name = manifest["metadata"]["name"]
    try:
        eventually(lambda: "end" in machine.runtime.logs(name), "its output")
        return machine.runtime.logs(name)[:-1]
    finally:
        machine.delete(name)


def test_volumes_are_the_groups_and_those_of_the_host_are_not(machine, tmp_path):
    tmp_path.chmod(0o755)
    data = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"key": "value"}}
    machine.runtime.objects.apply(data)
    volumes = [
        {"name": "disk", "emptyDir": {}},
        {"name": "fast", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {
            "name": "key",
            "secret": {"secretName": "s", "defaultMode": 0o400, "items": [{"key": "key", "path": "a/key"}]},
        },
        {"name": "host", "hostPath": {"path": str(tmp_path)}},
    ]
    mounts = [{"name": one["name"], "mountPath": f"/{one['name']}"} for one in volumes]
    mounts.append({"name": "disk", "mountPath": "/part", "subPath": "x/y"})
    script = (
        "exec 2>&1; id -G; stat -c '%a %g' /disk /fast /key /host /part; stat -L -c '%a %g' /key/a /key/a/key;"
        " cat /key/a/key; echo; touch /disk/file /fast/file; stat -c %g /disk/file /fast/file; touch /host/file;"
        " df -k /fast | tail -n 1 | awk '{print $2}'; echo end; exec sleep 1000"
    )
    app = container("app", script, volumeMounts=mounts)
    context = {**USER, "fsGroup": 2000, "supplementalGroups": [5]}
    assert said(machine, pod("groups", app, volumes=volumes, securityContext=context)) == [
        "1001 5 2000",
        "2777 2000",
        "3777 2000",
        "3777 2000",
        "755 0",
        "2777 2000",
        "2755 2000",
        "440 2000",
        "value",
        "2000",
        "2000",
        "touch: /host/file: Permission denied",
        "1024",
    ]


def test_strict_groups_are_those_of_the_pod_alone(machine, tmp_path):
    users = [
        {"name": "etc/group", "data": "team:x:77:1000,me\n"},
        {"name": "etc/passwd", "data": "me:x:1000:50::/:/bin/sh\n"},
    ]
    layout = tmp_path / "layout"
    make_layout(layout, [busybox_layer(), users], {"Env": ["PATH=/bin"], "User": "1000"})
    machine.run("import", layout, "localhost/teams:1")
    app = container("app", "id -G; echo end; exec sleep 1000", image="localhost/teams:1")
    merged = pod("teams", app, securityContext={"supplementalGroups": [9]})
    assert said(machine, merged) == ["50 9 77"]
    merged["spec"]["securityContext"]["supplementalGroupsPolicy"] = "Strict"
    assert said(machine, merged) == ["50 9"]


def test_kernel_parameters_are_the_pods_own(machine):
    script = (
        "cd /proc/sys; cat net/ipv4/ip_unprivileged_port_start net/core/somaxconn kernel/shm_rmid_forced"
        " net/ipv4/conf/eth0/forwarding; echo end; exec sleep 1000"
    )
    names = {"net/ipv4/ip_unprivileged_port_start": "80", "net.core.somaxconn": "77", "kernel.shm_rmid_forced": "1"}
    sysctls = [{"name": name, "value": value} for name, value in names.items()]
    manifest = pod("tuned", container("app", script), securityContext={"sysctls": sysctls})
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
        before = file.read()
    assert said(machine, manifest)[:3] == ["80", "77", "1"]
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
        assert file.read() == before


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("net.ipv4.ip_forward", "1", r"^spec\.securityContext\.sysctls\[net\.ipv4\.ip_forward\]: SysctlForbidden: "),
        ("kernel.panic", "1", "SysctlForbidden: kernel.panic is a parameter of the whole host"),
        ("net.ipv4.tcp_syncookies", "many", "the pod's sandbox cannot be made: .*tcp_syncookies: Invalid argument"),
        ("kernel.shm_unknown", "1", "SysctlForbidden: kernel.shm_unknown is a parameter of the whole host"),
    ],
)
def test_a_parameter_that_cannot_be_set(machine, name, value, reason):
    context = {"sysctls": [{"name": name, "value": value}]}
    with pytest.raises(HostError, match=reason):
        machine.runtime.apply(pod("bad", container("app", "sleep", "1000"), securityContext=context))
    assert machine.pods() == []
