# SPDX-License-Identifier: Apache-2.0
"""Hostile containers and callers against podwright-oci's processes and descriptors. SNN is an item of the checklist."""

import contextlib
import hashlib
import json
import os
import random
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ocihost import oci_host, until
from podwright.containers import launch as launching
from podwright.containers.launch import PODINIT
from podwright.errors import HostError

ALL = ["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_SYS_ADMIN", "CAP_FOWNER", "CAP_SETUID"]


@pytest.fixture(scope="module")
def module_oci():
    with oci_host() as made:
        yield made


@pytest.fixture
def oci(module_oci):
    yield module_oci
    module_oci.close()


def powerful(spec):
    spec["process"]["capabilities"] = dict.fromkeys(("bounding", "effective", "permitted"), ALL)
    spec["process"]["noNewPrivileges"] = False
    spec["root"]["readonly"] = False
    spec["linux"].pop("maskedPaths"), spec["linux"].pop("readonlyPaths")


def compile_c(folder, name, source):
    """Compile a static program into a folder."""
    (folder / f"{name}.c").write_text(source)
    subprocess.run(["gcc", "-O1", "-static", "-o", folder / name, folder / f"{name}.c"], check=True)
    (folder / f"{name}.c").unlink()


# S1: no step of the runtime runs in a copy of the caller.

CREATOR = """
import sys, threading
from podwright.containers.lifecycle import Containers
root, store, bundles = sys.argv[1:]
ballast = bytearray(b"x") * (500 << 20)
busy = threading.Event()

def hold_malloc():
    while not busy.is_set():
        [bytes(100_000) for _ in range(50)]

containers, names, codes = Containers(root, store=store), [f"t{n}" for n in range(200)], []

def work():
    while names:
        name = names.pop()
        codes.append(containers.run(name, f"{bundles}/{name}", stdio=(900, 900, 900)))

threads = [threading.Thread(target=work) for _ in range(8)]
holders = [threading.Thread(target=hold_malloc) for _ in range(2)]
for thread in threads + holders:
    thread.start()
for thread in threads:
    thread.join()
busy.set()
print(len(codes), set(codes))
"""


def test_s01_threads_that_hold_locks_and_much_memory_create_containers(oci):
    def light(spec):
        spec["mounts"] = [mount for mount in spec["mounts"] if mount["destination"] in ("/proc", "/dev")]

    for number in range(200):
        oci.bundle(f"t{number}", "sh", "-c", "exit 7", change=light)
    words = [sys.executable, "-c", CREATOR, oci.root, oci.host.root / "lib", oci.bundles]
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=120)
    assert done.stdout == "200 {7}\n", done.stderr


# S2 (CVE-2019-5736): the program that makes a container cannot be changed from within it.


def digest():
    return hashlib.sha256(Path(PODINIT).read_bytes()).hexdigest()


OVERWRITE = "exec 3</proc/1/exe; sleep 0.2; for f in /proc/1/exe /proc/self/fd/3; do echo x > $f; done 2>&1; echo end"


def test_s02_the_program_of_a_created_container_cannot_be_written(oci):
    before = digest()
    oci.create("c1", "sleep", "600", change=powerful)
    lines = oci("exec", "c1", "sh", "-c", OVERWRITE).splitlines()
    assert lines[-1] == "end"
    assert len(lines) == 3
    assert all(line.endswith(("Read-only file system", "Text file busy", "Permission denied")) for line in lines[:2])
    assert digest() == before


@pytest.mark.parametrize("program", ["/proc/self/exe", "/tmp/link"])
def test_s02_the_runtime_itself_as_program_cannot_be_written(oci, program):
    """The attack's way: be executed as the runtime, and write once it runs no more."""
    before = digest()

    def change(spec):
        powerful(spec)
        spec["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"})
        link = ["sh", "-c", "ln -s /proc/self/exe /tmp/link; exec sleep 600"]
        spec["process"]["args"] = link

    oci.begin("c1", change=change)
    until(lambda: oci.run("exec", "c1", "test", "-L", "/tmp/link").returncode == 0)
    done = oci.run("exec", "c1", program, "create", "/proc", "0")
    assert done.returncode != 0
    assert digest() == before
    made = oci.run("run", "-b", oci.bundle("c2", "/proc/self/exe", "x", change=powerful), "c2")
    assert made.returncode != 0
    assert digest() == before


# S3 (CVE-2016-9962): nobody in the container gets at what a process has open that joins it.

WATCH = r"""
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(void) {
    char path[64], target[256];
    printf("ready\n"); fflush(stdout);
    for (;;)
        for (int pid = 2; pid < 400; pid++) {
            snprintf(path, sizeof path, "/proc/%d/exe", pid);
            ssize_t length = readlink(path, target, sizeof target - 1);
            if (length < 0) continue;
            for (int fd = 3; fd < 24; fd++) {
                snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, fd);
                length = readlink(path, target, sizeof target - 1);
                if (length < 0) continue;
                target[length] = 0;
                printf("%d %s\n", fd, target); fflush(stdout);
            }
        }
}
"""


def test_s03_an_exec_has_nothing_of_the_hosts_open_inside(oci, tmp_path):
    compile_c(oci.rootfs / "bin", "watch", WATCH)
    out = tmp_path / "out"
    with out.open("w") as file:
        assert oci.quiet("create", "-b", oci.bundle("c1", "watch", change=powerful), "c1", stdout=file) == 0
    oci("start", "c1")
    until(lambda: out.read_text().startswith("ready"))
    for _ in range(40):
        assert oci.quiet("exec", "c1", "sh", "-c", "exec 9</proc/self/exe; exec true") == 0
    seen = {line.split(" ", 1)[1].split(":")[0] for line in out.read_text().splitlines()[1:]}
    assert seen  # so it had looked when there was something to see
    assert seen <= {"/bin/busybox", "socket", "pipe"}


# S4 (CVE-2021-43784): what is long is whole, or an error.


def test_s04_long_values_are_whole(oci):
    value = "x" * 100_000
    done = oci.end_of(
        "c1",
        "sh",
        "-c",
        "echo ${#LONG} ${#1}",
        "sh",
        value,
        change=lambda spec: spec["process"]["env"].append(f"LONG={value}"),
    )
    assert (done.returncode, done.stdout) == (0, "100000 100000\n")

    def mapped(count):
        def change(spec):
            many = [{"containerID": n * 2, "hostID": 100000 + n * 2, "size": 1} for n in range(count)]
            spec["linux"] |= {"uidMappings": many, "gidMappings": many}
            spec["linux"]["namespaces"].append({"type": "user"})
            spec["mounts"] = [mount for mount in spec["mounts"] if mount["destination"] in ("/proc", "/dev")]
            spec["linux"].pop("maskedPaths"), spec["linux"].pop("readonlyPaths")
            spec["root"]["readonly"] = False

        return change

    done = oci.end_of("c2", "cat", "/proc/self/uid_map", change=mapped(200))
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 200), done.stderr
    assert "linux.uidMappings is too long" in oci.end_of("c4", "true", change=mapped(340)).stderr
    assert "argument list too long" in oci.end_of("c3", "true", "y" * 300_000).stderr.lower()


# S5: after hooks have run, what reports is not trusted.


@pytest.mark.parametrize(
    ("report", "words"),
    [
        ('{"status": "ok", "pid": 1, "startTime": 0}', "process 1, which is none that it has made"),
        ('{"status": "ok", "pid": $PPID, "startTime": 1}', "which is none that it has made"),
        ('{"status": "ok", "pid": "1", "startTime": 1}', "cannot be understood"),
        ('{"status": "ok", "pid": -1, "startTime": 1}', "cannot be understood"),
        ('{"status": "ok", "pid": 1, "startTime": 1}' * 2, "cannot be understood"),
        ("[1]", "cannot be understood"),
        ("", "gave no report"),
    ],
)
def test_s05_a_report_that_is_forged_makes_no_container(tmp_path, report, words):
    fake = tmp_path / "podinit"
    text = report.replace('"', '\\"')
    fake.write_text(f'#!/bin/sh\n[ "$1" = create ] && printf %s "{text}" >&3\n')
    fake.chmod(0o755)
    with pytest.raises(HostError, match=words):
        launching.launch("create", str(tmp_path), podinit=str(fake))


def test_s05_a_report_has_an_end(tmp_path):
    fake = tmp_path / "podinit"
    fake.write_text("#!/bin/sh\nexec yes >&3\n")
    fake.chmod(0o755)
    with pytest.raises(HostError, match="more than 65536 bytes"):
        launching.launch("create", str(tmp_path), podinit=str(fake))


# S6, S53: whoever creates may be killed at any moment.


def kill_at_random(oci, *words):
    null = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    child = subprocess.Popen(oci.words(*words), env=oci.host.env, **null)
    time.sleep(random.uniform(0.01, 0.12))
    child.kill()
    child.wait()


def test_s06_s53_a_killed_creator_leaves_what_delete_force_removes(oci):
    bundle = oci.bundle(
        "c1", "sleep", "600", change=lambda spec: spec.update(hooks={"createRuntime": [{"path": "/bin/true"}]})
    )
    oci("run", "-d", "-b", bundle, "c1")
    oci("delete", "-f", "c1")
    before = oci.snapshot()
    for number in range(60):
        kill_at_random(oci, "run" if number % 2 else "create", *(["-d"] if number % 2 else []), "-b", bundle, "c1")
        until(lambda: oci.run("delete", "--force", "c1").returncode == 0 and not oci.host.cgroup_dirs())
        assert not os.path.exists(oci.root / "c1")
    assert oci.snapshot() == before


def test_s53_a_killed_exec_start_or_delete_leaves_what_delete_force_removes(oci):
    oci.begin("c1", "sleep", "600")
    oci("delete", "-f", "c1")
    before = oci.snapshot()
    for words in (("exec", "-d", "c1", "sleep", "600"), ("start", "c1"), ("delete", "-f", "c1"), ("pause", "c1")) * 4:
        (oci.create if words[0] == "start" else oci.begin)("c1", "sleep", "600")
        kill_at_random(oci, *words)
        until(lambda: oci.run("delete", "--force", "c1").returncode == 0 and not oci.host.cgroup_dirs())
    assert oci.snapshot() == before


# S7: numbers come back.


def test_s07_a_record_that_names_a_foreign_process_signals_nobody(oci):
    with subprocess.Popen(["sleep", "600"]) as victim:
        oci.begin("c1", "sleep", "600")
        path = oci.root / "c1/state.json"
        record = json.loads(path.read_text())
        try:
            path.write_text(json.dumps(record | {"pid": victim.pid}))
            assert "not running" in oci("kill", "c1", "KILL", code=1)
            assert oci.state("c1")["status"] == "stopped"
            assert "not running" in oci("exec", "c1", "true", code=1)
            assert victim.poll() is None
            oci("delete", "-f", "c1")
            assert victim.poll() is None
        finally:
            victim.kill()


# S8: the caller's environment is the caller's.


def test_s08_nothing_of_the_callers_environment_comes_in(oci, tmp_path):
    environment = oci.host.env | {"SECRET_TOKEN": "swordfish", "LD_PRELOAD": "", "HOME": "/root/of/caller"}
    hooks = {
        kind: [{"path": "/bin/sh", "args": ["sh", "-c", f"cat /proc/self/environ > {tmp_path}/{kind}"]}]
        for kind in ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
    }
    bundle = oci.bundle("c1", "sleep", "600", change=lambda spec: spec.update(hooks=hooks))
    for words in (("create", "-b", bundle, "c1"), ("start", "c1")):
        oci(*words, env=environment)
    pid = oci.state("c1")["pid"]
    (tmp_path / "init").write_bytes(Path(f"/proc/{pid}/environ").read_bytes())
    (tmp_path / "exec").write_text(oci("exec", "c1", "cat", "/proc/self/environ", env=environment))
    oci("delete", "-f", "c1", env=environment)
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(found) == {*hooks, "init", "exec"}
    assert found["init"] == found["exec"] == b"PATH=/bin\0"
    assert [name for name, text in found.items() if b"swordfish" in text or b"of/caller" in text] == []


# S9 (CVE-2024-21626), S10: no descriptor of the host's.


@contextlib.contextmanager
def leaked_directories():
    """Directories of the host that any child inherits."""
    fds = [os.open("/", os.O_RDONLY | os.O_DIRECTORY) for _ in range(12)]
    for fd in fds:
        os.set_inheritable(fd, True)
    try:
        yield fds
    finally:
        for fd in fds:
            os.close(fd)


def test_s09_no_working_directory_leads_out(oci):
    with leaked_directories() as fds:
        for number in sorted({*range(3, 14), *fds}):
            path = f"/proc/self/fd/{number}"
            bundle = oci.bundle("c2", "ls", "../../..", change=lambda spec, cwd=path: spec["process"].update(cwd=cwd))
            done = oci.run("run", "-b", bundle, "c2", close_fds=False)
            assert (done.returncode, done.stdout) == (1, ""), number
            assert f"working directory {path}" in done.stderr
        oci.begin("c1", "sleep", "600")
        for number in sorted({*range(3, 14), *fds}):
            done = oci.run("exec", "--cwd", f"/proc/self/fd/{number}", "c1", "ls", "../../..", close_fds=False)
            assert (done.returncode, done.stdout) == (1, ""), number


def test_s09_s10_a_container_has_its_streams_and_nothing_else(oci):
    show = "for f in /proc/$$/fd/*; do echo ${f##*/} $(readlink $f); done"
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"({show}) > /tmp/hook"]}

    def change(spec):
        spec["hooks"] = {"startContainer": [hook]}
        spec["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"})

    with leaked_directories():
        oci("create", "-b", oci.bundle("c1", "sleep", "600", change=change), "c1", close_fds=False)
        oci("start", "c1", close_fds=False)
        inside = oci("exec", "c1", "sh", "-c", show, close_fds=False)
    pid = oci.state("c1")["pid"]
    assert sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2"]
    # memfds hold the state and what a hook says; the shell reads what it is to say through a pipe
    targets = [line.partition(" ")[2] for line in oci("exec", "c1", "cat", "/tmp/hook").splitlines()]
    assert {target.split(":")[0] for target in targets} - {""} <= {"/memfd", "/tmp/hook", "pipe"}
    # one without a target was the shell's own, while it read the directory
    assert {line.split()[0] for line in inside.splitlines() if " /" in line} == {"0", "1", "2"}


# S11, S12: the null device.


def test_s11_the_hosts_null_device_stays_roots(oci):
    before = os.stat("/dev/null")
    oci.begin("c1", "sleep", "600", change=lambda spec: spec["process"].update(user={"uid": 4711, "gid": 4711}))
    assert oci.quiet("exec", "--user", "1000:1000", "c1", "sh", "-c", "echo > /dev/stdout") == 0
    after = os.stat("/dev/null")
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)


def test_s12_streams_that_are_the_hosts_null_become_the_containers(oci):
    script = "stat -L -c %d:%t,%T /proc/self/fd/0; stat -c %d:%t,%T /dev/null"
    one, other = oci.end_of("c1", "sh", "-c", script).stdout.split()
    assert one == other
    assert one.split(":")[1] == "1,3"
    assert int(one.split(":")[0]) != os.stat("/dev/null").st_dev


def test_s12_a_null_that_is_a_file_is_refused(oci, tmp_path):
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/null").write_text("")
    for name in ("pts", "shm", "mqueue"):
        (tmp_path / "dev" / name).mkdir()

    def change(spec):
        spec["mounts"][1] = {
            "destination": "/dev",
            "source": str(tmp_path / "dev"),
            "type": "bind",
            "options": ["rbind"],
        }

    assert "/dev/null" in oci.end_of("c1", "true", change=change).stderr
    assert (tmp_path / "dev/null").read_text() == ""


# S13, S41: the filter.


def deny(*names):
    return {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": list(names), "action": "SCMP_ACT_ERRNO", "errnoRet": 13}],
    }


@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_s41_a_filter_denies_the_program_and_not_its_start(oci, no_new_privileges):
    def change(spec):
        spec["linux"]["seccomp"] = deny("getcwd", "write", "writev", "sendmsg", "close_range", "mount")
        spec["process"]["noNewPrivileges"] = no_new_privileges

    done = oci.end_of("c1", "sh", "-c", "echo x || exit 42", change=change)
    assert (done.returncode, done.stdout) == (42, "")
    oci.begin("c2", "sleep", "600", change=change)
    assert oci.run("exec", "c2", "sh", "-c", "echo x || exit 43").returncode == 43


@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_s13_an_agent_answers_for_a_container_that_may_not_send(oci, tmp_path, no_new_privileges):
    path = str(tmp_path / "agent")
    profile = deny("sendmsg", "connect", "pidfd_getfd")
    profile["syscalls"].append({"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"})
    profile |= {"listenerPath": path, "listenerMetadata": "who"}

    def change(spec):
        spec["linux"]["seccomp"] = profile
        spec["process"]["noNewPrivileges"] = no_new_privileges

    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(path)
        agent.listen()
        agent.settimeout(30)
        oci.create("c1", "sleep", "600", change=change)
        connection = agent.accept()[0]
        with connection:
            text, fds, _, _ = socket.recv_fds(connection, 65536, 4)
        for fd in fds:
            assert os.readlink(f"/proc/self/fd/{fd}").startswith("anon_inode:seccomp notify")
            os.close(fd)
        message = json.loads(text)
        assert (len(fds), message["fds"], message["metadata"]) == (1, ["seccompFd"], "who")
        assert message["pid"] == oci.state("c1")["pid"]
        assert message["state"]["id"] == "c1"
        oci("start", "c1")
