# SPDX-License-Identifier: Apache-2.0
"""podwright-oci: what engines call, and how errors are told. The podinit makes real processes, and nothing else."""

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import bundletools
from podwright.cli.oci import main
from podwright.cli.oci_context import indented, plain_settings
from podwright.cli.oci_exec import asked_process, parse_user
from podwright.cli.oci_lifecycle import signal_number
from podwright.cli.oci_resources import asked_resources
from podwright.cli.options import Values, parse
from podwright.containers import lifecycle
from podwright.errors import PodwrightError

CORE = Path(lifecycle.__file__).parents[2]


@pytest.fixture
def oci(tmp_path, monkeypatch, capfd):
    """Run a command in this process; return its exit code, output and errors."""
    monkeypatch.setattr(lifecycle, "PODINIT", bundletools.fake_podinit(tmp_path))
    monkeypatch.delenv("PODWRIGHT_CONFIG", raising=False)
    root = str(tmp_path / "root")

    def run(*words):
        code = main(["--root", root, "--cgroup-manager", "disabled", *words])
        out, err = capfd.readouterr()
        return code, out, err

    yield run
    for name in os.listdir(root) if os.path.isdir(root) else []:
        main(["--root", root, "delete", "--force", name])


@pytest.fixture
def bundle(tmp_path):
    return lambda *args, **fields: bundletools.bundle(tmp_path / "bundle", bundletools.configuration(*args, **fields))


@pytest.fixture
def program(tmp_path):
    """The command as a process of its own: the arguments that start it."""
    podinit = bundletools.fake_podinit(tmp_path)
    script = (
        f"import sys; sys.path.append({str(CORE)!r})\n"
        "from podwright.cli import oci, oci_program\n"
        "from podwright.containers import lifecycle\n"
        f"lifecycle.PODINIT = {podinit!r}\n"
        f"sys.argv[1:1] = ['--root', {str(tmp_path / 'root')!r}, '--cgroup-manager', 'disabled']\n"
        "oci_program.program()"
    )
    return [sys.executable, "-I", "-S", "-c", script]


def test_what_conmon_and_podman_call(oci, bundle, tmp_path):
    """security.md's list of calls: conmon's runtime_args.c, podman's oci_conmon_common.go."""
    path = bundle("sleep", "600")
    words = ["create", "--bundle", path, "--pid-file", str(tmp_path / "pid"), "--no-pivot", "c1"]
    assert oci(*words) == (0, "", "")
    assert oci("start", "c1") == (0, "", "")
    process = bundletools.configuration("sleep", "600")["process"]
    (tmp_path / "process.json").write_text(json.dumps(process))
    assert oci(
        "exec", "--pid-file", str(tmp_path / "exec"), "--process", str(tmp_path / "process.json"), "--detach", "c1"
    ) == (0, "", "")
    os.kill(int((tmp_path / "exec").read_text()), 9)
    code, out, _ = oci("state", "c1")
    assert code == 0
    assert json.loads(out)["status"] == "running"
    assert oci("kill", "c1", "9")[0] == 0
    assert oci("delete", "--force", "c1") == (0, "", "")
    assert oci("delete", "--force", "c1") == (0, "", "")


def test_what_containerd_calls(oci, bundle):
    """go-runc's runc.go; its shim reads "does not exist" and "container not running" from the errors."""
    assert oci("create", "--bundle", bundle("sleep", "600"), "c1")[0] == 0
    assert oci("start", "c1")[0] == 0
    code, out, _ = oci("list", "--format=json")
    assert [(one["id"], one["status"], one["owner"]) for one in json.loads(out)] == [("c1", "running", "root")]
    code, out, _ = oci("ps", "--format", "json", "c1")
    assert json.loads(out) == [json.loads(oci("state", "c1")[1])["pid"]]
    assert oci("kill", "c1", "KILL")[0] == 0
    code, out, err = oci("delete", "c2")
    assert (code, out, err) == (1, "", "podwright-oci: container c2 does not exist\n")


def test_options_after_the_id_work(oci, bundle):
    assert oci("create", "c1", "--bundle", bundle("true"))[0] == 0
    assert oci("delete", "c1", "-f")[0] == 0


def test_errors_are_in_the_log_too(oci, tmp_path):
    log = tmp_path / "log.json"
    code, _, err = oci("--log", str(log), "--log-format=json", "state", "c1")
    assert (code, err) == (1, "podwright-oci: container c1 does not exist\n")
    entry = json.loads(log.read_text())
    assert (entry["level"], entry["msg"]) == ("error", "container c1 does not exist")
    time.strptime(entry["time"], "%Y-%m-%dT%H:%M:%SZ")
    oci("--log", str(log), "state", "c2")
    assert log.read_text().splitlines()[1].endswith('level=error msg="container c2 does not exist"')
    oci("--log", str(log), "--log-format=json", "bogus")
    assert json.loads(log.read_text().splitlines()[2])["msg"].startswith("there is no command bogus")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["bogus"], "there is no command bogus"),
        (["--bogus", "state"], "there is no option --bogus"),
        (["--log-format", "xml", "list"], "--log-format is 'xml', but must be text or json"),
        (["--cgroup-manager", "none", "list"], "--cgroup-manager is 'none'"),
        (["checkpoint", "c1"], "checkpoint is not supported"),
        (["restore", "c1"], "restore is not supported"),
        (["state"], "state needs ID"),
        (["create", "../x"], "the container's ID is '../x'"),
        (["kill", "c1", "SIGFOO"], "'SIGFOO' is no signal"),
        (["update", "c1", "--l3-cache-schema", "x"], "--l3-cache-schema is not supported"),
        (["update", "c1"], "update needs at least one limit"),
        (["update", "c1", "--memory", "lots"], "--memory is 'lots'"),
        (["list", "--format", "xml"], "--format is 'xml'"),
    ],
)
def test_what_is_refused_is_named(oci, words, message):
    code, out, err = oci(*words)
    assert (code, out) == (1, "")
    assert err.startswith("podwright-oci: ")
    assert message in err
    assert err.count("\n") == 1


def test_version_and_help(oci):
    assert oci("--version")[1].splitlines()[1] == "spec: 1.3.0"
    assert "commands: create, delete" in oci("--help")[1]
    assert oci("create", "--help")[1].startswith("usage: podwright-oci create [OPTION]... ID\n")


def test_global_options_that_others_pass_are_accepted(oci):
    assert oci("--rootless=true", "--debug", "--systemd-cgroup=false", "list")[0] == 0
    assert oci("--rootless", "false", "list")[0] == 1  # a word of its own is a command, as Go reads it


def test_the_table_of_containers(oci, bundle):
    oci("create", "-b", bundle("sleep", "9"), "c1")
    heading, line = oci("list")[1].splitlines()
    assert heading.split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    assert line.split()[::2][:2] == ["c1", "created"]
    assert oci("list", "-q")[1] == "c1\n"


@pytest.mark.parametrize(
    ("text", "number"),
    [("KILL", 9), ("SIGTERM", 15), ("sigint", 2), ("9", 9), ("0", 0), ("SIGRTMIN+3", 37), ("RTMAX-1", 63), ("CLD", 17)],
)
def test_signals_have_names_and_numbers(text, number):
    assert signal_number(text) == number


@pytest.mark.parametrize("text", ["", "SIG", "KILL+1", "65", "-9", "SIG_DFL", "RTMIN+", "RTMIN+99", "NAL", "BLOCK"])
def test_what_is_no_signal(text):
    with pytest.raises(PodwrightError, match="is no signal"):
        signal_number(text)


@pytest.mark.parametrize(("text", "user"), [("0", {"uid": 0}), ("1000:7", {"uid": 1000, "gid": 7})])
def test_a_user_is_two_numbers(text, user):
    assert parse_user(text) == user


@pytest.mark.parametrize(
    "text", ["", "1000:", ":1", "0x0", "-1", "a:b", "root", str(2**32), "4294967295", "1:2:3", "01"]
)
def test_a_user_is_read_strictly(text):
    with pytest.raises(PodwrightError, match="--user is"):
        parse_user(text)


def _exec_values(*words):
    from podwright.cli.oci_exec import VERBS

    values = parse(VERBS["exec"][0], words)
    assert isinstance(values, Values)
    return values


def test_exec_changes_the_containers_own_process():
    own = bundletools.configuration("sh", terminal=True, noNewPrivileges=True)["process"]
    own["capabilities"] = {"bounding": ["CAP_KILL"], "inheritable": [], "ambient": []}
    words = ["-u", "7:8", "-g", "9", "-g", "10", "-e", "A=b", "--cwd", "/tmp", "--cap", "CAP_CHOWN", "c1", "id", "-u"]
    asked = asked_process(own, _exec_values(*words))
    assert asked == {
        "user": {"uid": 7, "gid": 8, "additionalGids": [9, 10]},
        "cwd": "/tmp",
        "env": ["PATH=/bin:/usr/bin", "A=b"],
        "args": ["id", "-u"],
        "terminal": False,
        "noNewPrivileges": True,
        "capabilities": {
            "bounding": ["CAP_KILL", "CAP_CHOWN"],
            "effective": ["CAP_CHOWN"],
            "permitted": ["CAP_CHOWN"],
            "inheritable": [],
            "ambient": [],
        },
    }
    assert own["args"] == ["sh"]


def test_limits_are_given_with_units():
    from podwright.cli.oci_resources import VERBS

    words = ["c1", "--memory", "512MiB", "--memory-swap", "-1", "--cpu-quota", "5000", "--cpuset-cpus", "0-1"]
    values = parse(VERBS["update"][0], [*words, "--pids-limit", "10"])
    assert asked_resources(values) == {
        "memory": {"limit": 512 << 20, "swap": -1},
        "cpu": {"quota": 5000, "cpus": "0-1"},
        "pids": {"limit": 10},
    }


def test_plain_settings_are_read_without_toml():
    text = '# ours\nroot = "/a"\n\nrun="/b"\n[cgroups]\nparent = "/p"\nmissing = "warn"\n[network]\nbridge = "x"\n'
    assert plain_settings(text) == {"root": "/a", "run": "/b", "cgroups.missing": "warn"}
    assert plain_settings('cgroups.parent = "/x"\ncgroups.missing = "warn"') == {"cgroups.missing": "warn"}
    assert plain_settings("") == {}


@pytest.mark.parametrize(
    "text",
    [
        'root = """/a"""',
        '"root" = "/a"',
        "root = '/a'",
        'root = "relative"',
        'root = "/a" # why',
        'root = "/\\u0061"',
        'cgroups = { missing = "warn" }',
        '[cgroups]\nmissing = "no"',
        '["cgroups"]\nmissing = "warn"',
        "[ cgroups.x ]",
    ],
)
def test_settings_in_another_spelling_are_left_to_toml(text):
    assert plain_settings(text) is None


def test_json_for_people():
    value = {"a": [1, {"b": "ä\n"}], "c": {}, "d": [], "e": None}
    assert indented(value) == json.dumps(value, indent=2, ensure_ascii=False)


def test_run_ends_with_the_exit_code(program, bundle, tmp_path):
    done = subprocess.run([*program, "run", "-b", bundle("sh", "-c", "echo hi; exit 7"), "c1"], capture_output=True)
    assert (done.returncode, done.stdout) == (7, b"hi\n")
    assert os.listdir(tmp_path / "root") == []


def test_a_signal_to_run_goes_to_the_container(program, bundle, tmp_path):
    path = bundle("sh", "-c", "trap 'echo got; exit 3' TERM; echo ready; while :; do sleep 0.05; done")
    with subprocess.Popen([*program, "run", "-b", path, "c1"], stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(signal.SIGTERM)
        assert child.stdout.readline() == b"got\n"
        assert child.wait() == 3
    assert os.listdir(tmp_path / "root") == []


def test_a_signal_that_kills_is_told_as_a_shell_does(program, bundle):
    assert subprocess.run([*program, "run", "-b", bundle("sh", "-c", "kill -9 $$"), "c1"]).returncode == 137


def test_run_detached(program, bundle, tmp_path):
    words = ["run", "-d", "--pid-file", str(tmp_path / "pid"), "-b", bundle("sleep", "600"), "c1"]
    assert subprocess.run([*program, *words]).returncode == 0
    pid = int((tmp_path / "pid").read_text())
    state = json.loads(subprocess.run([*program, "state", "c1"], capture_output=True).stdout)
    assert (state["status"], state["pid"]) == ("running", pid)
    assert subprocess.run([*program, "delete", "-f", "c1"]).returncode == 0


def test_a_terminal_is_relayed(program, bundle):
    """stdin and stdout are a terminal of ours, in which the container's terminal shows."""
    path = bundle("sh", "-c", "read line; echo got $line; stty size; tty -s && exit 5", terminal=True)
    master, slave = pty.openpty()
    subprocess.run(["stty", "rows", "33", "cols", "99"], stdin=slave, check=True)
    with subprocess.Popen([*program, "run", "-b", path, "c1"], stdin=slave, stdout=slave, stderr=slave) as child:
        os.close(slave)
        os.write(master, b"hello\n")
        seen = b""
        try:
            while chunk := os.read(master, 1000):
                seen += chunk
        except OSError:  # the other side is closed
            pass
        assert child.wait() == 5, seen
    os.close(master)
    assert b"got hello\r\n" in seen
    assert b"33 99\r\n" in seen


def test_a_terminal_is_relayed_to_a_pipe(program, bundle):
    path = bundle("sh", "-c", "cat; exit 4", terminal=True)
    done = subprocess.run([*program, "run", "-b", path, "c1"], input=b"x\n", capture_output=True)
    assert (done.returncode, done.stdout) == (4, b"x\r\nx\r\n")


def test_exec_in_the_foreground(program, bundle):
    assert subprocess.run([*program, "run", "-d", "-b", bundle("sleep", "600"), "c1"]).returncode == 0
    try:
        words = ["exec", "-e", "A=b", "c1", "sh", "-c", "echo $A; exit 9"]
        done = subprocess.run([*program, *words], capture_output=True)
        assert (done.returncode, done.stdout) == (9, b"b\n")
        done = subprocess.run([*program, "exec", "-t", "c1", "tty", "-s"], stdin=subprocess.DEVNULL)
        assert done.returncode == 0
        done = subprocess.run([*program, "exec", "c1", "/none"], capture_output=True)
        assert done.returncode != 0
    finally:
        subprocess.run([*program, "delete", "-f", "c1"])


def test_a_pidfd_goes_to_its_socket(oci, bundle, tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "pidfd"))
        server.listen()
        assert oci("create", "--pidfd-socket", str(tmp_path / "pidfd"), "-b", bundle("sleep", "9"), "c1")[0] == 0
        connection, _ = server.accept()
        with connection:
            _, fds, _, _ = socket.recv_fds(connection, 100, 2)
    info = Path(f"/proc/self/fdinfo/{fds[0]}").read_text()
    os.close(fds[0])
    assert f"Pid:\t{json.loads(oci('state', 'c1')[1])['pid']}\n" in info


FORBIDDEN = set(
    """
    typing json re enum dataclasses collections functools contextlib argparse subprocess logging tempfile shutil signal
    pathlib socket selectors threading
    """.split()  # noqa: SIM905 - a line a dozen
)


@pytest.mark.parametrize("verb", ["create", "start", "state", "kill", "delete", "run"])
def test_a_hot_verb_imports_little(program, bundle, tmp_path, verb):
    """What an import costs is paid for each container; the list is the project's."""
    path = bundle("true")
    if verb not in ("create", "run"):
        subprocess.run([*program, "create", "-b", path, "c1"], check=True)
    words = {"create": ["-b", path, "c1"], "run": ["-b", path, "c1"], "kill": ["c1", "KILL"], "delete": ["-f", "c1"]}
    seen = tmp_path / "modules"  # a file: a container would keep a pipe open
    tell = f"code = oci.main(sys.argv[1:]); open({str(seen)!r}, 'w').write(' '.join(sys.modules)); sys.exit(code)"
    script = program[-1].replace("oci_program.program()", tell)
    code = subprocess.run([*program[:-1], script, verb, *words.get(verb, ["c1"])], stdout=subprocess.DEVNULL).returncode
    modules = seen.read_text().split()
    subprocess.run([*program, "delete", "-f", "c1"], check=True)
    assert code == 0
    assert [name for name in modules if name.split(".")[0] in FORBIDDEN] == []
