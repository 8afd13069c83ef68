# SPDX-License-Identifier: Apache-2.0
"""The provider behind the resource Image: what ``provider.py`` says of providers holds for this one."""

import sys
from typing import TYPE_CHECKING, Any

from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    ReadResult,
    ResourceProvider,
    UpdateResult,
)
from pulumi.output import UNKNOWN, Unknown

from pulumi_podwright import claims
from pulumi_podwright.inputs import known_faults
from pulumi_podwright.values import touches, unknown_paths, without_unknowns

if TYPE_CHECKING:
    from podwright.images.store import Image
    from podwright.plan.model import Change, Plan

FIELDS = ("name", "source", "pullPolicy", "platform", "auth", "destinations")
"""The properties that are fields of an image."""
_RECORDED = ("source", "pullPolicy", "auth", "keepLocally")
"""What the state must have as it is now, also where the host is not touched: refresh and destroy go by it."""


class ImageProvider(ResourceProvider):
    """Keeps one image on this host. The id is its name in full."""

    serialize_as_secret_always = False  # the pickled reference is no secret

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Validate the inputs, and return them with what was not given filled in: no I/O."""
        from podwright.errors import ManifestError
        from podwright.manifest.image import normalise

        given = {name: news[name] for name in FIELDS if news.get(name) is not None}
        unknown = unknown_paths(given)
        failures = []
        try:
            kept = normalise(without_unknowns(given))
        except ManifestError as error:
            kept = given
            failures = [CheckFailure("", reason)] if (reason := known_faults(str(error), unknown)) else []
        inputs = {**news, "keepLocally": news.get("keepLocally", False)}
        for name in FIELDS:
            inputs.pop(name, None)
            if touches(name, unknown):
                inputs[name] = UNKNOWN
            elif name in kept:
                inputs[name] = kept[name]
        if "pullPolicy" not in given and touches("name", unknown):
            inputs["pullPolicy"] = UNKNOWN  # it depends on the tag
        if not isinstance(inputs["keepLocally"], bool | Unknown):
            reason = f"keep_locally is {inputs['keepLocally']!r}, but must be true or false"
            failures.append(CheckFailure("keepLocally", reason))
        return CheckResult(inputs, failures)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Compare what was last applied with what is asked for, by the core's planner: no I/O."""
        if unknown_paths(_news):
            return DiffResult(changes=True)
        if _news["name"] != _olds["reference"]:
            return DiffResult(changes=True, replaces=["name"])
        edited = any(_olds.get(name) != _news.get(name) for name in _RECORDED)
        return DiffResult(changes=edited or _plan(_olds, _news).changed or bool(_olds.get("drift")), replaces=[])

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Have the image; one of that name that is there already becomes this one."""
        from podwright.errors import ManifestError

        if not claims.claim(_claim(props["name"])):
            raise ManifestError(f"another resource of this program has the image {props['name']} already")
        return CreateResult(props["name"], _apply(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Make the image what the new inputs say."""
        claims.claim(_claim(_id))
        return UpdateResult(_apply(_news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Look at the host, and at the source when the policy says so: a tag that moved shows in ``drift``.

        Whatever keeps us from looking is raised, so that a registry in trouble never looks like an image that is gone.
        """
        from podwright.errors import NotFound
        from podwright.runtime import Runtime

        images = Runtime().images
        document = {name: props[name] for name in FIELDS if props.get(name) is not None}
        try:
            image = images.get(id_, platform=document.get("platform"))
        except NotFound:
            return ReadResult("", {})
        drift = [_sentence(change) for change in images.plan(document).changes]
        return ReadResult(id_, {**_outputs(props, image), "drift": drift or None})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Forget the image's name, unless it shall be kept, another resource has it by now, or a pod uses it."""
        from podwright.runtime import Runtime

        if _props.get("keepLocally") or claims.is_claimed(_claim(_id)):
            return
        images = Runtime().images
        users = images.users(_id)
        if users:
            print(f"warning: the image {_id} stays, as it is in use by {', '.join(users)}", file=sys.stderr, flush=True)
            return
        images.delete(_id)

    def changed_fields(self, olds: dict[str, Any], news: dict[str, Any]) -> list[str]:
        """Return the paths that differ between outputs and checked inputs, as Ansible's diff shows them."""
        return [change.path for change in _plan(olds, news).changes]


def _plan(olds: dict[str, Any], news: dict[str, Any]) -> "Plan":
    """Plan with what the state recorded as applied, for an image that is well (``read`` notes what is not)."""
    from podwright.plan.image import UNREAD, Observed, plan

    there = "there"  # a destination that has been written holds what it shall; its digest is not in the state
    recorded = None
    if _suits(news.get("platform"), olds["platform"]):
        recorded = {"digest": olds["digest"], "manifest": there, "config": there}
    asked = news["pullPolicy"] == "Always" or recorded is None
    same = recorded is not None and olds.get("source") == news.get("source")
    written = olds.get("destinations") or ()
    destinations = {place: there if place in written else None for place in news.get("destinations") or ()}
    return plan(news, recorded, Observed((olds["digest"] if same else UNREAD) if asked else None, destinations))


def _suits(wanted: str | None, had: str) -> bool:
    """Tell whether an image for the platform ``had`` is what is wanted; without a wish, what this host runs."""
    from podwright.images import platform as platforms

    offered = platforms.parse(had)
    if wanted is None:
        return offered.is_wasm or platforms.host().matches(offered)
    return platforms.parse(wanted).matches(offered)


def _apply(props: dict[str, Any]) -> dict[str, Any]:
    from podwright.runtime import Runtime

    document = {name: props[name] for name in FIELDS if props.get(name) is not None}
    image = Runtime().images.apply(document).image
    assert image is not None  # noqa: S101 - only a delete leaves none
    return _outputs(props, image)


def _outputs(props: dict[str, Any], image: "Image") -> dict[str, Any]:
    """Return the properties to keep: what was asked for, and what the image is."""
    kept = {key: value for key, value in props.items() if key in (*FIELDS, "keepLocally")}
    found = {"reference": image.reference, "digest": image.digest, "platform": str(image.platform), "size": image.size}
    return {**kept, **found}


def _claim(name: str) -> str:
    return f"Image {name}"


def _sentence(change: "Change") -> str:
    return f"{change.path}: {change.before or 'nothing'} is {change.after} now"
