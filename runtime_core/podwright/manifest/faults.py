# SPDX-License-Identifier: Apache-2.0
"""Faults of a manifest, and the one error that tells of them."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from podwright.errors import ManifestError
from podwright.manifest import paths

NOTHING = object()
"""The value of a field that is not there."""

SHOWN_FAULTS = 5
_SHOWN_LENGTH = 80


class Fault(NamedTuple):
    """One thing wrong with a manifest: the field's path, what is wrong, and what was found there."""

    field: str
    reason: str
    value: object = NOTHING

    def sentence(self) -> str:
        """Return ``spec.containers[0].name: … (got 'x')``."""
        found = "" if self.value is NOTHING else f" (got {shown(self.value)})"
        return f"{self.field}: {self.reason}{found}"


def shown(value: object) -> str:
    """Return a value as a reader of YAML would write it, on one line and shortened."""
    if isinstance(value, str):
        return f"'{_shortened(paths.printable(value))}'"
    return _shortened(paths.printable(json.dumps(value, ensure_ascii=False, default=repr)))


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_LENGTH else f"{text[: _SHOWN_LENGTH - 1]}…"


def error(faults: Sequence[Fault]) -> ManifestError:
    """Return the error for one or more faults: the first one gives sentence, field and value; a few more follow."""
    lines = [fault.sentence() for fault in faults[:SHOWN_FAULTS]]
    if len(faults) > SHOWN_FAULTS:
        lines.append("and more")
    field, _, value = faults[0]
    if isinstance(value, (list, dict)) or (isinstance(value, str) and len(value) > _SHOWN_LENGTH):
        value = shown(value)
    return ManifestError("\n".join(lines), field=field, value=None if value is NOTHING else value)
