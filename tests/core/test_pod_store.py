# SPDX-License-Identifier: Apache-2.0
"""Records and names of pods on disk."""

import os
import threading

import pytest

from podwright.errors import HostError
from podwright.pods.store import PodStore, Record


def record(uid: str = "u1", name: str = "web", state: str = "running") -> Record:
    pod = {"kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": {"containers": [{"name": "a"}]}}
    images = {"a": {"reference": "x:1", "digest": "sha256:0"}}
    return Record(uid, state, pod, 1, images, "2026-01-02T03:04:05Z", "s", ("w",))


@pytest.fixture
def store(tmp_path):
    return PodStore(str(tmp_path / "root"), str(tmp_path / "run"))


def test_a_record_is_read_as_it_was_written(store):
    with store.locked("default", "web") as lock:
        os.makedirs(store.pod_dir("u1"))
        lock.set("u1")
        store.write(record())
    assert store.find("default", "web") == record()
    assert store.all() == [record()]
    assert store.count() == 1


def test_a_name_that_got_no_pod_leaves_no_file(store, tmp_path):
    with store.locked("default", "web") as lock:
        assert lock.uid is None
    assert os.listdir(tmp_path / "root" / "names") == []


def test_a_cleared_name_is_gone(store, tmp_path):
    with store.locked("default", "web") as lock:
        lock.set("u1")
    with store.locked("default", "web") as lock:
        assert lock.uid == "u1"
        lock.clear()
    assert os.listdir(tmp_path / "root" / "names") == []
    assert store.uid_of("default", "web") is None


def test_who_waits_for_a_name_that_vanishes_gets_the_new_one(store):
    seen = []

    def other() -> None:
        with store.locked("default", "web") as lock:
            seen.append(lock.uid)

    with store.locked("default", "web") as lock:
        lock.set("u1")
        thread = threading.Thread(target=other)
        thread.start()
        lock.clear()
    thread.join(10)
    assert seen == [None]


def test_a_name_without_a_record_is_no_pod(store):
    with store.locked("default", "web") as lock:
        lock.set("u1")
    assert store.find("default", "web") is None
    assert store.all() == []


def test_a_record_of_another_release_is_refused(store):
    os.makedirs(store.pod_dir("u1"))
    with open(store.pod_dir("u1") + "/pod.json", "w") as file:
        file.write('{"version": 2}')
    with pytest.raises(HostError, match="not written by this release"):
        store.read("u1")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 1}', b"\xff", b'{"version": 1, "colour": "red"}'])
def test_a_damaged_record_is_named_with_the_way_out(store, content):
    os.makedirs(store.pod_dir("u1"))
    with open(store.pod_dir("u1") + "/pod.json", "wb") as file:
        file.write(content)
    with pytest.raises(HostError, match=r"u1/pod\.json is damaged: delete the pod"):
        store.read("u1")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"../../../etc", b"u1\n", b"u" * 65])
def test_a_damaged_name_leads_nowhere(store, tmp_path, content):
    os.makedirs(tmp_path / "root" / "names")
    path = tmp_path / "root" / "names" / "default_web"
    path.write_bytes(content)
    with pytest.raises(HostError, match="default_web is damaged"):
        store.uid_of("default", "web")
    with pytest.raises(HostError, match="default_web is damaged"), store.locked("default", "web"):
        pass
    assert path.read_bytes() == content


def test_the_longest_names_have_room(store):
    namespace, name = "n" * 63, "p" * 253
    for uid, last in (("u1", "a"), ("u2", "b")):
        with store.locked(namespace, name[:-1] + last) as lock:
            os.makedirs(store.pod_dir(uid))
            lock.set(uid)
            store.write(record(uid, name=name[:-1] + last))
    assert store.uid_of(namespace, name[:-1] + "a") == "u1"
    assert store.uid_of(namespace, name[:-1] + "b") == "u2"
    assert [found.uid for found in store.all()] == ["u1", "u2"]
