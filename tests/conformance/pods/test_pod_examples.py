# SPDX-License-Identifier: Apache-2.0
"""The Pods of examples/pods, as people write them: each runs as it stands in its file, and does what it is for."""

import base64
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from programs import IMAGES, programs

from hosttools import Host
from podtools import eventually

FOLDER = Path(__file__).parents[3] / "examples/pods"
READY = 120.0  # seconds: a database makes its files first
HTPASSWD = base64.b64encode(b"tester:open sesame").decode()


@pytest.fixture(scope="module")
def images(module_host: Host) -> Iterator[Host]:
    """A podwright that has the images by the names that people know."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    for program in IMAGES:
        module_host.run("import", f"oci:{programs()}:{program.tag}", program.image)
    yield module_host


class Running(NamedTuple):
    """An example that runs."""

    host: Host
    pod: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.pod["metadata"]["name"])

    def address(self) -> str:
        return str(self.pod["status"]["podIP"])

    def get(self, port: int, path: str = "/", **headers: str) -> tuple[int, str, dict[str, str]]:
        """Ask the pod for a page, from the host, and return status, text and headers."""
        request = urllib.request.Request(f"http://{self.address()}:{port}{path}", headers=headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                return answer.status, answer.read().decode(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(), dict(error.headers)

    def say(self, port: int, text: str) -> str:
        """Send a line and return the first answer."""
        with socket.create_connection((self.address(), port), timeout=30) as connection:
            connection.sendall(f"{text}\r\n".encode())
            return connection.recv(4096).decode(errors="replace")

    def log(self, container: str) -> str:
        return self.host.run("logs", self.name, "-c", container).stdout

    def run(self, container: str, *command: str, **env: str) -> str:
        """Run a program of the image in another pod, which reaches this one by its address; return what it says."""
        image = next(item["image"] for item in self.pod["spec"]["containers"] if item["name"] == container)
        variables = [{"name": name, "value": value} for name, value in env.items()]
        main = {"name": "main", "image": image, "command": list(command), "env": variables}
        spec = {"restartPolicy": "Never", "containers": [main]}
        self.host.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "client"}, "spec": spec})
        eventually(
            lambda: self.host.pod("client")["status"]["phase"] in ("Succeeded", "Failed"), "the client's end", 60
        )
        said = self.host.run("logs", "client").stdout
        self.host.delete("client")
        return said


def check_nginx(one: Running) -> None:
    assert one.get(80)[1] == "<h1>Served from a ConfigMap</h1>\n"
    assert one.get(80, "/healthz")[1] == "ok\n"


def check_mariadb(one: Running) -> None:
    login = ("mariadb", f"--host={one.address()}", "--user=shop", "shop", "-N", "-e")
    query = "CREATE TABLE t (n INT); INSERT INTO t VALUES (40), (2); SELECT SUM(n) FROM t"
    assert one.run("mariadb", *login, query, MYSQL_PWD="battery-staple") == "42\n"
    one.host.delete(one.name, grace=60)
    one = started(one.host, "mariadb")
    login = ("mariadb", f"--host={one.address()}", *login[2:])
    assert one.run("mariadb", *login, "SELECT SUM(n) FROM t", MYSQL_PWD="battery-staple") == "42\n"
    assert "Access denied" in one.run("mariadb", "sh", "-c", f"{' '.join(login)} 'SELECT 1' 2>&1", MYSQL_PWD="wrong")


def check_redis(one: Running) -> None:
    assert one.say(6379, "PING") == "+PONG\r\n"
    assert one.say(6379, "CONFIG GET maxmemory").split()[-1] == "33554432"


def check_log_shipper(one: Running) -> None:
    eventually(lambda: "request 2\n" in one.log("logshipper"), "a line that the application wrote")
    assert one.log("myapp") == ""


def check_init_pages(one: Running) -> None:
    assert one.get(80)[1] == "<p>Made for init-demo</p>\n"


def check_node_exporter(one: Running) -> None:
    status, text, _ = one.get(9100, "/metrics")
    assert status == 200
    total = next(line.split()[1] for line in text.splitlines() if line.startswith("node_memory_MemTotal_bytes"))
    kilobytes = int(Path("/proc/meminfo").read_text().split()[1])
    assert float(total) == kilobytes * 1024


def check_mosquitto(one: Running) -> None:
    broker = ("-h", one.address(), "-t", "greeting")
    user = ("-u", "sensor", "-P", "s3cret")
    script = (
        f"mosquitto_pub -r -m hello {' '.join((*broker, *user))} && mosquitto_sub -C 1 {' '.join((*broker, *user))}"
    )
    assert one.run("mosquitto", "sh", "-c", script) == "hello\n"
    assert "not authorised" in one.run("mosquitto", "sh", "-c", f"mosquitto_pub -m hello {' '.join(broker)} 2>&1")


def check_pi(one: Running) -> None:
    eventually(lambda: one.host.pod("pi")["status"]["phase"] == "Succeeded", "its end", READY)
    said = one.log("pi").strip()
    assert said.startswith("3.14159265358979323846")
    assert len(said) == 501


def check_haproxy(one: Running) -> None:
    status, text, headers = one.get(8080)
    assert (status, text, headers["x-served-by"]) == (200, "from the application\n", "haproxy")


def check_registry(one: Running) -> None:
    assert one.get(5000, "/v2/")[0] == 401
    assert one.get(5000, "/v2/_catalog", Authorization=f"Basic {HTPASSWD}")[1] == '{"repositories":[]}\n'


def started(host: Host, name: str) -> Running:
    """Apply an example and wait until it is ready, or done."""
    host.run("apply", "-f", FOLDER / f"{name}.yaml")
    eventually(lambda: _is_up(host.pod(*place_of(name))), f"{name} to be ready", READY)
    return Running(host, host.pod(*place_of(name)))


def place_of(name: str) -> tuple[str, str]:
    """Return the name and namespace of an example's Pod."""
    documents = yaml.safe_load_all((FOLDER / f"{name}.yaml").read_text())
    metadata = next(item["metadata"] for item in documents if item["kind"] == "Pod")
    return metadata["name"], metadata.get("namespace", "default")


CHECKS: dict[str, Callable[[Running], None]] = {
    "haproxy": check_haproxy,
    "init-pages": check_init_pages,
    "log-shipper": check_log_shipper,
    "mariadb": check_mariadb,
    "mosquitto": check_mosquitto,
    "nginx": check_nginx,
    "node-exporter": check_node_exporter,
    "pi": check_pi,
    "redis": check_redis,
    "registry": check_registry,
}


@pytest.mark.timeout(900)  # the images are made first, where nobody has done so
@pytest.mark.parametrize("name", CHECKS)
def test_example(images: Host, name: str) -> None:
    try:
        CHECKS[name](started(images, name))
        again = images.run("apply", "-f", FOLDER / f"{name}.yaml").stdout.splitlines()
        assert [line.split()[1] for line in again] == ["unchanged"] * len(again)
    finally:
        images.delete(*place_of(name), grace=10)
    assert not images.processes()


def test_every_example_is_run() -> None:
    assert sorted(CHECKS) == sorted(path.stem for path in FOLDER.glob("*.yaml"))


def _is_up(pod: dict[str, Any]) -> bool:
    conditions = {item["type"]: item["status"] for item in pod["status"]["conditions"]}
    return conditions["Ready"] == "True" or pod["status"]["phase"] == "Succeeded"
