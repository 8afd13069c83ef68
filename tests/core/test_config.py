# SPDX-License-Identifier: Apache-2.0
"""The configuration file: every key, and one sentence for whatever is wrong in it."""

import pytest

from podwright.config import Config, ExternalRuntime, RegistryHost, load
from podwright.errors import ConfigError


@pytest.fixture
def read(tmp_path):
    def read(text: str | bytes) -> Config:
        path = tmp_path / "podwright.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(str(path))

    return read


def test_every_key_can_be_set(read):
    text = """
        root = "/srv/pods"
        run = "/run/pods"
        network.bridge = "pods0"
        network.subnet = "10.1.0.0/24"
        cgroups.parent = "/machine/pods"
        cgroups.missing = "warn"
        pods.pids_limit = 10
        registries.insecure = ["r.example:5000"]
        registries.auth_file = "/etc/auth.json"
        registries.policy = "/etc/policy.json"
    """
    wanted = Config("/srv/pods", "/run/pods", "pods0", "10.1.0.0/24", "/machine/pods", "warn", 10, ("r.example:5000",))
    assert read(text) == wanted._replace(registries_auth_file="/etc/auth.json", registries_policy="/etc/policy.json")


def test_sections_are_the_same_as_dotted_keys(read):
    assert read('[network]\nbridge = "x0"') == read('network.bridge = "x0"') == Config(network_bridge="x0")


def test_runtimes_of_the_host(read):
    text = """
        pods.runtime = "crun"
        [runtimes.runc]
        path = "/usr/sbin/runc"
        [runtimes.crun]
        path = "/usr/bin/crun"
        options = ["--debug"]
    """
    crun, runc = ExternalRuntime("crun", "/usr/bin/crun", ("--debug",)), ExternalRuntime("runc", "/usr/sbin/runc")
    assert read(text) == Config(pods_runtime="crun", runtimes=(crun, runc))


def test_registries_of_which_there_is_something_to_say(read):
    text = """
        [registries.hosts."lab.example:5000"]
        ca = "/etc/ca.pem"
        certificate = "/etc/client.pem"
        key = "/etc/client.key"
        [registries.hosts."docker.io"]
        mirrors = ["mirror.lan:5000", "[::1]:5000/hub/x"]
        [registries.hosts."quay.io"]
    """
    hub = RegistryHost("docker.io", ("mirror.lan:5000", "[::1]:5000/hub/x"))
    lab = RegistryHost("lab.example:5000", (), "/etc/ca.pem", "/etc/client.pem", "/etc/client.key")
    assert read(text) == Config(registries_hosts=(hub, lab, RegistryHost("quay.io")))


def test_an_empty_file_is_the_default(read):
    assert read("") == Config()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("colour = 1", "colour"),
        ('pods.runtime = "crun"', "pods.runtime"),
        ("runtimes = 1", "runtimes"),
        ("runtimes.crun = 1", "runtimes"),
        ("[runtimes.crun]", "runtimes.crun.path"),
        ('runtimes.crun.path = "crun"', "runtimes.crun.path"),
        ('runtimes.podwright.path = "/a"', "runtimes.podwright"),
        ('runtimes.pod-wasm.path = "/a"', "runtimes.pod-wasm"),
        ('runtimes.Crun.path = "/a"', "runtimes.Crun"),
        ('runtimes.crun = {path = "/a", root = "/b"}', "runtimes.crun.root"),
        ('runtimes.crun = {path = "/a", options = "-v"}', "runtimes.crun.options"),
        ('runtimes.crun = {path = "/a", options = [""]}', "runtimes.crun.options"),
        ("network.colour = 1", "network.colour"),
        ('network_bridge = "x"', "network_bridge"),  # an attribute's name is no key
        ("network.bridge = 1", "network.bridge"),
        ("pods.pids_limit = true", "pods.pids_limit"),
        ("pods.pids_limit = 0", "pods.pids_limit"),
        ("pods.pids_limit = -4", "pods.pids_limit"),
        ("pods.pids_limit = 1e3", "pods.pids_limit"),
        ('cgroups.missing = "ignore"', "cgroups.missing"),
        ('cgroups.parent = "podwright"', "cgroups.parent"),
        ('cgroups.parent = "/"', "cgroups.parent"),
        ('cgroups.parent = "/a/../.."', "cgroups.parent"),
        ('root = "relative"', "root"),
        ('root = ""', "root"),
        ('root = "/"', "root"),
        ('run = "run"', "run"),
        ('registries.insecure = "r.example"', "registries.insecure"),
        ("registries.insecure = [1]", "registries.insecure"),
        ('registries.insecure = ["http://r.example"]', "registries.insecure"),
        ('registries.auth_file = "auth.json"', "registries.auth_file"),
        ("registries.policy = 1", "registries.policy"),
        ("registries = 1", "registries"),
        ("registries.hosts = 1", "registries.hosts"),
        ('registries.hosts."a:1" = "b"', "registries.hosts"),
        ('registries.hosts."a/b" = {}', 'registries.hosts."a/b"'),
        ('registries.hosts."https://a" = {}', 'registries.hosts."https://a"'),
        ("registries.hosts.a.mirror = []", 'registries.hosts."a".mirror'),
        ('registries.hosts.a.mirrors = "b"', 'registries.hosts."a".mirrors'),
        ('registries.hosts.a.mirrors = ["b", "https://c"]', 'registries.hosts."a".mirrors'),
        ('registries.hosts.a.mirrors = ["b/../c"]', 'registries.hosts."a".mirrors'),
        ('registries.hosts.a.ca = "ca.pem"', 'registries.hosts."a".ca'),
        ("registries.hosts.a.ca = 1", 'registries.hosts."a".ca'),
        ('registries.hosts.a.key = "/k"', 'registries.hosts."a".key'),
        ('registries = {insecure = ["a"], hosts = {a = {ca = "/c"}}}', 'registries.hosts."a"'),
    ],
)
def test_a_wrong_key_or_value_is_named(read, text, key):
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert caught.value.field == key
    assert key in str(caught.value)
    assert "podwright.toml" in str(caught.value)


@pytest.mark.parametrize("text", [b"\xff", b"root = ", b"root = '/a'\nroot = '/b'"])
def test_what_is_no_toml_is_one_sentence(read, text):
    with pytest.raises(ConfigError, match=r"podwright\.toml: "):
        read(text)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        load(str(tmp_path / "none.toml"))
    with pytest.raises(ConfigError, match="Is a directory"):
        load(str(tmp_path))
