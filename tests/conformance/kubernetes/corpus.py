# SPDX-License-Identifier: Apache-2.0
"""The manifests that Kubernetes and Podwright are both asked about, and the answers that Kubernetes gave.

A file in ``manifests/`` holds the cases of one noun, each a YAML document that begins with a comment, ``# name: what it
is about``. Those in ``manifests/generated/`` are written by ``generate.py``. The answers to the cases of
``manifests/X.yaml`` are in ``answers/X.jsonl``, as ``record.py`` wrote them.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
MANIFESTS = HERE / "manifests"
ANSWERS = HERE / "answers"
_SEPARATOR = re.compile(r"^---\n", re.MULTILINE)
_HEAD = re.compile(r"# ([a-z0-9-]+): (\S.*)\n")


class Case(NamedTuple):
    """One manifest."""

    noun: str
    """The file that it is in, below ``manifests/`` and without its ending."""
    name: str
    about: str
    text: str

    @property
    def id(self) -> str:
        """Return the case's name in the whole corpus."""
        return f"{self.noun}/{self.name}"

    @property
    def digest(self) -> str:
        """Return what tells an answer to this text from one to an earlier text of the case."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]


def nouns() -> list[str]:
    """Return the nouns of the corpus."""
    return sorted(str(file.relative_to(MANIFESTS).with_suffix("")) for file in MANIFESTS.rglob("*.yaml"))


def cases() -> list[Case]:
    """Return all cases. Raises ValueError for a document without its line of comment, and for a name used twice."""
    found: dict[str, Case] = {}
    for noun in nouns():
        for case in _read(noun, (MANIFESTS / f"{noun}.yaml").read_text(encoding="utf-8")):
            if case.id in found:
                raise ValueError(f"{case.id}: there are two cases of this name")
            found[case.id] = case
    return list(found.values())


def answers() -> dict[str, dict[str, Any]]:
    """Return the recorded answers by the id of their case."""
    found = {}
    for file in ANSWERS.rglob("*.jsonl"):
        noun = str(file.relative_to(ANSWERS).with_suffix(""))
        with file.open(encoding="utf-8") as lines:
            next(lines)  # the version of Kubernetes
            for answer in map(json.loads, lines):
                found[f"{noun}/{answer.pop('case')}"] = answer
    return found


def _read(noun: str, text: str) -> list[Case]:
    found = []
    for document in _SEPARATOR.split(text)[1:]:
        head = _HEAD.match(document)
        if head is None:
            raise ValueError(f"{noun}: a document must begin with '# name: what it is about': {document[:80]!r}")
        found.append(Case(noun, head[1], head[2], document))
    return found
