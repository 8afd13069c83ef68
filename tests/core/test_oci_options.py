# SPDX-License-Identifier: Apache-2.0
"""The table-driven command line of podwright-oci."""

import pytest

from podwright.cli.options import Option, Verb, help_text, parse
from podwright.errors import PodwrightError

CREATE = Verb(
    "create",
    "ID",
    "Make a container.",
    (Option("--bundle -b", "where", "DIR"), Option("--no-pivot", "chroot"), Option("--preserve-fds", "n", "N")),
)
EXEC = Verb(
    "exec",
    "ID",
    "Run a process.",
    (
        Option("--env -e", "variable", "NAME=VALUE", many=True),
        Option("--tty -t", "terminal"),
        Option("--detach -d", "background"),
        Option("--user -u", "who", "UID"),
    ),
    rest="COMMAND...",
)


@pytest.mark.parametrize(
    "words",
    [
        ["--bundle", "/b", "--no-pivot", "c1"],
        ["c1", "--bundle", "/b", "--no-pivot"],
        ["--bundle=/b", "c1", "--no-pivot=true"],
        ["-b", "/b", "c1", "-no-pivot"],
        ["-bundle", "/b", "--no-pivot", "--", "c1"],
    ],
)
def test_options_stand_before_or_after_the_id(words):
    values = parse(CREATE, words)
    assert values.arguments == ["c1"]
    assert (values.text("bundle"), values.flag("no-pivot"), values.number("preserve-fds")) == ("/b", True, None)


def test_a_command_keeps_its_own_options():
    values = parse(EXEC, ["-t", "c1", "-e", "A=1", "--env=B=2=3", "sh", "-c", "-t", "--env"])
    assert values.rest == ["sh", "-c", "-t", "--env"]
    assert values.texts("env") == ["A=1", "B=2=3"]
    assert parse(EXEC, ["c1", "--", "-x"]).rest == ["-x"]
    assert parse(EXEC, ["c1", "--unknown", "x"]).rest == ["--unknown", "x"]


def test_flags_share_a_dash():
    values = parse(EXEC, ["-tdu0:0", "c1", "sh"])
    assert values.flag("tty") and values.flag("detach") and values.text("user") == "0:0"
    assert parse(EXEC, ["-tu", "7", "c1", "sh"]).text("user") == "7"


def test_a_flag_can_be_switched_off():
    assert not parse(EXEC, ["--tty=false", "c1", "sh"]).flag("tty")


@pytest.mark.parametrize(
    ("verb", "words", "message"),
    [
        (CREATE, [], "create needs ID"),
        (CREATE, ["c1", "c2"], "takes no argument 'c2'"),
        (CREATE, ["c1", "--bundel", "x"], "has no option --bundel"),
        (CREATE, ["c1", "-xb"], "has no option -xb"),
        (CREATE, ["c1", "--bundle"], "--bundle needs a value"),
        (EXEC, ["--tty=maybe", "c1"], "--tty is 'maybe', but must be true or false"),
    ],
)
def test_what_does_not_fit_is_named(verb, words, message):
    with pytest.raises(PodwrightError, match=message):
        parse(verb, words)


@pytest.mark.parametrize("text", ["", "x", "1x", "+1", "1_0", " 1", "-1", "９", "1" * 20])
def test_a_number_is_strictly_decimal(text):
    with pytest.raises(PodwrightError, match=r"--preserve-fds is .* but must be a whole number, 0 or more"):
        parse(CREATE, ["c1", f"--preserve-fds={text}"]).number("preserve-fds")


def test_help_lists_the_options():
    assert parse(EXEC, ["c1", "--help"]) is None
    text = help_text("podwright-oci", EXEC)
    assert text.startswith("usage: podwright-oci exec [OPTION]... ID COMMAND...\n")
    assert "-e, --env NAME=VALUE" in text
