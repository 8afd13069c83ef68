# SPDX-License-Identifier: Apache-2.0
"""Quantities. Expected values come from k8s.io/apimachinery 0.36 (ParseQuantity, Value, MilliValue, String)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwright.manifest import quantity

# text, Value(), MilliValue(), canonical decimal text, our canonical text when binary suffixes are allowed
KUBERNETES = [
    ("0", 0, 0, "0", "0"),
    ("1", 1, 1000, "1", "1"),
    ("1.5", 2, 1500, "1500m", "1500m"),
    (".5", 1, 500, "500m", "500m"),
    ("5.", 5, 5000, "5", "5"),
    ("100m", 1, 100, "100m", "100m"),
    ("0.1", 1, 100, "100m", "100m"),
    ("1k", 1000, 1000000, "1k", "1k"),
    ("1Ki", 1024, 1024000, "1024", "1Ki"),
    ("1.5Gi", 1610612736, 1610612736000, "1610612736", "1536Mi"),
    ("1073741824", 1073741824, 1073741824000, "1073741824", "1Gi"),
    ("1024Mi", 1073741824, 1073741824000, "1073741824", "1Gi"),
    ("64Mi", 67108864, 67108864000, "67108864", "64Mi"),
    ("128M", 128000000, 128000000000, "128M", "128M"),
    ("1023Ki", 1047552, 1047552000, "1047552", "1023Ki"),
    ("1e3", 1000, 1000000, "1k", "1k"),
    ("1E3", 1000, 1000000, "1k", "1k"),
    ("1e+3", 1000, 1000000, "1k", "1k"),
    ("2e-3", 1, 2, "2m", "2m"),
    ("64m", 1, 64, "64m", "64m"),
    ("100u", 1, 1, "100u", "100u"),
    ("1e-12", 1, 1, "1n", "1n"),
    ("0.5n", 1, 1, "1n", "1n"),
    ("1.0001Ki", 1025, 1024103, "1024102400u", "1024102400u"),
    ("1.23456789012345", 2, 1235, "1234567891n", "1234567891n"),
    ("+5", 5, 5000, "5", "5"),
    ("-5", -5, -5000, "-5", "-5"),
    ("00012", 12, 12000, "12", "12"),
    ("7Ei", 8070450532247928832, 8070450532247928832000, "8070450532247928832", "7Ei"),
]


@pytest.mark.parametrize(("text", "value", "milli", "decimal", "shortest"), KUBERNETES)
def test_reads_and_writes_as_kubernetes_does(text: str, value: int, milli: int, decimal: str, shortest: str) -> None:
    nano = quantity.parse(text)
    assert (value, milli) == (quantity.units(nano), quantity.milli_units(nano))
    assert (decimal, shortest) == (quantity.canonical(nano, binary=False), quantity.canonical(nano, binary=True))


@pytest.mark.parametrize(
    "text", ["", "abc", "1K", "1_000", "12e", "1ee3", "Mi", ".", "+", "1i", "5mi", " 1", "1\n", "1e99999"]
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a quantity"):
        quantity.parse(text)


@pytest.mark.parametrize("text", ["8Ei", "1e30", "1e9999", "9223372036854775808"])
def test_what_kubernetes_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="too large"):
        quantity.parse(text)


def test_a_number_is_a_quantity_too() -> None:
    assert quantity.parse(2) == quantity.parse("2")
    assert quantity.parse(0.1) == quantity.parse("100m")
    assert quantity.parse(1e-07) == quantity.parse("100n")


@given(st.integers(0, 2**63 - 1), st.booleans())
def test_the_canonical_text_means_the_same(nano: int, binary: bool) -> None:
    assert quantity.parse(quantity.canonical(nano, binary=binary)) == nano


@given(st.integers(1, 2**20), st.sampled_from(["", "k", "M", "G", "Ki", "Mi", "Gi"]))
def test_equal_amounts_have_one_text(number: int, suffix: str) -> None:
    nano = quantity.parse(f"{number}{suffix}")
    in_units = quantity.parse(str(nano // quantity.NANO))
    assert quantity.canonical(nano, binary=True) == quantity.canonical(in_units, binary=True)
