# SPDX-License-Identifier: Apache-2.0
"""Hostile containers against podwright-oci's rights, cgroups and lifecycle. SNN is an item of the checklist."""

import array
import fcntl
import json
import os
import pty
import random
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from ocihost import oci_host, until
from podwright.containers import process

SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


@pytest.fixture(scope="module")
def module_oci():
    with oci_host() as made:
        yield made


@pytest.fixture
def oci(module_oci):
    yield module_oci
    module_oci.close()


def compile_c(folder, name, source):
    """Compile a static program into a folder."""
    (folder / f"{name}.c").write_text(source)
    subprocess.run(["gcc", "-O1", "-static", "-o", folder / name, folder / f"{name}.c"], check=True)
    (folder / f"{name}.c").unlink()


def status_of(text):
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


# S39 (CVE-2022-29162): nothing is inheritable that was not asked for.


def test_s39_an_added_capability_is_not_inheritable(oci):
    oci.begin("c1", "sleep", "600")
    plain = status_of(oci("exec", "c1", "cat", "/proc/self/status"))
    added = status_of(oci("exec", "--cap", "CAP_CHOWN", "--cap", "CAP_NET_RAW", "c1", "cat", "/proc/self/status"))
    more = 1 << 0 | 1 << 13
    for name in SETS:
        extra = int(added[name], 16) & ~int(plain[name], 16)
        assert extra == (0 if name in ("CapInh", "CapAmb") else more), name
    assert int(added["CapInh"], 16) == 0
    assert int(status_of(Path(f"/proc/{oci.state('c1')['pid']}/status").read_text())["CapInh"], 16) == 0


# S42: keys.

KEYS = """
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int count, char **argv) {
    if (count > 1 && syscall(SYS_add_key, "user", argv[1], "secret", 6, -3) < 0) perror("add_key");
    printf("%ld\\n", syscall(SYS_keyctl, 0, -3, 0));  /* KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING */
    if (count > 2) printf("%ld\\n", syscall(SYS_keyctl, 10, -3, "user", argv[2], 0)); /* KEYCTL_SEARCH */
    fflush(stdout);
    if (count > 3) pause();
    return 0;
}
"""


def test_s42_a_key_of_one_container_is_not_the_others(oci, tmp_path):
    compile_c(oci.rootfs / "bin", "keys", KEYS)
    compile_c(tmp_path, "keys", KEYS)
    host = subprocess.run([tmp_path / "keys"], check=True, capture_output=True, text=True).stdout.split()
    out = tmp_path / "out"
    with out.open("w") as file:
        bundle = oci.bundle("c1", "keys", "mine", "mine", "stay")
        assert oci.quiet("create", "-b", bundle, "c1", stdout=file) == 0
    oci("start", "c1")
    until(lambda: len(out.read_text().split()) == 2)
    ring, key = out.read_text().split()
    assert int(key) > 0
    other, found = oci.end_of("c2", "keys", "unused", "mine").stdout.split()
    assert len({ring, other, *host}) == 3
    assert int(found) == -1


# S43 (CVE-2026-30892): a user is a number, all of it.


@pytest.mark.parametrize("user", ["1000:", ":1", "0x", "-1", "+1", "a:b", "4294967295", "4294967296", "1:4294967295",
                                  "1:2:3", " 1", "1 ", "", "root", "01", "1e3", "١"])  # fmt: skip
def test_s43_a_user_that_is_not_one_runs_nothing(oci, user):
    if not oci.root.is_dir() or "c1" not in os.listdir(oci.root):
        oci.begin("c1", "sleep", "600")
    done = oci.run("exec", f"--user={user}", "c1", "id", "-u")
    assert (done.returncode, done.stdout) == (1, "")
    assert "--user" in done.stderr


# S44: what is typed into a terminal is typed by who owns it.

INJECT = """
#include <stdio.h>
#include <sys/ioctl.h>
#include <fcntl.h>
int main(void) {
    int done = 0, fds[] = { 0, 1, 2, open("/dev/tty", O_RDWR) };
    for (int i = 0; i < 4; i++) if (ioctl(fds[i], TIOCSTI, "x") == 0) done++;
    return fds[3] >= 0 ? 90 : 80 + done;
}
"""


@pytest.mark.parametrize("command", ["exec", "run"])
def test_s44_nothing_is_typed_into_the_callers_terminal(oci, command):
    compile_c(oci.rootfs / "bin", "inject", INJECT)
    if command == "exec":
        oci.begin("c1", "sleep", "600")
        words = oci.words("exec", "c1", "inject")
    else:
        words = oci.words("run", "-b", oci.bundle("c1", "inject"), "c1")
    master, slave = pty.openpty()
    # a shell of the caller's, which has this terminal as its own
    script = (
        "import fcntl, subprocess, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
        "sys.exit(subprocess.call(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        stdin=slave, stdout=slave, stderr=slave, env=oci.host.env, start_new_session=True, timeout=60,
    )  # fmt: skip
    waiting = waiting_in(slave)
    os.close(master), os.close(slave)
    # 80: no terminal was its own, and of its streams none took a character
    assert done.returncode == 80
    assert waiting == 0


def waiting_in(fd):
    """Return how many bytes wait in a terminal."""
    count = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, count)
    return count[0]


# S45: hooks.


def running(word):
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and word in Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0"):
                found.append(int(name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    "kind", ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
)
def test_s45_a_hook_ends_with_all_that_it_began(oci, kind):
    length = str(random.randrange(10**6, 10**7))
    script = f"sleep {length} & sleep {length}"
    hook = {"path": "/bin/sh", "args": ["sh", "-c", script], "timeout": 1}
    begin = time.monotonic()
    bundle = oci.bundle("c1", "true", change=lambda spec: spec.update(hooks={kind: [hook]}))
    done = oci.run("run", "-b", bundle, "c1")
    assert time.monotonic() - begin < 20
    assert kind in done.stderr
    assert "timeout" in done.stderr
    assert done.returncode == (0 if kind == "poststop" else 1)
    until(lambda: running(length.encode()) == [])


def test_s45_a_hook_gets_the_state_and_the_environment_that_is_given(oci, tmp_path):
    script = "cat > state; cat /proc/self/environ > env; cut -d' ' -f5 /proc/self/stat > group"
    hook = {"path": "/bin/sh", "args": ["other", "-c", f"cd {tmp_path}; {script}"], "env": ["A=b", "C="]}
    oci.end_of("c1", "true", change=lambda spec: spec.update(hooks={"createRuntime": [hook]}, annotations={"x": "y"}))
    state = json.loads((tmp_path / "state").read_text())
    assert (state["id"], state["status"], state["annotations"]) == ("c1", "created", {"x": "y"})
    found = dict(entry.split("=", 1) for entry in (tmp_path / "env").read_text().split("\0") if entry)
    for name in ("PWD", "OLDPWD", "SHLVL", "_"):  # the shell's own
        found.pop(name, None)
    assert found == {"A": "b", "C": ""}
    assert int((tmp_path / "group").read_text()) != os.getpgrp()


# S46, S47, S49: cgroups.

BOMB = "f() { f | f & f | f & }; f; sleep 1; exit 0"


def test_s46_a_fork_bomb_is_held_from_its_first_moment(oci):
    def change(spec):
        spec["linux"]["resources"] |= {"pids": {"limit": 20}}

    oci.begin("c1", "sh", "-c", f"while :; do ({BOMB}); done", change=change)
    most = 0
    for _ in range(30):
        most = max(most, *(len((path / "cgroup.procs").read_text().split()) for path in oci.host.cgroup_dirs()))
        time.sleep(0.02)
    assert 2 < most <= 20
    oci("delete", "-f", "c1")
    assert oci.host.cgroup_dirs() == []
    assert oci.host.processes() == {}


@pytest.mark.parametrize("path", ["/../../x", "../x", "/a/../../x", "..", "/", "", "a/\n"])
def test_s47_a_cgroup_is_below_the_root_and_the_containers_own(oci, path):
    done = oci.end_of("c1", "true", change=lambda spec: spec["linux"].update(cgroupsPath=path))
    if path:
        assert done.returncode == 1
        assert "linux.cgroupsPath" in done.stderr
    oci.begin("c2", "sleep", "600")
    assert oci.run("exec", f"--cgroup={path or '..'}/..", "c2", "true").returncode == 1


def test_s49_no_cgroup_of_the_hosts_is_written(oci):
    def change(spec):
        capabilities = ["CAP_DAC_OVERRIDE", "CAP_CHOWN"]
        spec["process"]["capabilities"] = dict.fromkeys(("bounding", "effective", "permitted"), capabilities)

    script = """
    cd /sys/fs/cgroup
    for d in . *; do for f in cgroup.procs release_agent notify_on_release ../cgroup.procs; do
        [ -e $d/$f ] && echo 1 > $d/$f && echo wrote $d/$f; done; mkdir $d/x && echo made $d/x; done 2>/dev/null
    echo end; cut -d: -f3 /proc/self/cgroup
    """
    done = oci.end_of("c1", "sh", "-c", script, change=change)
    lines = done.stdout.splitlines()
    assert lines[0] == "end"
    assert set(lines[1:]) == {"/"}


# S50, S51: the end.

STORM = "while :; do (sleep 0.01 & kill -9 1; kill -9 -1) 2>/dev/null; done"


@pytest.mark.parametrize("shared", [False, True])
def test_s50_s51_a_storm_of_forks_ends_with_the_container(oci, shared):
    def change(spec):
        spec["linux"]["resources"] |= {"pids": {"limit": 200}}
        if shared:  # their parent's end is not theirs
            spec["linux"]["namespaces"] = [entry for entry in spec["linux"]["namespaces"] if entry["type"] != "pid"]
            spec["mounts"] = [mount for mount in spec["mounts"] if mount["type"] != "proc"]
            del spec["linux"]["maskedPaths"], spec["linux"]["readonlyPaths"]

    storm = "while :; do (sleep 0.05 & sleep 0.05 &); done" if shared else STORM
    oci.begin("c1", "sh", "-c", f"({storm}) & ({storm}) & wait", change=change)
    time.sleep(0.3)
    oci("delete", "-f", "c1")
    assert oci.host.cgroup_dirs() == []
    until(lambda: oci.host.processes() == {})


def test_s51_what_outlives_the_first_process_ends_at_delete(oci):
    def change(spec):
        spec["linux"]["namespaces"] = [entry for entry in spec["linux"]["namespaces"] if entry["type"] != "pid"]
        spec["mounts"] = [mount for mount in spec["mounts"] if mount["type"] != "proc"]
        del spec["linux"]["maskedPaths"], spec["linux"]["readonlyPaths"]

    oci.begin("c1", "sh", "-c", "sleep 600 & sleep 600 & exit 0", change=change)
    until(lambda: oci.state("c1")["status"] == "stopped")
    left = list(oci.host.processes())
    assert len(left) == 2
    oci("kill", "--all", "c1", "TERM")
    oci("delete", "c1")
    until(lambda: [process.start_time(pid) for pid in left] == [None, None])


def test_s50_a_frozen_container_is_deleted(oci):
    oci.begin("c1", "sh", "-c", "sleep 600 & sleep 600")
    oci("pause", "c1")
    assert oci.state("c1")["status"] == "paused"
    oci("delete", "-f", "c1")
    assert oci.host.cgroup_dirs() == []
    oci.create("c2", "sleep", "600")
    oci("pause", "c2")
    oci("delete", "-f", "c2")
    assert oci.host.processes() == {}


def test_s50_a_pause_that_is_killed_is_undone_by_force(oci):
    for _ in range(8):
        oci.begin("c1", "sh", "-c", "while :; do sleep 0.01; done")
        null = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        with subprocess.Popen(oci.words("pause", "c1"), env=oci.host.env, **null) as pausing:
            time.sleep(random.uniform(0.01, 0.06))
            pausing.kill()
        oci("delete", "-f", "c1")
        assert oci.host.cgroup_dirs() == []
    assert oci.host.processes() == {}


# S52: want of memory.


def test_s52_a_limit_that_leaves_no_memory_to_begin_with_is_told(oci):
    def change(spec):
        spec["linux"]["resources"] |= {"memory": {"limit": 1 << 16, "swap": 1 << 16}}

    done = oci.run("run", "-b", oci.bundle("c1", "true", change=change), "c1")
    assert done.returncode == 1
    assert "linux.resources.memory.limit" in done.stderr
    assert oci.host.cgroup_dirs() == []


# S53: a record that is not whole.


@pytest.mark.parametrize("text", ["", "{", '{"id": "c1", "pid', "[]", "null", '{"id": "c2"}', "\x00" * 100])
def test_s53_a_damaged_record_is_removed_by_force(oci, text):
    pid = oci.begin("c1", "sleep", "600")
    oci("pause", "c1")
    (oci.root / "c1/state.json").write_text(text)
    for words in (("state", "c1"), ("start", "c1"), ("kill", "c1"), ("delete", "c1"), ("exec", "c1", "true")):
        done = oci.run(*words)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), words
        assert "delete it with --force" in done.stderr
    assert [one["status"] for one in json.loads(oci("list", "--format", "json"))] == ["unknown"]
    oci("delete", "-f", "c1")
    until(lambda: process.start_time(pid) is None)
    assert oci.host.cgroup_dirs() == []


def test_s53_a_creator_killed_before_it_had_a_cgroup_costs_nobody_theirs(oci):
    """It had recorded a group, and not yet seen that another container lives in it."""
    pid = oci.begin("c1", "sleep", "600")
    record = json.loads((oci.root / "c1/state.json").read_text())
    (oci.root / "c2").mkdir(mode=0o700)
    unborn = record | {"id": "c2", "pid": 0, "start": 0, "phase": "creating"}
    (oci.root / "c2/state.json").write_text(json.dumps(unborn))
    oci("delete", "-f", "c2")
    assert not (oci.root / "c2").exists()
    assert oci.state("c1")["status"] == "running"
    assert process.start_time(pid) == record["start"]
    oci("delete", "-f", "c1")
    assert oci.host.cgroup_dirs() == []


# S54, S55: one life, one winner.


def test_s54_what_a_state_does_not_allow_changes_nothing(oci):
    pid = oci.create("c1", "sleep", "600")
    assert "is created" in oci("delete", "c1", code=1)
    oci("start", "c1")
    for words, said in (
        (("start", "c1"), "is running"),
        (("delete", "c1"), "is running"),
        (("resume", "c1"), "not paused"),
    ):
        assert said in oci(*words, code=1)
    assert "exists already" in oci("create", "-b", oci.bundle("c1", "true"), "c1", code=1)
    assert (oci.state("c1")["status"], oci.state("c1")["pid"]) == ("running", pid)
    oci("kill", "c1", "KILL")
    until(lambda: oci.state("c1")["status"] == "stopped")
    for words in (("start", "c1"), ("kill", "c1"), ("pause", "c1"), ("exec", "c1", "true")):
        assert "stopped" in oci(*words, code=1)
    oci("delete", "c1")
    for words in (("state", "c1"), ("start", "c1"), ("kill", "c1"), ("delete", "c1")):
        assert "does not exist" in oci(*words, code=1)
    oci("delete", "-f", "c1")


def test_s55_of_many_that_create_one_wins(oci):
    bundle = oci.bundle("c1", "sleep", "600")
    null = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    for count in (32, 8):
        makers = [
            subprocess.Popen(oci.words("create", "-b", bundle, "c1"), env=oci.host.env, **null) for _ in range(count)
        ]
        codes = sorted(maker.wait(60) for maker in makers)
        assert codes == [0] + [1] * (count - 1)
        assert oci.state("c1")["status"] == "created"
        assert len(oci.host.processes()) == 1
        oci("delete", "-f", "c1")


def test_s55_of_many_that_start_one_wins(oci):
    oci.create("c1", "sleep", "600")
    null = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    starters = [subprocess.Popen(oci.words("start", "c1"), env=oci.host.env, **null) for _ in range(12)]
    assert sorted(starter.wait(60) for starter in starters) == [0] + [1] * 11
    assert oci.state("c1")["status"] == "running"


# S60 (CVE-2020-15257, CVE-2022-31030).


def test_s60_no_abstract_socket_and_none_that_others_open(oci):
    before = set(Path("/proc/net/unix").read_text().splitlines())
    oci.create("c1", "sleep", "600")
    new = [line.split()[-1] for line in set(Path("/proc/net/unix").read_text().splitlines()) - before]
    assert [name for name in new if name.startswith("@") and oci.host.mark in name] == []
    found = {path.name: f"{path.stat().st_mode & 0o777:o}" for path in (oci.root / "c1").iterdir()}
    assert set(found.values()) == {"600"}
    assert "start.sock" in found
    assert f"{(oci.root / 'c1').stat().st_mode & 0o777:o}" == "700"


def test_s60_output_without_end_is_not_kept(oci):
    oci.begin("c1", "sleep", "600")
    with subprocess.Popen(
        oci.words("exec", "-t", "c1", "sh", "-c", "while :; do echo 0123456789012345678901234567890123456789; done"),
        env=oci.host.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as reading:  # fmt: skip
        time.sleep(1.5)
        status = status_of(Path(f"/proc/{reading.pid}/status").read_text())
        assert int(status["VmRSS"].split()[0]) < 64 << 10
        reading.kill()
