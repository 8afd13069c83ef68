# SPDX-License-Identifier: Apache-2.0
"""The signal that asks a container to stop: an image's ``StopSignal`` as a number."""

import signal

from podwright.errors import ImageError

DEFAULT = int(signal.SIGTERM)
# As user space counts them: the C libraries keep the kernel's 32 and 33 for themselves.
_RT_MIN, _RT_MAX = 34, 64
_NUMBERS = {name: int(item) for name, item in signal.Signals.__members__.items()} | {
    "SIGRTMIN": _RT_MIN,
    "SIGRTMAX": _RT_MAX,
}


def stop_signal(text: str | None, image: str) -> int:
    """Return the number of ``SIGTERM``, ``TERM``, ``15``, ``SIGRTMIN+3`` or ``SIGRTMAX-1``; SIGTERM for nothing.

    ImageError names the image and the signal that does not exist.
    """
    if not text:
        return DEFAULT
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 2 else _by_name(text.upper())
    if number is None or not 1 <= number <= _RT_MAX:
        raise ImageError(f"image {image}: its StopSignal {text!r} is no signal", value=text)
    return number


def _by_name(text: str) -> int | None:
    name = text if text.startswith("SIG") else f"SIG{text}"
    if name in _NUMBERS:
        return _NUMBERS[name]
    base, steps = name[:8], name[9:]
    if base not in ("SIGRTMIN", "SIGRTMAX") or not (steps.isascii() and steps.isdigit() and len(steps) <= 2):
        return None
    number = {"SIGRTMIN+": _RT_MIN + int(steps), "SIGRTMAX-": _RT_MAX - int(steps)}.get(name[:9])
    return number if number is not None and _RT_MIN <= number <= _RT_MAX else None
