# SPDX-License-Identifier: Apache-2.0
"""Spawning podinit: the descriptors that it gets, and a report that is not trusted."""

import json
import os
import sys
from pathlib import Path

import pytest

from podwright.containers.launch import launch
from podwright.errors import HostError


def fake(tmp_path, body):
    """A podinit of Python: it knows its arguments and writes to descriptor 3."""
    path = tmp_path / "podinit"
    path.write_text(f"#!{sys.executable} -IS\nimport os, sys\n{body}\n")
    path.chmod(0o755)
    return str(path)


def ok(tmp_path, extra="pass"):
    return fake(tmp_path, f'{extra}\nos.write(3, b\'{{"status":"ok","pid":12,"startTime":34}}\\n\')')


def said(pipe):
    os.close(pipe[1])
    with open(pipe[0], "rb") as file:
        return json.loads(file.read())


def test_it_gets_its_arguments_and_an_empty_environment(tmp_path):
    pipe = os.pipe()
    body = "import json\nos.write(1, json.dumps([sys.argv[1:], dict(os.environ)]).encode())"
    launched = launch("create", "/dir", stdio=(0, pipe[1], 2), podinit=ok(tmp_path, body))
    assert (launched.pid, launched.start) == (12, 34)
    arguments, environment = said(pipe)
    assert arguments == ["create", "/dir", "0"]
    assert set(environment) <= {"LC_CTYPE"}  # the interpreter's own


def test_descriptors_go_where_they_belong_though_their_numbers_collide(tmp_path):
    """The sources are the very numbers that others shall get: 3 to 8 hold what goes to 0 to 2 and 5 to 7."""
    names = [f"file{number}" for number in range(6)]
    body = (
        "names = [os.readlink(f'/proc/self/fd/{n}').rpartition('/')[2] for n in (0, 1, 2, 4, 5, 6, 7)]\n"
        "rest = [n for n in range(8, 40) if os.path.exists(f'/proc/self/fd/{n}')]\n"
        f"open({str(tmp_path / 'seen')!r}, 'w').write(repr((names, rest)))"
    )
    podinit = ok(tmp_path, body)
    pid = os.fork()
    if pid == 0:  # a process whose descriptors can be rearranged
        try:
            os.closerange(3, 64)
            for number, name in enumerate(names, 3):
                assert os.open(tmp_path / name, os.O_RDWR | os.O_CREAT) == number
            launch("create", "/d", stdio=(6, 7, 8), console=4, preserve_fds=3, podinit=podinit)
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    seen, rest = eval((tmp_path / "seen").read_text())
    assert seen == ["file3", "file4", "file5", "file1", "file0", "file1", "file2"]
    assert rest == []


def test_a_caller_without_standard_streams_gives_null(tmp_path):
    links = "[os.readlink(f'/proc/self/fd/{n}') for n in (0, 1, 2, 4)]"
    body = f"open({str(tmp_path / 'seen')!r}, 'w').write(repr({links}))"
    launch("create", "/d", stdio=(900, 901, 902), podinit=ok(tmp_path, body))
    assert eval((tmp_path / "seen").read_text()) == [os.devnull] * 4


def test_a_descriptor_to_preserve_must_be_open(tmp_path):
    with pytest.raises(HostError, match=r"descriptor \d+ shall be preserved, but is not open"):
        launch("create", "/d", preserve_fds=900, podinit=ok(tmp_path))
    with pytest.raises(HostError, match="preserve-fds is -1, but must be 0 or more"):
        launch("create", "/d", preserve_fds=-1, podinit=ok(tmp_path))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('os.write(3, b\'{"status":"error","message":"mounts[2] is wrong"}\'); sys.exit(1)', r"^mounts\[2\] is wrong$"),
        ("sys.exit(3)", "podinit gave no report: it ended with 3"),
        ("os.kill(os.getpid(), 9)", "podinit gave no report: signal 9 ended it"),
        ("os.write(3, b'gibberish')", "report cannot be understood: b'gibberish'"),
        ("os.write(3, b'[]')", "report cannot be understood"),
        ('os.write(3, b\'{"status":"ok","pid":-1,"startTime":1}\')', "report cannot be understood"),
        ('os.write(3, b\'{"status":"ok","pid":true,"startTime":1}\')', "report cannot be understood"),
        (
            "import signal\nsignal.signal(13, signal.SIG_DFL)\nwhile True: os.write(3, b'x' * 65536)",
            "more than 65536 bytes",
        ),
    ],
)
def test_a_report_is_not_trusted(tmp_path, body, message):
    with pytest.raises(HostError, match=message):
        launch("create", "/d", podinit=fake(tmp_path, body))


def test_no_descriptor_and_no_child_is_left(tmp_path):
    podinit = ok(tmp_path)
    before, children = os.listdir("/proc/self/fd"), _children()
    launch("create", "/d", podinit=podinit)
    with pytest.raises(HostError, match="cannot run"):
        launch("create", "/d", podinit="/none")
    assert os.listdir("/proc/self/fd") == before
    assert _children() == children


def _children():
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
