# SPDX-License-Identifier: Apache-2.0
"""Reading CRI logs."""

from podwright.pods.logs import read_log


def test_partial_lines_are_joined_per_stream(tmp_path):
    (tmp_path / "0.log").write_bytes(b"t stdout F old\n")
    (tmp_path / "3.log").write_bytes(
        b"t stdout P he\nt stderr F err\nt stdout F llo\nt stdout F \nt stdout F a b  c\nt stdout P rest\n"
    )
    assert read_log(str(tmp_path)) == ["err", "hello", "", "a b  c", "rest"]
    assert read_log(str(tmp_path), tail=2) == ["a b  c", "rest"]


def test_no_log_is_no_line(tmp_path):
    assert read_log(str(tmp_path / "none")) == []
    assert read_log(str(tmp_path)) == []


def test_a_line_that_is_not_utf8_or_cut_short_does_not_stop_the_reader(tmp_path):
    (tmp_path / "0.log").write_bytes(b"t stdout F \xff\xfe\nt std")
    assert read_log(str(tmp_path)) == ["\ufffd\ufffd"]
