# SPDX-License-Identifier: Apache-2.0
"""podwright run and podwright container, as their users call them."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

import hosttools
import imagetools
from podwright.oci.default_spec import default_spec

IMAGE = "registry.test/run/busybox:1"


@pytest.fixture(scope="module")
def host():
    made = hosttools.Host()
    yield made
    made.close()


@pytest.fixture
def rootfs(tmp_path):
    path = tmp_path / "a root: with, signs"
    (path / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", path / "bin")
    for name in ("sh", "echo", "sleep", "cat", "tty", "id"):
        (path / "bin" / name).symlink_to("busybox")
    return path


def run(host, *words, **options):
    return host.run("run", *words, check=False, **options)


def test_a_command_in_a_root_directory(host, rootfs):
    done = run(host, "-r", str(rootfs), "-H", "inside", "sh", "-c", "echo $(cat /proc/sys/kernel/hostname); exit 7")
    assert (done.returncode, done.stdout) == (7, "inside\n"), done.stderr


def test_the_directory_stays_clean_and_nothing_is_left(host, rootfs):
    before = sorted(path.name for path in rootfs.rglob("*"))
    mounts = Path("/proc/self/mountinfo").read_text()
    done = run(host, "-r", str(rootfs), "sh", "-c", "echo x > /new && cat /new")
    assert (done.returncode, done.stdout) == (0, "x\n"), done.stderr
    assert sorted(path.name for path in rootfs.rglob("*")) == before
    assert os.listdir(host.root / "lib/run") == []
    assert os.listdir(host.run_dir / "run/oci") == []
    assert Path("/proc/self/mountinfo").read_text() == mounts


def test_limits_hold(host, rootfs):
    script = "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us"
    if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        script = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max /sys/fs/cgroup/cpu.max"
    done = run(host, "--memory", "64m", "--cpus", "0.5", "--pids-limit", "20", "-r", str(rootfs), "sh", "-c", script)
    assert done.stdout.split()[:3] == [str(64 << 20), "20", "50000"], done.stderr


def test_a_read_only_root(host, rootfs):
    done = run(host, "--read-only", "-r", str(rootfs), "sh", "-c", "echo x > /new")
    assert done.returncode == 1
    assert "Read-only file system" in done.stderr


def test_an_image_gives_command_environment_and_user(host, tmp_path):
    layout = imagetools.make_busybox_image(
        tmp_path / "layout", {"Entrypoint": ["/bin/sh", "-c"], "Cmd": ["echo $A $(id -u)"], "Env": ["A=b"], "User": "7"}
    )
    host.run("import", layout, IMAGE)
    done = run(host, IMAGE)
    assert (done.returncode, done.stdout) == (0, "b 7\n"), done.stderr
    assert run(host, IMAGE, "echo mine").stdout == "mine\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "run needs an image, or --rootfs"),
        (["-r", "/none", "sh"], "--rootfs is '/none', but must be a directory"),
        (["-r", "/", "sh"], "not the host's root"),
        (["--memory", "much", "-r", "/usr", "sh"], "--memory is 'much'"),
    ],
)
def test_what_is_wrong_is_named(host, words, message):
    done = run(host, *words)
    assert done.returncode == 1
    assert message in done.stderr


def test_what_a_killed_run_leaves_goes_with_the_next(host, rootfs):
    words = [str(hosttools.BIN / "podwright"), "run", "-r", str(rootfs), "sleep", "600"]
    child = subprocess.Popen(words, env=os.environ | {"PODWRIGHT_CONFIG": str(host.config_path)})
    _until(lambda: _containers(host) and _containers(host)[0]["status"] == "running")
    name = _containers(host)[0]["id"]
    child.kill()
    child.wait()
    assert run(host, "-r", str(rootfs), "true_").returncode == 1
    assert os.listdir(host.root / "lib/run") == [name], "its container still uses it"
    host.run("container", "delete", "--force", name)
    run(host, "-r", str(rootfs), "sh", "-c", "exit 0")
    assert os.listdir(host.root / "lib/run") == []


def _containers(host):
    done = subprocess.run(
        [str(hosttools.BIN / "podwright-oci"), "list", "--format", "json"],
        env=os.environ | {"PODWRIGHT_CONFIG": str(host.config_path)},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


def test_a_container_by_its_orders(host, rootfs, tmp_path):
    spec = default_spec()
    spec["process"] |= {"args": ["sleep", "600"], "terminal": False}
    spec["process"].pop("rlimits")
    spec["root"] = {"path": str(rootfs)}
    spec["linux"]["cgroupsPath"] = f"{host.cgroup}/web"
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle/config.json").write_text(json.dumps(spec))
    words = [str(hosttools.BIN / "podwright"), "container", "create", "web", "--bundle", str(tmp_path / "bundle")]
    environment = os.environ | {"PODWRIGHT_CONFIG": str(host.config_path)}
    subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, check=True)  # no pipe, which it would keep
    assert json.loads(host.run("container", "state", "web").stdout)["status"] == "created"
    host.run("container", "start", "web")
    assert host.run("container", "list").stdout.splitlines()[1].split()[2] == "running"
    done = host.run("container", "delete", "web", check=False)
    assert "container web is running" in done.stderr
    begin = time.monotonic()
    host.run("container", "stop", "web", "--timeout", "0.2")  # PID 1 has no handler for SIGTERM
    assert time.monotonic() - begin < 10
    assert json.loads(host.run("container", "state", "web").stdout)["status"] == "stopped"
    host.run("container", "delete", "web")
    assert host.run("container", "state", "web", check=False).stderr == "podwright: container web does not exist\n"


def _until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
