# SPDX-License-Identifier: Apache-2.0
"""What podinit reads of a container: how to start it, what to run in it, its life; and the OCI form of the same."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from podwright.cgroups.manager import CgroupManager
from podwright.files import canonical_json, make_folders, write_atomic
from podwright.images.store import Image, ImageStore
from podwright.manifest.expand import expand
from podwright.manifest.names import hostname_of
from podwright.oci.oom import allowed_oom_score_adj, host_memory
from podwright.oci.plan import compile_plan
from podwright.oci.spec import Cgroup, Sandbox, container_spec
from podwright.pods import external, resources, settings
from podwright.pods.claims import ClaimStore
from podwright.pods.life import compile_life, message_bind
from podwright.pods.sources import containers_of
from podwright.pods.store import Record
from podwright.pods.volume_mounts import Mounts, mounts_of

Container = dict[str, Any]


class ContainerPlans(NamedTuple):
    """The plans of one pod's containers."""

    record: Record
    pod_dir: str
    root: str
    """The folder of all state."""
    images: ImageStore
    claims: ClaimStore
    groups: CgroupManager
    address: str
    """The pod's."""
    runtime: dict[str, Any] | None
    """The external runtime as the sandbox's plan has it; None for podinit itself."""
    declared: Callable[[Container, str], dict[str, str]]
    """Returns the variables of a container, which is at that field of the pod's spec."""

    def write(self, container: Container, image: Image | None, cgroups: list[str]) -> None:
        """Write the files of a container, which is in these cgroups; ``image`` is None when it has a rootfs."""
        from podwright.oci.exec_plan import compile_command

        name = container["name"]
        folder = f"{self.pod_dir}/containers/{name}"
        ground = settings.ground_of(container, image, self.images)
        rights = settings.security_settings(self.record, container)
        seccomp = settings.seccomp_filter(self.record, container, rights, self.root)
        declared, mounts = self._configuration(container)
        spec = self._spec(container, ground, declared, [*mounts.binds, message_bind(container, folder)], cgroups)
        plan = compile_plan(
            spec,
            name=name,
            spec_hash=hashlib.sha256(canonical_json([container, ground.identity])).hexdigest(),
            stop_signal=settings.stop_signal_of(container, ground),
            lower=ground.layers,
            cgroups=cgroups,
            oom_events=self.groups.oom_events(self.record.uid, name),
            seccomp=seccomp,
            sub_paths=mounts.sub_paths,
        )
        for part in ("rootfs", "rw", "logs"):
            make_folders(f"{folder}/{part}")
        grace = self.record.pod["spec"]["terminationGracePeriodSeconds"]
        write_json(f"{folder}/config.json", self._complete(spec, container))
        write_json(f"{folder}/plan.json", plan)
        write_json(f"{folder}/exec.json", compile_command(spec, cgroups=cgroups, seccomp=seccomp))
        write_json(f"{folder}/life.json", compile_life(container, self.address, grace))

    def _configuration(self, container: Container) -> tuple[dict[str, str], Mounts]:
        where = next(field for field, item in containers_of(self.record.pod) if item["name"] == container["name"])
        declared = self.declared(container, where)
        program = self.runtime["path"] if self.runtime else None
        return declared, mounts_of(
            self.record,
            container,
            where,
            declared,
            self.pod_dir,
            self.claims,
            recursive=lambda: external.is_recursive(program),
        )

    def _spec(
        self,
        container: Container,
        ground: settings.Ground,
        declared: Mapping[str, str],
        volumes: list[Any],
        cgroups: list[str],
    ) -> dict[str, Any]:
        record, name = self.record, container["name"]
        limits = resources.container_limits_of(record, container)
        return container_spec(
            record.pod,
            container,
            ground.config,
            sandbox=Sandbox(record.uid, hostname_of(record.pod), self.pod_dir),
            cgroup=Cgroup(self.groups.path(record.uid, name), cgroups, limits),
            user=settings.user_of(record, container, ground),
            security=settings.security_settings(record, container),
            volumes=volumes,
            oom_score_adj=allowed_oom_score_adj(resources.oom_score(record, container, host_memory())),
            declared=declared,
            expand=expand,
        )

    def _complete(self, spec: dict[str, Any], container: Container) -> dict[str, Any]:
        """Return what the bundle says: an external runtime is told there what podinit is told in the plan."""
        if self.runtime is None:
            return spec
        return external.complete(spec, self.runtime, settings.localhost_profile(self.record, container, self.root))


def write_json(path: str, value: object) -> None:
    """Write a file that is made anew after a crash, and so need not survive one."""
    write_atomic(path, canonical_json(value), sync=False)
