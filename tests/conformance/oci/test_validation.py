# SPDX-License-Identifier: Apache-2.0
"""A validation program of runtime-tools that passes with runc or crun on this host passes with podwright-oci."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from suite import OURS, Runtime, attempt, judge, names, run, runtimes
from table import DELIBERATE, REASONS

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(scope="module", autouse=True)
def alone() -> Iterator[None]:
    """One run at a time: programs ask for cgroups by fixed names."""
    with Path("/run/podwright-conformance.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module")
def ours() -> Runtime:
    """Return podwright-oci as the table has it: with the same bundles as its peers."""
    return next(runtime for runtime in runtimes() if runtime.command == str(OURS))


@pytest.fixture(scope="module")
def peers() -> list[Runtime]:
    found = [runtime for runtime in runtimes() if runtime.command != str(OURS)]
    assert {runtime.name for runtime in found} == {"runc", "crun"}, "the peers are installed"
    return found


@pytest.mark.parametrize("name", names())
def test_program_passes_where_a_peer_does(name: str, ours: Runtime, peers: list[Runtime]) -> None:
    verdict = run(name, ours)
    if verdict.passed or name in DELIBERATE:
        return
    passing = [peer.name for peer in peers if run(name, peer).passed]
    if passing:  # it may have been the busy machine
        verdict = attempt(name, ours)
    assert verdict.passed or not passing, (
        f"{name} passes with {' and '.join(passing)}, and not with podwright-oci: {verdict.detail}"
    )


def test_reasons_name_programs_that_exist() -> None:
    assert set(REASONS) <= set(names())
    assert set(DELIBERATE) <= set(REASONS)


@pytest.mark.parametrize(
    ("program", "code", "said", "passes"),
    [
        ("default", 0, "TAP version 13\nok 1 - a\n1..1\n", True),
        ("default", 0, "TAP version 13\nok 1 - a\nnot ok 2 - b\n1..2\n", False),
        ("default", 1, "TAP version 13\nok 1 - a\n1..1\n", False),
        ("default", 0, "", False),
        ("prestart", 0, 'TAP version 13\n  ---\n  {\n    "error": "late"\n  }\n  ...\n1..0\n', False),
        ("prestart", 0, "TAP version 13\n1..0\n", True),
        ("create", 0, 'TAP version 13\nok 1 - a\n  ---\n  {\n    "error": "wanted"\n  }\n  ...\n1..1\n', True),
        ("process_rlimits_fail", 0, "podwright-oci: no such limit\n", True),
    ],
)
def test_verdict(program: str, code: int, said: str, *, passes: bool) -> None:
    assert judge(program, code, said).passed is passes
