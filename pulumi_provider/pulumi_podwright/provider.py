# SPDX-License-Identifier: Apache-2.0
"""The provider behind :class:`pulumi_podwright.Pod`: the engine's calls, answered by the core.

The engine keeps a provider in the stack's state as a pickle: by reference, so as the names of this module and of the
class. Both names stay for ever, and an instance holds nothing. The calls come in another process than the program's,
on four threads, whose process group gets a SIGINT at the end: the core forks nothing there, and what it starts has a
session and streams of its own.
"""

import json
import sys
from typing import TYPE_CHECKING, Any, cast

from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    ReadResult,
    ResourceProvider,
    UpdateResult,
)
from pulumi.dynamic.dynamic import PROVIDER_KEY

from pulumi_podwright import claims, inputs, unfinished

if TYPE_CHECKING:
    from podwright.plan.model import Change, Plan


class PodProvider(ResourceProvider):
    """Keeps one pod as its manifest says. The id is ``namespace/name``; the outputs hold the manifest last applied."""

    serialize_as_secret_always = False  # the pickled reference is no secret

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Validate the inputs, and put the normalised manifest in: no I/O, and any value may be unknown."""
        checked = inputs.check(news)
        for warning in checked.warnings:
            print(f"warning: {warning}", file=sys.stderr, flush=True)  # the engine shows it among its diagnostics
        return CheckResult(checked.inputs, [CheckFailure(*failure) for failure in checked.failures])

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Compare the manifest last applied with the new one, by the core's planner: no I/O.

        Another name or namespace is another pod; the old one goes first, since both may want the same names and ports.
        Everything else is an update, in which the core decides what restarts.
        """
        old, new = inputs.manifest_of(_olds), inputs.manifest_of(_news)
        if new is None:
            return DiffResult(changes=True)
        if old is not None and _pod_id(old) != _pod_id(new):
            return DiffResult(changes=True, replaces=["manifest"], delete_before_replace=True)
        return DiffResult(changes=_plan(_olds, _news).changed or bool(_olds.get("drift")), replaces=[])

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Bring the pod up; one of that name that is there already, whole or half made, becomes this one.

        Two resources of a program cannot have the same pod: with either of them it would go.
        """
        from podwright.errors import ManifestError

        wanted = _pod_id(json.loads(props["manifest"]))
        if not claims.claim(wanted):
            raise ManifestError(f"another resource of this program has the pod {wanted} already: name one differently")
        pod = _apply(props)
        return CreateResult(_pod_id(pod), _outputs(props, pod))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Make the running pod what the new manifest says."""
        claims.claim(_id)
        return UpdateResult(_outputs(_news, _apply(_news)))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Look at the host: no such pod is an empty result; an edit by others and broken parts show in the properties.

        Whatever keeps us from looking is raised, so that a host in trouble never looks like a pod that is gone.
        """
        from podwright.errors import NotFound
        from podwright.runtime import Runtime

        namespace, name = id_.split("/", 1)
        runtime = Runtime()
        try:
            pod = runtime.get(name, namespace)
        except NotFound:
            return ReadResult("", {})
        text = inputs.normal_text(_manifest(pod))[0]
        outputs = _outputs({**props, "manifest": text}, pod)
        outputs["drift"] = [_sentence(change) for change in runtime.plan(json.loads(text)).changes] or None
        if text == props["manifest"]:
            return ReadResult(id_, outputs)
        return ReadResult(id_, outputs, {**inputs.settings(props), "manifest": text})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Remove the pod, within its grace period; one that is gone already is fine.

        One that another resource has by now stays.
        """
        from podwright.runtime import Runtime

        if claims.is_claimed(_id):
            return
        namespace, name = _id.split("/", 1)
        Runtime().delete(name, namespace)


def changed_fields(olds: dict[str, Any], news: dict[str, Any]) -> list[str]:
    """Return the paths of the fields that differ between a pod's outputs and its checked inputs, as ``diff`` sees them.

    They are the paths that the command line and Ansible's diff show for the same edit.
    """
    return [change.path for change in _plan(olds, news).changes]


def _plan(olds: dict[str, Any], news: dict[str, Any]) -> "Plan":
    """Plan with what the state recorded as applied, for a pod that is well (``read`` notes what is not, as drift)."""
    from podwright.plan.model import Observed
    from podwright.plan.planner import plan

    old = inputs.manifest_of(olds)
    # normaliser 0: the state does not say which one wrote it, so the planner normalises anew
    recorded = None if old is None else {"pod": old, "normaliser": 0, "images": {}}
    observed = Observed(state="absent" if old is None else "running", problems=[], digests={})
    return plan(inputs.manifest_of(news), recorded, observed)


def _apply(props: dict[str, Any]) -> dict[str, Any]:
    """Apply the manifest of checked inputs and return the v1.Pod."""
    from podwright.errors import WaitTimeout
    from podwright.runtime import Runtime

    manifest, settings = json.loads(props["manifest"]), inputs.settings(props)
    runtime = Runtime()
    try:
        result = runtime.apply(manifest, wait=settings["wait"], timeout=settings["waitTimeout"])
    except WaitTimeout as error:
        pod = runtime.get(manifest["metadata"]["name"], manifest["metadata"]["namespace"])
        unfinished.report(_pod_id(pod), {**_outputs(props, pod), PROVIDER_KEY: props[PROVIDER_KEY]}, str(error))
        raise
    return cast("dict[str, Any]", result.pod)  # only a delete leaves none


def _outputs(props: dict[str, Any], pod: dict[str, Any]) -> dict[str, Any]:
    """Return the properties to keep for a pod: what was asked for, and what the host says of it."""
    status = pod["status"]
    return {
        **inputs.settings(props),
        "manifest": props["manifest"],
        "uid": pod["metadata"]["uid"],
        "phase": status["phase"],
        "podIP": status.get("podIP", ""),
    }


def _manifest(pod: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest that a v1.Pod was made from: without its status and the metadata that the host added."""
    metadata = {key: value for key, value in pod["metadata"].items() if key not in ("uid", "creationTimestamp")}
    return {"apiVersion": pod["apiVersion"], "kind": pod["kind"], "metadata": metadata, "spec": pod["spec"]}


def _pod_id(pod: dict[str, Any]) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _sentence(change: "Change") -> str:
    """Return a line for ``drift``: a problem is told by its message alone."""
    what = change.before if change.path.startswith("status") else f"{change.before} is {change.after} now"
    return f"{change.path}: {what}"
