# SPDX-License-Identifier: Apache-2.0
"""``$(NAME)`` in commands, arguments and variables, as Kubernetes expands it.

``$(NAME)`` becomes the variable's value, or stays as written when there is none; ``$$`` becomes ``$``, so ``$$(NAME)``
is a literal ``$(NAME)``; any other ``$`` stays. A name is whatever stands before the next ``)``. What an expansion
yields is not expanded again.
"""

from collections.abc import Iterator, Mapping


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Return ``text`` with its references replaced by the variables' values."""
    if "$" not in text:
        return text
    return "".join(variables.get(name, f"$({name})") if is_name else name for is_name, name in _pieces(text))


def references(text: str) -> list[str]:
    """Return the names that ``text`` refers to, in order, whether or not they exist."""
    return [name for is_name, name in _pieces(text) if is_name] if "$(" in text else []


def _pieces(text: str) -> Iterator[tuple[bool, str]]:
    """Cut ``text`` into (False, literal) and (True, name of a reference)."""
    last_close = text.rfind(")")  # known in advance, so that a text of unclosed "$(" costs linear time
    start = cursor = 0
    while (dollar := text.find("$", cursor)) >= 0:
        following = text[dollar + 1 : dollar + 2]
        if following == "$":
            yield False, text[start : dollar + 1]
            start = cursor = dollar + 2
        elif following == "(" and dollar + 2 <= last_close:
            close = text.index(")", dollar + 2)
            yield False, text[start:dollar]
            yield True, text[dollar + 2 : close]
            start = cursor = close + 1
        else:
            cursor = dollar + 1
    yield False, text[start:]
