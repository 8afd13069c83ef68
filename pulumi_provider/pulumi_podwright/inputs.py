# SPDX-License-Identifier: Apache-2.0
"""The inputs of a Pod: validated and normalised, without a look at the host.

The engine checks one resource after another, at preview too, and shows what comes back: hence the manifest in it is
what will be applied, as one canonical JSON text (the engine's cost grows with the number of its properties' leaves,
and it shows JSON structurally anyway).
"""

import json
import math
from typing import Any, NamedTuple

from pulumi.output import UNKNOWN, Unknown

from pulumi_podwright.values import fold_numbers, touches, unknown_paths, without_unknowns

DEFAULT_TIMEOUT = 120


class Failure(NamedTuple):
    """A property that is wrong, and the sentence that says why."""

    property: str
    reason: str


def check(news: dict[str, Any]) -> tuple[dict[str, Any], list[Failure]]:
    """Return the inputs to keep, and what is wrong with those given."""
    failures: list[Failure] = []
    inputs = {**news, **settings(news)}
    inputs["manifest"], reason = _check_manifest(news.get("manifest"))
    if reason:
        failures.append(Failure("manifest", reason))
    wait, timeout = inputs["wait"], inputs["waitTimeout"]
    if not isinstance(wait, bool | Unknown):
        failures.append(Failure("wait", f"wait is {wait!r}, but must be true or false"))
    if not isinstance(timeout, Unknown) and (isinstance(timeout, bool) or not _is_positive(timeout)):
        failures.append(Failure("waitTimeout", f"wait_timeout is {timeout!r}, but must be a number of seconds above 0"))
    return inputs, failures


def manifest_of(props: dict[str, Any]) -> dict[str, Any] | None:
    """Return the normalised manifest of checked inputs, or of outputs; None where it is missing or not known yet."""
    text = props.get("manifest")
    if not isinstance(text, str):
        return None
    manifest: dict[str, Any] = json.loads(text)
    return manifest


def settings(props: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs besides the manifest: how to wait when it is applied. A change of them alone changes no pod."""
    return {"wait": props.get("wait", True), "waitTimeout": props.get("waitTimeout", DEFAULT_TIMEOUT)}


def manifest_text(manifest: dict[str, Any]) -> str:
    """Return the canonical JSON of a manifest with every default filled in.

    Raises podwright.errors.ManifestError.
    """
    from podwright.files import canonical_json
    from podwright.manifest.normalise import normalise

    return canonical_json(normalise(manifest).pod).decode()


def _check_manifest(given: Any) -> tuple[Any, str]:
    """Return the manifest to keep, and what is wrong with it ("" when nothing is)."""
    from podwright.errors import ManifestError

    try:
        manifest = fold_numbers(json.loads(given) if isinstance(given, str) else given)
    except ValueError as error:
        return given, f"manifest is a text that is not JSON: {error}"
    unknown = unknown_paths(manifest)
    if "" in unknown:
        return UNKNOWN, ""
    if not isinstance(manifest, dict):
        return given, f"manifest is {manifest!r}, but must be a v1.Pod as a dictionary, or the path of a file with one"
    try:
        text = manifest_text(without_unknowns(manifest))
    except ManifestError as error:
        reason = _known_faults(str(error), unknown) if unknown else str(error)
        return (given, reason) if reason else (UNKNOWN, "")
    return (UNKNOWN if unknown else text), ""


def _known_faults(message: str, unknown: list[str]) -> str:
    """Leave out of an error what may come from values that are not known yet: the next check, with all, decides.

    Each line of a ManifestError is one fault, ``field: reason``.
    """
    faults = [line.partition(": ") for line in message.splitlines()]
    return "\n".join(f"{field}: {reason}" for field, _, reason in faults if reason and not touches(field, unknown))


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and 0 < value < math.inf
