# SPDX-License-Identifier: Apache-2.0
"""A Pod's imagePullSecrets: a registry that wants a password, and the Secret in the same stream as the Pod."""

import base64
import json
import subprocess

import pytest
import yaml

from ansibletools import CORE, NO_MODULE, play, task
from hosttools import Host
from imagetools import make_busybox_image
from podtools import container, eventually, pod
from secure_registry import PASSWORD, USER, SecureRegistry


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    layout = make_busybox_image(tmp_path_factory.mktemp("image") / "layout")
    with SecureRegistry(users=True) as registry:
        reference = f"{registry.address}/private/busybox:1"
        login = f"--dest-creds={USER}:{PASSWORD}"
        source = f"oci:{layout}:latest"
        subprocess.run(
            ["skopeo", "copy", "-q", "--dest-tls-verify=false", login, source, f"docker://{reference}"], check=True
        )
        yield reference


@pytest.fixture
def machine(host):
    host.env = {**host.env, "HOME": str(host.root)}  # nobody's own logins
    return host


def secret(reference: str, *, password: str = PASSWORD, legacy: bool = False) -> dict:
    registry = reference.partition("/")[0]
    auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
    content = {registry: {"auth": auth}} if legacy else {"auths": {registry: {"auth": auth}}}
    kind = "dockercfg" if legacy else "dockerconfigjson"
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "regcred"},
        "type": f"kubernetes.io/{kind}",
        "data": {f".{kind}": base64.b64encode(json.dumps(content).encode()).decode()},
    }


def wanted(reference: str) -> dict:
    return pod("private", container("app", "sleep", "600", image=reference), imagePullSecrets=[{"name": "regcred"}])


@pytest.mark.parametrize("legacy", [False, True])
def test_secret_and_pod_in_one_stream(machine: Host, image: str, legacy: bool) -> None:
    stream = yaml.safe_dump_all([wanted(image), secret(image, legacy=legacy)])  # in any order
    (machine.root / "all.yaml").write_text(stream)
    done = machine.run("apply", "-f", machine.root / "all.yaml")
    assert done.stdout.splitlines() == ["secret/regcred created", "pod/private created"]
    eventually(lambda: machine.pod("private")["status"]["phase"] == "Running", "the pod runs")
    done = machine.run("apply", "-f", machine.root / "all.yaml")
    assert done.stdout.splitlines() == ["secret/regcred unchanged", "pod/private unchanged"]
    machine.delete("private")
    assert machine.run("get", "secrets").stdout.splitlines()[1].split()[0] == "regcred"
    assert PASSWORD not in machine.run("get", "secret", "regcred", "-o", "json").stdout
    assert machine.run("delete", "secret", "regcred").stdout == "secret/regcred deleted\n"
    again = machine.run("delete", "secret", "regcred", check=False)
    assert (again.returncode, again.stderr) == (1, "podwright: there is no secret regcred in namespace default\n")


def test_without_the_secret_the_pull_fails_and_nothing_is_there(machine: Host, image: str) -> None:
    done = machine.apply(wanted(image), check=False)
    assert done.returncode == 1
    assert image in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert machine.pods() == []


def test_a_wrong_password_is_named_by_its_secret_and_never_shown(machine: Host, image: str) -> None:
    stream = yaml.safe_dump_all([secret(image, password="hunter2"), wanted(image)])
    done = machine.run("apply", "-f", "-", stdin=stream, check=False)
    assert done.returncode == 1
    assert "the Secret regcred" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert machine.pods() == []
    done = machine.run("apply", "-f", "-", stdin=yaml.safe_dump_all([secret(image), wanted(image)]))
    assert done.stdout.splitlines()[0] == "secret/regcred configured"
    machine.delete("private")


def test_a_play_takes_the_same_stream(machine: Host, image: str, tmp_path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(yaml.safe_dump_all([secret(image), wanted(image)]))
    environment = {"PODWRIGHT_CONFIG": str(machine.config_path)}

    def run(**options: object) -> dict:
        done = play(
            tmp_path, [task("run", {"src": str(file), "executable": CORE, **options})], environment, **NO_MODULE
        )
        return done.results["run"]

    first = run()
    assert (first["changed"], first["action"]) == (True, "create")
    assert "Secret[regcred].data[.dockerconfigjson]" in [change["path"] for change in first["changes"]]
    assert not run()["changed"]
    assert run(state="absent")["changed"]
    assert not run(state="absent")["changed"]
    assert machine.runtime.objects.list("Secret") == []
