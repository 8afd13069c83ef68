# SPDX-License-Identifier: Apache-2.0
"""Volumes that outlive pods: each is a PersistentVolumeClaim and a directory.

::

    <root>/volumes/<namespace>_<name>/claim.json    the claim, as ``podwright.manifest.claims`` keeps it
    <root>/volumes/<namespace>_<name>/data/         what containers see
    <root>/volumes/.gone-*                          what a delete was interrupted at
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from podwright.errors import HostError
from podwright.files import canonical_json, locked, make_folders, remove_temporary, sync_directory, write_atomic
from podwright.manifest import claims
from podwright.pods import ownership
from podwright.pods.objects import Kept, file_name, read_kept
from podwright.pods.store import PodStore, Record
from podwright.trees import remove_tree

_GONE = ".gone-"


class ClaimStore:
    """The volumes below ``root``."""

    def __init__(self, root: str) -> None:
        self._folder = f"{root}/volumes"

    def data(self, namespace: str, name: str) -> str:
        """Return the directory of a volume, whether it is there or not."""
        return f"{self._place(namespace, name)}/data"

    def find(self, _kind: str, namespace: str, name: str) -> Kept | None:
        """Return a claim, or None. Raises HostError for one that is damaged."""
        return read_kept(f"{self._place(namespace, name)}/claim.json", claims.KIND)

    def all(self, _kind: str) -> list[Kept]:
        """Return all claims, sorted by namespace and name."""
        found = (read_kept(f"{self._folder}/{name}/claim.json", claims.KIND) for name in self._names())
        return sorted(filter(None, found), key=lambda one: (one["metadata"]["namespace"], one["metadata"]["name"]))

    def write(self, kept: Kept) -> None:
        """Keep a claim, and make its volume if there is none; what is in one stays."""
        make_folders(self._folder)
        with locked(f"{self._folder}/.lock"):
            self._write(kept)

    def ensure(self, namespace: str, name: str) -> str:
        """Return the directory of a volume, which is made when there is none."""
        make_folders(self._folder)
        with locked(f"{self._folder}/.lock"):
            if self.find(claims.KIND, namespace, name) is None or not os.path.isdir(self.data(namespace, name)):
                self._write(self.find(claims.KIND, namespace, name) or claims.empty(namespace, name))
        return self.data(namespace, name)

    def remove(self, namespace: str, name: str, pods: PodStore) -> None:
        """Remove a volume with all that is in it; one that is not there is no error.

        Raises HostError when a pod or a container alone names it.
        """
        make_folders(self._folder)
        with locked(f"{self._folder}/.lock"):  # whoever starts a pod has recorded it before he asks for its volumes
            users = list(users_of(pods, namespace, name))
            if users:
                raise HostError(f"persistentvolumeclaim {name} is used by {', '.join(users)}; delete that first")
            place = self._place(namespace, name)
            if os.path.isdir(place):
                os.rename(place, f"{self._folder}/{_GONE}{os.urandom(4).hex()}")
                sync_directory(self._folder)
            for left in os.listdir(self._folder):
                if left.startswith(_GONE):
                    remove_tree(f"{self._folder}/{left}")

    def _write(self, kept: Kept) -> None:
        metadata = kept["metadata"]
        place = self._place(metadata["namespace"], metadata["name"])
        make_folders(place)
        remove_temporary(place)
        if not os.path.isdir(f"{place}/data"):
            os.mkdir(f"{place}/data", 0o700)
            os.chmod(f"{place}/data", 0o777)  # noqa: S103  # as an emptyDir: any user of a pod may write
        write_atomic(f"{place}/claim.json", canonical_json(kept))

    def _place(self, namespace: str, name: str) -> str:
        return f"{self._folder}/{file_name(namespace, name)}"

    def _names(self) -> list[str]:
        try:
            return [name for name in os.listdir(self._folder) if name[0] != "."]
        except FileNotFoundError:
            return []


def claims_of(pod: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the path and the source of each persistent volume that a (normalised) pod names."""
    for volume in pod["spec"].get("volumes", ()):
        if "persistentVolumeClaim" in volume:
            yield f"spec.volumes[{volume['name']}].persistentVolumeClaim", volume["persistentVolumeClaim"]


def users_of(pods: PodStore, namespace: str, name: str) -> Iterator[str]:
    """Yield the pods and containers alone that name a volume."""
    for record in (*pods.all("Pod"), *pods.all("Container")):
        if record.namespace == namespace and any(one["claimName"] == name for _, one in claims_of(record.pod)):
            yield f"{record.kind.lower()} {record.name}"


def check(record: Record, store: ClaimStore, pods: PodStore) -> None:
    """Raise HostError, which names the field, for a volume that is for one pod alone, and another's already."""
    own = f"{record.kind.lower()} {record.name}"
    for field, source in claims_of(record.pod):
        name = source["claimName"]
        kept = store.find(claims.KIND, record.namespace, name)
        if kept is None or claims.ONE_POD not in kept["spec"].get("accessModes", ()):
            continue
        others = [user for user in users_of(pods, record.namespace, name) if user != own]
        if others:
            reason = f"{name} has the access mode {claims.ONE_POD}, and {others[0]} uses it; delete that first"
            raise HostError(f"{field}.claimName: {reason}", field=f"{field}.claimName", value=name)


def prepare(record: Record, store: ClaimStore) -> None:
    """Make the volumes that a pod names where there are none, and give all of them to its group."""
    group = ownership.group_of(record.pod)
    context = record.pod["spec"].get("securityContext") or {}
    for _field, source in claims_of(record.pod):
        folder = store.ensure(record.namespace, source["claimName"])
        if group is not None:
            on_mismatch = context.get("fsGroupChangePolicy") == "OnRootMismatch"
            read_only = bool(source.get("readOnly"))
            ownership.give(folder, group, read_only=read_only, unless_root_fits=on_mismatch)
