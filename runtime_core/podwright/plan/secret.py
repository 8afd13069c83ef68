# SPDX-License-Identifier: Apache-2.0
"""What applying a Secret would change: named, and never shown."""

from collections.abc import Iterable
from typing import Any

from podwright.manifest.paths import in_brackets
from podwright.plan import effects
from podwright.plan.model import Change, Plan

_HIDDEN = "<hidden>"
_OTHER = "<hidden, another value>"


def plan(desired: dict[str, Any] | None, recorded: dict[str, Any] | None) -> Plan:
    """Return what has to be done so that a (normalised) Secret is kept as desired; None is one that is not there."""
    if desired == recorded:
        return Plan("none")
    before, after = _values(recorded), _values(desired)
    changes = [
        Change(path, _shown(path, before.get(path)), _shown(path, after.get(path), before.get(path)), effects.NONE)
        for path in sorted(before | after)
        if before.get(path) != after.get(path)
    ]
    if desired is None:
        return Plan("delete", changes)
    return Plan("create" if recorded is None else "update", changes)


def beside(plan: Plan, secrets: Iterable[tuple[str, Plan]]) -> Plan:
    """Return the plan of a Pod with those of the Secrets (by their names) that stand in the same stream."""
    changes = [
        change._replace(path=f"Secret{in_brackets(name)}.{change.path}")
        for name, one in secrets
        for change in one.changes
    ]
    if not changes:
        return plan
    action = "update" if plan.action == "none" else plan.action
    return Plan(action, [*changes, *plan.changes], plan.warnings, restart=plan.restart, in_place=plan.in_place)


def _values(secret: dict[str, Any] | None) -> dict[str, Any]:
    if secret is None:
        return {}
    data = {f"data{in_brackets(key)}": value for key, value in secret["data"].items()}
    open_ = {key: value for key, value in secret["metadata"].items() if key in ("labels", "annotations")}
    return {"type": secret["type"], **{f"metadata.{key}": value for key, value in open_.items()}, **data}


def _shown(path: str, value: Any, other: Any = None) -> Any:
    if value is None or not path.startswith("data"):
        return value
    return _HIDDEN if other is None else _OTHER
