# SPDX-License-Identifier: Apache-2.0
"""A command line by a table, for commands that an engine runs for each container.

argparse imports regular expressions and translations, 7 ms; this takes what is needed of it and of Go's flag package,
whose spelling the engines use: options stand before or after the arguments, ``--name value``, ``--name=value``,
``-n value``, ``-name value``, ``--flag=false``, and ``--`` ends them.
"""

from __future__ import annotations

from podwright.errors import PodwrightError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))


class Option:
    """One option. Without ``value`` (its placeholder in the help) it is a flag; ``many`` may stand several times."""

    __slots__ = ("help", "many", "names", "value")

    def __init__(self, names: str, help: str, value: str = "", *, many: bool = False) -> None:  # noqa: A002
        self.names = names.split()
        self.help = help
        self.value = value
        self.many = many

    @property
    def key(self) -> str:
        """The long name, without its dashes."""
        return self.names[0].lstrip("-")


class Verb:
    """A command: its name, what stands behind it in the usage line, one sentence, and its options.

    ``arguments`` are its required arguments' names. ``rest`` names what may follow: after the last required argument,
    all from the first word that is no known option on belongs to it, whatever it looks like.
    """

    __slots__ = ("arguments", "help", "name", "options", "rest")

    def __init__(
        self,
        name: str,
        arguments: str,
        help: str,  # noqa: A002
        options: Sequence[Option] = (),
        *,
        rest: str = "",
    ) -> None:
        self.name = name
        self.arguments = arguments.split()
        self.help = help
        self.options = options
        self.rest = rest


class Values:
    """What was given: the options by their long names, the arguments, and the rest."""

    __slots__ = ("_given", "_lists", "arguments", "rest")

    def __init__(self) -> None:
        self._given: dict[str, str | bool] = {}
        self._lists: dict[str, list[str]] = {}
        self.arguments: list[str] = []
        self.rest: list[str] = []

    def put(self, option: Option, value: str | bool) -> None:  # noqa: FBT001 - it is what was found
        """Record an option; the last one of a name counts, unless there may be many."""
        if option.many and isinstance(value, str):
            self._lists.setdefault(option.key, []).append(value)
        else:
            self._given[option.key] = value

    def flag(self, key: str) -> bool:
        """Tell whether a flag is set."""
        return self._given.get(key) is True

    def text(self, key: str) -> str | None:
        """Return an option's value, None when it was not given."""
        value = self._given.get(key)
        return value if isinstance(value, str) else None

    def texts(self, key: str) -> list[str]:
        """Return the values of an option that may stand several times."""
        return self._lists.get(key, [])

    def number(self, key: str, *, least: int = 0) -> int | None:
        """Return an option's value as a whole number."""
        text = self.text(key)
        return None if text is None else whole(f"--{key}", text, least)


def whole(name: str, text: str, least: int = 0) -> int:
    """Return a decimal number, strictly written: no spaces, no plus, no underscores."""
    digits = text.removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) <= 19 and int(text) >= least:
        return int(text)
    raise usage(f"{name} is {text!r}, but must be a whole number, {least} or more")


def usage(message: str) -> PodwrightError:
    """Return the error for a wrong command line."""
    return PodwrightError(message)


def parse(verb: Verb, words: Sequence[str]) -> Values | None:
    """Read what follows the verb's name; None when help was asked for. PodwrightError for what does not fit."""
    return _Parser(verb).run(list(words))


class _Parser:
    def __init__(self, verb: Verb) -> None:
        self._verb = verb
        self._options = {name: option for option in verb.options for name in option.names}
        self._values = Values()

    def run(self, words: list[str]) -> Values | None:
        values, verb = self._values, self._verb
        words.reverse()
        while words:
            word = words.pop()
            if word == "--":
                self._take_all(words)
                break
            if len(word) > 1 and word[0] == "-":
                full = bool(verb.rest) and len(values.arguments) == len(verb.arguments)
                if not self._option(word, words, lenient=full):
                    if word in ("-h", "--help", "-help"):
                        return None
                    values.rest = [word, *reversed(words)]
                    break
            elif len(values.arguments) < len(verb.arguments):
                values.arguments.append(word)
            else:
                self._begin_rest(word, words)
                break
        if len(values.arguments) < len(verb.arguments):
            missing = verb.arguments[len(values.arguments)]
            raise usage(f"{verb.name} needs {missing}; see --help")
        return values

    def _take_all(self, words: list[str]) -> None:
        values = self._values
        while words and len(values.arguments) < len(self._verb.arguments):
            values.arguments.append(words.pop())
        if words:
            self._begin_rest(words.pop(), words)

    def _begin_rest(self, word: str, words: list[str]) -> None:
        if not self._verb.rest:
            raise usage(f"{self._verb.name} takes no argument {word!r}; see --help")
        self._values.rest = [word, *reversed(words)]

    def _option(self, word: str, words: list[str], *, lenient: bool) -> bool:
        """Take one option with its value; false for help, and for what belongs to the rest."""
        name, equals, given = word.partition("=")
        option = self._options.get(name)
        if option is None and not name.startswith("--"):
            option = self._options.get("-" + name) if len(name) > 2 else None
        if option is None:
            if word in ("-h", "--help", "-help"):
                return False
            if len(word) > 2 and word[1] != "-" and self._bundled(word, words):
                return True
            if lenient:
                return False
            raise usage(f"{self._verb.name} has no option {name}; see --help")
        if option.value:
            self._values.put(option, given if equals else self._next(name, words))
        else:
            self._values.put(option, _boolean(name, given) if equals else True)
        return True

    def _bundled(self, word: str, words: list[str]) -> bool:
        """Take ``-td``, or ``-u0``: flags that share a dash, the last of which may take a value."""
        found = []
        for position, letter in enumerate(word[1:], 2):
            option = self._options.get("-" + letter)
            if option is None:
                return False
            if option.value:
                found.append((option, word[position:] or self._next("-" + letter, words)))
                break
            found.append((option, ""))
        for option, value in found:
            self._values.put(option, value if option.value else True)
        return True

    def _next(self, name: str, words: list[str]) -> str:
        if not words:
            raise usage(f"{self._verb.name}: {name} needs a value; see --help")
        return words.pop()


def _boolean(name: str, text: str) -> bool:
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise usage(f"{name} is {text!r}, but must be true or false")


def help_text(program: str, verb: Verb) -> str:
    """Return what ``--help`` prints."""
    words = [
        program,
        *([verb.name] if verb.name else []),
        "[OPTION]...",
        *verb.arguments,
        *([verb.rest] if verb.rest else []),
    ]
    lines = [f"usage: {' '.join(words)}", "", verb.help]
    rows = [(", ".join(_spelled(option)), option.help) for option in verb.options]
    if rows:
        width = min(36, max(len(left) for left, _ in rows))
        lines += ["", *(f"  {left:<{width}}  {right}" for left, right in rows)]
    return "\n".join(lines)


def _spelled(option: Option) -> list[str]:
    names = sorted(option.names, key=len)
    return [*names[:-1], f"{names[-1]} {option.value}".rstrip()]
