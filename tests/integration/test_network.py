# SPDX-License-Identifier: Apache-2.0
"""Bridge, veth, address, route and NAT, in network namespaces of the test's own: the machine's stays as it is."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time

import pytest

PODINIT = os.path.join(os.path.dirname(__file__), "../../runtime_core/podinit")
DRIVER = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "net.h"

int main(int argc, char **argv)
{
	char err[256] = "";
	int result = -2;
	struct net_config c = {0};

	if (argc >= 9)
		c = (struct net_config){.ifname = argv[2], .host_ifname = argv[3], .bridge = argv[4], .address = argv[5],
					.gateway = argv[6], .prefix = atoi(argv[7]), .mtu = atoi(argv[8])};
	if (argc == 10 && strcmp(argv[1], "attach") == 0)
		result = net_attach(&c, atoi(argv[9]), err, sizeof(err));
	else if (argc == 9 && strcmp(argv[1], "configure") == 0)
		result = net_configure(&c, err, sizeof(err));
	else if (argc == 2 && strcmp(argv[1], "loopback") == 0)
		result = net_loopback_up(err, sizeof(err));
	else if (argc == 3 && strcmp(argv[1], "detach") == 0)
		result = net_detach(argv[2], err, sizeof(err));
	if (err[0])
		fputs(err, stderr);
	return result == 0 ? 0 : 1;
}
"""
ENSURE = """
import json, sys
from podwright.config import Config
from podwright.errors import PodwrightError
from podwright.network import host
config = Config(root=sys.argv[1], network_bridge="pwtest0", network_subnet=sys.argv[2])
try:
    answer = host.ensure(config)
    print(json.dumps({"answer": answer, "loaded": "pyroute2" in sys.modules}))
except PodwrightError as error:
    print(json.dumps(error.as_dict()))
"""
SERVER = """
import socket, sys
server = socket.create_server((sys.argv[1], 7077))
print("ready", flush=True)
while True:
    connection, peer = server.accept()
    connection.sendall(peer[0].encode())
    connection.close()
"""
CLIENT = """
import socket, sys
connection = socket.create_connection((sys.argv[1], 7077), timeout=20)
print(connection.makefile().read())
"""
SUBNET = "10.88.7.0/24"


def run(*command, check=True):
    done = subprocess.run(command, capture_output=True, text=True)
    assert not check or done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout.strip()


class Namespace:
    """A network namespace with a name of its own, and the processes that the test starts in it."""

    def __init__(self):
        self.name = f"pwtest-{os.getpid()}-{os.urandom(3).hex()}"
        run("ip", "netns", "add", self.name)

    def command(self, *command):
        return ["ip", "netns", "exec", self.name, *command]

    def run(self, *command, check=True):
        return run(*self.command(*command), check=check)

    def json(self, *command):
        return json.loads(self.run("ip", "-json", *command))

    def interface(self, name, *options, address=None):
        """Make an interface that is up (not every kernel has dummy ones)."""
        self.run("ip", "link", "add", name, *options, "type", "veth", "peer", "name", f"{name}-far")
        for end in (name, f"{name}-far"):
            self.run("ip", "link", "set", end, "up")
        if address:
            self.run("ip", "addr", "add", address, "dev", name)

    def python(self, code, *arguments):
        return self.run(sys.executable, "-c", code, *arguments)

    def ensure(self, root, subnet=SUBNET):
        return json.loads(self.python(ENSURE, str(root), subnet))

    @contextlib.contextmanager
    def process(self, *command, **options):
        process = subprocess.Popen(self.command(*command), **options)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()


@pytest.fixture
def namespace():
    made = []

    def make():
        made.append(Namespace())
        return made[-1]

    yield make
    for one in made:
        run("ip", "netns", "del", one.name)


@pytest.fixture
def bridged(namespace, tmp_path):
    """Give a namespace that plays the host, with our bridge in it."""
    one = namespace()
    one.run("ip", "link", "set", "lo", "up")
    assert one.ensure(tmp_path)["answer"][0] == "pwtest0"
    return one


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """Compile net.c and rtnetlink.c with a main of a few lines, warnings as errors and the sanitizers on."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    folder = tmp_path_factory.mktemp("net")
    (folder / "main.c").write_text(DRIVER)
    run("gcc", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-g", "-D_GNU_SOURCE", "-fsanitize=address,undefined",
        "-fno-sanitize-recover=undefined", f"-I{PODINIT}", "-o", str(folder / "net"), str(folder / "main.c"),
        f"{PODINIT}/net.c", f"{PODINIT}/rtnetlink.c")  # fmt: skip
    return str(folder / "net")


def config(address, *, host_ifname, bridge="pwtest0", ifname="eth0", mtu=1400):
    return [ifname, host_ifname, bridge, address, "10.88.7.1", "24", str(mtu)]


@contextlib.contextmanager
def pod(net, host, inner, address, host_ifname):
    """Wire a namespace as podinit does: its `pause` is a sleep; the host's end is made by name of that process."""
    with inner.process("sleep", "300") as pause:
        wait_for(lambda: os.readlink(f"/proc/{pause.pid}/ns/net") == namespace_link(inner))
        host.run(net, "attach", *config(address, host_ifname=host_ifname), str(pause.pid))
        inner.run(net, "loopback")
        inner.run(net, "configure", *config(address, host_ifname=host_ifname))
        yield pause


def namespace_link(namespace):
    return f"net:[{os.stat(f'/run/netns/{namespace.name}').st_ino}]"


def wait_for(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


@contextlib.contextmanager
def server(namespace, address):
    with namespace.process(sys.executable, "-S", "-c", SERVER, address, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        yield


def test_the_bridge_is_made_once_and_then_only_looked_at(namespace, tmp_path):
    one = namespace()
    first, second = one.ensure(tmp_path), one.ensure(tmp_path)
    assert first["answer"] == second["answer"] == ["pwtest0", [0x0A580700, 24], 1500]
    assert (first["loaded"], second["loaded"]) == (True, False)
    (link,) = one.json("-details", "addr", "show", "pwtest0")
    assert link["linkinfo"]["info_kind"] == "bridge"
    assert "UP" in link["flags"]
    assert [(a["local"], a["prefixlen"], a["broadcast"]) for a in link["addr_info"] if a["family"] == "inet"] == [
        ("10.88.7.1", 24, "10.88.7.255")
    ]
    assert one.run("cat", "/proc/sys/net/ipv4/ip_forward") == "1"
    assert "ip saddr 10.88.7.0/24" in one.run("nft", "list", "table", "ip", "pwtest0")


@pytest.mark.parametrize(
    "damage",
    [
        "nft flush ruleset",
        "nft flush table ip pwtest0",
        "nft delete table ip pwtest0",
        "ip link set pwtest0 down",
        "ip addr flush dev pwtest0",
        "ip addr add 10.88.8.1/24 dev pwtest0",
        "ip link del pwtest0",
        "sysctl -qw net.ipv4.ip_forward=0",
        "sysctl -qw net.ipv6.conf.pwtest0.disable_ipv6=0",
    ],
)
def test_what_is_damaged_is_put_right(bridged, tmp_path, damage):
    if damage == "ip addr add 10.88.8.1/24 dev pwtest0":
        bridged.run("ip", "addr", "flush", "dev", "pwtest0")
    bridged.run(*damage.split())
    assert bridged.ensure(tmp_path)["answer"] == ["pwtest0", [0x0A580700, 24], 1500]
    assert bridged.ensure(tmp_path)["loaded"] is False
    rules = bridged.run("nft", "list", "ruleset")
    assert (rules.count("masquerade"), rules.count("table ")) == (1, 1)
    (link,) = bridged.json("addr", "show", "pwtest0")
    assert [a["local"] for a in link["addr_info"] if a["family"] == "inet"] == ["10.88.7.1"]


def test_other_tables_stay(bridged, tmp_path):
    bridged.run("nft", "add table inet mine")
    bridged.run("nft", "delete table ip pwtest0")
    bridged.ensure(tmp_path)
    assert sorted(bridged.run("nft", "list", "tables").splitlines()) == ["table inet mine", "table ip pwtest0"]


def test_a_new_subnet_moves_a_bridge_without_pods(bridged, tmp_path):
    assert bridged.ensure(tmp_path, "10.88.9.0/24")["answer"] == ["pwtest0", [0x0A580900, 24], 1500]
    assert "10.88.7" not in bridged.run("ip", "addr") + bridged.run("nft", "list", "ruleset")


def test_a_new_subnet_does_not_move_a_bridge_with_pods(bridged, tmp_path):
    bridged.interface("port")
    bridged.run("ip", "link", "set", "port", "master", "pwtest0")
    error = bridged.ensure(tmp_path, "10.88.9.0/24")
    assert (error["type"], error["field"]) == ("HostError", "network.subnet")
    assert "10.88.7.1/24 and pods hang on it" in error["message"]


def test_the_bridge_takes_the_mtu_of_the_way_out(namespace, tmp_path):
    one = namespace()
    one.interface("uplink", "mtu", "1380", address="192.0.2.2/24")
    one.run("ip", "route", "add", "default", "via", "192.0.2.1")
    assert one.ensure(tmp_path)["answer"][2] == 1380


@pytest.mark.parametrize("address", ["10.88.7.9/32", "10.88.7.130/25", "10.88.0.1/16"])
def test_a_subnet_that_overlaps_another_interface_is_refused(namespace, tmp_path, address):
    one = namespace()
    one.interface("lan", address=address)
    error = one.ensure(tmp_path)
    assert (error["type"], error["field"], error["value"]) == ("HostError", "network.subnet", SUBNET)
    assert "of interface lan: set another network.subnet" in error["message"]
    assert "pwtest0" not in one.run("ip", "link")


def test_a_name_that_belongs_to_something_else_is_refused(namespace, tmp_path):
    one = namespace()
    one.interface("pwtest0")
    error = one.ensure(tmp_path)
    assert (error["type"], error["field"], error["value"]) == ("HostError", "network.bridge", "pwtest0")


def test_processes_that_race_make_one_bridge(namespace, tmp_path):
    one = namespace()
    command = one.command(sys.executable, "-c", ENSURE, str(tmp_path), SUBNET)
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [json.loads(racer.communicate()[0])["answer"][0] for racer in racers] == ["pwtest0"] * 3
    assert one.run("nft", "list", "ruleset").count("masquerade") == 1


def test_pods_reach_each_other_the_host_and_the_world(bridged, namespace, net):
    world, first, second = namespace(), namespace(), namespace()
    bridged.run("ip", "link", "add", "uplink", "type", "veth", "peer", "name", "eth0", "netns", world.name)
    bridged.run("ip", "addr", "add", "198.51.100.1/24", "dev", "uplink")
    bridged.run("ip", "link", "set", "uplink", "up")
    world.run("ip", "addr", "add", "198.51.100.9/24", "dev", "eth0")
    world.run("ip", "link", "set", "eth0", "up")
    with (
        pod(net, bridged, first, "10.88.7.2", "pwaaaaaaaaaaaa"),
        pod(net, bridged, second, "10.88.7.3", "pwbbbbbbbbbbbb"),
    ):
        with server(first, "0.0.0.0"), server(world, "198.51.100.9"):
            assert second.python(CLIENT, "10.88.7.2") == "10.88.7.3"
            assert bridged.python(CLIENT, "10.88.7.2") == "10.88.7.1"
            assert first.python(CLIENT, "127.0.0.1") == "127.0.0.1"
            assert (
                second.python(CLIENT, "198.51.100.9") == "198.51.100.1"
            )  # the world sees the host: it has no route back


def test_a_pods_link_is_as_configured(bridged, namespace, net):
    inner = namespace()
    with pod(net, bridged, inner, "10.88.7.2", "pwaaaaaaaaaaaa"):
        (link,) = inner.json("addr", "show", "eth0")
        assert (link["mtu"], "UP" in link["flags"]) == (1400, True)
        assert [(a["local"], a["prefixlen"], a["broadcast"]) for a in link["addr_info"] if a["family"] == "inet"] == [
            ("10.88.7.2", 24, "10.88.7.255")
        ]
        (route,) = inner.json("route", "show", "default")
        assert (route["gateway"], route["dev"]) == ("10.88.7.1", "eth0")
        (outer,) = bridged.json("link", "show", "pwaaaaaaaaaaaa")
        assert (outer["master"], outer["mtu"], "UP" in outer["flags"]) == ("pwtest0", 1400, True)
        bridged.run(net, "detach", "pwaaaaaaaaaaaa")
        assert "pwaaaaaaaaaaaa" not in bridged.run("ip", "link")
        assert "eth0" not in inner.run("ip", "link")
        bridged.run(net, "detach", "pwaaaaaaaaaaaa")  # absent is success


VETH = """
import sys
from podwright.errors import HostError
from podwright.network import veth
print(veth.attached("pwaaaaaaaaaaaa", "pwtest0"), veth.attached("pwaaaaaaaaaaaa", "other"))
veth.delete("pwaaaaaaaaaaaa")
veth.delete("pwaaaaaaaaaaaa")
print(veth.attached("pwaaaaaaaaaaaa", "pwtest0"))
try:
    veth.delete("lo")
except HostError as error:
    print(error)
"""


def test_the_host_deletes_the_veth_of_a_pod_whose_supervisor_died(bridged, namespace, net):
    inner = namespace()
    with pod(net, bridged, inner, "10.88.7.2", "pwaaaaaaaaaaaa"):
        assert bridged.python(VETH).splitlines() == [
            "True False",
            "False",
            "cannot delete interface lo: Operation not supported",
        ]
        assert "eth0" not in inner.run("ip", "link")


def test_a_pod_that_comes_or_goes_does_not_change_the_bridges_address(bridged, namespace, net):
    inner = namespace()
    before = bridged.json("link", "show", "pwtest0")[0]["address"]
    with pod(net, bridged, inner, "10.88.7.2", "pwaaaaaaaaaaaa"):
        bridged.run("ip", "link", "set", "pwaaaaaaaaaaaa", "address", "00:00:00:00:00:01")
        assert bridged.json("link", "show", "pwtest0")[0]["address"] == before == "02:50:0a:58:07:01"


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["attach", *config("10.88.7.2", host_ifname="pw12", bridge="nobridge"), "1"],
         "cannot add veth pw12 to bridge nobridge: No such device"),
        (["attach", *config("10.88.7.2", host_ifname="pw12", bridge="lo"), "PAUSE"],
         "cannot add veth pw12 to bridge lo: Operation not supported"),
        (["attach", *config("10.88.7.2", host_ifname="pw12"), "4194305"],
         "cannot add veth pw12 to bridge pwtest0: "),
        (["attach", *config("10.88.7.2", host_ifname="pwtest0"), "PAUSE"],
         "cannot add veth pwtest0 to bridge pwtest0: File exists"),
        (["attach", *config("10.88.7.2", host_ifname="pw3456789012345x"), "PAUSE"],
         "cannot add veth pw3456789012345x to bridge pwtest0: "),
        (["attach", *config("10.88.7.2", host_ifname="x" * 600), "PAUSE"], "cannot add veth xxx"),
        (["attach", *config("10.88.7.2", host_ifname="pw12", mtu=7), "PAUSE"],
         "cannot add veth pw12 to bridge pwtest0: "),
        (["configure", *config("10.88.7.2", host_ifname="pw12")], "cannot find interface eth0: No such device"),
        (["configure", *config("10.88.7", host_ifname="pw12")],
         "cannot give eth0 the address 10.88.7/24: Invalid argument"),
        (["configure", *config("10.9.9.2", host_ifname="pw12", ifname="lo")], "cannot route lo through 10.88.7.1: "),
        (["detach", "x" * 600], "cannot delete veth xxx"),
    ],
)  # fmt: skip
def test_a_refusal_is_one_sentence_and_leaves_nothing(bridged, namespace, net, command, sentence):
    inner = namespace()
    before = bridged.json("link")
    with inner.process("sleep", "300") as pause:
        wait_for(lambda: os.readlink(f"/proc/{pause.pid}/ns/net") == namespace_link(inner))
        where = inner if command[0] == "configure" else bridged
        arguments = [str(pause.pid) if word == "PAUSE" else word for word in command]
        done = subprocess.run(where.command(net, *arguments), capture_output=True, text=True)
        assert done.returncode == 1
        assert done.stderr.startswith(sentence)
        assert "\n" not in done.stderr
        assert bridged.json("link") == before
