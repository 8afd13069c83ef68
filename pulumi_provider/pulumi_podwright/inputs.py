# SPDX-License-Identifier: Apache-2.0
"""The inputs of a Pod or a Container: validated and normalised, without a look at the host.

The engine checks one resource after another, at preview too, and shows what comes back: hence it is what will be
applied, with every default. A Pod's manifest is one canonical JSON text (the engine's cost grows with the number of its
properties' leaves, and it shows JSON structurally anyway); a container has a property for each of its fields.
"""

import json
import math
from typing import Any, NamedTuple

from pulumi.output import UNKNOWN, Unknown

from pulumi_podwright.values import fold_numbers, touches, unknown_paths, without_unknowns

DEFAULT_TIMEOUT = 120
CONTAINER_FIELDS = (
    "name",
    "namespace",
    "labels",
    "annotations",
    "state",
    "image",
    "rootfs",
    "imagePullPolicy",
    "command",
    "args",
    "workingDir",
    "envFrom",
    "env",
    "ports",
    "resources",
    "securityContext",
    "volumes",
    "volumeMounts",
    "restartPolicy",
    "runtimeClassName",
    "terminationGracePeriodSeconds",
)
"""The properties that are fields of a container."""


class Failure(NamedTuple):
    """A property that is wrong, and the sentence that says why.

    Of a manifest the property is "": the engine prints the value of one that is named, all of it, secrets in the clear.
    """

    property: str
    reason: str


class Checked(NamedTuple):
    """The inputs to keep, what is wrong with those given, and what their author should know."""

    inputs: dict[str, Any]
    failures: list[Failure]
    warnings: list[str]

    def refuse(self, manifest: Any, reason: str) -> Any:
        """Note why a manifest is wrong, and return it as it was given."""
        self.failures.append(Failure("", reason))
        return manifest


def check(news: dict[str, Any]) -> Checked:
    """Validate the inputs of a Pod."""
    checked = _with_settings(news)
    checked.inputs["manifest"] = _check_manifest(news.get("manifest"), checked)
    return checked


def check_container(news: dict[str, Any]) -> Checked:
    """Validate the inputs of a Container."""
    from podwright.errors import ManifestError

    checked = _with_settings(news)
    given = fold_numbers({name: news[name] for name in CONTAINER_FIELDS if news.get(name) is not None})
    unknown = unknown_paths(given)
    try:
        kept = container_fields(without_unknowns(given), checked.warnings)
    except ManifestError as error:
        reason = known_faults(str(error), unknown)
        if reason:
            checked.failures.append(Failure("", reason))
        kept = given
    for name in CONTAINER_FIELDS:
        checked.inputs.pop(name, None)
        if touches(name, unknown):
            checked.inputs[name] = UNKNOWN
        elif name in kept:
            checked.inputs[name] = kept[name]
    return checked


def container_fields(given: dict[str, Any], warnings: list[str] | None = None) -> dict[str, Any]:
    """Return a container's fields with every default filled in; adds to ``warnings`` what their author should know.

    Raises podwright.errors.ManifestError.
    """
    from podwright.manifest import lone
    from podwright.manifest.normalise import normalise

    normal = normalise({**given, "kind": lone.KIND})
    if warnings is not None:
        warnings.extend(normal.warnings)
    fields = lone.unwrap(normal.pod)
    return {name: fields[name] for name in CONTAINER_FIELDS if name in fields}


def container_of(props: dict[str, Any]) -> dict[str, Any] | None:
    """Return the normalised container of checked inputs, or of outputs; None where it is not known yet."""
    from podwright.manifest import lone
    from podwright.manifest.normalise import normalise

    given = fold_numbers({name: props[name] for name in CONTAINER_FIELDS if props.get(name) is not None})
    if "name" not in given or unknown_paths(given):
        return None
    return normalise({**given, "kind": lone.KIND}).pod


def _with_settings(news: dict[str, Any]) -> Checked:
    checked = Checked({**news, **settings(news)}, [], [])
    wait, timeout = checked.inputs["wait"], checked.inputs["waitTimeout"]
    if not isinstance(wait, bool | Unknown):
        checked.failures.append(Failure("wait", f"wait is {wait!r}, but must be true or false"))
    if not isinstance(timeout, Unknown) and (isinstance(timeout, bool) or not _is_positive(timeout)):
        reason = f"wait_timeout is {timeout!r}, but must be a number of seconds above 0"
        checked.failures.append(Failure("waitTimeout", reason))
    return checked


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


def normal_text(manifest: dict[str, Any]) -> tuple[str, list[str]]:
    """Return the canonical JSON of a manifest with every default filled in, and what its author should know.

    Raises podwright.errors.ManifestError.
    """
    from podwright.files import canonical_json
    from podwright.manifest.normalise import normalise

    normal = normalise(manifest)
    return canonical_json(normal.pod).decode(), normal.warnings


def _check_manifest(given: Any, checked: Checked) -> Any:
    """Return the manifest to keep, and add what is to be said of it to ``checked``."""
    from podwright.errors import ManifestError

    try:
        manifest = fold_numbers(json.loads(given) if isinstance(given, str) else given)
    except ValueError as error:
        return checked.refuse(given, f"manifest is a text that is not JSON: {error}")
    unknown = unknown_paths(manifest)
    if "" in unknown:
        return UNKNOWN
    if not isinstance(manifest, dict):
        what = "missing" if manifest is None else f"of type {type(manifest).__name__}"
        return checked.refuse(given, f"manifest is {what}: it must be a v1.Pod, as a dictionary or a file's path")
    try:
        text, warnings = normal_text(without_unknowns(manifest))
    except ManifestError as error:
        reason = known_faults(str(error), unknown) if unknown else str(error)
        return checked.refuse(given, reason) if reason else UNKNOWN
    checked.warnings.extend(warnings)
    return UNKNOWN if unknown else text


def known_faults(message: str, unknown: list[str]) -> str:
    """Leave out of an error what may come from values that are not known yet: the next check, with all, decides.

    Each line of a ManifestError is one fault, ``field: reason``.
    """
    faults = [line.partition(": ") for line in message.splitlines()]
    return "\n".join(f"{field}: {reason}" for field, _, reason in faults if reason and not touches(field, unknown))


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and 0 < value < math.inf
