# SPDX-License-Identifier: Apache-2.0
"""The planner: one pure function over what is desired, what was recorded, and what is observed.

Desired is compared with what was recorded when it was last applied, never with the state of processes: so a second
apply of the same manifest finds nothing, for every field there is. What the host says of the pod comes in as problems.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from podwright.errors import ManifestError
from podwright.manifest import lone
from podwright.manifest.normalise import NORMALISER_VERSION, normalise
from podwright.manifest.paths import render
from podwright.manifest.volume_mounts import shared_volumes
from podwright.plan import effects, resize
from podwright.plan.diff import Difference, diff
from podwright.plan.model import Action, Change, Observed, Plan
from podwright.plan.objects import hidden

_INTERRUPTED = {
    "unfinished": "an earlier apply was interrupted",
    "deleting": "an earlier delete was interrupted",
}
_REPAIRED = "repaired"


def plan(
    desired: dict[str, Any] | None,
    recorded: Mapping[str, Any] | None,
    observed: Observed,
    warnings: Iterable[str] = (),
) -> Plan:
    """Return what has to be done so that the pod is as desired.

    ``desired`` is a normalised Pod, or None for a pod that shall be gone. ``recorded`` is what was last applied:
    ``{"pod": normalised Pod, "normaliser": its version, "images": {container: digest}, "references": {path: digest}}``,
    or None. A recorded Pod of
    another normaliser's making is normalised anew first, so that a new release does not recreate pods. The plan of a
    container alone speaks of its own fields.
    """
    before = _recorded_pod(recorded)
    found = _plan(desired, before, recorded, observed, warnings)
    if lone.is_lone(desired or before or {}):
        changes = (_of_container(change) for change in found.changes if change.path != "kind")
        found.changes = sorted(changes, key=lambda change: change.path)
    return found


def _plan(
    desired: dict[str, Any] | None,
    before: dict[str, Any] | None,
    recorded: Mapping[str, Any] | None,
    observed: Observed,
    warnings: Iterable[str],
) -> Plan:
    if desired is None:
        if before is None and observed.state == "absent":
            return Plan("none", [], warnings)
        return Plan("delete", _all(diff(before, None), effects.DELETE), warnings)
    if observed.state in _INTERRUPTED:
        interruption = Change("status", _INTERRUPTED[observed.state], _REPAIRED, effects.RECREATE)
        return Plan("recreate", [*_all(diff(before, desired), effects.RECREATE), interruption], warnings)
    if before is None:
        return Plan("create", _all(diff(None, desired), effects.CREATE), warnings)
    if lone.is_stopped(desired):
        return _stopped(diff(before, desired), observed, warnings)
    if lone.is_stopped(before):
        return Plan("start", _switched(diff(before, desired), effects.START), warnings)
    wanted = _spec_changes(before, desired)
    wanted += _moved_images(desired, wanted, recorded, observed)
    wanted += _edited_objects(wanted, recorded, observed)
    drift = _drift(observed)
    return _combined(desired, wanted, drift, warnings)


def _recorded_pod(recorded: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if recorded is None:
        return None
    pod: dict[str, Any] = recorded["pod"]
    if recorded["normaliser"] == NORMALISER_VERSION:
        return pod
    try:
        return normalise(lone.manifest_of(pod)).pod
    except ManifestError:
        return pod  # this release refuses a field that an older one took: it shows as removed


def _spec_changes(before: dict[str, Any], desired: dict[str, Any]) -> list[Change]:
    if before == desired:
        return []
    specs = (before["spec"], desired["spec"])
    again = shared_volumes(before) != shared_volumes(desired)  # the supervisor is started with them
    changes = [
        Change(
            render(path),
            value,
            new_value,
            effects.RECREATE if again and "volumeMounts" in path else _effect(path, *specs),
        )
        for path, value, new_value in diff(before, desired)
    ]
    named = {change.path for change in changes}
    for container, field, value, new_value in resize.restarts(*specs):
        if field not in named:
            changes.append(Change(field, value, new_value, effects.restart(container)))
    return changes


def _effect(path: tuple[str, ...], before: Mapping[str, Any], desired: Mapping[str, Any]) -> str:
    if len(path) > 2 and path[1] in resize.LISTS:
        old, new = ({container["name"] for container in spec.get(path[1], ())} for spec in (before, desired))
        if path[2] in old ^ new:
            return effects.RECREATE
    return resize.effect_of(path, before, desired) or effects.effect_of(path)


def _stopped(differences: list[Difference], observed: Observed, warnings: Iterable[str]) -> Plan:
    """Plan for a container that shall not run: what else changed is recorded, for when it shall."""
    drift = [Change(problem.path, problem.message, _REPAIRED, effects.STOP) for problem in observed.problems]
    changes = [*_switched(differences, effects.STOP), *drift]
    stop = any(change.effect == effects.STOP for change in changes)
    return Plan("stop" if stop else "update" if changes else "none", changes, warnings)


def _switched(differences: list[Difference], effect: str) -> list[Change]:
    return [
        Change(render(path), before, after, effect if path == ("state",) else effects.NONE)
        for path, before, after in differences
    ]


def _of_container(change: Change) -> Change:
    """Return a change in the words of a container alone."""
    effect = change.effect.replace(" pod", " container")
    if effect.startswith("restart container"):
        effect = "restart container"
    return change._replace(path=lone.own_path(change.path), effect=effect)


def _moved_images(
    desired: dict[str, Any], wanted: list[Change], recorded: Mapping[str, Any] | None, observed: Observed
) -> list[Change]:
    """Return a change for each image whose tag points to another digest than the one that was applied."""
    changed = {change.path for change in wanted}
    applied = recorded["images"] if recorded else {}
    moved = []
    for container in desired["spec"]["containers"]:
        name, image = container["name"], container.get("image")
        path = f"spec.containers[{name}].image"
        old, new = applied.get(name), observed.digests.get(name)
        if old and new and old != new and path not in changed:
            moved.append(Change(path, f"{image}@{old}", f"{image}@{new}", effects.restart(name)))
    return moved


def _edited_objects(wanted: list[Change], recorded: Mapping[str, Any] | None, observed: Observed) -> list[Change]:
    """Return a change for each field behind which a ConfigMap or Secret has other data than was applied."""
    before: Mapping[str, str] = (recorded or {}).get("references", {})
    edited = []
    for path, new in observed.references.items():
        old = before.get(path, new)  # a field that is new is a change of its own
        if old != new and not any(path.startswith(one.path) or one.path.startswith(path) for one in wanted):
            container = effects.container_of(path)
            effect = effects.restart(container) if container else effects.RECREATE
            if path.startswith("spec.volumes["):
                effect = effects.IN_PLACE
            edited.append(Change(path, *_digests(old, new), effect))
    return edited


def _digests(old: str, new: str) -> tuple[str | None, str | None]:
    if (old or new).startswith("keyed:"):
        return hidden(old or None, new or None)
    return old or None, new or None


def _drift(observed: Observed) -> list[Change]:
    drift = [Change(problem.path, problem.message, _REPAIRED, problem.effect) for problem in observed.problems]
    if observed.state == "absent":
        drift.append(Change("status", "nothing of the pod runs", _REPAIRED, effects.RECREATE))
    return drift


def _combined(desired: dict[str, Any], wanted: list[Change], drift: list[Change], warnings: Iterable[str]) -> Plan:
    changes = sorted([*wanted, *drift], key=lambda change: change.path)
    action: Action = "update" if changes else "none"
    if any(change.effect == effects.RECREATE for change in wanted):
        action = "recreate"
    elif any(change.effect == effects.RECREATE for change in drift):
        action = "repair"
    if action != "update":
        return Plan(action, changes, warnings)
    restart, in_place = [], []
    for container in (*desired["spec"].get("initContainers", ()), *desired["spec"]["containers"]):
        name = container["name"]
        if any(change.effect == effects.restart(name) for change in changes):
            restart.append(name)
        elif any(change.effect == effects.IN_PLACE and _is_of(change, name) for change in changes):
            in_place.append(name)
    return Plan(action, changes, warnings, restart=restart, in_place=in_place)


def _is_of(change: Change, container: str) -> bool:
    init = change.path.startswith(f"spec.initContainers[{container}].")
    return init or effects.container_of(change.path) == container


def _all(differences: list[Difference], effect: str) -> list[Change]:
    return [Change(render(path), before, after, effect) for path, before, after in differences]
