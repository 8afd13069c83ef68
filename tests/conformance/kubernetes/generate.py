#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write ``manifests/generated/``: one small Pod, and in each document one field of it changed.

The fields and what they are changed to stand in ``fields.py``. Run it after an edit there; a test compares.
"""

import copy
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import yaml
from corpus import MANIFESTS
from field_values import Field
from fields import ABSENT, BASE, NOUNS, VOLUMES

FOLDER = MANIFESTS / "generated"
_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
_LONGEST_NAME = 72
_PLAIN = re.compile("[A-Za-z/][-A-Za-z0-9._/]*")
_WORDS = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")


class _Dumper(yaml.SafeDumper):
    """Writes the same object twice rather than an anchor and an alias, and what any reader may take for no string in
    quotes.
    """

    def ignore_aliases(self, data: object) -> bool:
        return True

    def quoted(self, text: str) -> yaml.Node:
        is_plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_plain else '"')


_Dumper.add_representer(str, _Dumper.quoted)


def files() -> dict[str, str]:
    """Return the text of each noun's file."""
    head = "# SPDX-License-Identifier: Apache-2.0\n# Written by generate.py from fields.py.\n"
    return {noun: head + "".join(_documents(fields)) for noun, fields in NOUNS.items()}


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the base Pod with a value at a path such as ``spec.containers[0].name``; objects on the way are made."""
    pod: dict[str, Any] = copy.deepcopy(BASE)
    if "volume" in path.lower():
        pod["spec"] = {"volumes": copy.deepcopy(VOLUMES), **pod["spec"]}
    steps = [int(index) if index else name for index, name in _STEP.findall(path)]
    here: Any = pod
    for step, following in pairwise(steps):
        if isinstance(step, int):
            here.extend({} for _ in range(step + 1 - len(here)))
        elif step not in here:
            here[step] = [] if isinstance(following, int) else {}
        here = here[step]
    if value is ABSENT:
        del here[steps[-1]]
    elif isinstance(here, list):
        here[steps[-1] :] = [value]
    else:
        here[steps[-1]] = value
    return pod


def _documents(fields: list[Field]) -> Iterator[str]:
    used: dict[str, int] = {}
    for field in fields:
        for label, value in field.values.items():
            text = yaml.dump(
                changed(field.path, value), Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None
            )
            name = _name(field.path, label)
            used[name] = used.get(name, 0) + 1
            number = f"-{used[name]}" if used[name] > 1 else ""  # of two that differ in a sign or in case
            yield f"---\n# {name}{number}: {field.path} {label}\n{text}"


def _name(path: str, label: str) -> str:
    short = path.replace("[0]", "").removeprefix("spec.").removeprefix("containers.")
    return re.sub("[^a-z0-9]+", "-", f"{short} {label}".lower())[:_LONGEST_NAME].strip("-")


def main() -> int:
    """Write the files, and remove those that no noun has any more."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file in FOLDER.glob("*.yaml"):
        if file.stem not in NOUNS:
            file.unlink()
    for noun, text in files().items():
        (FOLDER / f"{noun}.yaml").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
