# SPDX-License-Identifier: Apache-2.0
"""What the planner takes and gives."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from podwright.plan.diff import diff_text

Action = Literal["none", "create", "update", "recreate", "repair", "delete", "start", "stop"]
"""What apply does as a whole. ``update``: containers restarted or changed in place, or the record only. ``recreate``:
the pod is taken down and made anew. ``repair``: the same, as the same pod (uid, logs, restart counts), because it is
broken. ``start`` and ``stop``: of a container alone, when its ``state`` says so. An image has ``create``, ``update``
and ``delete``."""


class Change(NamedTuple):
    """One field that differs, as ``spec.containers[server].env[GREETING].value``; None stands for an absent one."""

    path: str
    before: Any
    after: Any
    effect: str
    """``none``, ``in-place``, ``restart container NAME``, or ``create``, ``recreate`` or ``delete pod``; a container
    alone has ``container`` for ``pod`` and ``container NAME``, and ``start`` and ``stop`` too."""


class Problem(NamedTuple):
    """Something of a pod that is not as it was left: a path under ``status``, a sentence, the effect of mending it."""

    path: str
    message: str
    effect: str


class Observed(NamedTuple):
    """What the host says of a pod."""

    state: Literal["absent", "running", "unfinished", "deleting"]
    """``unfinished`` and ``deleting``: an apply, or a delete, was interrupted."""
    problems: list[Problem]
    digests: dict[str, str]
    """Container to the digest that its image has in the registry now; only of those that always pull."""
    references: Mapping[str, str] = {}
    """Path of a field that names a ConfigMap or Secret to the digest of what is behind it now, "" for nothing."""


class Plan:
    """What apply would do, and does."""

    __slots__ = ("action", "changes", "in_place", "restart", "warnings")

    def __init__(
        self,
        action: Action,
        changes: Iterable[Change] = (),
        warnings: Iterable[str] = (),
        *,
        restart: Iterable[str] = (),
        in_place: Iterable[str] = (),
    ) -> None:
        self.action = action
        self.changes = list(changes)
        self.warnings = list(warnings)
        self.restart = list(restart)
        """Containers to restart, in the pod's order; only for ``update``."""
        self.in_place = list(in_place)
        """Containers whose limits change while they run, in the pod's order; only for ``update``."""

    def __repr__(self) -> str:
        return f"<Plan {self.action}: {', '.join(change.path for change in self.changes) or 'no change'}>"

    @property
    def changed(self) -> bool:
        """Whether apply does anything at all."""
        return self.action != "none"

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as ``podwright api`` answers it."""
        before, after = diff_text((change.path, change.before, change.after) for change in self.changes)
        return {
            "changed": self.changed,
            "action": self.action,
            "changes": [change._asdict() for change in self.changes],
            "warnings": self.warnings,
            "diff": {"before": before, "after": after},
        }
