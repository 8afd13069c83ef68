# SPDX-License-Identifier: Apache-2.0
"""The planner of images: one pure function over what is desired, what the store has, and what is elsewhere.

What the store has is compared by digest with what the source holds now, so a second run finds nothing; a source that
was not asked, since its policy says that what is here will do, has no digest.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from podwright.manifest.paths import Key, render
from podwright.plan import effects
from podwright.plan.model import Action, Change, Plan

UNREAD = "known when it has been read"
"""Stands for a digest that only carrying out the plan will tell."""


class Observed(NamedTuple):
    """What is outside the store."""

    digest: str | None
    """What the source holds now, or UNREAD; None when it was not asked."""
    destinations: Mapping[str, str | None]
    """For each destination the digest of what is there, None for nothing."""


def plan(desired: Mapping[str, Any] | None, recorded: Mapping[str, Any] | None, observed: Observed) -> Plan:
    """Return what has to be done so that the store, and the destinations, have the image.

    ``desired`` is a normalised document of ``podwright.manifest.image``, or None for an image that shall be gone.
    ``recorded`` is the store's ``{"digest", "manifest", "config"}``: what the source was when the image came, and the
    digests of its manifest and its configuration; None when there is no image of that name and platform.
    """
    if desired is None:
        gone = [Change("digest", recorded["digest"], None, effects.REMOVE)] if recorded else []
        return Plan("delete" if gone else "none", gone)
    fetched = _fetched(desired, recorded, observed)
    pushed = _pushed(recorded, observed, changed=bool(fetched))
    action: Action = "create" if recorded is None else "update" if fetched or pushed else "none"
    return Plan(action, sorted([*fetched, *pushed], key=lambda change: change.path))


def _fetched(desired: Mapping[str, Any], recorded: Mapping[str, Any] | None, observed: Observed) -> list[Change]:
    effect = effects.IMPORT if "source" in desired else effects.PULL
    if recorded is None:
        platform = [Change("platform", None, desired["platform"], effect)] if "platform" in desired else []
        return [Change("digest", None, observed.digest, effect), *platform]
    if observed.digest in (None, recorded["digest"]):
        return []
    return [Change("digest", recorded["digest"], observed.digest, effect)]


def _pushed(recorded: Mapping[str, Any] | None, observed: Observed, *, changed: bool) -> list[Change]:
    """Return a change for each destination that does not hold what the store will have."""
    changes = []
    for place, held in sorted(observed.destinations.items()):
        wanted = UNREAD
        if recorded and not changed:
            # an archive of Docker's has no manifest of the registry's kind
            wanted = recorded["config" if place.startswith("docker-archive:") else "manifest"]
        if held != wanted:
            path = render(("destinations", Key(place)))
            changes.append(Change(path, held, wanted, effects.PUSH))
    return changes
