# SPDX-License-Identifier: Apache-2.0
"""A Kubernetes API server on the loopback, with an etcd of its own, that answers dry runs."""

import json
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

TOKEN = "recorder"
SECONDS_TO_READY = 180
RUNTIME_CLASSES = ("podwright", "pod-containers", "pod-wasm", "pod-microvm-containers")
"""Objects that a server must have before it takes a Pod that names one."""
FEATURES = ("ContainerStopSignals",)
"""Features that are off by default in Kubernetes: without them a server drops their fields, whatever is in them."""
CLASSES = "/apis/node.k8s.io/v1/runtimeclasses"

Answer = dict[str, Any]


class Server:
    """A running API server."""

    def __init__(self, port: int, certificate: Path) -> None:
        self._address = f"https://127.0.0.1:{port}"
        self._tls = ssl.create_default_context(cafile=str(certificate))
        self._tls.check_hostname = False  # the server made itself a certificate for its names in a cluster
        self._namespaces = {"default"}

    def dry_run(self, manifest: str) -> Answer:
        """Return what the server says to a manifest in YAML, which it reads itself; nothing is kept."""
        namespace = _namespace(manifest)
        self._make_namespace(namespace)
        path = f"/api/v1/namespaces/{urllib.parse.quote(namespace, safe='')}/pods"
        query = "?dryRun=All&fieldValidation=Strict"
        code, body = self.request(path + query, manifest.encode(), "application/yaml")
        return _accepted(body) if code == 201 else _refused(code, body)

    def make_runtime_class(self, name: str) -> None:
        """Make an object without which Pods that name it are refused."""
        body = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": name}
        code, answer = self.request(CLASSES, json.dumps(body).encode(), "application/json")
        assert code == 201, answer

    def is_ready(self) -> bool:
        """Tell whether the server and all that it starts with are up."""
        try:
            return self.request("/readyz")[0] == 200 and self.request("/api/v1/namespaces/default")[0] == 200
        except OSError:
            return False

    def request(self, path: str, data: bytes | None = None, kind: str = "application/json") -> tuple[int, Any]:
        """Return the status and the decoded body of one exchange."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json", "Content-Type": kind}
        request = urllib.request.Request(self._address + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=30, context=self._tls) as response:
                return response.status, _decoded(response.read())
        except urllib.error.HTTPError as error:
            return error.code, _decoded(error.read())

    def _make_namespace(self, name: str) -> None:
        """Make a namespace once; one that cannot be made is for the dry run to complain about."""
        if name not in self._namespaces:
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            self.request("/api/v1/namespaces", json.dumps(body).encode())
            self._namespaces.add(name)


@contextmanager
def running(program: Path, folder: Path) -> Iterator[Server]:
    """Start etcd and the API server with their files and logs in ``folder``, and end them afterwards."""
    etcd = shutil.which("etcd")
    if etcd is None:
        raise FileNotFoundError("etcd is not installed: python3 tools/setup.py --recorder")
    clients, peers, port = _free_ports(3)
    _write_credentials(folder)
    with ExitStack() as stack:
        store = stack.enter_context(_child(_etcd_command(etcd, folder, clients, peers), folder / "etcd.log"))
        command = _server_command(program, folder, clients, port)
        child = stack.enter_context(_child(command, folder / "kube-apiserver.log"))
        _wait_until((folder / "apiserver.crt").exists, store, child)
        server = Server(port, folder / "apiserver.crt")
        _wait_until(server.is_ready, store, child)
        for name in RUNTIME_CLASSES:
            server.make_runtime_class(name)
        yield server


def _etcd_command(etcd: str, folder: Path, clients: int, peers: int) -> list[str]:
    own, neighbours = f"http://127.0.0.1:{clients}", f"http://127.0.0.1:{peers}"
    return [
        etcd,
        *("--data-dir", str(folder / "etcd"), "--unsafe-no-fsync", "--name", "only"),
        *("--listen-client-urls", own, "--advertise-client-urls", own),
        *("--listen-peer-urls", neighbours, "--initial-advertise-peer-urls", neighbours),
        *("--initial-cluster", f"only={neighbours}"),
    ]


def _server_command(program: Path, folder: Path, clients: int, port: int) -> list[str]:
    return [
        str(program),
        f"--etcd-servers=http://127.0.0.1:{clients}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={folder}",
        f"--service-account-key-file={folder / 'sa.key'}",
        f"--service-account-signing-key-file={folder / 'sa.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--allow-privileged=true",
        f"--feature-gates={','.join(f'{name}=true' for name in FEATURES)}",
        # it wants a service account's token, which another program of a cluster makes
        "--disable-admission-plugins=ServiceAccount",
    ]


def _write_credentials(folder: Path) -> None:
    (folder / "tokens.csv").write_text(f'{TOKEN},recorder,recorder,"system:masters"\n')
    subprocess.run(["openssl", "genrsa", "-out", str(folder / "sa.key"), "2048"], check=True, capture_output=True)


@contextmanager
def _child(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _wait_until(condition: Any, *children: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS_TO_READY
    while not condition():
        ended = [str(child.args) for child in children if child.poll() is not None]
        assert not ended, f"ended before it was ready (see its log): {ended}"
        assert time.monotonic() < deadline, f"not ready after {SECONDS_TO_READY} s"
        time.sleep(0.2)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _namespace(manifest: str) -> str:
    """Return the namespace that a client would send a manifest to."""
    try:
        value = yaml.safe_load(manifest)["metadata"]["namespace"]
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        return "default"
    return value if isinstance(value, str) and value else "default"


def _accepted(pod: dict[str, Any]) -> Answer:
    """Return what the server made of a Pod, without what differs from one run to the next."""
    metadata = {key: pod["metadata"].get(key) for key in ("namespace", "labels", "annotations", "generateName")}
    if "generateName" not in pod["metadata"]:
        metadata["name"] = pod["metadata"]["name"]
    return {"accepted": {"metadata": {key: value for key, value in metadata.items() if value}, "spec": pod["spec"]}}


def _refused(code: int, status: Any) -> Answer:
    """Return the server's reasons, field by field where it gives them so."""
    details = status.get("details") or {} if isinstance(status, dict) else {}
    causes = [
        {key: cause[key] for key in ("field", "reason", "message") if key in cause}
        for cause in details.get("causes") or ()
    ]
    answer: Answer = {"code": code}
    if causes:
        answer["causes"] = sorted(causes, key=lambda cause: json.dumps(cause, sort_keys=True))
    else:
        answer["message"] = status["message"] if isinstance(status, dict) else str(status)
    return {"refused": answer}


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
