# SPDX-License-Identifier: Apache-2.0
"""Scopes of systemd: what busctl is told, what becomes of its answers, and that nothing stays."""

import os
import subprocess
import sys
import time

import pytest

from podwright.cgroups.fake import FakeCgroupfs
from podwright.containers.launch import PODINIT
from podwright.containers.scope import Holder, Scope, ScopeCgroup, shared
from podwright.errors import HostError, ManifestError

INFINITY = "18446744073709551615"
BUSCTL = """#!/bin/sh
host=$(dirname "$0")/..
echo "$@" >>"$host/calls"
[ -e "$host/refusal" ] && { cat "$host/refusal" >&2; rm "$host/refusal"; exit 1; }
unit=$8
scope=$host/cg/system.slice/$unit
case $6 in
StartTransientUnit)
    while [ "$1" != PIDs ]; do shift; done
    mkdir -p "$host/proc/$4" "$scope"
    echo "0::/system.slice/$unit" >"$host/proc/$4/cgroup"
    for group in "$host/cg/system.slice" "$scope"; do
        for file in cgroup.subtree_control cgroup.procs; do : >"$group/$file"; done
    done ;;
StopUnit) rm -r "$scope" ;;
esac
"""


class Host:
    """A host with cgroup v2 where a systemd of few words runs."""

    def __init__(self, path):
        self.path = path
        for name in ("bin", "cg", "proc"):
            (path / name).mkdir()
        (path / "bin/busctl").write_text(BUSCTL)
        (path / "bin/busctl").chmod(0o755)
        self.files = FakeCgroupfs(str(path / "cg"), "cpu io memory pids")
        (path / "mountinfo").write_text(self.files.add_v2())
        self.scope = path / "cg/system.slice/runc-7.scope"

    def make(self, path="system.slice:runc:7", resources=None):
        places = {"files": self.files, "mountinfo": f"{self.path}/mountinfo", "proc": f"{self.path}/proc"}
        return Scope(path, "c1", resources or {}, podinit=PODINIT, **places)

    def calls(self):
        """The calls without what is the same in all."""
        start = "-- call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager "
        lines = (self.path / "calls").read_text().splitlines()
        assert all(line.startswith(start) for line in lines)
        return [line.removeprefix(start) for line in lines]

    def holders(self):
        found = subprocess.run(["pgrep", "-P", str(os.getpid()), "-f", "podinit hold"], stdout=subprocess.PIPE)
        return found.stdout.split()


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    host = Host(tmp_path)
    yield host
    assert not host.holders()


def end(host):
    """Do what systemd does with an empty scope."""
    for name in os.listdir(host.scope):
        (host.scope / name).unlink()
    host.scope.rmdir()


def test_the_scope_is_asked_for_with_a_placeholder(host):
    scope = host.make(resources={"cpu": {"shares": 1024}})
    (pid,) = os.listdir(host.path / "proc")
    (call,) = host.calls()
    assert call == (
        "StartTransientUnit ssa(sv)a(sa(sv)) runc-7.scope fail 8 Description s container c1 Slice s system.slice"
        f" Delegate b true PIDs au 1 {pid} CollectMode s inactive-or-failed DefaultDependencies b false"
        f" TasksMax t {INFINITY} CPUWeight t 100 0"
    )
    assert (host.scope / "placeholder/cgroup.procs").read_text() == f"{pid}\n"
    (host.scope / "placeholder/cgroup.procs").write_text("")
    scope.release()
    assert not os.path.exists(f"/proc/{pid}")
    assert not (host.scope / "placeholder").exists()


def test_the_containers_group_is_below_the_scope(host):
    scope = host.make()
    group = scope.group("error")
    group.create({"memory": {"limit": 1 << 20}})
    assert group.directories == [f"{host.scope}/container"]
    assert (host.scope / "container/memory.max").read_text() == f"{1 << 20}\n"
    assert not (host.scope / "memory.max").exists()
    (host.scope / "placeholder/cgroup.procs").write_text("")
    scope.release()
    again = ScopeCgroup.restored(group.record(), files=host.files)
    assert again.unit == scope.unit == "runc-7.scope"
    again.update({"cpu": {"shares": 2048, "quota": 1000}})
    assert host.calls()[1:] == ["SetUnitProperties sba(sv) runc-7.scope true 1 CPUWeight t 174"]
    again.update({"pids": {"limit": 5}})
    assert len(host.calls()) == 2, "what concerns no neighbour is not systemd's"
    assert "system.slice/runc-7.scope/container/pids.max = 5" in host.files.log


@pytest.mark.parametrize("order", ["remove", "destroy"])
def test_a_scope_that_does_not_end_is_stopped(host, monkeypatch, order):
    scope = host.make()
    group = scope.group("error")
    group.create({})
    (host.scope / "placeholder/cgroup.procs").write_text("")
    scope.release()
    monkeypatch.setattr("podwright.containers.scope._PATIENCE", 0.01)
    getattr(group, order)()
    assert host.calls()[1:] == ["StopUnit ss runc-7.scope replace"]
    assert not host.scope.exists()


def test_a_scope_that_ended_by_itself_is_left_alone(host):
    scope = host.make()
    group = scope.group("error")
    (host.scope / "placeholder/cgroup.procs").write_text("")
    scope.release()
    end(host)
    group.destroy()
    assert len(host.calls()) == 1


def test_the_words_of_systemd_are_the_error(host):
    (host.path / "refusal").write_text("Call failed: Unit name runc-7.scope is not valid.\n")
    with pytest.raises(HostError, match=r"^systemd makes no scope runc-7.scope: Unit name runc-7.scope is not valid.$"):
        host.make()


def test_a_unit_that_has_just_ended_is_waited_for(host):
    (host.path / "refusal").write_text("Call failed: Unit runc-7.scope was already loaded or has a fragment file.\n")
    scope = host.make()
    (host.scope / "placeholder/cgroup.procs").write_text("")
    scope.release()
    assert len(host.calls()) == 2


def test_a_unit_of_the_same_name_is_refused(host, monkeypatch):
    monkeypatch.setattr("podwright.containers.systemd._FORGET_TIMEOUT", -1)
    (host.path / "refusal").write_text("Call failed: Unit runc-7.scope was already loaded or has a fragment file.\n")
    with pytest.raises(HostError, match="already loaded"):
        host.make()


def test_a_placeholder_that_systemd_does_not_move_is_an_error(host, monkeypatch):
    monkeypatch.setattr("podwright.containers.scope._JOIN_TIMEOUT", 0.05)
    monkeypatch.setattr("podwright.containers.scope.own_groups", lambda path: {"": "/elsewhere"})
    with pytest.raises(HostError, match=r"did not put a process into it; see journalctl -u runc-7\.scope"):
        host.make()
    assert host.calls()[1:] == ["StopUnit ss runc-7.scope replace"]


def test_without_busctl_the_error_says_what_it_is_part_of(host, monkeypatch):
    monkeypatch.setenv("PATH", str(host.path))
    with pytest.raises(HostError, match="cannot run busctl, which is part of systemd: No such file"):
        host.make()
    monkeypatch.undo()  # pgrep is looked for next


@pytest.mark.parametrize("line", ["", "32 31 0:29 / {}/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"])
def test_a_host_whose_systemd_uses_v1_is_refused(host, line):
    unified = host.files.add_v2() if line else ""
    (host.path / "mountinfo").write_text(line.format(host.path) + unified)
    with pytest.raises(HostError, match=r"systemd uses cgroup v1 on this host.*: use the cgroupfs driver"):
        host.make()
    assert not (host.path / "calls").exists()


def test_a_user_is_refused(host, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(HostError, match="only root may ask for one: use the cgroupfs driver, without --systemd-cgroup"):
        host.make()


def test_a_slice_is_no_place_for_processes(host):
    with pytest.raises(HostError, match="names a slice, but systemd puts processes into scopes only"):
        host.make("a.slice::n.slice")


@pytest.mark.parametrize(("path", "resources"), [("/a/b", {}), ("a:b:c", {}), (None, {"cpu": {"shares": "many"}})])
def test_what_is_wrong_is_refused_before_systemd_hears_of_it(host, path, resources):
    with pytest.raises(ManifestError):
        host.make(path, resources)
    assert not (host.path / "calls").exists()


def test_what_neighbours_share_is_told_to_systemd():
    device = {"major": 8, "minor": 16, "weight": 1000}
    resources = {
        "cpu": {"shares": 2, "quota": 1000},
        "memory": {"limit": 1 << 30, "reservation": -1},
        "blockIO": {"weight": 10, "weightDevice": [device]},
        "unified": {"memory.min": "4096", "cpu.weight": "7", "io.max": "8:0 rbps=1"},
    }
    assert shared(resources) == {
        "CPUWeight": ("t", "7"),
        "MemoryLow": ("t", INFINITY),
        "MemoryMin": ("t", "4096"),
        "IOWeight": ("t", "1"),
        "IODeviceWeight": ("a(st)", "1", "/dev/block/8:16", "10000"),
    }
    assert shared({"cpu": {"idle": 1}}) == {"CPUWeight": ("t", "0")}
    assert shared({}) == {}


def test_the_placeholder_ends_with_its_parent():
    script = "import sys, time; from podwright.containers.scope import Holder; from podwright.containers.launch import "
    script += "PODINIT; print(Holder(PODINIT, 0).pid, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{pid}/cwd") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not os.path.exists(f"/proc/{pid}/cwd")


def test_a_placeholder_is_ended_once():
    holder = Holder(PODINIT, 30)
    assert not holder.ended()
    holder.end()
    holder.end()
    assert holder.ended()
    assert not os.path.exists(f"/proc/{holder.pid}")
