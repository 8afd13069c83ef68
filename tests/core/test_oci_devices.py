# SPDX-License-Identifier: Apache-2.0
"""Devices: the default ones, and those of the configuration."""

import pytest

from ocispecs import changed, compiled, compiled_with, steps_of
from podwright.errors import ManifestError
from podwright.oci.default_spec import default_spec

DEFAULT = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"]
NULL = {"type": "c", "path": "/dev/null", "major": 1, "minor": 3}


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (
            "linux.devices",
            [{"path": "dev/x", "type": "c"}],
            "linux.devices[0].path is 'dev/x', but must be an absolute path",
        ),
        (
            "linux.devices",
            [{"path": "/dev/../x", "type": "c"}],
            "linux.devices[0].path is '/dev/../x', but must be a plain path",
        ),
        (
            "linux.devices",
            [{"path": "/dev/x", "type": "c", "major": 1}],
            "linux.devices[0].minor is missing; only a FIFO has no numbers",
        ),
        (
            "linux.devices",
            [{"path": "/dev/x", "type": "p"}, {"path": "/dev/x", "type": "p", "uid": 5}],
            "linux.devices[1].path: /dev/x is listed twice, each time another one",
        ),
    ],
)
def test_what_is_refused(path, value, reason):
    with pytest.raises(ManifestError) as caught:
        compiled_with(path, value)
    assert reason in caught.value.message
    assert caught.value.field in caught.value.message


def test_a_device_of_the_configuration():
    fuse = {"type": "u", "path": "/dev/fuse", "major": 10, "minor": 229, "fileMode": 0o20640, "uid": 5, "gid": 6}
    pipe = {"type": "p", "path": "/run/pipe"}
    steps = steps_of(compiled_with("linux.devices", [fuse, pipe]), "device")
    assert [step[2] for step in steps] == [*DEFAULT, "/dev/fuse", "/run/pipe"]
    assert steps[-2:] == [
        ["device", "c", "/dev/fuse", 10, 229, 0o640, 5, 6],
        ["device", "p", "/run/pipe", 0, 0, 0o666, 0, 0],
    ]


def test_a_default_device_with_another_mode():
    steps = steps_of(compiled_with("linux.devices", [NULL | {"fileMode": 0o600}, NULL | {"fileMode": 0o600}]), "device")
    assert steps[0] == ["device", "c", "/dev/null", 1, 3, 0o600, 0, 0]
    assert len(steps) == len(DEFAULT)


def test_all_devices_of_the_host():
    """Docker and Podman list them for a privileged container."""
    ptmx = {"type": "c", "path": "/dev/ptmx", "major": 5, "minor": 2}
    plan = compiled_with("linux.devices", [ptmx])
    assert "/dev/ptmx" not in [step[2] for step in steps_of(plan, "device")]
    assert ["symlink", "pts/ptmx", "/dev/ptmx"] in plan["steps"]


@pytest.mark.parametrize(
    "mount", [{"type": "bind"}, {"type": "none", "options": ["rbind"]}, {"options": ["bind"]}], ids=str
)
def test_nothing_is_made_in_the_hosts_own_dev(mount):
    spec = default_spec()
    spec["mounts"] = [spec["mounts"][0], {"destination": "/dev/", "source": "/dev", **mount}]
    plan = compiled(changed(spec, "linux.devices", [{**NULL, "path": "/opt/null"}, NULL]))
    assert [step[2] for step in steps_of(plan, "device")] == ["/opt/null"]
    assert not steps_of(plan, "symlink")
