# SPDX-License-Identifier: Apache-2.0
"""Pods as native containers: plans and cgroups made here, carried out by ``podinit supervise``."""

import contextlib
import os
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from podwright.cgroups.hierarchy import detect
from podwright.cgroups.limits import Limits
from podwright.cgroups.manager import SANDBOX, CgroupManager
from podwright.config import Config
from podwright.errors import AgentError, HostError
from podwright.files import make_folders, write_atomic
from podwright.images.store import Image, ImageStore
from podwright.manifest.config_volumes import is_config
from podwright.manifest.lone import is_stopped
from podwright.manifest.names import hostname_of
from podwright.network import etc_files, host, veth
from podwright.network.subnet import parse
from podwright.plan.model import Problem
from podwright.pods import conditions, external, members, resources, settings, volumes
from podwright.pods.ownership import group_of
from podwright.pods.sources import Finder, Sources, containers_of
from podwright.pods.status import pod_object
from podwright.pods.storage import storage_plan
from podwright.pods.store import PodStore, Record
from podwright.pods.supervisor import Supervisor
from podwright.trees import remove_tree

if TYPE_CHECKING:
    from podwright.pods.claims import ClaimStore
    from podwright.pods.container_plans import ContainerPlans
    from podwright.pods.facts import Facts

SHM_SIZE = 64 << 20  # bytes of /dev/shm, as every container engine has it


class NativePods:
    """The pod manager of runtime class ``pod-containers``."""

    def __init__(self, config: Config, store: PodStore, podinit: str, images: ImageStore, objects: Finder) -> None:
        self._config = config
        self._store = store
        self._podinit = podinit
        self._images = images
        self._objects = objects
        self._addresses = host.pool(config)
        self._gateway = parse(config.network_subnet).gateway

    def supervisor(self, uid: str) -> Supervisor:
        """Return the pod's supervisor, whether it lives or not."""
        return Supervisor(self._podinit, self._store.pod_dir(uid), self._store.run_dir(uid))

    def check_runtime(self, pod: Mapping[str, Any]) -> None:
        """Refuse a (normalised) pod that this host's configuration cannot run."""
        from podwright.pods import sysctls  # here as below: whoever finds a pod unchanged needs none

        external.chosen(self._config, pod)
        sysctls.check(self._config, pod)

    def check(self, record: Record, images: dict[str, Image]) -> None:
        """Refuse what this host, or an image, cannot give; touches nothing."""
        from podwright.pods import claims, environment, projection, propagation, volume_mounts

        settings.check(record, images, self._images, self._config.root)
        self._limits(record)
        claims.check(record, self._claims, self._store)
        runtime = external.chosen(self._config, record.pod)
        propagation.check(record, external=runtime is not None)
        program = runtime.path if runtime else None
        sources, facts = self._sources(record), self._facts(record, self._gateway)  # in place of the pod's own address
        for field, container in containers_of(record.pod):
            variables = environment.declared(container, field, sources, facts)
            volume_mounts.mounts_of(
                record,
                container,
                field,
                variables,
                "",
                self._claims,
                recursive=lambda: external.is_recursive(program),
            )
        for volume in settings.volumes_of(record):
            projection.files(volume, sources, facts)

    def create(self, record: Record, images: dict[str, Image]) -> None:
        """Make the sandbox and start all containers. What is there already of the pod is used or replaced."""
        from podwright.pods import claims
        from podwright.pods.container_plans import write_json
        from podwright.pods.needed import image_volumes, volume_key

        address = self._addresses.lease(record.uid)
        bridge = host.ensure(self._config)
        folder = self._store.pod_dir(record.uid)
        self._write_etc(record, address)
        volumes.make(settings.volumes_of(record), folder, group_of(record.pod))
        claims.prepare(record, self._claims)
        groups = self._cgroups()
        directories = groups.create(record.uid, *self._limits(record))
        wanted = external.chosen(self._config, record.pod)
        runtime = external.sandbox_entry(wanted, self._store.run_dir(record.uid), directories[SANDBOX])
        plans = self._plans(record, groups, address, runtime)
        for container in record.all_containers:
            plans.write(container, images.get(container["name"]), directories[container["name"]])
        make_folders(f"{folder}/shm")
        make_folders(self._store.run_dir(record.uid))
        names = [volume["name"] for volume in image_volumes(record.pod)]
        layers = [[name, self._images.lower_dirs(images[volume_key(name)])] for name in names]
        plan = self._sandbox_plan(record, directories[SANDBOX], bridge.plan(record.uid, address), runtime, layers)
        write_json(f"{folder}/sandbox.json", plan)
        has_content = any(map(is_config, settings.volumes_of(record)))
        self.supervisor(record.uid).start((lambda pod: self._fill(record, pod)) if has_content else None)

    def update(self, record: Record, images: dict[str, Image], restart: list[str]) -> None:
        """Give all containers the limits of the new record, and restart some of them from their new plans.

        Those that get other limits by a restart get them while they do not run.
        """
        groups, grace = self._cgroups(), record.pod["spec"]["terminationGracePeriodSeconds"]
        pod, containers = self._limits(record)
        held = groups.differ(record.uid, {name: containers[name] for name in restart})
        with groups.resizing(record.uid, pod):
            groups.apply(record.uid, {name: limits for name, limits in containers.items() if name not in held})
            if held:
                self.supervisor(record.uid).hold(held, grace)
                groups.apply(record.uid, {name: containers[name] for name in held})
            self._renew(record, images, restart, groups)
            if restart:
                self.supervisor(record.uid).update(restart, grace)

    def check_update(self, record: Record, restart: Collection[str]) -> None:
        """Refuse limits that what runs would not survive; the containers to ``restart`` stop before theirs change."""
        groups = self._cgroups()
        pod, containers = self._limits(record)
        groups.check(pod, containers)
        fields = {item["name"]: resources.memory_field(record, item) for item in record.all_containers}
        groups.check_memory(record.uid, pod, containers, fields, restart)

    def _renew(self, record: Record, images: dict[str, Image], restart: list[str], groups: CgroupManager) -> None:
        """Write what the containers that restart will find, and the content of the pod's volumes."""
        runtime = external.recorded_entry(self._store.pod_dir(record.uid))
        address = self._addresses.all().get(record.uid, "") if restart else ""
        plans = self._plans(record, groups, address, runtime)
        for container in record.all_containers:
            name = container["name"]
            if name in restart:
                plans.write(container, images.get(name), groups.directories(record.uid, name))
        if any(map(is_config, settings.volumes_of(record))):
            with self.supervisor(record.uid).folder() as pod:
                self._fill(record, pod)

    def destroy(self, uid: str, grace: int) -> None:
        """Stop the pod and leave nothing of it but its folder, whatever of it is there."""
        with contextlib.suppress(AgentError):  # it hangs, has lost its socket, or died just now
            self.supervisor(uid).stop(grace)
        groups = self._cgroups()
        groups.kill(uid)  # what a dead supervisor has left behind, or a supervisor that hangs
        groups.remove(uid)
        veth.delete(veth.host_ifname(uid))  # the supervisor did, if it lived
        remove_tree(self._store.run_dir(uid))

    def release(self, uid: str) -> None:
        """Give back what a stopped pod keeps: its address."""
        self._addresses.release(uid)

    def problems(self, record: Record) -> list[Problem]:
        """Name what of a running pod is broken, or what of a stopped one runs, from a few reads of the kernel."""
        if is_stopped(record.pod):
            runs = self.supervisor(record.uid).alive()
            return [Problem("status", "it runs, though it is stopped", "stop container")] if runs else []
        if not self.supervisor(record.uid).alive():
            return [Problem("status.supervisor", "the pod's supervisor does not run", "recreate pod")]
        if not self.supervisor(record.uid).reachable():
            return [Problem("status.supervisor", "the pod's supervisor has lost its socket", "recreate pod")]
        if self.supervisor(record.uid).is_foreign():
            return [Problem("status.supervisor", "another release of podwright started the pod", "recreate pod")]
        interface = veth.host_ifname(record.uid)
        if not veth.attached(interface, self._config.network_bridge):
            message = f"the pod's interface {interface} is not on bridge {self._config.network_bridge}"
            return [Problem("status.podIP", message, "recreate pod")]
        drift = self._cgroups().drift(record.uid, *self._limits(record))
        return [Problem("status.resources", sentence, "in-place") for sentence in drift]

    def pods(self, records: Sequence[Record]) -> list[dict[str, Any]]:
        """Return each v1.Pod as it is now. ``hostIP`` is the bridge's address, by which the pod reaches its host."""
        addresses = self._addresses.all()  # once: all of them are in one file
        return [
            pod_object(
                record,
                self.supervisor(record.uid).state(),
                address=addresses.get(record.uid),
                host_address=self._gateway,
                said=conditions.read(self._store.run_dir(record.uid)),
            )
            for record in records
        ]

    def _sources(self, record: Record) -> Sources:
        return Sources(self._objects, record.namespace)

    def _facts(self, record: Record, address: str) -> "Facts":
        from podwright.pods.facts import Facts

        return Facts(record.pod, record.uid, address, self._gateway, self._config.root)

    def _plans(
        self, record: Record, groups: CgroupManager, address: str, runtime: dict[str, Any] | None
    ) -> "ContainerPlans":
        from podwright.pods.container_plans import ContainerPlans
        from podwright.pods.environment import declared

        sources, facts = self._sources(record), self._facts(record, address)
        return ContainerPlans(
            record,
            self._store.pod_dir(record.uid),
            self._config.root,
            self._images,
            self._claims,
            groups,
            address,
            runtime,
            lambda container, where: declared(container, where, sources, facts),
        )

    def _fill(self, record: Record, pod: str) -> None:
        """Write the files of configuration into the pod's folder, as its supervisor sees it: into memory."""
        from podwright.pods import atomic_tree, projection

        sources = self._sources(record)
        for volume in filter(is_config, settings.volumes_of(record)):
            folder = volumes.source(volume, pod)
            if os.stat(folder).st_dev == os.stat(os.path.dirname(folder)).st_dev:
                raise HostError(
                    f"spec.volumes[{volume['name']}]: its memory is not mounted; delete the pod, apply it anew"
                )
            atomic_tree.write(folder, projection.files(volume, sources, self._facts(record, "")))

    @property
    def _claims(self) -> "ClaimStore":
        from podwright.pods.claims import ClaimStore

        return ClaimStore(self._config.root)

    def _cgroups(self) -> CgroupManager:
        return detect(self._config.cgroups_parent, missing=self._config.cgroups_missing)

    def _limits(self, record: Record) -> tuple[Limits, dict[str, Limits]]:
        return resources.limits_of(record, self._config.pods_pids_limit)

    def _sandbox_plan(
        self,
        record: Record,
        cgroups: list[str],
        network: Mapping[str, object],
        runtime: dict[str, Any] | None,
        image_layers: list[list[Any]],
    ) -> dict[str, Any]:
        from podwright.pods import propagation, sysctls

        spec = record.pod["spec"]
        return {
            "version": 3,
            "uid": record.uid,
            "name": record.name,
            "namespace": record.namespace,
            "hostname": hostname_of(record.pod),
            "backOff": members.BACK_OFF,
            "gracePeriod": spec["terminationGracePeriodSeconds"],
            "activeDeadline": 1000 * spec.get("activeDeadlineSeconds", 0),
            "storage": storage_plan(record),
            "cgroups": cgroups,
            "shmSize": SHM_SIZE,
            "memoryVolumes": volumes.shared_memory(
                settings.volumes_of(record), self._limits(record)[0].memory_max, group_of(record.pod)
            ),
            "imageVolumes": image_layers,
            "sysctls": sysctls.rows(record.pod),
            "sharedVolumes": propagation.rows(record, self._store.pod_dir(record.uid), self._claims),
            "network": network,
            "containers": members.members(record),
            "runtime": runtime,
        }

    def _write_etc(self, record: Record, address: str) -> None:
        folder = f"{self._store.pod_dir(record.uid)}/etc"
        make_folders(folder)
        hostname = hostname_of(record.pod)
        resolvers, _ = etc_files.resolv_conf(*etc_files.read_host_resolvers())
        files = {
            "hosts": etc_files.hosts(address, hostname, aliases=record.pod["spec"].get("hostAliases", ())),
            "hostname": etc_files.hostname(hostname),
            "resolv.conf": resolvers,
        }
        for name, text in files.items():
            write_atomic(f"{folder}/{name}", text.encode(), mode=0o644, sync=False)
