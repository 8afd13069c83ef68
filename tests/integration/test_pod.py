# SPDX-License-Identifier: Apache-2.0
"""A pod from a real registry: what its containers share and what they do not."""

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from hosttools import Host
from imagetools import busybox_layer, make_layout, push
from podtools import container, eventually, pod, statuses
from registry import Registry


@pytest.fixture(scope="module")
def web_image(tmp_path_factory, module_host: Host):
    """A busybox image in Debian's docker-registry on loopback, by its reference there."""
    layout = tmp_path_factory.mktemp("image") / "layout"
    make_layout(layout, [busybox_layer(), programs("ipcs", "ipcmk")])
    with Registry() as registry:
        reference = f"{registry.address}/web:1"
        push(layout, reference)
        yield reference


def programs(*names: str) -> list[dict]:
    """A layer of programs of this host and the libraries that they load."""
    files = {shutil.which(name) for name in names}
    for name in list(files):
        listed = subprocess.run(["ldd", name], capture_output=True, text=True, check=True).stdout
        files |= {word for word in listed.split() if word.startswith("/")}
    return [{"name": name.lstrip("/"), "data": Path(name).read_bytes(), "mode": 0o755} for name in sorted(files)]


@pytest.fixture(scope="module")
def web(module_host: Host, web_image: str):
    """The pod of the issue: one container serves on 127.0.0.1, the other fetches over localhost."""
    serve = (
        "mkdir -p /www && echo it-works > /www/index.html && "
        "httpd -p 127.0.0.1:8080 -h /www && httpd -p $(hostname -i):8081 -h /www && exec sleep 100000"
    )
    ask = "while true; do wget -q -O - http://localhost:8080/; sleep 1; done"
    manifest = pod("web", container("server", serve, image=web_image), container("client", ask, image=web_image))
    module_host.apply(manifest, "--wait")
    return module_host.pod("web")


def logs(host: Host, name: str, which: str) -> list[str]:
    return host.run("logs", name, "-c", which).stdout.splitlines()


def shell(host: Host, name: str, script: str, image: str) -> list[str]:
    """Run a script in a pod of its own and return what it wrote."""
    manifest = pod(name, container("sh", script, image=image), restartPolicy="Never")
    host.apply(manifest, "--wait")
    lines = logs(host, name, "sh")
    host.delete(name)
    return lines


def test_the_client_fetches_over_localhost(module_host, web):
    eventually(lambda: "it-works" in logs(module_host, "web", "client"), "an answer over localhost")


def test_status_has_kubernetes_shape(module_host, web):
    status = web["status"]
    assert status["phase"] == "Running"
    assert {item["type"] for item in status["conditions"]} >= {"Ready", "ContainersReady", "PodScheduled"}
    assert [item["restartCount"] for item in status["containerStatuses"]] == [0, 0]
    assert status["containerStatuses"][0]["imageID"].startswith("127.0.0.1:")


def test_a_third_pod_reaches_it_by_address(module_host, web, web_image):
    lines = shell(module_host, "third", f"wget -q -O - http://{web['status']['podIP']}:8081/", web_image)
    assert lines == ["it-works"]


def test_namespaces_shared_and_not_shared(module_host, web):
    """The kernel's own word: net, ipc and uts are one for both containers and not the host's; mnt and pid are not."""
    state = module_host.runtime._native.supervisor(web["metadata"]["uid"]).state()
    pids = [item["pid"] for item in state["containers"]]
    kinds = {
        kind: {os.readlink(f"/proc/{pid}/ns/{kind}") for pid in pids} for kind in ("net", "ipc", "uts", "mnt", "pid")
    }
    assert {kind: len(links) for kind, links in kinds.items()} == {"net": 1, "ipc": 1, "uts": 1, "mnt": 2, "pid": 2}
    for kind, links in kinds.items():
        assert os.readlink(f"/proc/self/ns/{kind}") not in links, f"the {kind} namespace is the host's"


def test_what_the_containers_see(module_host, web_image):
    """Hostname, its address, IPC objects and processes, from inside."""
    first = "hostname; hostname -i; touch /dev/shm/mark; exec sleep 100000"
    second = "sleep 1; hostname; hostname -i; ls /dev/shm; ps -o pid,args | grep -c 'sleep 10000[0]'; true"
    manifest = pod(
        "seen",
        container("first", first, image=web_image),
        container("second", second, image=web_image),
        restartPolicy="OnFailure",
    )
    module_host.apply(manifest)
    eventually(lambda: "terminated" in statuses(module_host.pod("seen"))["second"]["state"], "the second to end")
    address = module_host.pod("seen")["status"]["podIP"]
    assert logs(module_host, "seen", "first") == ["seen", address]
    assert logs(module_host, "seen", "second") == ["seen", address, "mark", "0"]
    module_host.delete("seen")


def test_ipcs_is_shared_inside_the_pod_and_not_with_others(module_host, web, web_image):
    subprocess.run(["ipcmk", "-Q"], check=True, capture_output=True)  # the host's own
    inside = shell(module_host, "alone", "ipcs -q | grep -c '^0x' ; true", web_image)
    assert inside == ["0"], "a new pod sees message queues of somebody else"
    wait = "while ! ipcs -q | grep '^0x'; do sleep 0.2; done; sleep 100000"
    maker = container("maker", "ipcmk -Q >/dev/null; sleep 100000", image=web_image)
    mine = pod("queue", maker, container("reader", wait, image=web_image))
    module_host.apply(mine, "--wait")
    eventually(lambda: logs(module_host, "queue", "reader"), "the other container's message queue")
    module_host.delete("queue")


def test_an_address_that_is_used_again_is_reached_at_once(module_host, web_image):
    """The host remembers where the pod that had it before was (its neighbour cache), for up to a minute."""
    serve = container("main", "exec httpd -f -p 8080", image=web_image)
    seen = []
    for name in ("one", "two"):
        module_host.apply(pod(name, serve), "--wait")
        address = module_host.pod(name)["status"]["podIP"]
        eventually(lambda address=address: _is_open(address), "an answer", seconds=10)
        link = ["ip", "-j", "neigh", "show", address, "dev", module_host.bridge]
        known = json.loads(subprocess.run(link, capture_output=True, text=True, check=True).stdout)
        seen.append((address, known[0]["lladdr"]))
        module_host.delete(name)
    assert seen[0] == seen[1]


def _is_open(address):
    try:
        socket.create_connection((address, 8080), timeout=0.5).close()
    except OSError:
        return False
    return True


def test_the_network_leads_out_through_nat(module_host, web):
    """The rule is there once, however many pods; what it does to packets is the kernel's affair."""
    rules = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    assert rules.count(f"ip saddr {module_host.subnet} ") == 1
    assert "masquerade" in rules
