# SPDX-License-Identifier: Apache-2.0
"""JSON and base64 in which a doubt is an error: what every program that reads a signature reads alike."""

import base64
import binascii
import json
from typing import Any


def loads(text: bytes) -> Any:
    """Return the value of a JSON text. Raises ValueError, also for a member that an object has twice."""
    try:
        return json.loads(text.decode(), object_pairs_hook=_members, parse_constant=_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def decode(text: object) -> bytes:
    """Return the bytes of a base64 text. Raises ValueError, also for what is no text."""
    if not isinstance(text, str):
        raise ValueError("it is not a text in base64")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("it is not base64") from error


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the member {twice!r} comes twice")
    return members


def _constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
