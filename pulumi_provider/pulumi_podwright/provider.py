# SPDX-License-Identifier: Apache-2.0
"""The providers behind the resources: the engine's calls, answered by the core.

The engine keeps a provider in the stack's state as a pickle: by reference, so as the names of this module and of the
class. These names stay for ever, and an instance holds nothing. The calls come in another process than the program's,
on four threads, whose process group gets a SIGINT at the end: the core forks nothing there, and what it starts has a
session and streams of its own.
"""

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


class _Provider(ResourceProvider):
    """What the resources of both kinds have in common. The id is ``namespace/name``."""

    serialize_as_secret_always = False  # the pickled reference is no secret
    kind: str

    def checked(self, news: dict[str, Any]) -> inputs.Checked:
        """Validate the inputs and return them normalised."""
        raise NotImplementedError

    def normal(self, props: dict[str, Any]) -> dict[str, Any] | None:
        """Return what the planner compares, of checked inputs or of outputs; None where that is not known yet."""
        raise NotImplementedError

    def found(self, pod: dict[str, Any]) -> dict[str, Any]:
        """Return the properties that make what the core returned, normalised."""
        raise NotImplementedError

    def replaced(self, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
        """Return the properties for which it is another pod or container."""
        raise NotImplementedError

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Validate the inputs, and return them normalised: no I/O, and any value may be unknown."""
        checked = self.checked(news)
        for warning in checked.warnings:
            print(f"warning: {warning}", file=sys.stderr, flush=True)  # the engine shows it among its diagnostics
        return CheckResult(checked.inputs, [CheckFailure(*failure) for failure in checked.failures])

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Compare what was last applied with what is asked for, by the core's planner: no I/O.

        Another name or namespace is another pod; the old one goes first, since both may want the same names and ports.
        Everything else is an update, in which the core decides what restarts.
        """
        old, new = self.normal(_olds), self.normal(_news)
        if new is None:
            return DiffResult(changes=True)
        replaced = [] if old is None else self.replaced(old, new)
        if replaced:
            return DiffResult(changes=True, replaces=replaced, delete_before_replace=True)
        return DiffResult(changes=_plan(old, new).changed or bool(_olds.get("drift")), replaces=[])

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Bring it up; one of that name that is there already, whole or half made, becomes this one.

        Two resources of a program cannot have the same pod: with either of them it would go.
        """
        from podwright.errors import ManifestError

        wanted = _id_of(self._wanted(props))
        if not claims.claim(self._claim(wanted)):
            what = f"the {self.kind.lower()} {wanted}"
            raise ManifestError(f"another resource of this program has {what} already: name one differently")
        pod = self._apply(props)
        return CreateResult(_id_of(pod), _outputs(props, pod))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Make what runs be what the new inputs say."""
        claims.claim(self._claim(_id))
        return UpdateResult(_outputs(_news, self._apply(_news)))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Look at the host: nothing there is an empty result; edits by others and broken parts show in the properties.

        Whatever keeps us from looking is raised, so that a host in trouble never looks like a pod that is gone.
        """
        from podwright.errors import NotFound
        from podwright.runtime import Runtime

        namespace, name = id_.split("/", 1)
        runtime = Runtime()
        try:
            pod = runtime.get(name, namespace, self.kind)
        except NotFound:
            return ReadResult("", {})
        found = self.found(pod)
        ours = {key: value for key, value in props.items() if key not in self.properties or key in found}
        outputs = _outputs({**ours, **found}, pod)
        outputs["drift"] = [_sentence(change) for change in runtime.plan(self._wanted(outputs)).changes] or None
        if self.normal(outputs) == self.normal(props):
            return ReadResult(id_, outputs)
        return ReadResult(id_, outputs, {**inputs.settings(props), **found})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Remove it, within its grace period; one that is gone already is fine.

        One that another resource has by now stays.
        """
        from podwright.runtime import Runtime

        if claims.is_claimed(self._claim(_id)):
            return
        namespace, name = _id.split("/", 1)
        Runtime().delete(name, namespace, kind=self.kind)

    def changed_fields(self, olds: dict[str, Any], news: dict[str, Any]) -> list[str]:
        """Return the paths of the fields that differ between outputs and checked inputs, as ``diff`` sees them.

        They are the paths that the command line and Ansible's diff show for the same edit.
        """
        return [change.path for change in _plan(self.normal(olds), self.normal(news)).changes]

    @property
    def properties(self) -> tuple[str, ...]:
        """The inputs that say what is to run."""
        raise NotImplementedError

    def _wanted(self, props: dict[str, Any]) -> dict[str, Any]:
        from podwright.manifest import lone

        return lone.manifest_of(cast("dict[str, Any]", self.normal(props)))

    def _claim(self, id_: str) -> str:
        return f"{self.kind} {id_}"

    def _apply(self, props: dict[str, Any]) -> dict[str, Any]:
        """Apply checked inputs and return what the core says of it."""
        from podwright.errors import WaitTimeout
        from podwright.runtime import Runtime

        wanted, settings = self._wanted(props), inputs.settings(props)
        runtime = Runtime()
        try:
            result = runtime.apply(wanted, wait=settings["wait"], timeout=settings["waitTimeout"])
        except WaitTimeout as error:
            namespace, name = _id_of(wanted).split("/", 1)
            pod = runtime.get(name, namespace, self.kind)
            unfinished.report(_id_of(pod), {**_outputs(props, pod), PROVIDER_KEY: props[PROVIDER_KEY]}, str(error))
            raise
        return cast("dict[str, Any]", result.pod)  # only a delete leaves none


class PodProvider(_Provider):
    """Keeps one pod as its manifest says; the outputs hold the manifest last applied."""

    kind = "Pod"
    properties = ("manifest",)

    def checked(self, news: dict[str, Any]) -> inputs.Checked:
        """Validate the inputs of a Pod."""
        return inputs.check(news)

    def normal(self, props: dict[str, Any]) -> dict[str, Any] | None:
        """Return the manifest."""
        return inputs.manifest_of(props)

    def found(self, pod: dict[str, Any]) -> dict[str, Any]:
        """Return the manifest that a v1.Pod was made from: without its status and the metadata that the host added."""
        metadata = {key: value for key, value in pod["metadata"].items() if key not in ("uid", "creationTimestamp")}
        manifest = {"apiVersion": pod["apiVersion"], "kind": pod["kind"], "metadata": metadata, "spec": pod["spec"]}
        return {"manifest": inputs.normal_text(manifest)[0]}

    def replaced(self, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
        """Return the manifest when it names another pod."""
        return [] if _id_of(old) == _id_of(new) else ["manifest"]


class ContainerProvider(_Provider):
    """Keeps one container as its fields say; the outputs hold those last applied."""

    kind = "Container"
    properties = inputs.CONTAINER_FIELDS

    def checked(self, news: dict[str, Any]) -> inputs.Checked:
        """Validate the inputs of a Container."""
        return inputs.check_container(news)

    def normal(self, props: dict[str, Any]) -> dict[str, Any] | None:
        """Return the pod of one."""
        return inputs.container_of(props)

    def found(self, pod: dict[str, Any]) -> dict[str, Any]:
        """Return the container's fields."""
        return inputs.container_fields({name: pod[name] for name in inputs.CONTAINER_FIELDS if name in pod})

    def replaced(self, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
        """Return what of its full name is another."""
        return [name for name in ("name", "namespace") if old["metadata"][name] != new["metadata"][name]]


def _plan(old: dict[str, Any] | None, new: dict[str, Any] | None) -> "Plan":
    """Plan with what the state recorded as applied, for a pod that is well (``read`` notes what is not, as drift)."""
    from podwright.plan.model import Observed
    from podwright.plan.planner import plan

    # normaliser 0: the state does not say which one wrote it, so the planner normalises anew
    recorded = None if old is None else {"pod": old, "normaliser": 0, "images": {}}
    observed = Observed(state="absent" if old is None else "running", problems=[], digests={})
    return plan(new, recorded, observed)


def _outputs(props: dict[str, Any], pod: dict[str, Any]) -> dict[str, Any]:
    """Return the properties to keep: what was asked for, and what the host says of it."""
    kept = {key: value for key, value in props.items() if key in ("manifest", *inputs.CONTAINER_FIELDS)}
    return {
        **inputs.settings(props),
        **kept,
        "uid": pod["uid"] if "uid" in pod else pod["metadata"]["uid"],
        "phase": pod["status"]["phase"],
        "podIP": pod["status"].get("podIP", ""),
    }


def _id_of(pod: dict[str, Any]) -> str:
    names = pod.get("metadata", pod)  # a container has its names beside its other fields
    return f"{names['namespace']}/{names['name']}"


def _sentence(change: "Change") -> str:
    """Return a line for ``drift``: a problem is told by its message alone."""
    what = change.before if change.path.startswith("status") else f"{change.before} is {change.after} now"
    return f"{change.path}: {what}"
