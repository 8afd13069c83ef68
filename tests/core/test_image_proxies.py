# SPDX-License-Identifier: Apache-2.0
"""Which proxy the environment means for which URL."""

import pytest

from podwright.errors import ImageError
from podwright.images.distribution.proxies import Proxies

PROXY = "http://proxy:3128"


def proxy_of(url, **environ):
    return Proxies.of_environment(environ).proxy_of(url)


def test_each_scheme_has_its_proxy():
    environ = {"HTTP_PROXY": "http://plain:1", "HTTPS_PROXY": "http://secure:2"}
    assert proxy_of("http://quay.io/x", **environ) == "http://plain:1"
    assert proxy_of("https://quay.io/x", **environ) == "http://secure:2"
    assert proxy_of("https://quay.io/x", HTTP_PROXY=PROXY) == ""
    assert proxy_of("https://quay.io/x") == ""


def test_lower_case_goes_first():
    assert proxy_of("https://quay.io/x", HTTPS_PROXY="http://upper:1", https_proxy="http://lower:2") == "http://lower:2"
    assert proxy_of("https://quay.io/x", HTTPS_PROXY=PROXY, no_proxy="quay.io") == ""


@pytest.mark.parametrize("host", ["localhost", "localhost:5000", "127.0.0.1", "127.9.8.7:5000", "[::1]:5000"])
def test_what_is_on_loopback_is_not_asked_of_a_proxy(host):
    assert proxy_of(f"http://{host}/x", HTTP_PROXY=PROXY) == ""


@pytest.mark.parametrize(
    ("exceptions", "url", "direct"),
    [
        ("*", "https://quay.io/", True),
        ("quay.io", "https://quay.io/", True),
        ("quay.io", "https://cdn.quay.io/", True),
        ("quay.io", "https://notquay.io/", False),
        ("QUAY.io", "https://Quay.IO/", True),
        (".quay.io", "https://cdn.quay.io/", True),
        (".quay.io", "https://quay.io/", False),
        ("*.quay.io", "https://cdn.quay.io/", True),
        ("a, quay.io ,b", "https://quay.io/", True),
        ("quay.io:443", "https://quay.io/", True),
        ("quay.io:443", "https://quay.io:5000/", False),
        ("quay.io:5000", "https://cdn.quay.io:5000/", True),
        ("10.1.2.3", "http://10.1.2.3:5000/", True),
        ("10.1.2.3", "http://10.1.2.4/", False),
        ("10.0.0.0/8", "http://10.1.2.4/", True),
        ("10.1.2.3/8", "http://10.9.9.9/", True),
        ("10.0.0.0/8", "http://11.1.2.4/", False),
        ("10.0.0.0/8", "http://ten.example/", False),
        ("fd00::/8", "http://[fd00::1]:5000/", True),
        ("fd00::1", "http://[fd00::1]:5000/", True),
        ("[fd00::1]:5000", "http://[fd00::1]:5000/", True),
        ("[fd00::1]:5001", "http://[fd00::1]:5000/", False),
        ("a/b", "http://quay.io/", False),
        ("", "http://quay.io/", False),
    ],
)
def test_exceptions(exceptions, url, direct):
    assert proxy_of(url, http_proxy=PROXY, https_proxy=PROXY, no_proxy=exceptions) == ("" if direct else PROXY)


@pytest.mark.parametrize("proxy", ["proxy:3128", "http://proxy:3128", "http://proxy:3128/"])
def test_a_proxy_may_lack_its_scheme(proxy):
    manager = Proxies().manager(proxy_of("http://x/", HTTP_PROXY=proxy), {})
    assert (manager.proxy.scheme, manager.proxy.host, manager.proxy.port) == ("http", "proxy", 3128)


def test_a_proxy_may_want_a_password():
    manager = Proxies().manager("http://me:se%40cret@proxy:3128", {})
    assert manager.proxy_headers["proxy-authorization"] == "Basic bWU6c2VAY3JldA=="
    assert manager.proxy.auth is None


@pytest.mark.parametrize("proxy", ["socks5://me:secret@proxy:1", "ftp://me:secret@proxy", "http://"])
def test_a_proxy_of_another_kind_is_refused(proxy):
    with pytest.raises(ImageError, match="is not an http:// or https:// one") as caught:
        Proxies().manager(proxy, {})
    assert "secret" not in str(caught.value)
