# SPDX-License-Identifier: Apache-2.0
"""From the numbers in ``resources`` to cgroup limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwright.cgroups.limits import Limits, Resources, container_limits, pod_limits
from podwright.cgroups.units import cpu_weight


def test_a_container_without_resources_has_the_least_weight_and_no_bound():
    assert container_limits(Resources()) == Limits(cpu_shares=2, container=True)


def test_quota_is_the_limit_and_shares_the_request():
    limits = container_limits(Resources(cpu_request=250, cpu_limit=500, memory_limit=64 << 20))
    assert limits == Limits(cpu_quota_us=50_000, cpu_shares=256, memory_max=64 << 20, container=True)


def test_a_limit_without_a_request_is_the_request():
    assert container_limits(Resources(cpu_limit=2000)).cpu_shares == 2048


def test_the_kernel_refuses_a_quota_below_a_millisecond():
    assert container_limits(Resources(cpu_limit=1)).cpu_quota_us == 1000


def test_a_limit_of_zero_is_no_limit():
    limits = container_limits(Resources(cpu_request=0, cpu_limit=0, memory_limit=0))
    assert (limits.cpu_quota_us, limits.memory_max) == (None, None)


def test_the_pod_has_the_sums():
    pod = pod_limits([Resources(100, 500, 1 << 20), Resources(None, 1000, 2 << 20)], pids_max=64)
    assert pod == Limits(cpu_quota_us=150_000, cpu_shares=1126, memory_max=3 << 20, pids_max=64)


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        (Resources(100, None, 1 << 20), (None, 3 << 20)),
        (Resources(100, 500, None), (150_000, None)),
        (Resources(), (None, None)),
    ],
)
def test_one_container_without_a_bound_frees_the_pod_of_it(free, expected):
    pod = pod_limits([free, Resources(None, 1000, 2 << 20)])
    assert (pod.cpu_quota_us, pod.memory_max) == expected


@pytest.mark.parametrize(
    ("millicores", "weight"), [(0, 1), (100, 17), (250, 35), (500, 59), (1000, 100), (2000, 174), (256_000, 10_000)]
)
def test_weight_follows_the_curve_of_the_oci_runtimes(millicores, weight):
    assert cpu_weight(container_limits(Resources(cpu_request=millicores)).cpu_shares) == weight


@given(st.integers(0, 300_000), st.integers(0, 300_000))
def test_weight_is_in_range_and_keeps_the_order(first, second):
    low, high = cpu_weight(min(first, second)), cpu_weight(max(first, second))
    assert 1 <= low <= high <= 10_000


@pytest.mark.parametrize(
    ("init", "memory", "shares"),
    [
        ([(Resources(None, 3000, 9), False)], 9, 3072),  # more than all that stay: 2 processors, 5 bytes
        ([(Resources(None, 1000, 1), False)], 5, 2048),
        ([(Resources(None, 1000, 1), True)], 6, 3072),
        ([(Resources(None, 500, 4), True), (Resources(None, 1000, 8), False)], 12, 2560),
        ([(Resources(None, 1000, 8), False), (Resources(None, 500, 4), True)], 9, 2560),
        ([(Resources(None, 1000, None), False)], None, 2048),
    ],
)
def test_the_pod_has_the_most_that_runs_at_once(init, memory, shares):
    pod = pod_limits([Resources(None, 1500, 2), Resources(None, 500, 3)], init=init)
    assert (pod.memory_max, pod.cpu_shares) == (memory, shares)
