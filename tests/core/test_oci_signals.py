# SPDX-License-Identifier: Apache-2.0
"""Stop signals and OOM scores."""

import pytest

from podwright.errors import ImageError
from podwright.oci.oom import allowed_oom_score_adj, host_memory, oom_score_adj
from podwright.oci.signals import stop_signal


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (None, 15),
        ("", 15),
        ("SIGTERM", 15),
        ("TERM", 15),
        ("quit", 3),
        ("SIGQUIT", 3),
        ("9", 9),
        ("64", 64),
        ("SIGRTMIN", 34),
        ("SIGRTMIN+3", 37),
        ("RTMIN+3", 37),
        ("SIGRTMAX", 64),
        ("SIGRTMAX-1", 63),
        ("SIGRTMAX-30", 34),
    ],
)
def test_signals_by_name_and_number(text, number):
    assert stop_signal(text, "i") == number


@pytest.mark.parametrize(
    "text",
    ["SIGNOTHING", "0", "65", "-1", "99999", "SIGRTMIN+31", "SIGRTMAX-31", "SIGRTMIN-1", "SIGRTMIN+", "SIG", " 9"],
)
def test_no_signal_is_an_error_that_names_the_image(text):
    with pytest.raises(ImageError, match="image example/app:1: its StopSignal"):
        stop_signal(text, "example/app:1")


@pytest.mark.parametrize(
    ("qos", "request_bytes", "expected"),
    [
        ("Guaranteed", 5, -997),
        ("BestEffort", 0, 1000),
        ("Burstable", 0, 999),
        ("Burstable", 1000, 999),
        ("Burstable", 500_000, 500),
        ("Burstable", 999_999, 3),
        ("Burstable", 5_000_000, 3),
    ],
)
def test_oom_scores_are_the_kubelets(qos, request_bytes, expected):
    assert oom_score_adj(qos, request_bytes, 1_000_000) == expected


@pytest.mark.parametrize(
    ("wanted", "own", "effective", "allowed"),
    [
        (1000, 0, 0, 1000),
        (-997, 0, 0, 0),
        (-997, 0, 1 << 24, -997),
        (-997, -998, 0, -997),
        (5, 200, 0, 200),
    ],
)
def test_a_score_below_ones_own_needs_a_capability(tmp_path, wanted, own, effective, allowed):
    (tmp_path / "oom_score_adj").write_text(f"{own}\n")
    (tmp_path / "status").write_text(f"Name:\tx\nCapEff:\t{effective:016x}\n")
    assert allowed_oom_score_adj(wanted, proc=str(tmp_path)) == allowed


def test_the_hosts_memory_is_what_the_kernel_says():
    with open("/proc/meminfo") as file:
        kilobytes = int(file.readline().split()[1])
    assert host_memory() == kilobytes * 1024
