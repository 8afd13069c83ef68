# SPDX-License-Identifier: Apache-2.0
"""Rules about devices as the list that cgroup v1 holds, decided by a model of the kernel's device_cgroup.c."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from podwright.cgroups.devices import DEFAULT_RULES, DeviceRule, all_allowed, container_rules, v1_list
from podwright.errors import HostError

numbers = st.none() | st.integers(0, 3)
rules = st.builds(
    DeviceRule, st.sampled_from("abc"), numbers, numbers, st.sampled_from(["r", "w", "rw", "rwm"]), allow=st.booleans()
)


def decides(listed, kind, major, minor, letter):
    verdict = False
    for rule in listed:
        if rule.kind in ("a", kind) and rule.major in (None, major) and rule.minor in (None, minor):
            verdict = rule.allow if letter in rule.access else verdict
    return verdict


def kernel(default, exceptions, kind, major, minor, letter):
    for line in exceptions:
        of, numbers, access = line.split()
        pair = numbers.split(":")
        if of == kind and pair[0] in ("*", str(major)) and pair[1] in ("*", str(minor)) and letter in access:
            return not default
    return default


@given(st.lists(rules, max_size=6))
def test_the_list_decides_as_the_rules_do_or_is_refused(listed):
    try:
        default, exceptions = v1_list(listed)
    except HostError:
        assume(False)
    for kind in "bc":
        for major in range(4):
            for minor in range(4):
                for letter in "rwm":
                    expected = decides(listed, kind, major, minor, letter)
                    assert kernel(default, exceptions, kind, major, minor, letter) == expected


def rule(text, *, allow):
    kind, numbers, access = text.split()
    major, minor = (None if part == "*" else int(part) for part in numbers.split(":"))
    return DeviceRule(kind, major, minor, access, allow=allow)


def test_an_exception_inside_of_an_exception_is_refused():
    with pytest.raises(HostError, match=r"cannot deny c 1:3 w while c 1:\* rw is allowed as a whole") as caught:
        v1_list([rule("c 1:* rw", allow=True), rule("c 1:3 w", allow=False)])
    assert caught.value.field == "linux.resources.devices"
    everything = rule("a *:* rwm", allow=True)
    with pytest.raises(HostError, match=r"cannot allow c 1:3 rwm while c 1:\* rw is denied as a whole"):
        v1_list([everything, rule("c 1:* rw", allow=False), rule("c 1:3 rwm", allow=True)])


def test_exceptions_go_whole_or_in_part():
    added = [rule("c 1:3 rw", allow=True), rule("c 1:3 m", allow=True), rule("b 8:0 r", allow=True)]
    assert v1_list(added) == (False, ["c 1:3 rwm", "b 8:0 r"])
    assert v1_list([*added, rule("c 1:* w", allow=False)]) == (False, ["c 1:3 rm", "b 8:0 r"])
    assert v1_list([*added, rule("a *:* rw", allow=False)]) == (False, ["c 1:3 m"])
    assert v1_list([*added, rule("a *:* rwm", allow=False)]) == (False, [])


def test_a_rule_for_both_kinds_is_no_rule_for_all():
    assert v1_list([rule("a 1:3 rw", allow=True)]) == (False, ["b 1:3 rw", "c 1:3 rw"])


def test_the_configuration_comes_first_and_the_defaults_last():
    listed = container_rules([{"allow": False}, {"allow": True, "type": "c", "major": 10, "minor": -1, "access": "r"}])
    assert [str(one) for one in listed[:2]] == ["a *:* rwm", "c 10:* r"]
    assert [one.allow for one in listed[:2]] == [False, True]
    assert tuple(listed[2:]) == DEFAULT_RULES


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([], False),
        ([("a *:* rwm", True)], True),
        ([("b *:* rwm", False), ("a *:* rwm", True), ("c 1:3 rwm", True)], True),
        ([("a *:* rwm", True), ("c 1:3 rwm", False)], False),
        ([("c *:* rwm", True), ("b *:* rwm", True)], False),
    ],
)
def test_all_allowed(listed, expected):
    assert all_allowed([rule(text, allow=allow) for text, allow in listed]) is expected
