# SPDX-License-Identifier: Apache-2.0
"""``$(NAME)``. Expected values come from Kubernetes' own expansion package."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwright.manifest.expand import expand, references

VARIABLES = {"A": "1", "B": "$(A)", "C_D": "x y", "": "empty"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("", ""),
        ("plain", "plain"),
        ("$(A)", "1"),
        ("<$(A)$(A)>", "<11>"),
        ("$(C_D)", "x y"),
        ("$(B)", "$(A)"),  # not again
        ("$(NONE)", "$(NONE)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$$$$(A)", "$$(A)"),
        ("$$", "$"),
        ("$", "$"),
        ("a$", "a$"),
        ("$A", "$A"),
        ("${A}", "${A}"),
        ("$(A", "$(A"),
        ("$(A$(B)", "$(A$(B)"),
        ("$()", "empty"),
        ("$(A)$", "1$"),
        ("$((A))", "$((A))"),
        (")$(", ")$("),
        ("$é$(A)", "$é1"),
        ("a\n$(A)\n", "a\n1\n"),
    ],
)
def test_expands_as_kubernetes_does(text: str, expanded: str) -> None:
    assert expand(text, VARIABLES) == expanded


def test_names_the_references() -> None:
    assert references("$(A) $$(B) $(C D)$( $(E)") == ["A", "C D", " $(E"]
    assert references("$$ $A") == []


@given(st.text("$()AB"))
def test_without_variables_only_doubled_dollars_change(text: str) -> None:
    assert expand(text, {}).count("$") <= text.count("$")
    assert expand(text.replace("$", "$$"), {}) == text


def test_unclosed_references_take_linear_time() -> None:
    assert expand("$(" * 500_000, {}) == "$(" * 500_000
