# SPDX-License-Identifier: Apache-2.0
"""Credential helpers: programs ``docker-credential-NAME`` that keep logins.

Their protocol is that of github.com/docker/docker-credential-helpers.
"""

import json
import re

from podwright.errors import ImageError

TIME_LIMIT = 30.0  # seconds
_NOT_FOUND = ("credentials not found in native keychain", "no credentials server URL", "no credentials username")


def ask(helper: object, server: str, source: str) -> tuple[str, str, str, str] | None:
    """Ask a helper for a server's login: user, password, identity token and where they come from; None if it has none.

    ``source`` is the file that names the helper.
    """
    if not isinstance(helper, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", helper):
        raise ImageError(f"{source} names the credential helper {helper!r}, which is no plain name")
    program = f"docker-credential-{helper}"
    status, output = _run(program, server, source)
    if status:
        first = next(iter(output.decode(errors="replace").splitlines()), "")
        if first in _NOT_FOUND:
            return None
        # what looks like an answer may have a password in it
        reason = (
            f": {first[:200]}" if first.isprintable() and first and "{" not in output.decode(errors="replace") else ""
        )
        raise ImageError(f"{program}, which {source} names, ended with {status}{reason}")
    return _login(output, program, source)


def _run(program: str, server: str, source: str) -> tuple[int, bytes]:
    import subprocess

    try:
        child = subprocess.run(
            [program, "get"],
            input=server.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=TIME_LIMIT,
            check=False,
        )
    except OSError as error:
        raise ImageError(f"{program}, which {source} names, cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired:
        raise ImageError(f"{program}, which {source} names, did not answer within {TIME_LIMIT:.0f} seconds") from None
    return child.returncode, child.stdout


def _login(output: bytes, program: str, source: str) -> tuple[str, str, str, str]:
    try:
        answer = json.loads(output)
    except (ValueError, RecursionError):
        answer = None  # and no word of it in a message, for the password is in it
    username, secret = (answer.get("Username"), answer.get("Secret")) if isinstance(answer, dict) else (None, None)
    if not isinstance(username, str) or not isinstance(secret, str):
        raise ImageError(f"{program}, which {source} names, did not answer with JSON that has Username and Secret")
    if username == "<token>":
        return "", "", secret, program
    return username, secret, "", program
