# SPDX-License-Identifier: Apache-2.0
"""What applying a ConfigMap or Secret would change: the data of a Secret is named, and never shown."""

from collections.abc import Iterable
from typing import Any

from podwright.manifest.paths import in_brackets
from podwright.plan import effects
from podwright.plan.model import Change, Plan

_HIDDEN = "<hidden>"
_OTHER = "<hidden, another value>"


def plan(desired: dict[str, Any] | None, recorded: dict[str, Any] | None) -> Plan:
    """Return what has to be done so that a (normalised) object is kept as desired; None is one that is not there."""
    if desired == recorded:
        return Plan("none")
    hides = (desired or recorded or {})["kind"] == "Secret"
    before, after = _values(recorded), _values(desired)
    changes = []
    for path in sorted(before | after):
        old, new = before.get(path), after.get(path)
        if old != new:
            if hides and path.startswith("data["):
                old, new = hidden(old, new)
            changes.append(Change(path, old, new, effects.NONE))
    if desired is None:
        return Plan("delete", changes)
    return Plan("create" if recorded is None else "update", changes)


def beside(plan: Plan, objects: Iterable[tuple[dict[str, Any], Plan]]) -> Plan:
    """Return the plan of a Pod with those of the objects that stand in the same stream."""
    changes, warnings = [], []
    for document, one in objects:
        prefix = f"{document['kind']}{in_brackets(document['metadata']['name'])}."
        changes += [change._replace(path=prefix + change.path) for change in one.changes]
        warnings += [prefix + warning for warning in one.warnings]
    action = "update" if plan.action == "none" and changes else plan.action
    changes, warnings = [*changes, *plan.changes], [*warnings, *plan.warnings]
    return Plan(action, changes, warnings, restart=plan.restart, in_place=plan.in_place)


def _values(kept: dict[str, Any] | None) -> dict[str, Any]:
    if kept is None:
        return {}
    values: dict[str, Any] = {field: kept[field] for field in ("type", "immutable") if field in kept}
    values |= {f"metadata.{key}": kept["metadata"][key] for key in ("labels", "annotations") if key in kept["metadata"]}
    values |= {f"spec.{key}": value for key, value in kept.get("spec", {}).items()}
    for field in ("data", "binaryData"):
        values |= {f"{field}{in_brackets(key)}": value for key, value in kept.get(field, {}).items()}
    return values


def hidden(before: object, after: object) -> tuple[str | None, str | None]:
    """Return what is shown of two values of which only that they differ may be known."""
    shown = _HIDDEN if before is None else _OTHER
    return None if before is None else _HIDDEN, None if after is None else shown
