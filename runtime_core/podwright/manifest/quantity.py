# SPDX-License-Identifier: Apache-2.0
"""Kubernetes quantities: ``500m``, ``1.5Gi``, ``2e3``.

A quantity is held as an integer count of nano-units, the finest step that Kubernetes keeps; no float is involved.
Kubernetes remembers the suffix a quantity was written with; we do not: ``1024Mi``, ``1Gi`` and ``1073741824`` are the
same and must compare so, hence one text per value (``canonical``).
"""

import re

NANO = 10**9
MILLI = 10**6
"""One thousandth, in nano-units."""

_FORM = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([numkMGTPE]?|[KMGTPE]i|[eE][+-]?[0-9]{1,4})")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_LONGEST = 64  # characters; more than any number in range needs
_LARGEST = (2**63 - 1) * NANO


def parse(value: str | float) -> int:
    """Return a quantity in nano-units, rounded away from zero as Kubernetes does.

    Takes a text or, as in JSON and YAML, a bare number. Raises ValueError, with the reason, for what is no quantity.
    """
    text = repr(value) if isinstance(value, float) else str(value)
    form = _FORM.fullmatch(text) if len(text) <= _LONGEST else None
    if not form or not (form[2] or form[3]):
        raise ValueError("must be a quantity such as 250m, 1.5, 64Mi or 2G")
    sign, whole, fraction, suffix = form[1], form[2], form[3] or "", form[4]
    mantissa = int(whole + fraction)
    if suffix in _BINARY:
        nano = _scaled(mantissa << _BINARY[suffix], 9 - len(fraction))
    else:
        exponent = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:])
        nano = _scaled(mantissa, 9 + exponent - len(fraction))
    if nano > _LARGEST:
        raise ValueError("is too large; a quantity is at most 2^63-1")
    return -nano if sign == "-" else nano


def units(nano: int) -> int:
    """Return whole units (bytes, for memory), rounded up: Kubernetes' ``Value()``."""
    return -(-nano // NANO)


def milli_units(nano: int) -> int:
    """Return thousandths (millicores, for CPU), rounded up: Kubernetes' ``MilliValue()``."""
    return -(-nano // MILLI)


def canonical(nano: int, *, binary: bool) -> str:
    """Return the one text of a value: ``1500m``, ``2``, ``1536Mi``.

    With ``binary`` the shorter of the two forms that Kubernetes knows, so that ``64Mi`` and ``128M`` both stay; each
    form has the largest suffix that needs no fraction.
    """
    decimal = _decimal(nano)
    if not binary or nano % (1024 * NANO):
        return decimal
    return min(decimal, _binary(nano // NANO), key=len)


def _decimal(nano: int) -> str:
    exponent = -9
    while nano and nano % 1000 == 0 and exponent < 18:
        nano //= 1000
        exponent += 3
    suffix = next(name for name, value in _DECIMAL.items() if value == exponent) if nano else ""
    return f"{nano}{suffix}"


def _binary(whole: int) -> str:
    suffix = ""
    for name in _BINARY:
        if not whole or whole % 1024:
            break
        whole //= 1024
        suffix = name
    return f"{whole}{suffix}"


def _scaled(mantissa: int, exponent: int) -> int:
    """Return mantissa times ten to the exponent, rounded up; anything out of range as a number just over it."""
    factor: int = 10 ** min(abs(exponent), 120)
    return mantissa * factor if exponent >= 0 else -(-mantissa // factor)
