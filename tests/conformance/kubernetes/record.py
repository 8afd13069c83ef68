#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ask a real API server about every manifest of the corpus, and write its answers to ``answers/``.

Wants the packages of ``python3 tools/setup.py --recorder``. The server is built first where it was not yet.
"""

import json
import sys
import tempfile
from pathlib import Path

import apiserver
from corpus import ANSWERS, cases, nouns
from server import Answer, running


def _write(found: dict[str, dict[str, Answer]]) -> None:
    """Replace the record: a file per noun, and in it a line per answer, so that a changed answer is a changed line."""
    for old in ANSWERS.rglob("*.jsonl"):
        old.unlink()
    for noun, answers in found.items():
        file = ANSWERS / f"{noun}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = ({"kubernetes": apiserver.version()}, *({"case": name, **answers[name]} for name in sorted(answers)))
        with file.open("w", encoding="utf-8") as output:
            output.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def main() -> int:
    """Record all answers anew."""
    program = apiserver.program()
    found: dict[str, dict[str, Answer]] = {noun: {} for noun in nouns()}
    with (
        tempfile.TemporaryDirectory(prefix="podwright-kubernetes-") as folder,
        running(program, Path(folder)) as server,
    ):
        for case in cases():
            found[case.noun][case.name] = {"of": case.digest, **server.dry_run(case.text)}
    _write(found)
    every = [answer for answers in found.values() for answer in answers.values()]
    print(f"{len(every)} manifests: {sum('accepted' in answer for answer in every)} accepted")
    return 0


if __name__ == "__main__":
    sys.exit(main())
