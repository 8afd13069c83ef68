# SPDX-License-Identifier: Apache-2.0
"""``Runtime``: the one door to Podwright for every front end.

Each call is one of: plan, apply, get, list, logs, delete, and what is needed to have images at hand. All of them are
synchronous and may be called from several threads and processes at once; a pod is locked while it is changed.
"""

import hashlib
import os
import time
from typing import Any, NamedTuple

from podwright import __version__
from podwright.config import Config, load
from podwright.errors import NotFound, WaitTimeout
from podwright.files import canonical_json
from podwright.images.store import Image, ImageStore
from podwright.plan.model import Plan
from podwright.pods.logs import read_log
from podwright.pods.native import NativePods
from podwright.pods.orchestrator import Orchestrator
from podwright.pods.status import is_ready, not_ready_reason
from podwright.pods.store import PodStore, Record

PODINIT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_bin", "podinit")


Lines = list[str]  # inside Runtime, the name ``list`` is its method
Images = list[Image]


class Result(NamedTuple):
    """What an apply or a delete did: the plan that was carried out, and the pod after it (None when it is gone)."""

    plan: Plan
    pod: dict[str, Any] | None


class Runtime:
    """Pods on this host.

    ``config`` defaults to what ``podwright.config.load`` finds. For what a user can mend, every method raises a
    ``podwright.errors.PodwrightError``, whose text is meant for them.
    """

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or load()
        self._store = PodStore(self.config.root, self.config.run)
        self._images = ImageStore(self.config.root, podinit=PODINIT, insecure=self.config.registries_insecure)
        self._native = NativePods(self.config, self._store, PODINIT, self._images)
        self._orchestrator = Orchestrator(self._store, self._native, self._images)

    def plan(self, manifest: dict[str, Any]) -> Plan:
        """Say what ``apply`` would do with a Pod manifest, field by field. Changes nothing."""
        return self._unchanged(manifest) or self._plan(_desired(manifest))

    def apply(self, manifest: dict[str, Any], *, wait: bool = False, timeout: float = 120.0) -> Result:
        """Bring the pod to what the manifest says, doing only what ``plan`` names.

        With ``wait`` it returns once the pod is ready (or has succeeded), and raises WaitTimeout after ``timeout``
        seconds; the pod then stays as it is.
        """
        plan = self._unchanged(manifest)
        if plan is None:
            desired = _desired(manifest)
            with self._store.locked(desired.namespace, desired.name) as lock:
                plan = self._plan(desired)
                self._carry_out(lock, plan, desired)
        metadata = manifest["metadata"]
        name, namespace = metadata["name"], metadata.get("namespace") or "default"
        return self._wait(plan, name, namespace, timeout) if wait else Result(plan, self.get(name, namespace))

    def get(self, name: str, namespace: str = "default") -> dict[str, Any]:
        """Return the v1.Pod of that name, with its status. Raises NotFound."""
        record = self._store.find(namespace, name)
        if record is None:
            raise NotFound(f"there is no pod {name} in namespace {namespace}", field="metadata.name", value=name)
        return self._native.pod(record)

    def list(self, namespace: str | None = None) -> list[dict[str, Any]]:
        """Return the pods of one namespace, or of all, sorted by namespace and name."""
        return [self._native.pod(record) for record in self._store.all() if namespace in (None, record.namespace)]

    def logs(
        self, name: str, namespace: str = "default", *, container: str | None = None, tail: int | None = None
    ) -> Lines:
        """Return the log lines of a container since its last start; ``container`` may be left out when there is one.

        Raises NotFound for a pod or container that does not exist.
        """
        record = self._store.find(namespace, name)
        if record is None:
            raise NotFound(f"there is no pod {name} in namespace {namespace}", field="metadata.name", value=name)
        names = [item["name"] for item in record.containers]
        if container is None and len(names) == 1:
            container = names[0]
        if container not in names:
            asked = f"no container {container}" if container else "more than one container"
            raise NotFound(
                f"pod {name} has {asked}; choose one of: {', '.join(names)}", field="container", value=container
            )
        return read_log(f"{self._store.pod_dir(record.uid)}/containers/{container}/logs", tail=tail)

    def plan_delete(self, name: str, namespace: str = "default") -> Plan:
        """Say what ``delete`` would do. Changes nothing."""
        from podwright.plan.planner import plan

        record = self._store.find(namespace, name)
        return plan(None, _recorded(record), self._orchestrator.observe(record, None))

    def delete(self, name: str, namespace: str = "default", *, grace: int | None = None) -> Result:
        """Stop and remove a pod. ``grace`` is in seconds, by default the pod's own. No such pod is no error."""
        with self._store.locked(namespace, name) as lock:
            plan = self.plan_delete(name, namespace)
            self._orchestrator.delete(lock, grace)
        return Result(plan, None)

    def pull(self, reference: str) -> Image:
        """Fetch an image from its registry and unpack it."""
        return self._images.pull(reference)

    def import_layout(self, path: str, reference: str) -> Image:
        """Take an image from an OCI image layout on disk (``path`` or ``path:tag``) and call it ``reference``."""
        return self._images.import_layout(path, reference)

    def images(self) -> Images:
        """Return the images on this host."""
        return self._images.list()

    def _unchanged(self, manifest: dict[str, Any]) -> Plan | None:
        """Return the empty plan when this very manifest was applied last and the pod is well, else None.

        The quick way for the usual case: it reads a few files and normalises nothing.
        """
        metadata = manifest.get("metadata")
        if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
            return None
        namespace = metadata.get("namespace") or "default"
        if not isinstance(namespace, str) or "/" in namespace + metadata["name"]:
            return None
        record = self._store.find(namespace, metadata["name"])
        if record is None or record.state != "running" or record.source != _source(manifest):
            return None
        if any(item["imagePullPolicy"] == "Always" for item in record.containers):
            return None  # a tag may have moved
        observed = self._orchestrator.observe(record, None)
        return None if observed.problems else Plan(action="none", warnings=list(record.warnings))

    def _plan(self, desired: Record) -> Plan:
        from podwright.plan.planner import plan

        record = self._store.find(desired.namespace, desired.name)
        observed = self._orchestrator.observe(record, desired.pod)
        return plan(desired.pod, _recorded(record), observed, list(desired.warnings))

    def _carry_out(self, lock: Any, plan: Plan, desired: Record) -> None:
        record = self._store.find(desired.namespace, desired.name)
        if record and plan.action not in ("create", "recreate"):
            desired = desired._replace(uid=record.uid, created_at=record.created_at, images=record.images)
        if plan.changed:
            self._orchestrator.apply(lock, plan, desired)
        elif record and record.source != desired.source:
            self._store.write(
                record._replace(source=desired.source)
            )  # same meaning, other words: the next run is quick

    def _wait(self, plan: Plan, name: str, namespace: str, timeout: float) -> Result:
        deadline = time.monotonic() + timeout
        pause = 0.005
        while True:
            pod = self.get(name, namespace)
            if is_ready(pod):
                return Result(plan, pod)
            failed = pod["status"]["phase"] == "Failed"
            if failed or time.monotonic() >= deadline:
                problem = "failed" if failed else f"is not ready after {timeout:g} s"
                error = WaitTimeout(f"pod {name} {problem}: {not_ready_reason(pod)}")
                error.result = Result(plan, pod)
                raise error
            time.sleep(pause)
            pause = min(pause * 1.5, 0.25)


def _desired(manifest: dict[str, Any]) -> Record:
    from podwright.manifest.normalise import NORMALISER_VERSION, normalise

    normal = normalise(manifest)
    return Record(
        uid=_new_uid(),
        state="creating",
        pod=normal.pod,
        normaliser=NORMALISER_VERSION,
        images={},
        created_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        source=_source(manifest),
        warnings=tuple(normal.warnings),
    )


def _recorded(record: Record | None) -> dict[str, Any] | None:
    if record is None:
        return None
    images = {name: image["digest"] for name, image in record.images.items()}
    return {"pod": record.pod, "normaliser": record.normaliser, "images": images}


def _source(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(__version__.encode() + b"\0" + canonical_json(manifest)).hexdigest()


def _new_uid() -> str:
    with open("/proc/sys/kernel/random/uuid", encoding="ascii") as file:
        return file.read().strip()
