#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write docs/pod-conformance.md: what podwright does with each field of a Pod that it acts upon, as root."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from tempfile import TemporaryDirectory

from pod_fields import enforced, refused
from pod_rows import HERE, Row, rows

ROOT = HERE.parents[2]
DOCUMENT = ROOT / "docs/pod-conformance.md"
PASSES = "passes"
_HEAD = """# Conformance with Kubernetes' Pods

Every field of a Pod that podwright acts upon, with a row or more each: a Pod that uses it, and what must be seen of it
in the container and from outside. The reference is Kubernetes 1.36: a path is one in its source, where the kubelet or
the API server does the same. The Pods are in `tests/conformance/pods/rows`; `make conformance` runs them on a host and
writes this page, and `make test` fails when one does not pass, when a field has no row, or when this page is not what
the rows say.
"""


def main() -> int:
    """Run every row, and write down what passes."""
    if os.geteuid() != 0:
        sys.exit("containers on this host need root")
    results = _results()
    DOCUMENT.write_text(document(rows(), results))
    failed = sorted(name for name, result in results.items() if result != PASSES)
    print(f"{len(results)} rows, {len(failed)} failed: {', '.join(failed)}\nwritten to {DOCUMENT}")
    return 1 if failed else 0


def document(all_rows: list[Row], results: dict[str, str]) -> str:
    """Return the page."""
    lines = [f"{len(enforced())} fields, {len(all_rows)} rows.", "", "| field | what is seen | as in | result |"]
    lines.append("| --- | --- | --- | --- |")
    for field in enforced():
        lines += [
            f"| `{field}` | {_cell(row.says)} | {_source(row.source)} | {results[row.name]} |"
            for row in all_rows
            if field in row.fields
        ]
    lines += ["", "## Refused by name", "", "Where a value asks for nothing that is not so anyway, it is taken.", ""]
    lines += ["| field | way out |", "| --- | --- |", *(f"| `{name}` | {_cell(hint)} |" for name, hint in refused())]
    return "\n".join([_HEAD, *lines, ""])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _source(text: str) -> str:
    path, _, function = text.partition(" ")
    return f"`{path}`{' ' + function if function else ''}"


def _results() -> dict[str, str]:
    """Return by row whether its test passes."""
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", f"{HERE}/test_pod_rows.py::test_row"]
        subprocess.run(command, cwd=ROOT, check=False)
        cases = ET.parse(report).iter("testcase")
        return {case.attrib["name"][len("test_row[") : -1]: "**fails**" if len(case) else PASSES for case in cases}


if __name__ == "__main__":
    sys.exit(main())
