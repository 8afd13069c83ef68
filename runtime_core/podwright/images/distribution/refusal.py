# SPDX-License-Identifier: Apache-2.0
"""What an answer that is none means: the error for a registry's status, with the registry's own words."""

import json
from collections.abc import Callable

from podwright.errors import ImageError
from podwright.images.distribution.http import Response, TransientError, read_document
from podwright.images.distribution.retry import Clock, retry_after

MAX_WORDS = 200  # characters of the registry's own
PASSING = (429, 500, 502, 503, 504)
_MAX_BODY = 64 << 10  # bytes


class Missing(ImageError):
    """The registry has no such thing (status 404)."""


def refusal(answer: Response, what: str, hide: Callable[[str], str], clock: Clock | None = None) -> ImageError:
    """Return the error that says ``what`` is wrong; with a clock, a status that may pass gets a TransientError.

    ``hide`` takes out of the registry's words what must not be seen.
    """
    words = hide(_words(answer))
    message = f"{what}: {words}" if words else what
    if answer.status == 404:
        return Missing(message)
    if clock is None or answer.status not in PASSING:
        return ImageError(message)
    wait = retry_after(answer.headers.get("retry-after", ""), clock.now())
    return TransientError(message, unprocessed=answer.status == 429, wait=wait)


def _words(answer: Response) -> str:
    """Return what the registry says of it (distribution-spec, "Error Codes"), in one line; else nothing."""
    try:
        document = json.loads(read_document(answer, _MAX_BODY, "error"))
    except (ImageError, ValueError, RecursionError):
        return ""
    if not isinstance(document, dict):
        return ""
    errors = document.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        document = errors[0]
    candidates = (document.get(key) for key in ("message", "error_description", "details", "code", "error"))
    words = next((text for text in candidates if isinstance(text, str) and text), "")
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in words).split())
    return line if len(line) <= MAX_WORDS else f"{line[:MAX_WORDS]}…"
