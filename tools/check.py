#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run the checks: all of them (``make test``, which is what CI runs), or the groups named as arguments.

Every step has a name and a time limit, is silent when it succeeds and shows all that it printed when it fails. The
steps after a failed one still run. A test that is skipped must be known by name and reason in
tests/allowed_skips.txt. The last line counts: a step that is not pytest's counts as one.
"""

import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from own_root import leave_chroot
from steps import STEPS, Step

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
LOGS = ROOT / ".cache" / "check"
ALLOWED_SKIPS = ROOT / "tests" / "allowed_skips.txt"


class Skip(NamedTuple):
    """A test that did not run: its dotted name, and why."""

    test: str
    reason: str


class Outcome(NamedTuple):
    """What one step came to."""

    step: Step
    seconds: float
    passed: int
    failed: int
    skips: tuple[Skip, ...] = ()


def run_step(step: Step) -> Outcome:
    """Run one step and print a line about it, preceded by all its output when it failed."""
    print(f"--- {step.name}", flush=True)
    LOGS.mkdir(parents=True, exist_ok=True)
    report, log = LOGS / f"{step.name}.xml", LOGS / f"{step.name}.log"
    report.unlink(missing_ok=True)
    options = [f"--junitxml={report}", "-o", "junit_family=xunit2"] if step.pytest else []
    start = time.monotonic()
    code, note = _execute([*step.command, *options], log, step)
    seconds = time.monotonic() - start
    passed, failed, skips = _counts(report) if step.pytest else (int(code == 0), int(code != 0), ())
    if code != 0 or step.show:
        print(log.read_text(errors="replace"), end="")
    if code != 0:
        failed = failed or 1  # pytest broke before it had a test
    counted = f", {passed} passed, {failed} failed, {len(skips)} skipped" if step.pytest else ""
    print(f"    {'FAILED' if code else 'ok'}{note}, {seconds:.1f} s{counted}", flush=True)
    return Outcome(step, seconds, passed, failed, skips)


def _execute(command: list[str], log: Path, step: Step) -> tuple[int, str]:
    """Return the exit code of a command and a remark; what it prints goes to ``log``."""
    environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}
    with log.open("wb") as output:
        # a session of its own, so that a step that overstays can be ended with all its children
        child = subprocess.Popen(
            command,
            cwd=ROOT / step.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return child.wait(step.minutes * 60), ""
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGTERM)
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
            return 1, f" after its limit of {step.minutes:g} minutes"


def _counts(report: Path) -> tuple[int, int, tuple[Skip, ...]]:
    """Return from pytest's report how many tests passed and failed, and those that were skipped."""
    if not report.exists():
        return 0, 1, ()
    passed, failed, skips = 0, 0, []
    for case in ET.parse(report).getroot().iter("testcase"):
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif skipped is not None:
            skips.append(Skip(f"{case.get('classname')}.{case.get('name')}", skipped.get("message", "")))
        else:
            passed += 1
    return passed, failed, tuple(skips)


def allowed_skips(text: str) -> dict[str, str]:
    """Read ``name: reason`` lines; empty lines and those with a # are remarks."""
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.partition(": ") for line in lines if line and not line.startswith("#"))
    return {name: reason for name, _, reason in pairs}


def unknown_skips(outcomes: Iterable[Outcome]) -> list[Skip]:
    """Return the skips that tests/allowed_skips.txt does not know, by name and the start of the reason.

    To someone who is not root, every test that needs root is known (`make check-fast`).
    """
    allowed = allowed_skips(ALLOWED_SKIPS.read_text())
    skips = [skip for outcome in outcomes for skip in outcome.skips]
    known = () if os.geteuid() == 0 else ("needs root",)
    return [skip for skip in skips if not skip.reason.startswith((allowed.get(skip.test, "\0"), *known))]


def summarise(outcomes: list[Outcome]) -> int:
    """Print what each step took, every skip by name, and the totals alone on the last line; return the exit code."""
    print("\n=== summary")
    for outcome in outcomes:
        print(f"{'FAILED' if outcome.failed else 'ok':6} {outcome.seconds:7.1f} s  {outcome.step.name}")
    unknown = unknown_skips(outcomes)
    skips = [skip for outcome in outcomes for skip in outcome.skips]
    for skip in skips:
        remark = " (not in tests/allowed_skips.txt: counts as failed)" if skip in unknown else ""
        print(f"skipped {skip.test}: {skip.reason}{remark}")
    failed = sum(outcome.failed for outcome in outcomes) + len(unknown)
    passed = sum(outcome.passed for outcome in outcomes)
    print(f"{passed} passed, {failed} failed, {len(skips) - len(unknown)} skipped")
    return int(failed > 0)


def main(groups: list[str]) -> int:
    """Run the steps of these groups (none named: all)."""
    known = {step.group for step in STEPS}
    if not known.issuperset(groups):
        print(f"usage: check.py [{'|'.join(sorted(known))}]…", file=sys.stderr)
        return 2
    os.chdir(ROOT)
    leave_chroot()
    return summarise([run_step(step) for step in STEPS if not groups or step.group in groups])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
