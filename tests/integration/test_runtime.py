# SPDX-License-Identifier: Apache-2.0
"""``podwright.Runtime`` in trouble: damaged files, lost sockets, a full disk, many threads and many descriptors."""

import json
import os
import resource
import shutil
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from hosttools import Host
from imagetools import make_busybox_image
from podtools import IMAGE, container, eventually, pod, statuses
from podwright.errors import HostError, ImageError, NotFound
from podwright.runtime import Runtime

WEB = pod("web", container("a", "sleep 100000"))


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    folder = tmp_path_factory.mktemp("image") / "layout"
    make_busybox_image(folder)
    return folder


@pytest.fixture
def host(host: Host, layout):
    host.runtime.images.load(f"oci:{layout}", IMAGE)
    return host


def record_of(host: Host, name: str = "web"):
    return host.root / "lib/pods" / host.pod(name)["metadata"]["uid"] / "pod.json"


def run_dir(host: Host, name: str = "web"):
    return host.run_dir / "run/pods" / host.pod(name)["metadata"]["uid"]


def edited(value: str) -> dict:
    return pod("web", container("a", "sleep 100000", env=[{"name": "EDIT", "value": value}]))


def is_running(found: dict) -> bool:
    return all("running" in status["state"] for status in statuses(found).values())


def test_a_pod_with_a_damaged_record_can_be_deleted_and_nothing_else(host):
    runtime = host.runtime
    runtime.apply(WEB)
    record_of(host).write_bytes(b"{")
    for attempt in (lambda: runtime.apply(WEB), lambda: runtime.get("web"), runtime.list):
        with pytest.raises(HostError, match="damaged: delete the pod"):
            attempt()
    assert runtime.plan_delete("web").action == "delete"
    assert runtime.delete("web").plan.changed
    assert not host.processes()
    assert runtime.apply(WEB).plan.action == "create"


def test_a_lost_state_file_is_asked_for(host):
    host.apply(WEB, "--wait")
    for content in (None, b"", b"{}", b"\xff"):
        path = run_dir(host) / "state.json"
        path.write_bytes(content) if content is not None else path.unlink()
        assert is_running(host.pod("web"))


def test_a_supervisor_that_lost_its_socket_is_replaced(host):
    host.apply(WEB, "--wait")
    before = host.pod("web")["metadata"]["uid"]
    (run_dir(host) / "agent.sock").unlink()
    assert "lost its socket" in host.apply(WEB, "--dry-run").stdout
    assert "repaired" in host.apply(WEB, "--wait").stdout
    assert host.pod("web")["metadata"]["uid"] == before
    (run_dir(host) / "agent.sock").unlink()
    host.delete("web")
    assert not host.processes()


def test_a_pod_that_another_release_started_is_shown_and_replaced(host):
    """The first form of a supervisor's state knew no probes, and no later one is known yet."""
    manifest = pod("web", container("a", "trap 'exit 0' TERM; while :; do sleep 0.1; done"))
    manifest["spec"]["terminationGracePeriodSeconds"] = 20
    host.apply(manifest, "--wait")
    before = host.pod("web")["metadata"]["uid"]
    path = run_dir(host) / "state.json"
    state = json.loads(path.read_text()) | {"version": 1}
    for entry in state["containers"]:
        del entry["ready"], entry["started"]
    path.write_text(json.dumps(state))
    shown = host.pod("web")
    assert is_running(shown)
    assert all(status["ready"] and status["started"] for status in statuses(shown).values())
    assert "another release of podwright started the pod" in host.apply(manifest, "--dry-run").stdout
    assert "repaired" in host.apply(manifest, "--wait").stdout
    assert host.pod("web")["metadata"]["uid"] == before
    assert json.loads(path.read_text())["version"] > 1
    assert "unchanged" in host.apply(manifest).stdout


def test_a_lost_run_folder_is_repaired(host):
    host.apply(WEB, "--wait")
    shutil.rmtree(run_dir(host))
    assert "repaired" in host.apply(WEB, "--wait").stdout
    assert "unchanged" in host.apply(WEB).stdout
    assert len([name for name in host.processes().values() if name == "sleep"]) == 1


def test_after_a_reboot_pods_are_repaired(host):
    host.apply(WEB, "--wait")
    for pid in host.processes():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not host.processes(), "the end of all processes")
    shutil.rmtree(host.run_dir / "run")
    assert host.pod("web")["status"]["phase"] == "Unknown"
    assert "repaired" in host.apply(WEB, "--wait").stdout


def test_a_repair_that_nobody_recorded_is_not_taken_for_the_old_pod(host, monkeypatch):
    """The caller dies when the new containers run and the record still tells of the old ones."""
    runtime = host.runtime
    runtime.apply(edited("old"), wait=True)
    os.kill(json.loads((run_dir(host) / "state.json").read_text())["supervisorPid"], signal.SIGKILL)
    eventually(lambda: runtime.get("web")["status"]["phase"] == "Unknown", "the loss to be seen")
    create = runtime._native.create
    monkeypatch.setattr(runtime._native, "create", lambda *args: (create(*args), os._exit(9)))
    pid = os.fork()  # the test's own process has no threads here
    if pid == 0:
        runtime.apply(edited("new"))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    assert host.runtime.plan(edited("old")).restart == ["a"]
    host.apply(edited("old"), "--wait")
    assert "unchanged" in host.apply(edited("old")).stdout


def test_names_of_full_length_run(host):
    long = pod("n" * 253, container("c" * 63, "sleep 100000"))
    host.apply(long, "--wait")
    assert host.pod("n" * 253)["status"]["phase"] == "Running"
    host.delete("n" * 253)


def test_eight_threads_with_one_runtime(host):
    runtime, barrier = host.runtime, threading.Barrier(8)

    def life(number: int) -> list[str]:
        barrier.wait()
        mine = pod(f"p{number}", container("a", "sleep 100000"))
        actions = [runtime.apply(mine, wait=True).plan.action, runtime.apply(mine).plan.action]
        assert len(runtime.list()) >= 1
        return [*actions, runtime.delete(f"p{number}").plan.action]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(life, range(8))) == [["create", "none", "delete"]] * 8


def test_threads_and_processes_that_quarrel_about_one_pod(host):
    runtime, stop = host.runtime, threading.Event()

    def watch() -> None:
        while not stop.is_set():
            runtime.list()

    def quarrel(number: int) -> None:
        for turn in range(6):
            if (number + turn) % 3:
                runtime.apply(edited(str(number)))
            elif number % 2:
                runtime.delete("web", grace=0)
            else:
                host.run("delete", "pod", "web", check=False)

    with ThreadPoolExecutor(5) as pool:
        watcher = pool.submit(watch)
        quarrels = [pool.submit(quarrel, number) for number in range(4)]
        try:
            for one in quarrels:
                one.result()
        finally:
            stop.set()
        watcher.result()
    runtime.apply(edited("last"), wait=True)
    assert len(host.runtime.list()) == 1


def test_a_delete_ends_a_wait(host):
    never = pod("web", container("a", "/no/such/command"))
    runtime = host.runtime
    runtime.apply(never)
    timer = threading.Timer(0.5, lambda: host.delete("web"))
    timer.start()
    with pytest.raises(NotFound, match="there is no pod web"):
        runtime.apply(never, wait=True, timeout=60)
    timer.join()


def test_more_descriptors_than_select_can_watch(host):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
    try:
        host.runtime.apply(WEB, wait=True)
    finally:
        for fd in held:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_no_descriptor_left_is_one_sentence_and_leaves_nothing(host):
    host.runtime.apply(WEB)
    host.delete("web")
    before = host.snapshot()
    runtime = host.runtime
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for free in range(1, 12):
        taken = len(os.listdir("/proc/self/fd"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(taken + free, hard), hard))
        try:
            runtime.apply(WEB)
        except (HostError, ImageError) as error:
            assert "open files" in str(error)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        host.run("delete", "pod", "web", "--grace-period", "0", check=False)
        assert not host.snapshot().new_since(before), f"with {free} descriptors"


def test_a_caller_that_ignores_its_children(host):
    handler = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert host.runtime.apply(WEB).plan.action == "create"
    finally:
        signal.signal(signal.SIGCHLD, handler)


def test_a_full_disk_stops_an_apply_but_no_delete(host, layout):
    small = host.root / "lib"
    shutil.rmtree(small)
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "podwright-test", small], check=True)
    try:
        runtime = host.runtime
        runtime.images.load(f"oci:{layout}", IMAGE)
        runtime.apply(WEB, wait=True)
        filler = small / "filler"
        with pytest.raises(OSError, match="No space"), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        with pytest.raises(HostError, match="No space left on device"):
            runtime.apply(pod("other", container("a", "sleep 100000")))
        assert runtime.delete("web").plan.changed
        assert not host.processes()
        filler.unlink()
        assert [found["metadata"]["name"] for found in runtime.list()] == []
        runtime.delete("other")
        assert os.listdir(small / "pods") == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_an_image_that_lost_a_layer_leaves_the_running_pod_alone(host):
    host.apply(WEB, "--wait")
    uid = host.pod("web")["metadata"]["uid"]
    for folder in (host.root / "lib/layers", host.root / "lib/images/blobs/sha256"):
        for path in folder.iterdir():
            if path.is_dir():
                path.rename(path.with_name("lost"))
            elif path.stat().st_size > 100_000:
                path.unlink()
    recreated = pod("web", container("a", "sleep 100000"), hostname="other")
    done = host.apply(recreated, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert host.pod("web")["metadata"]["uid"] == uid
    assert is_running(host.pod("web"))


def test_a_damaged_index_is_one_sentence(host):
    (host.root / "lib/images/index.json").write_bytes(b"{")
    done = host.apply(WEB, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "index.json is damaged" in done.stderr
    assert Runtime(host.config).list() == []


def test_a_list_reads_the_addresses_once(host, monkeypatch):
    for number in range(3):
        host.runtime.apply(pod(f"p{number}", container("a", "sleep 100000")))
    runtime, reads = host.runtime, []
    read = runtime._native._addresses._read
    monkeypatch.setattr(runtime._native._addresses, "_read", lambda: reads.append(1) or read())
    assert len({found["status"]["podIP"] for found in runtime.list()}) == 3
    assert reads == [1]


def test_an_apply_tells_of_its_pod_even_when_it_is_deleted_at_once(host, monkeypatch):
    runtime = host.runtime
    locked = runtime._store.locked

    @contextmanager
    def then_deleted(namespace: str, name: str, kind: str):
        with locked(namespace, name, kind) as lock:
            yield lock
        host.delete(name)

    monkeypatch.setattr(runtime._store, "locked", then_deleted)
    assert runtime.apply(WEB).pod["metadata"]["name"] == "web"


def test_other_words_of_the_same_meaning_bring_their_own_warnings(host):
    host.runtime.apply(WEB)
    wordy = pod("web", container("a", "sleep 100000"), schedulerName="mine")
    for _ in range(2):
        plan = host.runtime.apply(wordy).plan
        assert not plan.changed
        assert [warning for warning in plan.warnings if "schedulerName" in warning]
    assert host.runtime.apply(WEB).plan.warnings == []
    assert host.runtime.plan(WEB).warnings == []
