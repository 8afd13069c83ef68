# SPDX-License-Identifier: Apache-2.0
"""Podwright makes of every manifest of the corpus what a real API server made of it, but for what is listed."""

import pytest
from compare import Mismatch, compare
from corpus import Case, answers, cases
from differences import DIFFERENCES, reason_of

CASES = cases()
ANSWERS = answers()


def mismatches(case: Case) -> list[Mismatch]:
    return compare(case, ANSWERS[case.id])


def test_every_manifest_has_an_answer_to_its_present_text() -> None:
    recorded = {name: answer["of"] for name, answer in ANSWERS.items()}
    assert recorded == {case.id: case.digest for case in CASES}, "run tests/conformance/kubernetes/record.py"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_same_as_kubernetes(case: Case) -> None:
    assert [mismatch for mismatch in mismatches(case) if reason_of(mismatch) is None] == []


def test_every_listed_difference_is_still_one() -> None:
    seen = {reason_of(mismatch) for case in CASES for mismatch in mismatches(case)}
    assert set(DIFFERENCES) - seen == set(), "take these out of differences.py"
