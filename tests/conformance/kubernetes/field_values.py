# SPDX-License-Identifier: Apache-2.0
"""What a field of each type is given in turn: what it may be given by mistake, and what a list of fields adds."""

import json
from typing import Any, NamedTuple

_LONGEST = 60
"""Characters of a value that a comment shows."""

Values = dict[str, Any]


class Field(NamedTuple):
    """A field, and the values that it is given: words for the comment to the value."""

    path: str
    values: Values


def text(*good: Any, **others: Any) -> Values:
    odd: Values = {"null": None, "empty": "", "a number": 1, "a list": ["x"]}
    return odd | _each(good) | _spaced(others)


def flag(**others: Any) -> Values:
    return {"null": None, "true": True, "false": False, "a string": "true", "a number": 1} | _spaced(others)


def number(*good: Any, **others: Any) -> Values:
    odd: Values = {"null": None, "zero": 0, "negative": -1, "a string": "1", "a whole float": 2.0, "a fraction": 1.5}
    return odd | _each(good) | _spaced(others)


def things(*good: Any, **others: Any) -> Values:
    odd: Values = {"null": None, "empty list": [], "an object": {}, "a list of null": [None]}
    return odd | _each(good) | _spaced(others)


def mapping(*good: Any, **others: Any) -> Values:
    odd: Values = {"null": None, "empty object": {}, "a list": [], "a string": "x"}
    return odd | _each(good) | _spaced(others)


def choice(*good: str) -> Values:
    return {"null": None, "empty": "", "unknown": "Whatever", "in lower case": good[0].lower()} | _each(good)


def given(*good: Any) -> Values:
    """Return values that a field is only tried with: those of a field that is refused whole."""
    return _each(good)


def _spaced(values: Values) -> Values:
    return {words.replace("_", " "): value for words, value in values.items()}


def _each(values: tuple[Any, ...]) -> Values:
    found = {_words(value): value for value in values}
    assert len(found) == len(values), f"two of these have the same words: {list(found)}"
    return found


def _words(value: Any) -> str:
    if value == "":
        return "empty"
    if isinstance(value, str):
        return f"as {value}" if len(value) <= _LONGEST else f"of {len(value)} characters"
    written = json.dumps(value, ensure_ascii=False)
    return f"as {written if len(written) <= _LONGEST else written[: _LONGEST - 1] + '…'}"
