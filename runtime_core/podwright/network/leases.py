# SPDX-License-Identifier: Apache-2.0
"""Which pod has which address: one file, one lock, no server."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from podwright.errors import HostError
from podwright.files import canonical_json, locked, make_folders, read_json, remove_temporary, write_atomic
from podwright.network.subnet import Subnet, to_int, to_text

_VERSION = 1


class AddressPool:
    """The addresses of ``subnet``, leased by pod uid in ``<root>/network/leases.json``.

    Every call takes the lock ``<root>/network/lock`` by itself. A lease lasts until it is released: it survives
    crashes and reboots, as the pod does.
    """

    def __init__(self, root: str, subnet: Subnet) -> None:
        self._folder = f"{root}/network"
        self._path = f"{root}/network/leases.json"
        self._subnet = subnet

    def lease(self, uid: str) -> str:
        """Return the pod's address, and lease the lowest free one if it has none yet.

        A pod whose address is of another subnet (the configuration changed) gets a new one. Raises HostError when all
        addresses are taken.
        """
        with self.locked():
            leases = self._read()
            held = leases.get(uid)
            if held is not None and to_int(held) in self._subnet.pod_addresses():
                return held
            taken = {to_int(address) for address in leases.values()}
            free = next((number for number in self._subnet.pod_addresses() if number not in taken), None)
            if free is None:
                raise HostError(
                    f"all {len(self._subnet.pod_addresses())} addresses of the subnet {self._subnet} are taken: "
                    "delete pods, or set a larger network.subnet in podwright.toml",
                    field="network.subnet",
                    value=str(self._subnet),
                )
            leases[uid] = to_text(free)
            self._write(leases)
            return leases[uid]

    def release(self, uid: str) -> None:
        """Take a pod's address back; nothing happens when it has none."""
        if not os.path.isdir(self._folder):
            return
        with self.locked():
            leases = self._read()
            if leases.pop(uid, None) is not None:
                self._write(leases)

    def all(self) -> dict[str, str]:
        """Return every lease: uid to address."""
        return self._read()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the pool: nobody leases or releases meanwhile (the holder may not, either: it would wait for itself)."""
        make_folders(self._folder)
        with locked(f"{self._folder}/lock"):
            remove_temporary(self._folder)
            yield

    def _read(self) -> dict[str, str]:
        try:
            data = read_json(self._path)
        except ValueError:
            data = "damaged"
        if data is None:
            return {}
        if isinstance(data, dict) and data.get("version") == _VERSION and _are_leases(data.get("leases")):
            return dict(data["leases"])
        raise HostError(
            f"{self._path} is damaged, or of another release of podwright: "
            "remove it, then delete each pod and apply it again"
        )

    def _write(self, leases: dict[str, str]) -> None:
        write_atomic(self._path, canonical_json({"version": _VERSION, "leases": leases}))


def _are_leases(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    try:
        return all(to_int(address) for address in value.values())
    except (OSError, TypeError):  # no address, not even a text
        return False
