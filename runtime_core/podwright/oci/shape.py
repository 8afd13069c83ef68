# SPDX-License-Identifier: Apache-2.0
"""Checks of a JSON value's type and range, which put together say what form a document must have.

A check takes a value and the name of its field, and raises a ManifestError for what it does not allow. As in the
runtime-spec, members that no check knows are ignored, and null is the same as nothing there.
"""

from __future__ import annotations

from podwright.errors import ManifestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Check = Callable[[Any, str], None]

_SHOWN = 80  # characters of a wrong value in a message
U16, U32, U64, I64 = (1 << 16) - 1, (1 << 32) - 1, (1 << 64) - 1, (1 << 63) - 1


def wrong(field: str, value: object, must: str) -> ManifestError:
    """Return the error for a value that is not what it must be."""
    try:
        shown = repr(value)
    except RecursionError:
        shown = f"a {type(value).__name__} that is nested too deeply"
    if len(shown) > _SHOWN:
        shown = f"{shown[:_SHOWN]}…"
    return ManifestError(f"{field} is {shown}, but must be {must}", field=field, value=value)


def record(members: Mapping[str, Check], *required: str) -> Check:
    """Allow an object of these members."""

    def check(value: Any, field: str) -> None:
        if not isinstance(value, dict):
            raise wrong(field, value, "an object")
        prefix = f"{field}." if field else ""
        for name in required:
            if value.get(name) is None:
                path = f"{prefix}{name}"
                raise ManifestError(f"{path} is missing, and the runtime-spec requires it", field=path)
        for name, item in value.items():
            if item is not None and name in members:
                members[name](item, f"{prefix}{name}")

    return check


def array(item: Check, *, most: int = 1 << 16) -> Check:
    """Allow a list of such items."""

    def check(value: Any, field: str) -> None:
        if not isinstance(value, list):
            raise wrong(field, value, "a list")
        if len(value) > most:
            raise ManifestError(f"{field} has {len(value)} entries, but may have {most} at most", field=field)
        for position, entry in enumerate(value):
            item(entry, f"{field}[{position}]")

    return check


def table(item: Check) -> Check:
    """Allow an object that maps names of the user's choice to such items."""

    def check(value: Any, field: str) -> None:
        if not isinstance(value, dict):
            raise wrong(field, value, "an object")
        for name, entry in value.items():
            text(name, f"a name in {field}")
            if not name:
                raise ManifestError(f"{field} has an entry whose name is empty; give it a name", field=field)
            item(entry, f"{field}.{name}")

    return check


def whole(low: int, high: int) -> Check:
    """Allow a whole number of this range."""

    def check(value: Any, field: str) -> None:
        if type(value) is not int:  # a bool is an int to isinstance
            raise wrong(field, value, "a whole number")
        if not low <= value <= high:
            raise wrong(field, value, f"between {low} and {high}")

    return check


def choice(*names: str) -> Check:
    """Allow one of these words."""

    def check(value: Any, field: str) -> None:
        if not isinstance(value, str) or value not in names:
            raise wrong(field, value, f"one of {', '.join(name for name in names if name)}")

    return check


def boolean(value: Any, field: str) -> None:
    """Allow true and false."""
    if not isinstance(value, bool):
        raise wrong(field, value, "true or false")


def text(value: Any, field: str) -> None:
    """Allow a string that the kernel can take: without NUL, and of characters that UTF-8 can write."""
    if not isinstance(value, str):
        raise wrong(field, value, "a string")
    if "\0" in value:
        raise wrong(field, value, "without NUL characters")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise wrong(field, value, "valid Unicode (it has half of a surrogate pair)") from None


def absolute(value: Any, field: str) -> None:
    """Allow an absolute path."""
    text(value, field)
    if not value.startswith("/"):
        raise wrong(field, value, "an absolute path")
