# SPDX-License-Identifier: Apache-2.0
"""Records of containers, and who may change them."""

import os
import stat
import threading

import pytest

from podwright.containers import process, state
from podwright.errors import ContainerError, NotFound


def record(container_id="c1", **fields):
    return state.Record(id=container_id, bundle="/b", rootfs="/b/rootfs", annotations={"a": "b"}, **fields)


@pytest.mark.parametrize("container_id", ["a", "A-b_c+d.e", "0", "-", "x" * 255])
def test_an_id_is_of_few_characters(container_id):
    assert state.check_id(container_id) == container_id


@pytest.mark.parametrize(
    "container_id", ["", ".", "..", ".a", "../x", "a/b", "a b", "a\0b", "ä", "x" * 256, "x" * 5000]
)
def test_an_id_that_could_leave_the_root_is_refused(container_id):
    with pytest.raises(ContainerError, match="the container's ID is") as raised:
        state.check_id(container_id)
    assert len(str(raised.value)) < 600


def test_a_record_is_for_root_alone_and_comes_back(tmp_path):
    with state.make(str(tmp_path), "c1") as folder:
        folder.write(record(pid=7, start=9, phase="created", cgroup=[[1, "/m", [], "g"]]))
        assert stat.S_IMODE(os.stat(folder.path).st_mode) == 0o700
        assert stat.S_IMODE(os.stat(f"{folder.path}/state.json").st_mode) == 0o600
        again = folder.read()
    assert (
        again.as_dict()
        == record(pid=7, start=9, phase="created", cgroup=[[1, "/m", [], "g"]], created=again.created).as_dict()
    )


def test_of_many_that_create_one_id_one_wins(tmp_path):
    outcomes = []

    def create():
        try:
            with state.make(str(tmp_path), "c1"):
                outcomes.append("made")
        except ContainerError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=create) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("made") == 1
    assert {outcome for outcome in outcomes if outcome != "made"} == {
        "container c1 exists already: choose another ID, or delete it first"
    }


def test_a_container_that_another_command_changes_is_busy(tmp_path):
    with state.make(str(tmp_path), "c1") as folder:
        assert state.is_busy(folder.path)
        with pytest.raises(ContainerError, match=r"busy: another command changes it for 0\.01 s"):
            state.lock(str(tmp_path), "c1", 0.01)
    assert not state.is_busy(str(tmp_path / "c1"))


def test_who_waits_for_a_deleted_container_finds_none(tmp_path):
    folder = state.make(str(tmp_path), "c1")
    raised = []

    def wait():
        try:
            state.lock(str(tmp_path), "c1").close()
        except NotFound as error:
            raised.append(str(error))

    thread = threading.Thread(target=wait)
    thread.start()
    folder.remove()
    folder.close()
    thread.join()
    assert raised == ["container c1 does not exist"]


def test_a_record_that_is_missing_or_damaged_says_how_to_get_rid_of_it(tmp_path):
    state.make(str(tmp_path), "c1").close()
    with pytest.raises(ContainerError, match="never created to the end; delete it with --force"):
        state.read(str(tmp_path / "c1"), "c1")
    for text in ("{", "[]", '{"id": "c1"}', '{"id": 3}'):
        (tmp_path / "c1" / "state.json").write_text(text)
        with pytest.raises(ContainerError, match=r"state\.json is damaged"):
            state.read(str(tmp_path / "c1"), "c1")


def test_the_number_of_another_process_is_not_the_container(tmp_path):
    start = process.start_time(os.getpid())
    assert record(pid=os.getpid(), start=start).alive()
    assert not record(pid=os.getpid(), start=start + 1).alive()
    assert process.find(os.getpid(), start + 1) is None


def test_a_child_is_a_zombie_until_it_is_waited_for():
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 7"], {})
    with process.Handle(os.pidfd_open(pid)) as handle:
        assert handle.ended(10)
        assert process.start_time(pid) is None
        assert process.start_time(pid, zombies=True) is not None
        assert handle.exit_code() == 7
        assert not handle.signal(15)
    assert process.start_time(pid, zombies=True) is None


def test_ids_are_those_of_directories(tmp_path):
    assert state.ids(str(tmp_path / "none")) == []
    for name in ("b", "a", ".seccomp"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    assert state.ids(str(tmp_path)) == ["a", "b"]


def test_a_stopped_container_has_no_pid():
    assert state.document(record(pid=7), "running") == {
        "ociVersion": "1.3.0",
        "id": "c1",
        "status": "running",
        "pid": 7,
        "bundle": "/b",
        "annotations": {"a": "b"},
    }
    assert state.document(record(pid=7), "stopped")["pid"] == 0
