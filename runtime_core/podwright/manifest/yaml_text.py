# SPDX-License-Identifier: Apache-2.0
"""A strict reader of YAML documents that hold plain data; see ``load.py`` for why.

Plain scalars are what Kubernetes' own reader (sigs.k8s.io/yaml) makes of them, which is YAML 1.1 with Go's numbers:
``y``, ``yes`` and ``on`` are true, ``010`` and ``0o10`` are eight; but timestamps, base-60 numbers and what no number
of 64 bits can hold are strings.
"""

import re
from typing import Any

import yaml

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MAX_DEPTH = 100
MAX_NODES = 200_000
"""Most nodes of a text when every alias counts as what it stands for; a text of 1 MiB without aliases cannot hold more
that make sense in a Pod."""

_TAG = "tag:yaml.org,2002:"
_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_INTEGER = re.compile(r"[-+]?(?:0[bB]([01]+)|0[xX]([0-9a-fA-F]+)|0[oO]?([0-7]+)|([1-9][0-9]{0,19}|0))")
_BASES = (2, 16, 8, 10)
"""Of the groups of ``_INTEGER``."""
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1


class YamlTextError(Exception):
    """What is wrong, and in which line (from 1; 0 when unknown)."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


def parse(text: str) -> list[Any]:
    """Return the documents of a text. Raises YamlTextError."""
    try:
        return _Reader(text).documents()
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        reason = f"not valid YAML: {problem.problem or problem.context}"
        raise YamlTextError(reason, mark.line + 1 if mark else 0) from problem
    except yaml.YAMLError as problem:  # the reader's: a character that YAML does not allow
        raise YamlTextError(f"not valid YAML: {getattr(problem, 'reason', problem)}", 0) from problem


class _Reader:
    """Builds values from a parser's events, by recursive descent."""

    def __init__(self, text: str) -> None:
        self._parser = _Loader(text)
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = 0

    def documents(self) -> list[Any]:
        documents = []
        self._next()
        while not isinstance(self._next(), yaml.StreamEndEvent):
            self._anchors = {}
            documents.append(self._value(self._next(), 0))
            self._next()
        return documents

    def _next(self) -> Any:
        return self._parser.get_event()

    def _value(self, event: Any, depth: int) -> Any:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor, line)
        before = self._nodes
        self._count(1, line)
        if depth > MAX_DEPTH:
            raise YamlTextError(f"nested deeper than {MAX_DEPTH} levels", line)
        if event.anchor is not None:
            self._anchors.pop(event.anchor, None)  # not usable inside itself
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event, line)
        elif isinstance(event, yaml.SequenceStartEvent):
            _check_tag(event, "seq", line)
            value = self._sequence(depth)
        else:
            _check_tag(event, "map", line)
            value = self._mapping(depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._nodes - before)
        return value

    def _alias(self, anchor: str | None, line: int) -> Any:
        if anchor is None or anchor not in self._anchors:
            raise YamlTextError(f"the alias *{anchor} refers to nothing that stands before it", line)
        value, nodes = self._anchors[anchor]
        self._count(nodes, line)
        return value

    def _count(self, nodes: int, line: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise YamlTextError(f"more than {MAX_NODES} values, with the aliases expanded", line)

    def _sequence(self, depth: int) -> list[Any]:
        items = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._value(event, depth + 1))
        return items

    def _mapping(self, depth: int) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            line = event.start_mark.line + 1
            if isinstance(event, yaml.ScalarEvent) and event.implicit[0] and event.value == "<<":
                merged = {**_merge_source(self._value(self._next(), depth + 1), line), **merged}
                continue
            key = self._value(event, depth + 1)
            if not isinstance(key, str):
                raise YamlTextError("a key must be a string; put it in quotes", line)
            if key in own:
                raise YamlTextError(f"the key '{key}' is there twice in one object", line)
            own[key] = self._value(self._next(), depth + 1)
        return {**merged, **own}


def _merge_source(value: Any, line: int) -> dict[str, Any]:
    """Return what ``<<`` brings in: an object, or a list of objects of which the first wins."""
    sources = value if isinstance(value, list) else [value]
    merged: dict[str, Any] = {}
    for source in sources:
        if not isinstance(source, dict):
            raise YamlTextError("<< must be followed by an object, or a list of them", line)
        merged = {**source, **merged}
    return merged


def _check_tag(event: Any, kind: str, line: int) -> None:
    if event.tag not in (None, "!", _TAG + kind):
        raise YamlTextError(f"the tag {event.tag} is not for plain data", line)


def _scalar(event: Any, line: int) -> Any:
    text: str = event.value
    if event.tag in (None, "!"):
        return _resolved(text) if event.implicit[0] else text
    if event.tag == f"{_TAG}str":
        return text
    value = _resolved(text)
    wanted = {f"{_TAG}int": int, f"{_TAG}float": float, f"{_TAG}bool": bool, f"{_TAG}null": type(None)}.get(event.tag)
    if wanted is float and type(value) is int:
        return float(value)
    if wanted is None or type(value) is not wanted:
        raise YamlTextError(f"the tag {event.tag} does not fit the value", line)
    return value


def _resolved(text: str) -> Any:
    """Return the value of a plain scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    digits = text if text[0] == "." else text.replace("_", "")
    number: float | None = _integer(digits)
    if number is None and _FLOAT.fullmatch(digits):
        number = float(digits)
    return text if number is None or number in (float("inf"), float("-inf")) else number


def _integer(text: str) -> int | None:
    """Return the integer of 64 bits that a text is, with a sign or without, or None."""
    form = _INTEGER.fullmatch(text)
    if form is None:
        return None
    base, digits = next((base, group) for base, group in zip(_BASES, form.groups(), strict=True) if group)
    number = -int(digits, base) if text[0] == "-" else int(digits, base)
    return number if _SMALLEST <= number <= _LARGEST else None
