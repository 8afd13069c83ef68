# SPDX-License-Identifier: Apache-2.0
"""What the engine does to values, undone: floats for integers, and values that are not known yet."""

import json

from hypothesis import given
from hypothesis import strategies as st
from pulumi.output import UNKNOWN

from pulumi_podwright.values import fold_numbers, touches, unknown_paths, without_unknowns

SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5)
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner), max_leaves=20
)


def as_engine(value):
    """Every number is a double on the wire (google.protobuf.Struct)."""
    return json.loads(json.dumps(value), parse_int=float)


@given(TREES)
def test_whole_numbers_come_back_as_integers(tree):
    assert json.dumps(fold_numbers(as_engine(tree))) == json.dumps(tree)


def test_fractions_booleans_and_text_stay():
    assert fold_numbers({"cpu": 0.5, "flag": True, "port": "8080", "inf": float("inf")}) == {
        "cpu": 0.5,
        "flag": True,
        "port": "8080",
        "inf": float("inf"),
    }
    assert fold_numbers([True])[0] is True


def test_unknown_values_are_found_at_any_depth():
    manifest = {"spec": {"containers": [{"image": UNKNOWN}, UNKNOWN, {"args": ["a", UNKNOWN]}], "os": UNKNOWN}}
    assert unknown_paths(manifest) == [
        "spec.containers[0].image",
        "spec.containers[1]",
        "spec.containers[2].args[1]",
        "spec.os",
    ]
    assert unknown_paths(UNKNOWN) == [""]
    assert unknown_paths({"spec": {}}) == []


def test_unknown_values_are_taken_out_without_moving_others():
    tree = {"image": UNKNOWN, "name": "app", "args": ["a", UNKNOWN, "b"]}
    assert without_unknowns(tree) == {"name": "app", "args": ["a", None, "b"]}


def test_a_field_touches_what_it_is_holds_or_lies_within():
    paths = ["spec.containers[0].image"]
    assert touches("spec.containers[0].image", paths)
    assert touches("spec.containers", paths)
    assert touches("spec.containers[0].image.tag", paths)
    assert touches("metadata", [""])
    assert not touches("spec.containers[0].imagePullPolicy", paths)
    assert not touches("spec.containers[1].image", paths)
