# SPDX-License-Identifier: Apache-2.0
import contextlib
import gzip
import os

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from podwright.errors import ImageError
from podwright.images.compression import PIECE, decompress

TEXT = b"".join(b"line %d\n" % number for number in range(50000))
FORMS = {
    "plain": TEXT,
    "gzip": gzip.compress(TEXT),
    "gzip members": gzip.compress(TEXT[:1000]) + gzip.compress(TEXT[1000:]),
    "gzip padded": gzip.compress(TEXT) + bytes(1000),
    "zstd": zstandard.compress(TEXT),
    "zstd frames": zstandard.compress(TEXT[:1000]) + zstandard.compress(TEXT[1000:]),
    "zstd skippable": b"\x50\x2a\x4d\x18\x03\0\0\0abc" + zstandard.compress(TEXT) + b"\x5e\x2a\x4d\x18\0\0\0\0",
    "empty": b"",
}


def split(data, size):
    return iter([data[start : start + size] for start in range(0, len(data), size)])


@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_in_pieces_of_every_size(form, size):
    data = FORMS[form] if size > 1 else {"plain": b"abcdef", "gzip": gzip.compress(b"x" * 99)}.get(form, b"")
    wanted = TEXT if size > 1 else {"plain": b"abcdef", "gzip": b"x" * 99}.get(form, b"")
    assert b"".join(decompress(split(data, size))) == (b"" if form == "empty" else wanted)


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_a_bomb_comes_in_small_pieces(compress):
    sizes = [len(piece) for piece in decompress(split(compress(bytes(64 << 20)), 1 << 20))]
    assert sum(sizes) == 64 << 20
    assert max(sizes) <= PIECE


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (gzip.compress(os.urandom(5000))[:-4], "truncated"),
        (gzip.compress(os.urandom(5000))[:2000], "truncated"),
        (b"\x1f\x8b" + bytes(30), "gzip stream is damaged"),
        (gzip.compress(b"x") + b"junk", "gzip stream is damaged"),
        (b"\x28\xb5\x2f\xfd" + b"\xff" * 60, "zstd stream is damaged"),
    ],
)
def test_a_damaged_stream_is_an_image_error(data, reason):
    with pytest.raises(ImageError, match=reason):
        list(decompress(split(data, 100)))


@given(st.sampled_from([b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b""]), st.binary(max_size=300))
def test_any_bytes_end_well_or_in_an_image_error(magic, data):
    with contextlib.suppress(ImageError):
        list(decompress(split(magic + data, 11)))
