# SPDX-License-Identifier: Apache-2.0
"""Names, label keys, image references."""

import re

import pytest

from podwright.manifest import names


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (names.DNS_LABEL, ["a", "0", "a-b", "a" * 63], ["", "-a", "a-", "A", "a.b", "a_b", "a\n", "é"]),
        (names.DNS_SUBDOMAIN, ["a", "a.b", "a-1.b2"], ["", ".a", "a.", "a..b", "a.-b", "A.b", "a\n"]),
        (names.ENV_NAME, ["A", "a.b", "x y", "1", "%", "~"], ["", "A=B", "é", "A\n", "\t"]),
        (names.ABSOLUTE_PATH, ["", "/", "/a b/c"], ["a", "./a", "/a\n"]),
        (
            names.IMAGE,
            [
                "busybox",
                "busybox:1.36",
                "library/busybox",
                "docker.io/library/busybox:latest",
                "localhost:5000/a/b_c/d__e/f--g:V1.2_x",
                "127.0.0.1:5000/a",
                "[::1]:5000/a:b",
                "a@sha256:" + "0" * 64,
                "a:b@sha512:" + "f" * 128,
            ],
            [
                "",
                "Busybox",
                "a:",
                ":b",
                "a b",
                "a:b:c",
                "/a",
                "a/",
                "a//b",
                "a@sha256:00",
                "http://a/b",
                "a\n",
                "a_-b",
                "a:" + "b" * 129,
            ],
        ),
    ],
)
def test_patterns(pattern: str, good: list[str], bad: list[str]) -> None:
    assert [text for text in good if not re.fullmatch(pattern, text)] == []
    assert [text for text in bad if re.fullmatch(pattern, text)] == []


@pytest.mark.parametrize("name", ["http", "a1", "1a", "a-b", "x" * 15])
def test_port_names(name: str) -> None:
    assert names.is_port_name(name)


@pytest.mark.parametrize("name", ["", "80", "-a", "a-", "a--b", "A", "x" * 16, "a_b"])
def test_bad_port_names(name: str) -> None:
    assert not names.is_port_name(name)


@pytest.mark.parametrize("key", ["a", "A.b_c-d", "example.com/a", "app.kubernetes.io/name", "a" * 63])
def test_label_keys(key: str) -> None:
    assert names.is_label_key(key)


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a/b/c", "-a", "Example.com/a", "a b", "a" * 64, "a." * 127 + "a/b", "a\n"]
)
def test_bad_label_keys(key: str) -> None:
    assert not names.is_label_key(key)


def test_label_values() -> None:
    assert all(names.is_label_value(value) for value in ("", "a", "1.2_3-x", "a" * 63))
    assert not any(names.is_label_value(value) for value in ("-", "a b", "a" * 64, "a\n", "é"))


@pytest.mark.parametrize(
    ("pod_name", "hostname"), [("web", "web"), ("a" * 63, "a" * 63), ("a" * 62 + ".b", "a" * 62), ("a" * 100, "a" * 63)]
)
def test_the_hostname_is_cut_as_the_kubelet_cuts_it(pod_name: str, hostname: str) -> None:
    assert names.default_hostname(pod_name) == hostname
    assert names.hostname_of({"metadata": {"name": pod_name}, "spec": {}}) == hostname
    assert names.hostname_of({"metadata": {"name": pod_name}, "spec": {"hostname": "own"}}) == "own"


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        ("a", "latest"),
        ("a:1", "1"),
        ("r:5000/a", "latest"),
        ("r:5000/a:2", "2"),
        ("a@sha256:0", None),
        ("a:latest@sha256:0", "latest"),
    ],
)
def test_image_tags(image: str, tag: str | None) -> None:
    assert names.image_tag(image) == tag


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("a", "a"),
        ("a:1", "a"),
        ("r:5000/a", "r:5000/a"),
        ("r:5000/b/a:1@sha256:0", "r:5000/b/a"),
        ("", ""),
    ],
)
def test_image_names(image: str, name: str) -> None:
    assert names.image_name(image) == name
