# SPDX-License-Identifier: Apache-2.0
"""JSON, as the standard library reads and writes it, without what importing ``json`` costs.

Two thirds of that import are regular expressions, which the accelerated reader and writer do not need: 12 ms, as much
as the bare interpreter takes to start, in commands that a container engine runs for each container.
"""

from __future__ import annotations

from _json import encode_basestring, make_encoder, make_scanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SPACE = " \t\n\r"


class _Reading:
    """What the scanner asks for: the defaults of ``json.JSONDecoder``."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int

    @staticmethod
    def parse_constant(name: str) -> object:
        """Refuse NaN and Infinity, which are not JSON (RFC 8259, section 6)."""
        raise ValueError(f"{name} is not JSON")


_reading: Any = _Reading()  # typeshed wants a scanner for what configures one
_scan = make_scanner(_reading)


def loads(text: str | bytes) -> Any:
    """Return the value of a JSON text (UTF-8, a byte order mark is no part of it). Raises ValueError."""
    if isinstance(text, bytes):
        text = text.decode()  # a UnicodeDecodeError is a ValueError
    body = text.strip(_SPACE)
    try:
        value, end = _scanned(body)
    except StopIteration as stop:
        raise ValueError(f"a value was expected at character {stop.value}") from None
    if end != len(body):
        raise ValueError(f"more text follows after the value, at character {end}")
    return value


def _scanned(body: str) -> tuple[Any, int]:
    """Scan a text. The scanner of Python 3.11 finds its exception only in a module that has been loaded already."""
    try:
        found: tuple[Any, int] = _scan(body, 0)
    except SystemError:
        import json.decoder  # noqa: F401 - the scanner looks for it

        found = _scan(body, 0)
    return found


def dumps(value: object, *, sort_keys: bool = False) -> str:
    """Return a value as JSON text without spaces. TypeError for what has no form in JSON, ValueError for NaN."""
    encode = make_encoder({}, _no_form, encode_basestring, None, ":", ",", sort_keys, False, False)
    return "".join(encode(value, 0))


def _no_form(value: object) -> object:
    raise TypeError(f"a {type(value).__name__} has no form in JSON")
