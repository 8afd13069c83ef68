# SPDX-License-Identifier: Apache-2.0
"""A process for exec that is broken: one clear error, exit code 1, and the container goes on as it was."""

import json

import pytest

from ocihost import oci_host, until

RIGHT = {"args": ["true"], "cwd": "/", "user": {"uid": 0, "gid": 0}, "env": ["PATH=/bin"]}
BOTH = {kind: ["CAP_X"] for kind in ("bounding", "permitted")}


@pytest.fixture(scope="module")
def oci():
    with oci_host() as made:
        made.begin("c1", "sleep", "600")
        made("exec", "c1", "true")
        yield made


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b" " * (5 << 20), "more than 4194304 bytes"),
        (b"[]", "must be an object"),
        ({"args": []}, "process.args is empty"),
        ({"args": ["none"]}, "exec none: "),
        ({"args": ["/proc"]}, "exec /proc: "),
        ({"cwd": "x"}, "process.cwd is 'x'"),
        ({"cwd": "/bin/busybox"}, "working directory /bin/busybox: Not a directory"),
        ({"env": ["X"]}, "process.env[0] is 'X'"),
        ({"user": {"uid": -1, "gid": 0}}, "process.user.uid is -1"),
        ({"capabilities": BOTH}, "process.capabilities.bounding: there is no capability 'CAP_X'"),
        ({"rlimits": [{"type": "RLIMIT_X", "soft": 0, "hard": 0}]}, "process.rlimits[0].type is 'RLIMIT_X'"),
        ({"terminal": True, "consoleSize": {"height": -1, "width": 0}}, "process.consoleSize.height is -1"),
        ({"apparmorProfile": "none-such"}, "process.apparmorProfile"),
        ({"oomScoreAdj": 1001}, "process.oomScoreAdj is 1001"),
    ],
)
def test_a_broken_process_is_one_error(oci, tmp_path, content, words):
    path = tmp_path / "process.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(RIGHT | content).encode())
    before = oci.host.snapshot()
    done = oci.run("exec", "-p", str(path), "c1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("podwright-oci: ")
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr
    until(lambda: oci.host.snapshot() == before)
    assert oci.state("c1")["status"] == "running"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-p", "/none"], "--process is '/none'"),
        (["--cwd", "x", "c1", "true"], "process.cwd is 'x'"),
        (["--cap", "CAP_X", "c1", "true"], "'CAP_X'"),
        (["--env", "X", "c1", "true"], "process.env"),
        (["--cgroup", "none", "c1", "true"], "cgroup 'none'"),
        (["--pid-file", "/none/pid", "c1", "true"], "--pid-file is '/none/pid'"),
        (["--preserve-fds", "500", "c1", "true"], "not open"),
        (["c1"], "exec needs a command"),
    ],
)
def test_a_broken_option_is_one_error(oci, options, words):
    before = oci.host.snapshot()
    done = oci.run("exec", *options, *([] if "c1" in options else ["c1"]))
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr
    until(lambda: oci.host.snapshot() == before)


def test_a_container_without_a_process_can_be_given_one(oci):
    oci.create("c2", change=lambda spec: spec.pop("process"))
    assert oci.run("exec", "--env", "PATH=/bin", "c2", "echo", "x").stdout == "x\n"
    oci("delete", "-f", "c2")
