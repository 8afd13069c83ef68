# SPDX-License-Identifier: Apache-2.0
"""Carrying out a plan, so that it can be killed at any step and the next apply converges.

A pod's record is written before the first side effect (``creating``) and after the last (``running``). What is found
unfinished is taken down and made anew; an interrupted update of one container is found in ``Record.updating``.
"""

import errno
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from podwright.errors import HostError, ImageError, PodwrightError
from podwright.files import make_folders
from podwright.images import gate
from podwright.images.store import Image, ImageStore
from podwright.limits import MAX_PODS
from podwright.manifest.lone import is_stopped
from podwright.plan.model import Observed, Plan, Problem
from podwright.pods.needed import Needed, needed
from podwright.pods.objects import ObjectStore
from podwright.pods.store import NameLock, PodStore, Record
from podwright.trees import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from podwright.images.distribution.credentials import Auth


class PodManager(Protocol):
    """What a runtime class must be able to do; ``pods/native.py`` is one."""

    def check(self, record: Record, images: dict[str, Image]) -> None:
        """Refuse what this host, or an image, cannot give; touches nothing."""

    def create(self, record: Record, images: dict[str, Image]) -> None:
        """Make the sandbox and start all containers."""

    def check_update(self, record: Record, restart: Collection[str]) -> None:
        """Refuse what ``update`` would fail with, while all is as it was."""

    def update(self, record: Record, images: dict[str, Image], restart: list[str]) -> None:
        """Give all containers the limits of the new record, and restart some of them from it."""

    def destroy(self, uid: str, grace: int) -> None:
        """Stop the pod and leave only its folder and what ``release`` gives back. Any part may be missing."""

    def release(self, uid: str) -> None:
        """Give back what a stopped pod keeps for when it comes up again."""

    def problems(self, record: Record) -> list[Problem]:
        """Name what of a running pod is broken, or what of a stopped one runs."""


class Orchestrator:
    """Applies plans to pods with one manager, one image store and one store of records."""

    def __init__(self, store: PodStore, manager: PodManager, images: ImageStore, objects: ObjectStore) -> None:
        self._store = store
        self._manager = manager
        self._images = images
        self._objects = objects

    def observe(self, record: Record | None, desired: dict[str, Any] | None) -> Observed:
        """Look at the host, changing nothing: what state is the pod in, what is wrong, which image tags have moved."""
        if record is None:
            return Observed(state="absent", problems=[], digests={})
        if record.state not in ("running", "stopped"):
            return Observed(state="deleting" if record.state == "deleting" else "unfinished", problems=[], digests={})
        problems = self._manager.problems(record) + _interrupted(record)
        runs = desired is not None and not is_stopped(desired)
        always = [item for item in desired["spec"]["containers"] if _pulls_always(item)] if desired and runs else []
        digests = {item["name"]: self._images.resolve(item["image"], self._auth(desired)) for item in always}
        return Observed(state="running", problems=problems, digests=digests)

    def apply(self, lock: NameLock, plan: Plan, desired: Record) -> Record:
        """Do what ``plan`` says under the pod's lock and return the new record."""
        with gate.shared(self._images.root):  # the layers that are chosen here stay until the pod's plans name them
            return self._carry_out(lock, plan, desired)

    def _carry_out(self, lock: NameLock, plan: Plan, desired: Record) -> Record:
        if plan.action == "repair":
            return self._repair(desired)
        if plan.action in ("create", "recreate"):
            return self._make(lock, desired)
        if plan.action == "start":
            return self._repair(desired)
        if is_stopped(desired.pod):
            return self._stop(desired)
        return self._update(plan, desired)

    def delete(self, lock: NameLock, grace: int | None) -> None:
        """Remove the pod whose name is locked, whatever state it is in."""
        if lock.uid is None:
            return
        try:
            record = self._store.read(lock.uid)
        except HostError:
            record = None  # damaged, which is a reason to delete the pod
        if record and grace is None:
            grace = int(record.pod["spec"]["terminationGracePeriodSeconds"])
        if record and record.state != "deleting":
            with _despite_a_full_disk():
                self._store.write(record._replace(state="deleting"))
        self._manager.destroy(lock.uid, grace or 0)
        remove_tree(self._store.pod_dir(lock.uid))  # before the rest: it makes room
        self._manager.release(lock.uid)
        lock.clear()

    def _make(self, lock: NameLock, desired: Record) -> Record:
        stopped = is_stopped(desired.pod)
        images = {} if stopped else self._pull(desired)  # first: what fails here leaves an existing pod alone
        if lock.uid is None:
            if self._store.count() > MAX_PODS:  # the locked name counts already
                raise HostError(f"this host has {MAX_PODS} pods already, which is the most that podwright runs")
        else:
            self.delete(lock, None)
        lock.set(desired.uid)  # first: by its name, whatever follows can be found and removed
        record = desired._replace(state="creating", images=_resolved(desired, images))
        with _undone_by(lambda: self.delete(lock, 0)):
            make_folders(self._store.pod_dir(desired.uid))
            self._store.write(record)
            if not stopped:
                self._manager.create(record, images)
            record = record._replace(state="stopped" if stopped else "running")
            self._store.write(record)
        return record

    def _stop(self, desired: Record) -> Record:
        """End what runs of a container, then record that: killed in between, the next apply ends nothing and records.

        It keeps its folder, with what it wrote into emptyDirs and logs, and its address.
        """
        old = self._store.read(desired.uid)
        grace = (old or desired).pod["spec"]["terminationGracePeriodSeconds"]
        self._manager.destroy(desired.uid, grace)
        record = desired._replace(state="stopped", images={})
        self._store.write(record)
        return record

    def _repair(self, desired: Record) -> Record:
        """Bring a pod whose processes are gone or astray up again: the same uid, address, logs and restart counts."""
        images = self._pull(desired)
        self._begin(desired, [item["name"] for item in desired.containers], [])
        self._manager.destroy(desired.uid, desired.pod["spec"]["terminationGracePeriodSeconds"])
        record = desired._replace(state="running", images=_resolved(desired, images))
        with _undone_by(lambda: self._manager.destroy(desired.uid, 0)):
            self._manager.create(record, images)
        self._store.write(record)
        return record

    def _update(self, plan: Plan, desired: Record) -> Record:
        images = self._pull(desired, plan.restart)
        record = desired._replace(state="running", images={**desired.images, **_resolved(desired, images)})
        self._manager.check_update(record, plan.restart)
        if plan.restart or plan.in_place:
            self._begin(desired, plan.restart, plan.in_place)
        self._manager.update(record, images, plan.restart)
        self._store.write(record)
        return record

    def _begin(self, desired: Record, restart: list[str], in_place: list[str]) -> None:
        """Note which containers are about to become other than their record says, for whoever finds them half done."""
        old = self._store.read(desired.uid)
        if old is None:
            raise HostError(f"the record of pod {desired.name} vanished during its update")
        self._store.write(old._replace(updating={"restart": restart, "inPlace": in_place}, source=""))

    def _pull(self, record: Record, names: Collection[str] | None = None) -> dict[str, Image]:
        """Return the images that a pod needs by ``Needed.key``, pulled as their policies say and unpacked.

        Those of the containers named alone: volumes are there already. With them at hand, what the host cannot give is
        refused too, while nothing has happened yet.
        """
        images: dict[str, Image] = {}
        pulled: dict[str, Image] = {}
        for one in needed(record.pod):
            if names is not None and one.key not in names:
                continue
            if one.reference not in pulled or one.policy == "Always":
                pulled[one.reference] = self._image(one, record.pod)
            images[one.key] = pulled[one.reference]
        self._manager.check(record, images)
        return images

    def _image(self, one: Needed, pod: dict[str, Any]) -> Image:
        local = None if one.policy == "Always" else self._images.get(one.reference)
        if local is not None:
            self._images.lower_dirs(local)  # unpacks what is missing, now that a failure does no harm
            return local
        if one.policy == "Never":
            raise ImageError(
                f"{one.user}: image {one.reference} is not on this host, and {one.field} is Never; "
                "import it, or choose IfNotPresent",
                value=one.reference,
            )
        return self._images.pull(one.reference, auth=self._auth(pod))

    def _auth(self, pod: dict[str, Any] | None) -> "Auth | None":
        """Return the logins in the Secrets that a pod names; one that is not there is passed over, as by a kubelet."""
        named = pod["spec"].get("imagePullSecrets") if pod else None
        if not pod or not named:
            return None
        from podwright.images.distribution.credentials import Auth

        return Auth.of_secrets(self._objects.logins(pod["metadata"]["namespace"], [item["name"] for item in named]))


@contextmanager
def _undone_by(undo: Callable[[], None]) -> Iterator[None]:
    """Undo what was begun when it fails, and tell of both failures when the undoing fails too."""
    try:
        yield
    except BaseException as error:
        try:
            undo()
        except (PodwrightError, OSError) as second:
            if not isinstance(error, (PodwrightError, OSError)) or str(second) == str(error):
                raise error from second
            raise HostError(f"{error}; what was made so far could not be removed: {second}") from error
        raise


@contextmanager
def _despite_a_full_disk() -> Iterator[None]:
    """Go on without what was to be written: whoever deletes a pod may do it to make room."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise


def _pulls_always(container: dict[str, Any]) -> bool:
    return bool(container.get("imagePullPolicy") == "Always")


def _resolved(record: Record, images: dict[str, Image]) -> dict[str, dict[str, str]]:
    return {
        one.key: {"reference": one.reference, "digest": images[one.key].digest}
        for one in needed(record.pod)
        if one.key in images
    }


def _interrupted(record: Record) -> list[Problem]:
    """Name the containers whose last update was begun and not ended."""
    message = "its last update was interrupted"
    restarts = record.updating.get("restart", [])
    resized = record.updating.get("inPlace", [])
    return [
        *(Problem(f"spec.containers[{name}]", message, f"restart container {name}") for name in restarts),
        *(Problem(f"spec.containers[{name}].resources", message, "in-place") for name in resized),
    ]
