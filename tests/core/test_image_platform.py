# SPDX-License-Identifier: Apache-2.0
import os
import re
from collections import namedtuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwright.errors import ImageError
from podwright.images import platform
from podwright.images.platform import Platform


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("linux/i386", "linux/386"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm64/8", "linux/arm64"),
        ("linux/arm64/v9", "linux/arm64/v9"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/6", "linux/arm/v6"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/armel", "linux/arm/v6"),
        ("Linux/RISCV64", "linux/riscv64"),
        ("wasip1/wasm", "wasip1/wasm"),
    ],
)
def test_a_platform_has_one_spelling(text, found):
    assert str(platform.parse(text)) == found
    assert platform.parse(found) == platform.parse(text)


@pytest.mark.parametrize(
    "text", ["", "linux", "amd64", "linux/", "/amd64", "linux/arm/", "linux/arm/v7/x", "linux/a b", "../x"]
)
def test_what_is_no_platform(text):
    with pytest.raises(ImageError, match=rf"{re.escape(repr(text))} is not of the form OS/ARCHITECTURE\[/VARIANT\]"):
        platform.parse(text)


@pytest.mark.parametrize(
    ("machine", "found"),
    [
        ("x86_64", "linux/amd64"),
        ("aarch64", "linux/arm64"),
        ("armv7l", "linux/arm/v7"),
        ("armv6l", "linux/arm/v6"),
        ("armv8l", "linux/arm/v8"),
        ("i686", "linux/386"),
        ("s390x", "linux/s390x"),
        ("ppc64le", "linux/ppc64le"),
        ("riscv64", "linux/riscv64"),
        ("loongarch64", "linux/loong64"),
    ],
)
def test_the_platform_of_a_machine(monkeypatch, machine, found):
    monkeypatch.setattr(os, "uname", lambda: namedtuple("uname", "machine")(machine))
    assert str(platform.host()) == found


RUNS = {
    "linux/arm/v8": ["linux/arm/v8", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5"],
    "linux/arm/v7": ["linux/arm/v7", "linux/arm/v6", "linux/arm/v5"],
    "linux/arm/v6": ["linux/arm/v6", "linux/arm/v5"],
    "linux/arm64": ["linux/arm64"],
    "linux/arm64/v8.2": ["linux/arm64/v8.2", "linux/arm64/v8.1", "linux/arm64"],
    "linux/amd64": ["linux/amd64"],
    "linux/amd64/v3": ["linux/amd64/v3", "linux/amd64/v2", "linux/amd64"],
    "linux/386": ["linux/386"],
    "linux/mips64le/softfloat": ["linux/mips64le/softfloat"],
    "windows/amd64": ["windows/amd64"],
    "linux/mips64le": ["linux/mips64le"],
}
ALL = sorted({platform.parse(text) for offers in RUNS.values() for text in offers})


@pytest.mark.parametrize("wanted", RUNS)
def test_what_runs_on_a_platform_and_the_nearest_of_it(wanted):
    mine = platform.parse(wanted)
    fitting = [offered for offered in ALL if mine.matches(offered)]
    assert [str(offered) for offered in sorted(fitting, key=mine.distance)] == RUNS[wanted]
    assert mine.distance(mine) == 0


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        [],
        {"os": "linux"},
        {"os": "linux", "architecture": 1},
        {"os": "linux/amd64", "architecture": ""},
        {"os": "unknown", "architecture": "unknown"},
    ],
)
def test_a_document_without_a_platform(document):
    assert platform.of(document) is None


def test_a_document_with_a_platform():
    assert platform.of({"os": "linux", "architecture": "arm64", "variant": "v8"}) == Platform("linux", "arm64")
    assert platform.of({"os": "linux", "architecture": "arm", "variant": None}) == Platform("linux", "arm", "v7")


WORD = st.from_regex(r"\A[a-z0-9][a-z0-9_.-]{0,8}\Z") | st.sampled_from(
    ["arm", "arm64", "amd64", "v8", "v1", "8", "armhf"]
)


@given(WORD, WORD, st.none() | WORD)
def test_what_str_gives_parse_reads(system, architecture, variant):
    found = platform.parse("/".join(filter(None, (system, architecture, variant))))
    assert platform.parse(str(found)) == found
    assert found.matches(found)


@given(st.text(max_size=20))
def test_no_text_makes_more_than_an_image_error(text):
    try:
        found = platform.parse(text)
    except ImageError:
        return
    assert platform.parse(str(found)) == found
