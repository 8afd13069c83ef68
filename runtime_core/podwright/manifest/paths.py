# SPDX-License-Identifier: Apache-2.0
"""Paths into a manifest, written as Kubernetes writes them: ``spec.containers[0].resources.limits[cpu]``."""

from collections.abc import Iterable

MAPS = frozenset({"labels", "annotations", "limits", "requests", "overhead", "matchLabels"})
"""Fields whose keys the user makes up; such keys may hold dots and stand in brackets."""


_PART_LENGTH = 320  # as long as the longest valid key of a label (253 + 1 + 63), so that valid paths stay distinct


class Key(str):
    """What identifies an item of a list, where its index would not last: ``containers[server]``."""

    __slots__ = ()


def render(parts: Iterable[object]) -> str:
    """Return the text of a path: field names and keys (str), list indices (int) and list keys (Key)."""
    text = ""
    parent: object = None
    for part in parts:
        if isinstance(part, (int, Key)) or parent in MAPS:
            text += in_brackets(part)
        else:
            text += f".{_short(part)}" if text else _short(part)
        parent = part
    return text or "manifest"


def in_brackets(key: object) -> str:
    """Return an index or a key as the end of a path."""
    return f"[{_short(key)}]"


def printable(text: str) -> str:
    """Return a text with control characters escaped: a manifest may hold any, a terminal must not get them."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _short(part: object) -> str:
    text = printable(str(part))
    return text if len(text) <= _PART_LENGTH else f"{text[: _PART_LENGTH - 1]}…"
