# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwright.errors import ImageError
from podwright.images.reference import Reference, parse

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("busybox:1.36", "docker.io/library/busybox:1.36"),
        ("docker.io/busybox", "docker.io/library/busybox:latest"),
        ("index.docker.io/library/busybox", "docker.io/library/busybox:latest"),
        ("grafana/loki", "docker.io/grafana/loki:latest"),
        ("quay.io/a/b/c:v1", "quay.io/a/b/c:v1"),
        ("localhost/x", "localhost/x:latest"),
        ("localhost:5000/x:1", "localhost:5000/x:1"),
        ("127.0.0.1:5000/t/x", "127.0.0.1:5000/t/x:latest"),
        ("[::1]:5000/x", "[::1]:5000/x:latest"),
        ("HOST/x", "HOST/x:latest"),
        ("registry/x", "docker.io/registry/x:latest"),
        ("x@" + DIGEST, "docker.io/library/x@" + DIGEST),
        ("x:1@" + DIGEST, "docker.io/library/x:1@" + DIGEST),
        ("a__b/c.d--e_f", "docker.io/a__b/c.d--e_f:latest"),
    ],
)
def test_references_read_as_docker_reads_them(text, full):
    assert str(parse(text)) == full


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":1",
        "x:",
        "x:-1",
        "x:" + "a" * 129,
        "UPPER",
        "x/",
        "/x",
        "a//b",
        "a/../b",
        "x@sha256:abc",
        "x@md5:" + "0" * 32,
        "x@",
        "-host.io/x",
        "a___b",
        "a..b",
        "http://host/x",
        "x y",
        "x\n",
        "0123456789abcdef" * 4,
        "a" * 256,
        "xé",
        "host:port/x",
    ],
)
def test_what_is_no_reference_is_refused_by_name(text):
    with pytest.raises(ImageError) as caught:
        parse(text)
    assert str(caught.value).startswith(f"image {text[:64]}")
    assert "not a valid image reference" in str(caught.value)


WORD = st.from_regex(r"[a-z0-9]+((\.|_|__|-{1,3})[a-z0-9]+){0,2}", fullmatch=True)
REFERENCES = st.builds(
    Reference,
    st.sampled_from(["docker.io", "quay.io", "localhost", "127.0.0.1:5000", "[::1]:443", "Host"]),
    st.lists(WORD, min_size=2, max_size=4).map("/".join),
    st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,20}", fullmatch=True),
    st.none() | st.just(DIGEST),
)


@given(REFERENCES)
def test_the_full_form_reads_back_as_itself(reference):
    assert parse(str(reference)) == reference


@given(st.text(max_size=60) | st.text("ab.:/@-_A0", max_size=60))
def test_any_text_is_a_reference_or_an_image_error(text):
    try:
        reference = parse(text)
    except ImageError:
        return
    assert parse(str(reference)) == reference
    assert ".." not in reference.repository.split("/")
