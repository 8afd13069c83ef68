# SPDX-License-Identifier: Apache-2.0
"""Where a repository is served, and how its hosts are spoken to."""

import pytest

from podwright.config import Config, RegistryHost
from podwright.images.distribution.endpoints import Endpoint, endpoints, is_loopback, own_endpoint, tls_settings
from podwright.images.distribution.registries import Registries
from podwright.images.distribution.tls import Tls
from podwright.images.reference import parse


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9:80", "localhost", "localhost:5000", "[::1]:80", "[::1]"])
def test_loopback_hosts(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["127.0.0.1.evil.example", "localhost.evil", "128.0.0.1", "[::2]", "127.1", "quay.io"])
def test_other_hosts(host):
    assert not is_loopback(host)


def test_mirrors_come_first_and_the_registry_last():
    mirrors = ("mirror.lan:5000", "[::1]:5000/hub/x", "mirror2.lan")
    known = Registries(insecure=("mirror2.lan",), hosts=(RegistryHost("docker.io", mirrors),))
    assert endpoints(parse("busybox"), known) == [
        Endpoint("mirror.lan:5000", "library/busybox", False),
        Endpoint("[::1]:5000", "hub/x/library/busybox", True),
        Endpoint("mirror2.lan", "library/busybox", True),
        Endpoint("docker.io", "library/busybox", False),
    ]
    assert endpoints(parse("quay.io/a"), known) == [Endpoint("quay.io", "a", False)]
    assert own_endpoint(parse("busybox"), known).origin == "https://registry-1.docker.io"


@pytest.mark.parametrize("special", [{"ca": "/ca"}, {"certificate": "/c"}])
def test_a_registry_on_loopback_with_a_certificate_speaks_tls(special):
    known = Registries(hosts=(RegistryHost("127.0.0.1:5000", **special),))
    assert own_endpoint(parse("127.0.0.1:5000/a"), known).origin == "https://127.0.0.1:5000"
    assert own_endpoint(parse("127.0.0.1:5001/a"), known).origin == "http://127.0.0.1:5001"


def test_tls_goes_by_the_host_in_the_url():
    hosts = (
        RegistryHost("docker.io", ca="/hub.pem"),
        RegistryHost("lab:5000", certificate="/c", key="/k"),
        RegistryHost("x"),
    )
    assert tls_settings(Registries(hosts=hosts)) == {
        "registry-1.docker.io": Tls("/hub.pem"),
        "lab:5000": Tls("", "/c", "/k"),
    }


def test_the_configuration_says_it():
    hosts = (RegistryHost("quay.io", ("m",)),)
    config = Config(
        registries_insecure=("a",), registries_auth_file="/b", registries_policy="/c", registries_hosts=hosts
    )
    assert Registries.of(config) == Registries(("a",), "/b", "/c", hosts)
