# SPDX-License-Identifier: Apache-2.0
"""``Runtime``: the one door to Podwright for every front end.

Each call is one of: plan, apply, get, list, logs, delete; ``Runtime.images`` has the same ones for images, and a few
more. All of them are synchronous and may be called from several threads and processes at once; a pod is locked while it
is changed.
"""

import hashlib
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from podwright import __version__
from podwright.config import Config, load
from podwright.errors import HostError, NotFound, PodwrightError, WaitTimeout
from podwright.files import canonical_json
from podwright.images.distribution.registries import Registries
from podwright.images.store import ImageStore
from podwright.limits import MAX_GRACE_PERIOD_SECS
from podwright.manifest import lone, names
from podwright.plan.model import Observed, Plan
from podwright.pods.logs import read_log
from podwright.pods.native import NativePods
from podwright.pods.objects import ObjectStore
from podwright.pods.orchestrator import Orchestrator
from podwright.pods.status import is_ready, not_ready_reason
from podwright.pods.store import NameLock, PodStore, Record
from podwright.runtime_errors import host_errors

if TYPE_CHECKING:
    from podwright.pods.sources import Finder
    from podwright.runtime_images import Images
    from podwright.runtime_objects import Objects
    from podwright.runtime_reports import Reports

PODINIT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_bin", "podinit")


Lines = list[str]  # inside Runtime, the name ``list`` is its method


class Result(NamedTuple):
    """What an apply or a delete did: the plan that was carried out, and the pod after it (None when it is gone).

    A container alone is as it was written, with ``uid``, ``creationTimestamp`` and a Pod's ``status``.
    """

    plan: Plan
    pod: dict[str, Any] | None


@contextmanager
def _own_words(record: Record) -> Iterator[None]:
    """Word what is wrong with a container alone in the paths that its author wrote."""
    try:
        yield
    except PodwrightError as error:
        if record.kind == lone.KIND:
            error.message = lone.own_words(error.message)
            error.args = (error.message,)
            error.field = lone.own_path(error.field) if error.field else None
        raise


class Runtime:
    """Pods, and containers alone, on this host.

    A manifest is a Pod, or a Container as ``podwright.manifest.lone`` describes it. Each kind has names of its own:
    ``kind`` is ``Pod`` unless given.

    ``config`` defaults to what ``podwright.config.load`` finds. For what a user can mend, every method raises a
    ``podwright.errors.PodwrightError``, whose text is meant for them.
    """

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or load()
        self._store = PodStore(self.config.root, self.config.run)
        self._images = ImageStore(self.config.root, podinit=PODINIT, registries=Registries.of(self.config))
        self._objects = ObjectStore(self.config.root)
        self._native = NativePods(self.config, self._store, PODINIT, self._images, self._objects)
        self._orchestrator = Orchestrator(self._store, self._native, self._images, self._objects)

    @property
    def images(self) -> "Images":
        """The images of this host."""
        from podwright.runtime_images import Images  # whoever has pods alone never pays for it

        return Images(self._images, self.config)

    @property
    def objects(self) -> "Objects":
        """The ConfigMaps, Secrets and PersistentVolumeClaims of this host, which its pods may name."""
        from podwright.pods.claims import ClaimStore
        from podwright.runtime_objects import Objects

        return Objects(self._objects, ClaimStore(self.config.root), self._store)

    @property
    def reports(self) -> "Reports":
        """What was said of this host's pods while they live: events and conditions."""
        from podwright.runtime_reports import Reports

        return Reports(self._store, self._found)

    @host_errors()
    def plan(self, manifest: dict[str, Any], *, beside: Sequence[dict[str, Any]] = ()) -> Plan:
        """Say what ``apply`` would do with a manifest, field by field. Changes nothing.

        ``beside`` are the ConfigMaps, Secrets and PersistentVolumeClaims that would be applied before it.
        """
        manifest = self._completed(manifest)
        objects = self._beside(beside)
        record = self._unchanged(manifest, objects)
        if record:
            return _no_change(record)
        desired = _desired(manifest)
        with _own_words(desired):
            return self._plan(desired._replace(references=_references(desired.pod, objects)))

    @host_errors()
    def apply(self, manifest: dict[str, Any], *, wait: bool = False, timeout: float = 120.0) -> Result:
        """Bring the pod to what the manifest says, doing only what ``plan`` names.

        With ``wait`` it returns once the pod is ready (or has succeeded), and raises WaitTimeout after ``timeout``
        seconds; the pod then stays as it is.
        """
        if not 0 <= timeout < float("inf"):
            raise PodwrightError(
                f"timeout is {timeout!r}, but must be a number of seconds, 0 or more",
                field="timeout",
                value=str(timeout),
            )
        manifest = self._completed(manifest)
        record = self._unchanged(manifest, self._objects)
        if record:
            result = Result(_no_change(record), self._native.pods([record])[0])
        else:
            desired = _desired(manifest)
            with self._store.locked(desired.namespace, desired.name, desired.kind) as lock, _own_words(desired):
                desired = desired._replace(references=_references(desired.pod, self._objects))
                plan = self._plan(desired)
                record = self._carry_out(lock, plan, desired)
                # under the lock: as soon as it is free, somebody else may delete the pod
                result = Result(plan, self._native.pods([record])[0])
        return self._wait(result.plan, record, timeout) if wait and record.state != "stopped" else result

    @host_errors()
    def get(self, name: str, namespace: str = "default", kind: str = "Pod") -> dict[str, Any]:
        """Return the v1.Pod (or container alone) of that name, with its status. Raises NotFound."""
        return self._native.pods([self._found(name, namespace, kind)])[0]

    @host_errors()
    def list(self, namespace: str | None = None, kind: str = "Pod") -> list[dict[str, Any]]:
        """Return the pods (or containers alone) of one namespace, or of all, sorted by namespace and name."""
        return self._native.pods([one for one in self._store.all(kind) if namespace in (None, one.namespace)])

    @host_errors()
    def logs(
        self,
        name: str,
        namespace: str = "default",
        *,
        container: str | None = None,
        tail: int | None = None,
        kind: str = "Pod",
    ) -> Lines:
        """Return the log lines of a container since its last start; ``container`` may be left out when there is one.

        Raises NotFound for a pod or container that does not exist.
        """
        _check_whole("tail", tail)
        record = self._found(name, namespace, kind)
        known = [item["name"] for item in record.all_containers]
        if container is None and len(known) == 1:
            container = known[0]
        if container not in known:
            asked = f"no container {container}" if container else "more than one container"
            raise NotFound(
                f"pod {name} has {asked}; choose one of: {', '.join(known)}", field="container", value=container
            )
        return read_log(f"{self._store.pod_dir(record.uid)}/containers/{container}/logs", tail=tail)

    @host_errors()
    def plan_delete(self, name: str, namespace: str = "default", kind: str = "Pod") -> Plan:
        """Say what ``delete`` would do. Changes nothing."""
        from podwright.plan.planner import plan

        _check_name(name, namespace, kind)
        uid = self._store.uid_of(namespace, name, kind)
        try:
            record = self._store.read(uid) if uid else None
        except HostError:
            record = None
        if uid and record is None:  # damaged, or what an interrupted delete has left
            return plan(None, None, Observed(state="deleting", problems=[], digests={}))
        return plan(None, _recorded(record), self._orchestrator.observe(record, None))

    @host_errors()
    def delete(self, name: str, namespace: str = "default", *, grace: int | None = None, kind: str = "Pod") -> Result:
        """Stop and remove a pod. ``grace`` is in seconds, by default the pod's own. No such pod is no error."""
        _check_name(name, namespace, kind)
        _check_whole("grace", grace, MAX_GRACE_PERIOD_SECS)
        with self._store.locked(namespace, name, kind) as lock:
            plan = self.plan_delete(name, namespace, kind)
            self._orchestrator.delete(lock, grace)
        return Result(plan, None)

    def _found(self, name: str, namespace: str, kind: str) -> Record:
        _check_name(name, namespace, kind)
        record = self._store.find(namespace, name, kind)
        if record is None:
            reason = f"there is no {kind.lower()} {name} in namespace {namespace}"
            raise NotFound(reason, field="metadata.name" if kind == "Pod" else "name", value=name)
        return record

    def _completed(self, manifest: Any) -> Any:
        """Return the recorded container for one that names no more than that it shall be stopped."""
        if not isinstance(manifest, dict) or not lone.only_stops(manifest):
            return manifest
        name, namespace = manifest.get("name"), manifest.get("namespace") or "default"
        if not (_is_name(name) and _is_namespace(namespace)):
            return manifest
        record = self._store.find(namespace, name, lone.KIND)
        return {**lone.unwrap(record.pod), "state": lone.STOPPED} if record else manifest

    def _beside(self, documents: Sequence[dict[str, Any]]) -> "Finder":
        if not documents:
            return self._objects
        from podwright.manifest.objects import KINDS, normalise
        from podwright.pods.sources import Beside

        return Beside(map(normalise, (one for one in documents if one["kind"] in KINDS)), self._objects)

    def _unchanged(self, manifest: Any, objects: "Finder") -> Record | None:
        """Return the pod's record when this very manifest was applied last and the pod is well, else None.

        The quick way for the usual case: it reads a few files and normalises nothing.
        """
        if not isinstance(manifest, dict):
            return None
        kind = lone.KIND if manifest.get("kind") == lone.KIND else "Pod"
        metadata = manifest.get("metadata") if kind == "Pod" else manifest
        if not isinstance(metadata, dict):
            return None
        name, namespace = metadata.get("name"), metadata.get("namespace") or "default"
        if not (_is_name(name) and _is_namespace(namespace)):
            return None
        record = self._store.find(namespace, name, kind)
        try:
            settled = record is not None and record.state in ("running", "stopped")
            if record is None or not settled or record.source != _source(manifest):
                return None
        except (TypeError, ValueError, RecursionError):  # no JSON: what is wrong with it is said later
            return None
        if any(item.get("imagePullPolicy") == "Always" for item in record.all_containers if record.state == "running"):
            return None  # a tag may have moved
        if record.references and not _are_same(record, objects):
            return None
        return None if self._orchestrator.observe(record, None).problems else record

    def _plan(self, desired: Record) -> Plan:
        from podwright.plan.planner import plan

        self._native.check_runtime(desired.pod)
        record = self._store.find(desired.namespace, desired.name, desired.kind)
        observed = self._orchestrator.observe(record, desired.pod)._replace(references=desired.references)
        return plan(desired.pod, _recorded(record), observed, list(desired.warnings))

    def _carry_out(self, lock: NameLock, plan: Plan, desired: Record) -> Record:
        record = self._store.find(desired.namespace, desired.name, desired.kind)
        if record and plan.action not in ("create", "recreate"):
            desired = desired._replace(uid=record.uid, created_at=record.created_at, images=record.images)
        if plan.changed:
            return self._orchestrator.apply(lock, plan, desired)
        if record is None:
            raise HostError(f"the record of pod {desired.name} vanished during its apply")
        if record.source != desired.source:  # same meaning, other words: the next run is quick
            record = record._replace(source=desired.source, warnings=desired.warnings, references=desired.references)
            self._store.write(record)
        return record

    def _wait(self, plan: Plan, record: Record, timeout: float) -> Result:
        deadline = time.monotonic() + timeout
        pause = 0.005
        while True:
            pod = self.get(record.name, record.namespace, record.kind)
            if is_ready(pod):
                return Result(plan, pod)
            failed = pod["status"]["phase"] == "Failed"
            if failed or time.monotonic() >= deadline:
                problem = "failed" if failed else f"is not ready after {timeout:g} s"
                error = WaitTimeout(f"{record.kind.lower()} {record.name} {problem}: {not_ready_reason(pod)}")
                error.result = Result(plan, pod)
                raise error
            time.sleep(pause)
            pause = min(pause * 1.5, 0.25)


def _no_change(record: Record) -> Plan:
    return Plan(action="none", warnings=record.warnings)


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


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _matches(value, names.DNS_SUBDOMAIN, names.SUBDOMAIN_LENGTH)


def _is_namespace(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _matches(value, names.DNS_LABEL, names.LABEL_LENGTH)


def _matches(value: str, pattern: str, longest: int) -> bool:
    return len(value) <= longest and re.fullmatch(pattern, value) is not None


def _check_name(name: object, namespace: object, kind: str) -> None:
    """Refuse what can be no pod's name: it would become part of a path."""
    from podwright.manifest.faults import Fault, error

    where = "metadata." if kind == "Pod" else ""
    if not _is_name(name):
        meaning = f"{names.MEANING[names.DNS_SUBDOMAIN]}, at most {names.SUBDOMAIN_LENGTH} characters"
        raise error([Fault(f"{where}name", meaning, name)])
    if not _is_namespace(namespace):
        meaning = f"{names.MEANING[names.DNS_LABEL]}, at most {names.LABEL_LENGTH} characters"
        raise error([Fault(f"{where}namespace", meaning, namespace)])


def _check_whole(field: str, value: object, most: int | None = None) -> None:
    if value is None or (type(value) is int and 0 <= value <= (value if most is None else most)):
        return
    bounds = "0 or more" if most is None else f"from 0 to {most}"
    raise PodwrightError(f"{field} is {value!r}, but must be a whole number, {bounds}", field=field, value=value)


def _recorded(record: Record | None) -> dict[str, Any] | None:
    if record is None:
        return None
    images = {name: image["digest"] for name, image in record.images.items()}
    return {
        "pod": record.pod,
        "normaliser": record.normaliser,
        "images": images,
        "references": record.references,
    }


def _references(pod: dict[str, Any], objects: "Finder") -> dict[str, str]:
    from podwright.pods.references import digests

    return digests(pod, objects)


def _are_same(record: Record, objects: "Finder") -> bool:
    """Tell whether the ConfigMaps and Secrets that a pod names are as they were when it was applied."""
    try:
        return _references(record.pod, objects) == record.references
    except PodwrightError:  # one is gone, which is told of later
        return False


def _source(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(__version__.encode() + b"\0" + canonical_json(manifest)).hexdigest()


def _new_uid() -> str:
    with open("/proc/sys/kernel/random/uuid", encoding="ascii") as file:
        return file.read().strip()
