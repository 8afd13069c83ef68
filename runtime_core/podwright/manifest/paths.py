# SPDX-License-Identifier: Apache-2.0
"""Paths into a manifest, written as Kubernetes writes them: ``spec.containers[0].resources.limits[cpu]``."""

from collections.abc import Iterable

MAPS = frozenset({"labels", "annotations", "limits", "requests", "overhead"})
"""Fields whose keys the user makes up; such keys may hold dots and stand in brackets."""


class Key(str):
    """What identifies an item of a list, where its index would not last: ``containers[server]``."""

    __slots__ = ()


def render(parts: Iterable[object]) -> str:
    """Return the text of a path: field names and keys (str), list indices (int) and list keys (Key)."""
    text = ""
    parent: object = None
    for part in parts:
        if isinstance(part, (int, Key)) or parent in MAPS:
            text += f"[{part}]"
        else:
            text += f".{part}" if text else str(part)
        parent = part
    return printable(text) or "manifest"


def printable(text: str) -> str:
    """Return a text with control characters escaped: a manifest may hold any, a terminal must not get them."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
